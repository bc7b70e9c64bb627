//! The name of an event.

use std::fmt;

use bytes::Bytes;

use super::EVENT_NAME_MAX;

/// Names that a room itself uses: a listener could not tell a member's word from the room's.
pub const RESERVED: [&str; 12] =
    ["join", "leave", "disconnecting", "live", "profile", "lost", "suspended", "resumed", "moved", "drain", "error", "close"];

/// An event's name: 1 to 128 bytes of UTF-8, none of the room's own. `__proto__` is one like any other.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventName(Bytes);

/// What cannot name an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEventName {
    /// Too long, or empty.
    #[error("an event's name has 1 to {EVENT_NAME_MAX} bytes")]
    Length,
    /// Not UTF-8.
    #[error("an event's name is UTF-8")]
    Text,
    /// One of [`RESERVED`].
    #[error("the room itself has an event of that name: take another")]
    Reserved,
}

impl EventName {
    /// The name that these bytes are.
    ///
    /// # Errors
    /// Where they cannot be one.
    pub fn new(bytes: Bytes) -> Result<Self, BadEventName> {
        if bytes.is_empty() || bytes.len() > EVENT_NAME_MAX {
            return Err(BadEventName::Length);
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| BadEventName::Text)?;
        if RESERVED.contains(&text) {
            return Err(BadEventName::Reserved);
        }
        Ok(Self(bytes))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        // It was checked when it was made.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// As bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl TryFrom<&str> for EventName {
    type Error = BadEventName;

    fn try_from(text: &str) -> Result<Self, BadEventName> {
        Self::new(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Debug for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
