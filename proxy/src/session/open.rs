//! The first frame of a stream in each direction: the open of who starts it, the reply of who takes it (PROTOCOL.md).

use std::fmt;

use browser_stream_mux::Code;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{Instance, json};
use crate::{error::OpenError, token::Token};

/// What a peer says when it opens a stream. Fields that we do not know are ignored, so that the protocol can grow.
///
/// See [`Opening`](super::Opening).
#[derive(Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Open {
    /// Where the stream wants to go, `/…`, as it stood on the wire.
    pub path: String,
    /// The unique id of the client, on an open that the proxy makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whatever the opener wants the acceptor to know; passed on byte for byte, absent if absent.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Box<RawValue>>,
    /// How long to wait for a name that nobody holds, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<f64>,
    /// Capabilities that the opener's bytes already assume.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub need: Vec<String>,
    /// Capabilities that the opener has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// To listen: one life of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<Instance>,
    /// To listen: whether a lease is wanted, or which is held. Never logged, for it is a secret.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub lease: Option<Box<RawValue>>,
    /// To listen: how often this life of the server has claimed before.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Box<RawValue>>,
    /// To listen: wait until the name is free.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub standby: bool,
    /// To listen: let in who comes by HTTP, without asking for a right to connect.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub http: bool,
    /// Resumption's field, end to end: passed on as it is and never logged, for it holds a secret.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub resume: Option<Box<RawValue>>,
    /// Sealing's field, end to end: passed on as it is and never logged.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub seal: Option<Box<RawValue>>,
    /// To publish: how the channel is to work.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub channel: Option<Box<RawValue>>,
    /// To join a room: what the peer says of itself, and the seat that it has. Never logged, for it may hold a secret.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub room: Option<Box<RawValue>>,
    /// To be known on a `/session` open. A secret: it goes nowhere, and is never logged.
    #[serde(default, skip_serializing)]
    pub token: Option<Token>,
    /// What the proxy itself knows of the client; what a client says here is dropped.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
    /// The program that speaks, on a `/session` open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
}

/// The proxy's own word about a client, told to the server.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Peer {
    /// The client's session, the same for all its streams.
    pub session: String,
    /// Who it is, where the proxy asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
}

/// What an acceptor answers.
#[derive(Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reply {
    /// The unique id of the client or claim: the proxy's own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The life of the server that accepted: the proxy's own word.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Instance>,
    /// Resumption's field, end to end.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub resume: Option<Box<RawValue>>,
    /// Sealing's field, end to end.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub seal: Option<Box<RawValue>>,
    /// Set when the stream was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<OpenError>,
}

impl Open {
    /// An open of this path and nothing else.
    pub fn to(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// Reads an open as it came from a peer; `bad_request` says what is wrong with it.
    pub fn parse(body: &Bytes, depth_max: usize) -> Result<Self, OpenError> {
        let parsed = parse::<Self>(body, depth_max, "open");
        if parsed.as_ref().is_ok_and(|open| !open.path.starts_with('/')) {
            return Err(OpenError::new(Code::BadRequest, "open: path must start with /"));
        }
        parsed
    }
}

impl Reply {
    /// A reply that accepts under this id.
    pub fn accept(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..Self::default() }
    }

    /// A reply that refuses.
    pub fn refuse(error: OpenError) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    /// Reads a reply as it came from a peer.
    pub fn parse(body: &Bytes, depth_max: usize) -> Result<Self, OpenError> {
        parse(body, depth_max, "reply")
    }
}

/// Without what others must not read: leases, what resumes a stream, and what seals it.
impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("path", &self.path).field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("id", &self.id).field("error", &self.error).finish_non_exhaustive()
    }
}

/// The bytes of an open, reply or note, without the length in front.
pub fn encode(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENCODED_BYTES);
    // Strings, numbers and JSON that was checked when it came in: serializing them has no way to fail.
    let _ = serde_json::to_writer(&mut bytes, value);
    bytes
}

