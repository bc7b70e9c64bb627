//! What a peer says first: opens, replies, names. Never a panic; what passes is one object within the depth, no key twice, and comes out
//! as it went in; what should pass does.
#![no_main]

mod json;

use arbitrary::Arbitrary;
use browser_stream_server::{Name, Open, fuzzing::Reply};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

use json::Json;

#[derive(Arbitrary, Debug)]
struct Input {
    raw: Vec<u8>,
    fields: Vec<(Field, Json)>,
    meta: Json,
    name: String,
}

#[derive(Arbitrary, Debug)]
enum Field {
    Path,
    Id,
    Meta,
    Wait,
    Need,
    Capabilities,
    Resume,
    Instance,
    Lease,
    Attempt,
    Standby,
    Peer,
    Library,
    Error,
    Unknown(String),
}

fuzz_target!(|input: Input| {
    check(&input.raw);
    let fields = input.fields.into_iter().map(|(field, value)| (field.key(), value)).collect();
    let object = Json::Object(fields);
    let passed = check(object.text().as_bytes());
    assert!(!passed || object.is_strict(DEPTH_MAX), "{}", object.text());
    check_meta(&input.meta);
    check_name(&input.name);
});

/// Reads these bytes as an open and as a reply; tells whether either passed.
fn check(bytes: &[u8]) -> bool {
    let body = Bytes::copy_from_slice(bytes);
    let open = Open::parse(&body, DEPTH_MAX);
    if let Ok(open) = &open {
        assert!(open.path.starts_with('/'));
        assert!(open.peer.is_none(), "a peer's word about itself");
        let again = Open::parse(&encode(open), DEPTH_MAX).expect("what passed passes again");
        assert_eq!((&open.path, &open.id, &open.need), (&again.path, &again.id, &again.need));
        assert_eq!((&open.capabilities, &open.library), (&again.capabilities, &again.library));
        for (before, after) in [(&open.meta, &again.meta), (&open.resume, &again.resume), (&open.lease, &again.lease)] {
            let (before, after) = (before.as_ref().map(|raw| raw.get()), after.as_ref().map(|raw| raw.get()));
            assert_eq!(before, after);
            let is_part = |raw: &str| bytes.windows(raw.len()).any(|window| window == raw.as_bytes());
            assert!(before.is_none_or(is_part), "not byte for byte");
        }
    }
    let reply = Reply::parse(&body, DEPTH_MAX);
    if let Ok(reply) = &reply {
        let again = Reply::parse(&encode(reply), DEPTH_MAX).expect("what passed passes again");
        assert_eq!((&reply.id, reply.error.is_some()), (&again.id, again.error.is_some()));
    }
    open.is_ok() || reply.is_ok()
}

fn encode(value: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(value).expect("it serializes").into()
}

/// Any `meta` passes as it is, exactly if it is within the depth and has no key twice.
fn check_meta(meta: &Json) {
    let text = meta.text();
    let open = Open::parse(&format!(r#"{{"path":"/x","meta":{text}}}"#).into(), DEPTH_MAX);
    assert_eq!(open.is_ok(), meta.is_strict(DEPTH_MAX - 1), "{text}");
    if let Ok(open) = open {
        assert_eq!(open.meta.as_ref().map(|raw| raw.get()), Some(text.as_str()));
    }
}

/// A name is itself, in a path too, and no two texts are one name.
fn check_name(text: &str) {
    if let Ok(name) = Name::try_from(text) {
        assert_eq!(name.as_str(), text);
        assert!((1..=128).contains(&text.len()) && !text.contains(char::is_control));
        let segment = name.segment();
        assert!(segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_~%".contains(&byte)));
        assert_eq!(Name::from_segment(&segment), Ok(name));
    }
    if let Ok(name) = Name::from_segment(text) {
        assert_eq!(name.segment(), text);
    }
}

impl Field {
    fn key(self) -> String {
        let known = match self {
            Self::Path => "path",
            Self::Id => "id",
            Self::Meta => "meta",
            Self::Wait => "wait",
            Self::Need => "need",
            Self::Capabilities => "capabilities",
            Self::Resume => "resume",
            Self::Instance => "instance",
            Self::Lease => "lease",
            Self::Attempt => "attempt",
            Self::Standby => "standby",
            Self::Peer => "peer",
            Self::Library => "library",
            Self::Error => "error",
            Self::Unknown(key) => return key,
        };
        known.to_owned()
    }
}

const DEPTH_MAX: usize = 16;
