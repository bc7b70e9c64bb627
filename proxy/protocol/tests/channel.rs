//! The records of channels, both ways, as `tests/vectors/channel.json` has them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use browser_stream_protocol::channel::{Decoder, Delivered, News, Published, Records};
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Vectors {
    published: Vec<Vector>,
    delivered: Vec<Vector>,
    news: Vec<Vector>,
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
}

fn vectors() -> Vectors {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/channel.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A record as the vectors say it, and the bytes of its message if it has some.
trait Told: Records + std::fmt::Debug {
    fn told(&self) -> Value;
}

fn message(bytes: &Bytes, last: bool) -> Value {
    json!({ "type": "bytes", "bytes": hex(bytes), "last": last })
}

impl Told for Published {
    fn told(&self) -> Value {
        match self {
            Self::Bytes { bytes, last } => message(bytes, *last),
            Self::Cut => json!({ "type": "cut" }),
            Self::End(ending) => json!({ "type": "end", "code": ending.code, "text": ending.text }),
        }
    }
}

impl Told for Delivered {
    fn told(&self) -> Value {
        match self {
            Self::Bytes { publisher, bytes, last } => {
                let mut told = message(bytes, *last);
                told["publisher"] = (*publisher).into();
                told
            }
            Self::Cut(publisher) => json!({ "type": "cut", "publisher": publisher }),
            Self::Joined { publisher, first, who } => {
                json!({ "type": "joined", "publisher": publisher, "first": first, "who": String::from_utf8_lossy(who) })
            }
            Self::Skipped { publisher, messages } => json!({ "type": "skipped", "publisher": publisher, "messages": messages }),
            Self::Left(publisher, ending) => json!({ "type": "left", "publisher": publisher, "code": ending.code, "text": ending.text }),
            Self::End(ending) => json!({ "type": "end", "code": ending.code, "text": ending.text }),
        }
    }
}

impl Told for News {
    fn told(&self) -> Value {
        match self {
            Self::Readers(count) => json!({ "type": "readers", "count": count }),
            Self::Came { reader, id } => json!({ "type": "came", "reader": reader, "id": hex(id) }),
            Self::Left { reader, code, taken } => json!({ "type": "left", "reader": reader, "code": code, "taken": taken }),
            Self::Progress { slowest, delivered } => json!({ "type": "progress", "slowest": slowest, "delivered": delivered }),
            Self::End(ending) => json!({ "type": "end", "code": ending.code, "text": ending.text }),
        }
    }
}

/// The records in these bytes, which come in chunks of so many; parts of one message are joined.
fn decode<R: Told>(bytes: &[u8], step: usize) -> Result<Vec<Value>, String> {
    let (mut decoder, mut told) = (Decoder::<R>::default(), Vec::<Value>::new());
    for chunk in bytes.chunks(step) {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(record) = decoder.next().map_err(|error| error.to_string())? {
            let mut next = record.told();
            match told.last_mut() {
                Some(before) if before["type"] == "bytes" && next["type"] == "bytes" && before["last"] == false => {
                    next["bytes"] = format!("{}{}", before["bytes"].as_str().unwrap(), next["bytes"].as_str().unwrap()).into();
                    *before = next;
                }
                _ => told.push(next),
            }
        }
    }
    assert!(decoder.is_between_records());
    Ok(told)
}

fn each_is_read<R: Told>(vectors: &[Vector]) {
    for vector in vectors {
        let mut expected = vector.record.clone();
        if vector.zeros > 0 {
            expected.as_object_mut().unwrap().remove("length");
            expected["bytes"] = "00".repeat(vector.zeros).into();
        }
        for step in [1, 2, 7, usize::MAX] {
            assert_eq!(decode::<R>(&vector.bytes(), step).unwrap(), vec![expected.clone()], "{} in {step}", vector.name);
        }
        if !vector.decode_only {
            let mut decoder = Decoder::<R>::default();
            decoder.push(vector.bytes().into());
            let mut out = BytesMut::new();
            decoder.next().unwrap().unwrap().write(&mut out);
            assert_eq!(hex(&out), hex(&vector.bytes()), "{}", vector.name);
        }
    }
}

#[test]
fn each_record_is_read_wherever_it_is_cut_and_written_as_it_was() {
    let vectors = vectors();
    each_is_read::<Published>(&vectors.published);
    each_is_read::<Delivered>(&vectors.delivered);
    each_is_read::<News>(&vectors.news);
}

#[test]
fn records_in_a_row_are_read_whatever_the_chunks() {
    let vectors = vectors();
    let row: Vec<u8> = vectors.delivered.iter().filter(|vector| vector.record["last"] != false).flat_map(Vector::bytes).collect();
    let whole = decode::<Delivered>(&row, usize::MAX).unwrap();
    for step in [1, 3, 10, 100, 65_530] {
        assert_eq!(decode::<Delivered>(&row, step).unwrap(), whole, "in {step}");
    }
}

#[test]
fn what_is_no_record_is_refused_at_the_latest_with_its_last_byte() {
    for Refused { direction, name, hex } in vectors().refused {
        for step in [1, usize::MAX] {
            let refused = match direction.as_str() {
                "published" => decode::<Published>(&bytes(&hex), step),
                "delivered" => decode::<Delivered>(&bytes(&hex), step),
                _ => decode::<News>(&bytes(&hex), step),
            };
            assert!(refused.is_err(), "{direction}: {name} in {step}");
        }
    }
}

#[test]
fn bytes_of_a_message_come_out_as_slices_of_what_came_in() {
    let mut decoder = Decoder::<Published>::default();
    let chunk = Bytes::from([&[2, 0x80, 0x20][..], &[7; 4096]].concat());
    decoder.push(chunk.clone());
    let Some(Published::Bytes { bytes, last: true }) = decoder.next().unwrap() else { panic!("a last part") };
    assert_eq!(bytes.as_ptr(), chunk[3..].as_ptr());
}
