//! Contents, records and notes of swarms, as `tests/vectors/swarm.json` has them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Debug;

use browser_stream_protocol::swarm::{
    Announce, BadManifest, BadRecord, Bitmap, ContentId, Decoder, Failed, Find, Found, Held, Manifest, PIECE_BYTES, PeerName, Record,
    Refused, Wanted, Withdraw,
};
use bytes::{Bytes, BytesMut};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Vectors {
    contents: Vec<Content>,
    no_manifests: Vec<Bad>,
    no_ids: Vec<String>,
    peer_names: Vec<String>,
    no_peer_names: Vec<String>,
    bitmaps: Vec<Set>,
    wanted: Vec<Vector>,
    held: Vec<Vector>,
    refused: Vec<Bad>,
    notes: Vec<Note>,
    told: Vec<Note>,
    no_notes: Vec<Note>,
}

#[derive(Deserialize)]
struct Content {
    name: String,
    #[serde(default)]
    hex: String,
    seed: Option<usize>,
    length: Option<usize>,
    zeros: Option<usize>,
    size: u64,
    pieces: usize,
    manifest: String,
    id: String,
}

#[derive(Deserialize)]
struct Bad {
    #[serde(default)]
    direction: String,
    name: String,
    hex: String,
}

#[derive(Deserialize)]
struct Set {
    pieces: usize,
    have: Vec<usize>,
    hex: String,
    base64url: String,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    hex: String,
    #[serde(default)]
    zeros: usize,
    record: Value,
}

#[derive(Deserialize)]
struct Note {
    note: String,
    value: Value,
}

fn vectors() -> Vectors {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/swarm.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).unwrap()
}

impl Content {
    fn bytes(&self) -> Vec<u8> {
        match (self.seed, self.length, self.zeros) {
            (Some(seed), Some(length), _) => (0..length).map(|at| (seed + 7 * at + 31 * (at / 1000)) as u8).collect(),
            (_, _, Some(zeros)) => vec![0; zeros],
            _ => bytes(&self.hex),
        }
    }
}

#[test]
fn a_content_has_the_manifest_and_the_id_that_follow_from_its_bytes() {
    for content in vectors().contents {
        let (name, bytes) = (&content.name, content.bytes());
        let manifest = Manifest::of(&bytes[..]).unwrap();
        assert_eq!(HEXLOWER.encode(manifest.bytes()), content.manifest, "{name}");
        assert_eq!(manifest.id().to_string(), content.id, "{name}");
        assert_eq!((manifest.size(), manifest.pieces()), (content.size, content.pieces), "{name}");
        assert_eq!(Manifest::parse(manifest.bytes().clone()).as_ref(), Ok(&manifest), "{name}");
    }
}

#[test]
fn threat_25_a_piece_that_is_not_the_one_asked_for_is_known_by_its_hash() {
    for content in vectors().contents {
        let bytes = content.bytes();
        let manifest = Manifest::of(&bytes[..]).unwrap();
        let pieces: Vec<_> = bytes.chunks(PIECE_BYTES).collect();
        for (index, piece) in pieces.iter().enumerate() {
            assert_eq!(manifest.piece_bytes(index), piece.len());
            assert!(manifest.verifies(index, piece));
            let mut other = piece.to_vec();
            *other.last_mut().unwrap() ^= 1;
            assert!(!manifest.verifies(index, &other));
            assert!(!manifest.verifies(index, &piece[1..]));
        }
        assert_eq!(manifest.piece_bytes(pieces.len()), 0);
        assert!(!manifest.verifies(pieces.len(), b""));
    }
}

#[test]
fn threat_25_what_is_no_manifest_is_refused() {
    for bad in vectors().no_manifests {
        let parsed: Result<Manifest, BadManifest> = Manifest::parse(bytes(&bad.hex).into());
        assert!(parsed.is_err(), "{}", bad.name);
    }
}

#[test]
fn threat_25_ids_and_names_have_one_form_each() {
    let vectors = vectors();
    for content in vectors.contents {
        assert_eq!(content.id.parse::<ContentId>().unwrap().to_string(), content.id);
    }
    assert!(vectors.no_ids.iter().all(|text| text.parse::<ContentId>().is_err()));
    for name in vectors.peer_names {
        assert_eq!(name.parse::<PeerName>().unwrap().to_string(), name);
    }
    for name in vectors.no_peer_names {
        assert!(name.parse::<PeerName>().is_err(), "{name}");
    }
}

#[test]
fn a_bitmap_has_a_bit_for_each_piece() {
    for Set { pieces, have, hex, base64url } in vectors().bitmaps {
        let mut set = Bitmap::none(pieces);
        assert!(have.iter().all(|&piece| set.add(piece)));
        assert_eq!(HEXLOWER.encode(&set.bytes()), hex);
        assert_eq!(BASE64URL_NOPAD.encode(&set.bytes()), base64url);
        assert_eq!(Bitmap::parse(pieces, &bytes(&hex)), Ok(set));
    }
}

/// A record as the vectors say it.
trait Shown: Record + Debug + PartialEq {
    fn shown(&self) -> Value;
}

