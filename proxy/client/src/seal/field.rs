//! The `seal` field of opens and replies.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value, value::RawValue};

use super::{PublicKey, handshake::Pattern};

/// The version that we speak.
const VERSION: u64 = 1;

/// What an open or a reply says.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Field {
    v: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<Pattern>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// What one says that came, as far as it can be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A first message.
    Hello(Pattern, Vec<u8>),
    /// A second one.
    Answer(Vec<u8>),
    /// The server's key, for the first message could not be used.
    Key(PublicKey),
    /// None of these: whoever said it wants to know our key, or is of a later version.
    Other,
}

/// It is no object with a version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Field {
    /// Of a client that asks for the key.
    pub(crate) fn ask() -> Self {
        Self { v: VERSION, ..Self::default() }
    }

    pub(crate) fn hello(pattern: Pattern, message: &[u8]) -> Self {
        Self { pattern: Some(pattern), ..Self::answer(message) }
    }

    pub(crate) fn answer(message: &[u8]) -> Self {
        Self { message: Some(BASE64URL_NOPAD.encode(message)), ..Self::ask() }
    }

    pub(crate) fn key(key: PublicKey) -> Self {
        Self { key: Some(key.to_string()), ..Self::ask() }
    }

    /// What the other side says.
    pub(crate) fn read(raw: &RawValue) -> Result<Said, Malformed> {
        #[derive(Deserialize)]
        struct Any {
            v: Number,
            #[serde(default)]
            pattern: Value,
            #[serde(default)]
            message: Value,
            #[serde(default)]
            key: Value,
        }
        let Any { v, pattern, message, key } = serde_json::from_str(raw.get()).map_err(|_| Malformed)?;
        if v.as_u64() != Some(VERSION) {
            return Ok(Said::Other);
        }
        // Who answers either could use the message or could not.
        let is_both = !message.is_null() && !key.is_null();
        let message = message.as_str().and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
        let key = key.as_str().and_then(|text| text.parse().ok());
        Ok(match (message, Pattern::deserialize(&pattern), key) {
            (Some(message), Ok(pattern), _) => Said::Hello(pattern, message),
            _ if is_both => Said::Other,
            (Some(message), Err(_), _) if pattern.is_null() => Said::Answer(message),
            (None, _, Some(key)) => Said::Key(key),
            _ => Said::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Said, Malformed> {
        Field::read(&RawValue::from_string(json.into()).unwrap())
    }

    #[test]
    fn what_is_said_is_read_as_it_was_meant() {
        let key = PublicKey([7; 32]);
        for (field, json, said) in [
            (Field::ask(), r#"{"v":1}"#.to_owned(), Said::Other),
            (
                Field::hello(Pattern::Ik, b"abc"),
                r#"{"v":1,"pattern":"IK","message":"YWJj"}"#.into(),
                Said::Hello(Pattern::Ik, b"abc".into()),
            ),
            (Field::answer(b"abc"), r#"{"v":1,"message":"YWJj"}"#.into(), Said::Answer(b"abc".into())),
            (Field::key(key), format!(r#"{{"v":1,"key":"{key}"}}"#), Said::Key(key)),
        ] {
            assert_eq!(serde_json::to_string(&field).unwrap(), json);
            assert_eq!(read(&json), Ok(said));
        }
    }

    #[test]
    fn what_a_later_version_says_is_not_ours_and_what_is_no_field_is_malformed() {
        for other in [
            r#"{"v":2,"pattern":"NK","message":"YWJj"}"#,
            r#"{"v":1,"pattern":"NKhfs","message":"YWJj"}"#,
            r#"{"v":1,"pattern":"NK","message":"YWJj="}"#,
            r#"{"v":1,"pattern":"NK","message":7}"#,
            r#"{"v":1,"key":"short"}"#,
            r#"{"v":1,"message":"YWJj","key":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}"#,
            r#"{"v":1,"message":"+","key":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}"#,
        ] {
            assert_eq!(read(other), Ok(Said::Other), "{other}");
        }
        for wrong in ["null", "7", "{}", "[]", r#"{"v":"1"}"#] {
            assert_eq!(read(wrong), Err(Malformed), "{wrong}");
        }
    }
}