/// The same with the length in front: a whole frame.
pub fn frame(value: &impl Serialize) -> Bytes {
    let mut bytes = Vec::with_capacity(ENCODED_BYTES);
    bytes.extend_from_slice(&[0; 2]);
    let _ = serde_json::to_writer(&mut bytes, value);
    // What came in is bounded far below what a length can say, and little is added.
    let length = u16::try_from(bytes.len() - 2).unwrap_or(u16::MAX);
    if let Some(prefix) = bytes.first_chunk_mut() {
        *prefix = length.to_be_bytes();
    }
    bytes.into()
}

/// Room for an open or a reply of the usual length, so that none is moved while it grows.
const ENCODED_BYTES: usize = 512;

/// Checks the whole text before it builds anything from it.
pub fn parse<T: serde::de::DeserializeOwned>(body: &Bytes, depth_max: usize, what: &str) -> Result<T, OpenError> {
    let bad = |why: &dyn std::fmt::Display| OpenError::new(Code::BadRequest, format!("{what}: {why}"));
    let text = std::str::from_utf8(body).map_err(|_| bad(&"not UTF-8"))?;
    json::check_object(text, depth_max).map_err(|error| bad(&error))?;
    // Nothing stands behind it: that was checked, too.
    T::deserialize(&mut serde_json::Deserializer::from_str(text)).map_err(|error| bad(&error))
}

/// A field that is there, `null` included: absence alone is `None`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Result<Open, OpenError> {
        Open::parse(&Bytes::copy_from_slice(text.as_bytes()), 16)
    }

    #[test]
    fn meta_passes_byte_for_byte_and_absent_stays_absent() {
        for meta in [r#"{"a" : [1.0, 1e3] ,"__proto__":{"x":1}}"#, "null", r#""\u0061""#] {
            let parsed = open(&format!(r#"{{"path":"/x","meta":{meta}}}"#)).unwrap();
            assert_eq!(parsed.meta.as_deref().map(RawValue::get), Some(meta));
            assert!(String::from_utf8(encode(&parsed)).unwrap().contains(&format!(r#""meta":{meta}"#)));
        }
        let parsed = open(r#"{"path":"/x"}"#).unwrap();
        assert_eq!(encode(&parsed), br#"{"path":"/x"}"#);
    }

    #[test]
    fn threat_11_an_open_that_is_not_one_is_bad_request() {
        for wrong in [
            "",
            "x",
            "[]",
            "{}",
            r#"{"path":1}"#,
            r#"{"path":"x"}"#,
            r#"{"path":"/a","path":"/b"}"#,
            r#"{"path":"/a","meta":{"b":1,"b":2}}"#,
        ] {
            assert!(open(wrong).unwrap_err().is(Code::BadRequest), "{wrong}");
        }
        assert!(Open::parse(&Bytes::from_static(b"{\"path\":\"/\xff\"}"), 16).unwrap_err().is(Code::BadRequest));
    }

    #[test]
    fn threat_32_a_client_cannot_forge_what_the_proxy_says_of_it() {
        let parsed = open(r#"{"path":"/x","peer":{"session":"forged"}}"#).unwrap();
        assert!(parsed.peer.is_none());
    }

    #[test]
    fn threat_33_no_log_shows_a_lease_or_what_resumes_or_seals_a_stream() {
        let parsed = open(
            r#"{"path":"/x","lease":{"mac":"SECRET"},"resume":{"secret":"SECRET"},"seal":"SECRET","instance":"40414243404142434041424340414243"}"#,
        )
        .unwrap();
        assert!(encode(&parsed).windows(6).any(|window| window == b"SECRET"));
        let reply = Reply::parse(&Bytes::from_static(br#"{"resume":"SECRET","seal":"SECRET","instance":1,"lease":"SECRET"}"#), 16).unwrap();
        assert!(!format!("{parsed:?} {reply:?}").contains("SECRET"));
        assert!(reply.instance.is_none(), "the proxy's own word");
    }

    #[test]
    fn a_field_that_nobody_knows_is_ignored() {
        assert_eq!(open(r#"{"path":"/x","__proto__":{"y":1},"later":true}"#).unwrap().path, "/x");
    }
}
