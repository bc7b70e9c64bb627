//! The name of a content, which follows from its bytes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Names a content: the SHA-256 of its manifest. As text it is 64 lower-case hexadecimal digits.
///
/// ```
/// use browser_stream_protocol::swarm::{ContentId, Manifest};
///
/// let id = Manifest::of(&b"hello"[..])?.id();
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert!("A0".parse::<ContentId>().is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(pub [u8; 32]);

/// A text that names no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a content's id has 64 hexadecimal digits, in lower case")]
pub struct BadContentId;

impl ContentId {
    /// What a token's right is about: `subscribe` of it to find, `publish` to announce.
    pub fn right(&self) -> String {
        format!("swarm-{self}")
    }
}

impl FromStr for ContentId {
    type Err = BadContentId;

    fn from_str(text: &str) -> Result<Self, BadContentId> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(BadContentId),
        };
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(BadContentId) };
        let pairs: &[[u8; 2]; 32] = pairs.try_into().map_err(|_| BadContentId)?;
        let mut id = [0; 32];
        for (byte, [high, low]) in id.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(id))
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ContentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
