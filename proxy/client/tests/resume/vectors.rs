//! The vectors that both languages read.

use std::sync::Arc;

use browser_stream_client::resume::{Decoder, Identity, MacRequest, Nonce, Reason, Received, Record, Secret, StreamId};
use bytes::{Bytes, BytesMut};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../tests/vectors/resume.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let hex = value.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn record(value: &Value) -> Record {
    let number = |field: &str| value[field].as_u64().unwrap();
    let text = |field: &str| value[field].as_str().unwrap();
    match text("type") {
        "data" => Record::Data { offset: number("offset"), length: number("length") as u32 },
        "fin" => Record::Fin { total: number("total") },
        "ack" => Record::Ack { received: number("received"), room: number("room") },
        "reset" => Record::Reset(Reason::new(text("code"), text("message"))),
        "done" => Record::Done,
        "gone" => Record::Gone,
        "ping" => Record::Ping(number("token")),
        "pong" => Record::Pong(number("token")),
        "join" => Record::Join { stream: StreamId(array(&value["id"])), nonce: Nonce(array(&value["nonce"])) },
        "prove" => Record::Prove { nonce: Nonce(array(&value["nonce"])), mac: browser_stream_client::resume::Mac(array(&value["mac"])) },
        "proof" => Record::Proof { mac: browser_stream_client::resume::Mac(array(&value["mac"])) },
        other => panic!("{other}"),
    }
}

/// Everything that `input` holds, in pieces of `piece` bytes: records, and payload joined.
fn decoded(input: &[u8], piece: usize) -> (Vec<Record>, Vec<u8>) {
    let (mut decoder, mut records, mut payload) = (Decoder::default(), Vec::new(), Vec::new());
    for chunk in input.chunks(piece) {
        let mut chunk = Bytes::copy_from_slice(chunk);
        while let Some(received) = decoder.next(&mut chunk).unwrap() {
            match received {
                Received::Record(record) => records.push(record),
                Received::Payload { bytes, .. } => payload.extend_from_slice(&bytes),
            }
        }
        assert!(chunk.is_empty());
    }
    (records, payload)
}

#[test]
fn every_record_reads_and_writes_as_its_vector_says() {
    let vectors = vectors();
    let mut kinds = std::collections::BTreeSet::new();
    for vector in vectors["records"].as_array().unwrap() {
        let (name, expected) = (&vector["name"], record(&vector["record"]));
        let hex = bytes(&vector["hex"]);
        kinds.insert(hex[0]);
        let zeros = vec![0; vector["zeros"].as_u64().unwrap_or(0) as usize];
        let input = [hex.clone(), zeros.clone()].concat();
        let payload = vector["record"].get("bytes").map_or(zeros, bytes);
        for piece in [1, 3, input.len()] {
            assert_eq!(decoded(&input, piece), (vec![expected.clone()], payload.clone()), "{name}");
        }
        if vector.get("decode_only").is_none() {
            let mut out = BytesMut::new();
            expected.encode(&mut out);
            assert_eq!(&out[..], &hex[..out.len()], "{name}");
            assert_eq!(out.len() + payload.len(), input.len(), "{name}");
        }
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), (1..=11).collect::<Vec<_>>());
}

#[test]
fn all_records_in_one_chunk_are_read_one_after_the_other() {
    let vectors = vectors();
    let short = || vectors["records"].as_array().unwrap().iter().filter(|vector| vector.get("zeros").is_none());
    let input: Vec<u8> = short().flat_map(|vector| bytes(&vector["hex"])).collect();
    let expected: Vec<_> = short().map(|vector| record(&vector["record"])).collect();
    for piece in [1, 7, input.len()] {
        assert_eq!(decoded(&input, piece).0, expected);
    }
}

#[test]
fn threat_13_what_is_no_record_is_refused() {
    let vectors = vectors();
    let refused = vectors["refused"].as_array().unwrap();
    assert!(refused.len() >= 3);
    for vector in refused {
        for piece in [1, 100] {
            let mut decoder = Decoder::default();
            let refused = bytes(&vector["hex"]).chunks(piece).any(|chunk| {
                let mut chunk = Bytes::copy_from_slice(chunk);
                decoder.next(&mut chunk).is_err()
            });
            assert!(refused, "{}", vector["name"]);
        }
    }
}

#[test]
fn macs_are_the_vectors() {
    let vectors = vectors();
    let macs = vectors["macs"].as_array().unwrap();
    assert!(!macs.is_empty());
    for vector in macs {
        let name = vector["name"].as_str().unwrap();
        let identity =
            Identity { id: StreamId(array(&vector["id"])), secret: Secret(array(&vector["secret"])), name: name.into(), letters: None };
        let (client, server) = (Nonce(array(&vector["client_nonce"])), Nonce(array(&vector["server_nonce"])));
        let macs = MacRequest { carrier: 0, identity: Arc::new(identity), client, server }.answer();
        assert_eq!(macs.server.0, array(&vector["prove"]), "{name}");
        assert_eq!(macs.client.0, array(&vector["proof"]), "{name}");
    }
}
