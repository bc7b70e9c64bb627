//! Why a stream was not opened: a code that stays the same for ever, and a sentence for a person.

use std::fmt;

use browser_stream_mux::Code;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// An open that was refused, or that nobody could answer.
///
/// On the wire it is the reply `{"error": {"code", "message"}}` (PROTOCOL.md, "Opening a stream").
///
/// ```
/// use browser_stream_mux::Code;
/// use browser_stream_protocol::{APPLICATION_CODE_MIN, OpenError, RefusalCode};
///
/// let error = OpenError::new(Code::Busy, "try again later");
/// assert!(error.is(Code::Busy));
/// assert_eq!(RefusalCode::from_number(error.number()), error.code);
/// assert_eq!(RefusalCode::from_number(4001).to_string(), "4001"); // an application's own
/// assert_eq!(RefusalCode::from_number(APPLICATION_CODE_MIN), RefusalCode::Application(256));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct OpenError {
    /// What went wrong, for programs.
    pub code: RefusalCode,
    /// What went wrong and what to do, for people.
    #[serde(default)]
    pub message: String,
}

impl OpenError {
    /// An error with one of our codes.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code: RefusalCode::Known(code), message: message.into() }
    }

    /// The number that a reset with this error carries.
    pub fn number(&self) -> u32 {
        match self.code {
            RefusalCode::Known(code) => code.number(),
            RefusalCode::Application(number) => number,
        }
    }

    /// Whether this is one of our codes, and that one.
    pub fn is(&self, code: Code) -> bool {
        self.code == RefusalCode::Known(code)
    }
}

/// The code of a refusal: a stable string of ours, or a number of 256 and up that an application chose.
///
/// See [`OpenError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCode {
    /// One of the codes of PROTOCOL.md, section 3, a string on the wire.
    Known(Code),
    /// An application's own, a JSON number on the wire, at least 256.
    Application(u32),
}

/// The least number that an application may use as a code: those below are ours.
///
/// See [`OpenError`].
pub const APPLICATION_CODE_MIN: u32 = 256;

impl RefusalCode {
    /// What a reset with this number means: 0 is `cancelled`, and a number of ours that nobody gave out is `internal`.
    pub fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Known(Code::Cancelled),
            APPLICATION_CODE_MIN.. => Self::Application(number),
            ours => Self::Known(Code::from_number(ours).unwrap_or(Code::Internal)),
        }
    }
}

impl From<Code> for RefusalCode {
    fn from(code: Code) -> Self {
        Self::Known(code)
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(code) => f.write_str(code.as_str()),
            Self::Application(number) => write!(f, "{number}"),
        }
    }
}

impl Serialize for RefusalCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(code) => serializer.serialize_str(code.as_str()),
            Self::Application(number) => serializer.serialize_u32(*number),
        }
    }
}

impl<'de> Deserialize<'de> for RefusalCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            Text(String),
            Number(u32),
        }
        match Wire::deserialize(deserializer)? {
            Wire::Text(text) => text.parse().map(Self::Known).map_err(|_| D::Error::custom("unknown code")),
            Wire::Number(number) if number >= APPLICATION_CODE_MIN => Ok(Self::Application(number)),
            Wire::Number(_) => Err(D::Error::custom("application codes are 256 and up")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_codes_travel_as_strings_and_an_applications_as_numbers() {
        let ours = OpenError::new(Code::Busy, "try later");
        assert_eq!(serde_json::to_string(&ours).unwrap(), r#"{"code":"busy","message":"try later"}"#);
        let theirs: OpenError = serde_json::from_str(r#"{"code":4001}"#).unwrap();
        assert_eq!((theirs.code, theirs.number()), (RefusalCode::Application(4001), 4001));
    }

    #[test]
    fn every_number_of_a_reset_has_a_meaning() {
        let meanings = [0, 9, 255, 256].map(RefusalCode::from_number);
        assert_eq!(meanings, [Code::Cancelled.into(), Code::Busy.into(), Code::Internal.into(), RefusalCode::Application(256)]);
    }

    #[test]
    fn a_code_that_nobody_defined_is_an_error() {
        for wire in [r#"{"code":"nonsense"}"#, r#"{"code":255}"#, r#"{"code":-1}"#, r#"{"code":null}"#, "{}"] {
            assert!(serde_json::from_str::<OpenError>(wire).is_err(), "{wire}");
        }
    }
}
