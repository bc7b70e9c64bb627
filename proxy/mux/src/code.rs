//! Why a stream was reset or refused: one list of stable strings and numbers for every program that speaks the protocol.

use std::{fmt, str::FromStr};

/// Why a stream was reset or refused. On the wire it is its number (1–255 are ours, 256 and up the application's) or its string in an error reply.
///
/// ```
/// use browser_stream_mux::Code;
///
/// assert_eq!(Code::NotFound.to_string(), "not_found");
/// assert_eq!("not_found".parse(), Ok(Code::NotFound));
/// assert_eq!(Code::from_number(Code::NotFound.into()), Some(Code::NotFound));
/// assert!("no_such_code".parse::<Code>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Code {
    /// The request made no sense: a malformed open, a name that cannot be one.
    BadRequest = 1,
    /// Nobody serves that name or path.
    NotFound,
    /// Somebody else holds the name.
    NameTaken,
    /// The name's owner was here a moment ago and may come back.
    NameReserved,
    /// The peer lacks the right to do that.
    Forbidden,
    /// The peer's token is missing or not valid.
    Unauthorized,
    /// The other side lacks a capability that the open needs.
    Unsupported,
    /// A limit was reached; the message says which.
    Limit,
    /// The server takes no more at the moment.
    Busy,
    /// No answer came in time.
    Timeout,
    /// The server's session died or hangs.
    Unresponsive,
    /// The server ended and took its streams along.
    Gone,
    /// A newer session took over the name.
    Superseded,
    /// The session on the far side was lost.
    Lost,
    /// The other side wants no more of it.
    Cancelled,
    /// The proxy is shutting down.
    Draining,
    /// A fault that is none of the peer's.
    Internal,
    /// A reader of a channel fell too far behind.
    Lagging,
    /// What came is not what the peer sealed, or was cut short. A local word: nobody can say it to us.
    Tampered,
    /// The server shows another key than its address or the pin says. A local word, too.
    KeyChanged,
}

impl Code {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 20] = [
        Self::BadRequest,
        Self::NotFound,
        Self::NameTaken,
        Self::NameReserved,
        Self::Forbidden,
        Self::Unauthorized,
        Self::Unsupported,
        Self::Limit,
        Self::Busy,
        Self::Timeout,
        Self::Unresponsive,
        Self::Gone,
        Self::Superseded,
        Self::Lost,
        Self::Cancelled,
        Self::Draining,
        Self::Internal,
        Self::Lagging,
        Self::Tampered,
        Self::KeyChanged,
    ];

    /// The stable string, as error replies carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::NotFound => "not_found",
            Self::NameTaken => "name_taken",
            Self::NameReserved => "name_reserved",
            Self::Forbidden => "forbidden",
            Self::Unauthorized => "unauthorized",
            Self::Unsupported => "unsupported",
            Self::Limit => "limit",
            Self::Busy => "busy",
            Self::Timeout => "timeout",
            Self::Unresponsive => "unresponsive",
            Self::Gone => "gone",
            Self::Superseded => "superseded",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
            Self::Draining => "draining",
            Self::Internal => "internal",
            Self::Lagging => "lagging",
            Self::Tampered => "tampered",
            Self::KeyChanged => "key_changed",
        }
    }

    /// The number that a reset carries on the wire.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The code with that number; `None` for 0, for numbers that are not given out, and for the application's own (256 and up).
    pub fn from_number(number: u32) -> Option<Self> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        Self::ALL.get(index).copied()
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL.into_iter().find(|code| code.as_str() == text).ok_or(UnknownCode)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Code> for u32 {
    fn from(code: Code) -> Self {
        code.number()
    }
}

/// A string that is none of our codes.
///
/// See [`Code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a known code")]
pub struct UnknownCode;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_its_number_and_its_string() {
        for code in Code::ALL {
            assert_eq!(Code::from_number(code.number()), Some(code));
            assert_eq!(code.as_str().parse(), Ok(code));
        }
    }

    #[test]
    fn zero_unassigned_and_application_numbers_are_no_code() {
        for number in [0, 21, 255, 256, 4001, u32::MAX] {
            assert_eq!(Code::from_number(number), None);
        }
        assert_eq!("Busy".parse::<Code>(), Err(UnknownCode));
    }
}