impl Shown for Wanted {
    fn shown(&self) -> Value {
        match self {
            Self::Want(number, id) => json!({ "type": "want", "ref": number, "id": id }),
            Self::Drop(number) => json!({ "type": "drop", "ref": number }),
            Self::Manifest(number) => json!({ "type": "manifest", "ref": number }),
            Self::Ask(number, index) => json!({ "type": "ask", "ref": number, "index": index }),
            Self::Cancel(number, index) => json!({ "type": "cancel", "ref": number, "index": index }),
        }
    }
}

impl Shown for Held {
    fn shown(&self) -> Value {
        let hex = |bytes: &Bytes| HEXLOWER.encode(bytes);
        match self {
            Self::Have { number, pieces, have: None } => json!({ "type": "have", "ref": number, "pieces": pieces }),
            Self::Have { number, pieces, have: Some(have) } => {
                json!({ "type": "have", "ref": number, "pieces": pieces, "have": hex(&have.bytes()) })
            }
            Self::Got(number, index) => json!({ "type": "got", "ref": number, "index": index }),
            Self::None(number) => json!({ "type": "none", "ref": number }),
            Self::Manifest(number, bytes) => json!({ "type": "manifest", "ref": number, "bytes": hex(bytes) }),
            Self::Piece(number, index, bytes) => json!({ "type": "piece", "ref": number, "index": index, "bytes": hex(bytes) }),
            Self::Refused(number, index, code) => json!({ "type": "refused", "ref": number, "index": index, "code": code }),
        }
    }
}

/// Bytes that are all zero stand there by their count.
fn spelled(mut record: Value) -> Value {
    for field in ["have", "bytes"] {
        let fields = record.as_object_mut().unwrap();
        if let Some(count) = fields.remove(&format!("{field}_zeros")) {
            fields.insert(field.to_owned(), "00".repeat(count.as_u64().unwrap() as usize).into());
        }
    }
    record
}

fn both_ways<R: Shown>(vectors: Vec<Vector>) {
    let mut all = BytesMut::new();
    let mut expected = Vec::new();
    for vector in vectors {
        let mut decoder = Decoder::<R>::default();
        let whole = [bytes(&vector.hex), vec![0; vector.zeros]].concat();
        decoder.push(whole.clone().into());
        let record = decoder.next().unwrap().unwrap();
        assert_eq!(record.shown(), spelled(vector.record.clone()), "{}", vector.name);
        assert!(decoder.next().unwrap().is_none() && decoder.is_between_records(), "{}", vector.name);
        let mut out = BytesMut::new();
        record.write(&mut out);
        assert!(out == whole, "{}", vector.name);
        all.extend_from_slice(&whole);
        expected.push(record);
    }
    for size in [1, 7, 1000, all.len()] {
        let mut decoder = Decoder::<R>::default();
        let mut came = Vec::new();
        for chunk in all.chunks(size) {
            decoder.push(Bytes::copy_from_slice(chunk));
            while let Some(record) = decoder.next().unwrap() {
                came.push(record);
            }
        }
        assert!(came == expected, "in chunks of {size}");
    }
}

#[test]
fn what_a_fetcher_says_is_read_and_written_as_the_vectors_have_it() {
    both_ways::<Wanted>(vectors().wanted);
}

#[test]
fn what_a_holder_says_is_read_and_written_as_the_vectors_have_it() {
    both_ways::<Held>(vectors().held);
}

#[test]
fn a_piece_may_be_written_behind_its_head() {
    let (head, mut whole) = (Held::piece_head(1, 300, 5), BytesMut::new());
    Held::Piece(1, 300, Bytes::from_static(b"hello")).write(&mut whole);
    assert_eq!([&head[..], b"hello"].concat(), whole);
}

#[test]
fn threat_25_what_is_no_record_is_refused_at_the_latest_with_its_last_byte() {
    fn refusal<R: Record + Debug>(bytes: &[u8]) -> Result<Option<R>, BadRecord> {
        let mut decoder = Decoder::<R>::default();
        decoder.push(Bytes::copy_from_slice(bytes));
        decoder.next()
    }
    for bad in vectors().refused {
        let bytes = bytes(&bad.hex);
        let is_refused = if bad.direction == "wanted" { refusal::<Wanted>(&bytes).is_err() } else { refusal::<Held>(&bytes).is_err() };
        assert!(is_refused, "{}: {}", bad.direction, bad.name);
    }
}

/// Reads a note's value as what it has to be, and writes it again.
fn read(note: &Note) -> Result<Value, serde_json::Error> {
    fn again<T: DeserializeOwned + Serialize>(value: &Value) -> Result<Value, serde_json::Error> {
        // As a text, as it comes, and not from a value.
        serde_json::to_value(serde_json::from_str::<T>(&value.to_string())?)
    }
    match note.note.as_str() {
        "announce" => again::<Announce>(&note.value),
        "withdraw" => again::<Withdraw>(&note.value),
        "find" => again::<Find>(&note.value),
        "failed" => again::<Failed>(&note.value),
        "found" => again::<Found>(&note.value),
        "refused" => again::<Refused>(&note.value),
        other => panic!("{other}: no note"),
    }
}

#[test]
fn notes_are_read_and_written_as_the_vectors_have_them() {
    let vectors = vectors();
    for note in vectors.notes.iter().chain(&vectors.told) {
        assert_eq!(read(note).unwrap(), note.value, "{}", note.note);
    }
}

#[test]
fn threat_25_what_is_no_note_is_refused() {
    for note in vectors().no_notes {
        assert!(read(&note).is_err(), "{}: {}", note.note, note.value);
    }
}
