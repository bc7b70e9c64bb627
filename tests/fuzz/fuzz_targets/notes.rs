//! What peers and the proxy say to each other as long as a stream lives. Never a panic; what passes is one object within the depth, no key twice, and comes out as it
//! went in; what should pass does.
#![no_main]

mod json;

use arbitrary::Arbitrary;
use browser_stream_server::fuzzing::{Note, note};
use libfuzzer_sys::fuzz_target;

use json::Json;

#[derive(Arbitrary, Debug)]
struct Input {
    raw: Vec<u8>,
    word: String,
    value: Json,
    /// Fields that no note has, or that it has once already.
    more: Vec<(Field, Json)>,
}

#[derive(Arbitrary, Debug)]
enum Field {
    Note,
    Value,
    Unknown(String),
}

fuzz_target!(|input: Input| {
    check(&input.raw);
    let Input { word, value, more, .. } = input;
    let said = Json::Object(vec![("note".to_owned(), Json::Text(word.clone())), ("value".to_owned(), value)]);
    let note = check(said.text().as_bytes());
    assert_eq!(note.is_some(), said.is_strict(DEPTH_MAX), "{}", said.text());
    assert!(note.is_none_or(|note| note.note == word));
    let Json::Object(mut fields) = said else { unreachable!("it was made so") };
    fields.extend(more.into_iter().map(|(field, value)| (field.key(), value)));
    let said = Json::Object(fields);
    // A second `note` or `value` is a key twice, whatever else there is.
    assert_eq!(check(said.text().as_bytes()).is_some(), said.is_strict(DEPTH_MAX), "{}", said.text());
});

/// Reads these bytes as a note; what passes passes again, as the same.
fn check(bytes: &[u8]) -> Option<Note> {
    let read = note(&bytes.to_vec().into(), DEPTH_MAX).ok()?;
    let written = serde_json::to_vec(&read).expect("it serializes");
    let again = note(&written.into(), DEPTH_MAX).expect("what passed passes again");
    assert_eq!((&read.note, &read.value), (&again.note, &again.value));
    Some(read)
}

impl Field {
    fn key(self) -> String {
        match self {
            Self::Note => "note".to_owned(),
            Self::Value => "value".to_owned(),
            Self::Unknown(key) => key,
        }
    }
}

const DEPTH_MAX: usize = 16;
