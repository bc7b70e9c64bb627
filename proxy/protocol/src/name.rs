//! The name of a server: what may be one, and how it stands in a path.

use std::{
    borrow::{Borrow, Cow},
    fmt,
    sync::Arc,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use unicode_normalization::is_nfc;

/// A server's name: 1–128 bytes of UTF-8 in NFC, without control, bidi or zero-width characters, and not `.` or `..`.
///
/// Whoever holds one knows that it is valid (PROTOCOL.md, section 5). It is never used as a path, a metric label, or raw in a log:
/// [`fmt::Debug`] escapes it.
///
/// ```
/// use browser_stream_protocol::{BadName, NAME_BYTES_MAX, Name};
///
/// let name = Name::try_from("écho 1")?;
/// assert_eq!(name.segment(), "%C3%A9cho%201"); // in a path
/// assert_eq!(Name::from_segment("%C3%A9cho%201")?, name);
/// assert_eq!(Name::try_from(".."), Err(BadName::Dots));
/// assert_eq!(Name::try_from("a".repeat(NAME_BYTES_MAX + 1).as_str()), Err(BadName::TooLong));
/// # Ok::<(), BadName>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

/// Why a text is no name.
///
/// See [`Name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// No characters at all.
    #[error("a name has at least one character")]
    Empty,
    /// More than 128 bytes.
    #[error("a name has at most {NAME_BYTES_MAX} bytes of UTF-8")]
    TooLong,
    /// `.` or `..`.
    #[error("`.` and `..` are not names")]
    Dots,
    /// Two texts that look the same would be two names.
    #[error("a name is in Unicode normalization form C")]
    NotNormalized,
    /// A character that nobody sees, or that changes how its neighbours look.
    #[error("a name has no control, bidi or zero-width characters")]
    Invisible,
    /// In a path: not the one encoding that a name has there.
    #[error("a name in a path is percent-encoded exactly once, all but A–Z a–z 0–9 . _ ~ -, with upper-case digits")]
    NotCanonical,
}

/// The most bytes that a name has.
///
/// See [`Name`].
pub const NAME_BYTES_MAX: usize = 128;

/// What is percent-encoded in a path: everything but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'~').remove(b'-');

impl Name {
    /// The name as it is.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name that a path's segment stands for; the segment must be exactly that name's encoding.
    pub fn from_segment(segment: &str) -> Result<Self, BadName> {
        Self::text_of(segment).map(|text| Self(text.into()))
    }

    /// The text of that name, to look it up by.
    pub fn text_of(segment: &str) -> Result<Cow<'_, str>, BadName> {
        // The usual: it stands for itself, and there is nothing in it that a name must not have.
        if segment.bytes().all(is_unreserved) {
            return match segment {
                "" => Err(BadName::Empty),
                "." | ".." => Err(BadName::Dots),
                _ if segment.len() > NAME_BYTES_MAX => Err(BadName::TooLong),
                _ => Ok(segment.into()),
            };
        }
        let decoded = percent_decode_str(segment).decode_utf8().map_err(|_| BadName::NotCanonical)?;
        let name = Self::try_from(decoded.as_ref())?;
        if name.segment() == segment { Ok(decoded) } else { Err(BadName::NotCanonical) }
    }

    /// The name as a path's segment.
    pub fn segment(&self) -> String {
        utf8_percent_encode(&self.0, ESCAPED).to_string()
    }
}

/// Whether it can stand in a host as it is: a label of DNS in lower case (RFC 1123 section 2.1).
pub fn is_label(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LABEL_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with('-') && !text.ends_with('-')
}

/// The most bytes that a label of DNS has.
pub const LABEL_BYTES_MAX: usize = 63;

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for Name {
    type Error = BadName;

    fn try_from(text: &str) -> Result<Self, BadName> {
        match text {
            "" => return Err(BadName::Empty),
            "." | ".." => return Err(BadName::Dots),
            _ if text.len() > NAME_BYTES_MAX => return Err(BadName::TooLong),
            _ => {}
        }
        if text.chars().any(is_invisible) {
            return Err(BadName::Invisible);
        }
        if !is_nfc(text) {
            return Err(BadName::NotNormalized);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// RFC 3986's unreserved characters: what stands for itself in a path.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-')
}

/// Control characters, line and paragraph separators, bidi controls, and characters of no width.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases that both languages read.
    #[derive(serde::Deserialize)]
    struct Vectors {
        valid: Vec<(String, String)>,
        invalid: Vec<String>,
        invalid_segments: Vec<String>,
    }

    fn vectors() -> Vectors {
        serde_json::from_str(include_str!("../../../tests/vectors/names.json")).unwrap()
    }

    #[test]
    fn threat_05_a_name_is_itself_and_nothing_else() {
        for (name, segment) in vectors().valid {
            let parsed = Name::try_from(name.as_str()).unwrap_or_else(|error| panic!("{name:?}: {error}"));
            assert_eq!((parsed.as_str(), parsed.segment()), (name.as_str(), segment.clone()));
            assert_eq!(Name::from_segment(&segment), Ok(parsed));
        }
    }

    #[test]
    fn threat_05_what_could_be_mistaken_for_another_name_is_none() {
        for name in vectors().invalid {
            assert!(Name::try_from(name.as_str()).is_err(), "{name:?}");
        }
        for segment in vectors().invalid_segments {
            assert!(Name::from_segment(&segment).is_err(), "{segment:?}");
        }
    }

    #[test]
    fn a_name_has_128_bytes_at_most() {
        assert!(Name::try_from("a".repeat(128).as_str()).is_ok());
        assert_eq!(Name::try_from("a".repeat(129).as_str()), Err(BadName::TooLong));
    }

    #[test]
    fn threat_05_a_log_shows_no_raw_name() {
        assert_eq!(format!("{:?}", Name::try_from("a\"b").unwrap()), r#""a\"b""#);
    }
}
