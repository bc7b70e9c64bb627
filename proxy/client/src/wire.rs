//! What stands in opens, replies and notes (PROTOCOL.md, section 3), as a peer says and reads it.

use browser_stream_mux::Code;
use browser_stream_protocol::{BadName, Name, OpenError, RefusalCode, channel::ChannelOptions, room::RoomOpen};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use unicode_normalization::UnicodeNormalization;

use crate::{lease::Lease, resumable::Field, seal};

/// The most bytes of JSON that a peer may send at once, and that a reply or note has.
pub(crate) const BODY_MAX: usize = 8 * 1024;
/// The proxy adds to a client's open what it knows itself.
pub(crate) const ACCEPT_MAX: usize = 9 * 1024;

/// Any JSON that the opener of a stream says to who accepts it, byte for byte as it was sent.
pub(crate) type Meta = Box<RawValue>;

/// What we say when we open a stream.
#[derive(Default, Serialize)]
pub(crate) struct Open<'a> {
    pub(crate) path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) meta: Option<&'a RawValue>,
    /// Milliseconds to wait for a name that nobody holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wait: Option<u64>,
    /// The program that speaks, on the session stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) library: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<&'a str>,
    /// One life of a server: 32 lower-case hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instance: Option<&'a str>,
    /// Higher with each claim of the same life of a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attempt: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lease: Option<&'a Lease>,
    /// Wait until the name is free.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) standby: bool,
    /// To listen: let in who comes by HTTP.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) http: bool,
    /// What the other end must have.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) need: &'a [&'a str],
    /// To listen: what we have.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) capabilities: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resume: Option<&'a Field>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seal: Option<&'a seal::Field>,
    /// How a channel is to work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channel: Option<&'a ChannelOptions>,
    /// What is said to join a room: it may hold a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room: Option<&'a RoomOpen>,
    /// We only write: the acceptor's direction ends behind its answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) one_way: bool,
}

/// The name that a user means, in the one form that names have.
pub(crate) fn name(given: &str) -> Result<Name, BadName> {
    Name::try_from(given.nfc().collect::<String>().as_str())
}

/// What the proxy says when it brings a client.
#[derive(Deserialize)]
pub(crate) struct Accept {
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) meta: Option<Meta>,
    #[serde(default)]
    pub(crate) peer: Option<PeerInfo>,
    /// What the client asks for, end to end: it holds a secret.
    #[serde(default)]
    pub(crate) resume: Option<Box<RawValue>>,
    /// The client's part of the handshake of a sealed stream.
    #[serde(default)]
    pub(crate) seal: Option<Box<RawValue>>,
}

/// The proxy's own word about a client: nothing of it can be forged by the client.
///
/// See [`StreamServer`](crate::StreamServer).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The client's session with the proxy, the same for all its streams of one connection.
    pub session: String,
    /// Who it is by its token, where the proxy asks for one.
    #[serde(default)]
    pub sub: Option<String>,
}

/// What an acceptor answers.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    error: Option<Refused>,
}

/// A refusal as it came, perhaps from a later version of the protocol.
#[derive(Debug, Deserialize)]
struct Refused {
    #[serde(default)]
    code: serde_json::Value,
    #[serde(default)]
    message: String,
}

impl From<Refused> for OpenError {
    fn from(Refused { code, message }: Refused) -> Self {
        // A code that nobody knows here says no more than that it did not work.
        let code = match serde_json::from_value(code) {
            // What only this end can find out, nobody can say to it.
            Err(_) | Ok(RefusalCode::Known(Code::Tampered | Code::KeyChanged)) => RefusalCode::Known(Code::Internal),
            Ok(code) => code,
        };
        Self { code, message }
    }
}

/// What is said on a stream that carries notes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) note: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<serde_json::Value>,
}

impl Note {
    pub(crate) fn new(note: &str, value: Option<serde_json::Value>) -> Self {
        Self { note: note.to_owned(), value }
    }
}

/// The body of an open, reply or note; `bad_request` if it is longer than a peer may send.
pub(crate) fn encode(value: &impl Serialize) -> Result<Vec<u8>, OpenError> {
    let body = serde_json::to_vec(value).map_err(|error| OpenError::new(Code::BadRequest, error.to_string()))?;
    if body.len() > BODY_MAX {
        let message = format!("{} bytes of JSON, {BODY_MAX} at most: send what is longer on the stream itself", body.len());
        return Err(OpenError::new(Code::BadRequest, message));
    }
    Ok(body)
}

/// A reply that accepts, as `T`; or the refusal in it.
pub(crate) fn reply<T: DeserializeOwned>(body: &[u8]) -> Result<T, OpenError> {
    let malformed = |error: serde_json::Error| OpenError::new(Code::Internal, format!("no valid reply: {error}"));
    let answer: Answer = serde_json::from_slice(body).map_err(malformed)?;
    match answer.error {
        Some(refused) => Err(refused.into()),
        None => serde_json::from_slice(body).map_err(malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Id {
        id: String,
    }

    fn refusal(body: &str) -> OpenError {
        reply::<Id>(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_reply_accepts_or_says_why_not() {
        assert_eq!(reply(br#"{"id":"7","later":1}"#), Ok(Id { id: "7".into() }));
        assert_eq!(refusal(r#"{"error":{"code":"busy","message":"full"}}"#), OpenError::new(Code::Busy, "full"));
        assert_eq!(refusal(r#"{"error":{"code":4001}}"#).code, RefusalCode::Application(4001));
    }

    #[test]
    fn a_code_of_a_later_version_is_internal_with_its_message() {
        assert_eq!(refusal(r#"{"error":{"code":"moved","message":"there"}}"#), OpenError::new(Code::Internal, "there"));
        assert!(refusal(r#"{"error":{}}"#).is(Code::Internal));
        for local in ["tampered", "key_changed"] {
            assert!(refusal(&format!(r#"{{"error":{{"code":"{local}"}}}}"#)).is(Code::Internal));
        }
    }

    #[test]
    fn what_is_no_reply_is_internal() {
        for body in ["", "[]", "{}", r#"{"id":7}"#] {
            assert!(refusal(body).is(Code::Internal), "{body}");
        }
    }

    #[test]
    fn an_open_says_what_it_has_and_no_more() {
        let meta = RawValue::from_string(r#"{"a" : 1}"#.into()).unwrap();
        let open = Open { path: "/x", meta: Some(&meta), ..Open::default() };
        assert_eq!(encode(&open).unwrap(), br#"{"path":"/x","meta":{"a" : 1}}"#);
    }

    #[test]
    fn an_open_that_is_too_long_is_not_sent() {
        let token = "x".repeat(BODY_MAX);
        assert!(encode(&Open { path: "/", token: Some(&token), ..Open::default() }).unwrap_err().is(Code::BadRequest));
    }
}
