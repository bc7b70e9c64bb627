//! The records of rooms, both ways, as `tests/vectors/room.json` has them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Debug;

use browser_stream_protocol::room::{Answer, Decoder, Emit, EventName, Record, Said, Told};
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
struct Vectors {
    said: Vec<Vector>,
    told: Vec<Vector>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    hex: String,
    #[serde(default)]
    zeros: usize,
    #[serde(default)]
    decode_only: bool,
    record: Value,
}

#[derive(Deserialize)]
struct Refused {
    direction: String,
    name: String,
    hex: String,
}

impl Vector {
    fn bytes(&self) -> Vec<u8> {
        [bytes(&self.hex), vec![0; self.zeros]].concat()
    }

    fn expected(&self) -> Value {
        let mut expected = self.record.clone();
        if self.zeros > 0 {
            expected.as_object_mut().unwrap().remove("length");
            expected["body"] = "00".repeat(self.zeros).into();
        }
        expected
    }
}

fn vectors() -> Vectors {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/room.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A record as the vectors say it; what it has not is absent.
trait Shown: Record + Debug {
    fn shown(&self) -> Value;
}

fn some(fields: Value) -> Value {
    let fields: Map<String, Value> = serde_json::from_value(fields).unwrap();
    let is_there = |value: &Value| !value.is_null() && *value != json!([]) && *value != json!("absent");
    fields.into_iter().filter(|(_, value)| is_there(value)).collect()
}

fn flag(is_set: bool) -> Value {
    if is_set { true.into() } else { Value::Null }
}

fn answer(answer: &Answer, mut rest: Value) -> Value {
    match answer {
        Ok(value) => (rest["code"], rest["body"]) = (0.into(), hex(value).into()),
        Err(ending) => (rest["code"], rest["text"]) = (ending.code.into(), ending.text.clone().into()),
    }
    rest
}

fn emit(emit: &Emit) -> Value {
    some(json!({
        "type": "emit",
        "event": emit.name.as_str(),
        "body": hex(&emit.body),
        "volatile": flag(emit.is_volatile),
        "ref": emit.asks.map(|asks| asks.0),
        "timeout": emit.asks.map(|asks| asks.1),
        "to": emit.to,
        "except": emit.except,
        "everywhere": flag(emit.is_everywhere),
    }))
}

impl Shown for Said {
    fn shown(&self) -> Value {
        match self {
            Self::Emit(one) => emit(one),
            Self::Answer { ask, answer: one } => answer(one, json!({ "type": "answer", "ask": ask })),
            Self::Profile(profile) => json!({ "type": "profile", "profile": text(profile) }),
            Self::Got(count) => json!({ "type": "got", "count": count }),
            Self::Leave { is_peer, text } => json!({ "type": "leave", "scope": u8::from(*is_peer), "text": text }),
        }
    }
}

impl Shown for Told {
    fn shown(&self) -> Value {
        match self {
            Self::Event { from, is_volatile, ask, name, body } => some(json!({
                "type": "event",
                "from": from,
                "volatile": flag(*is_volatile),
                "ask": ask,
                "event": name.as_str(),
                "body": hex(body),
            })),
            Self::Answer { number, from, answer: one } => answer(one, json!({ "type": "answer", "ref": number, "from": from })),
            Self::Asked { number, members } => json!({ "type": "asked", "ref": number, "numbers": members }),
            Self::Member { number, is_live, who } => json!({ "type": "member", "number": number, "live": is_live, "member": text(who) }),
            Self::Joined { number, who } => json!({ "type": "joined", "number": number, "member": text(who) }),
            Self::Profile { number, profile } => json!({ "type": "profile", "number": number, "profile": text(profile) }),
            Self::Live { number, is_live } => json!({ "type": "live", "number": number, "live": is_live }),
            Self::Leaving { number, ending, rooms } => {
                json!({ "type": "leaving", "number": number, "code": ending.code, "text": ending.text, "rooms": text(rooms) })
            }
            Self::Left { number, ending } => json!({ "type": "left", "number": number, "code": ending.code, "text": ending.text }),
            Self::Lost(count) => json!({ "type": "lost", "count": count }),
            Self::Got(count) => json!({ "type": "got", "count": count }),
            Self::Refused(ending) => json!({ "type": "refused", "code": ending.code, "text": ending.text }),
            Self::Moved(to) => json!({ "type": "moved", "to": text(to) }),
            Self::End(ending) => json!({ "type": "end", "code": ending.code, "text": ending.text }),
        }
    }
}

fn decode<R: Shown>(bytes: &[u8], step: usize) -> Result<Vec<Value>, String> {
    let (mut decoder, mut shown) = (Decoder::<R>::default(), Vec::new());
    for chunk in bytes.chunks(step) {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(record) = decoder.next().map_err(|error| error.to_string())? {
            shown.push(record.shown());
        }
    }
    assert!(decoder.is_between_records());
    Ok(shown)
}

fn each_is_read<R: Shown>(vectors: &[Vector]) {
    for vector in vectors {
        let (bytes, expected) = (vector.bytes(), vector.expected());
        for step in [1, 2, 7, usize::MAX].into_iter().filter(|&step| vector.zeros == 0 || step > 2) {
            assert_eq!(decode::<R>(&bytes, step).unwrap(), vec![expected.clone()], "{} in {step}", vector.name);
        }
        if !vector.decode_only {
            let mut decoder = Decoder::<R>::default();
            decoder.push(bytes.clone().into());
            let mut out = BytesMut::new();
            decoder.next().unwrap().unwrap().write(&mut out);
            assert_eq!(hex(&out), hex(&bytes), "{}", vector.name);
        }
    }
}

#[test]
fn each_record_is_read_wherever_it_is_cut_and_written_as_it_was() {
    let vectors = vectors();
    each_is_read::<Said>(&vectors.said);
    each_is_read::<Told>(&vectors.told);
}

#[test]
fn records_in_a_row_are_read_whatever_the_chunks() {
    let vectors = vectors();
    let row: Vec<u8> = vectors.told.iter().flat_map(Vector::bytes).collect();
    let expected: Vec<Value> = vectors.told.iter().map(Vector::expected).collect();
    for step in [3, 10, 100, 65_530, usize::MAX] {
        assert_eq!(decode::<Told>(&row, step).unwrap(), expected, "in {step}");
    }
}

#[test]
fn threat_26_what_is_no_record_of_a_room_is_refused_at_the_latest_with_its_last_byte() {
    for Refused { direction, name, hex } in vectors().refused {
        for step in [1, usize::MAX] {
            let refused = match direction.as_str() {
                "said" => decode::<Said>(&bytes(&hex), step),
                _ => decode::<Told>(&bytes(&hex), step),
            };
            assert!(refused.is_err(), "{direction}: {name} in {step}");
        }
    }
}

#[test]
fn an_events_arguments_come_out_as_a_slice_of_what_came_in() {
    let mut wire = BytesMut::new();
    Said::Emit(Emit::new(EventName::try_from("x").unwrap(), Bytes::from(vec![7; 4096]))).write(&mut wire);
    let chunk = wire.freeze();
    let mut decoder = Decoder::<Said>::default();
    decoder.push(chunk.clone());
    let Some(Said::Emit(emit)) = decoder.next().unwrap() else { panic!("an event") };
    assert_eq!(emit.body.as_ptr(), chunk[chunk.len() - 4096..].as_ptr());
}

#[test]
fn no_memory_is_taken_for_what_a_head_only_promises() {
    let mut decoder = Decoder::<Said>::default();
    decoder.push(Bytes::from_static(&[1, 0, 1, b'x', 0x80, 0x80, 0x40]));
    assert!(decoder.next().unwrap().is_none());
    assert!(decoder.held() < 1024, "{}", decoder.held());
}
