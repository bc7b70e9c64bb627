//! Events' arguments and answers: MessagePack.

use std::fmt;

use browser_stream_protocol::room::{BODY_MAX, Emit, EventName};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::RoomError;
use crate::values::{Codec, MsgPack};

/// A MessagePack value of another's: an event's arguments, or an answer.
///
/// See [`Room`](super::Room).
#[derive(Clone, PartialEq, Eq)]
pub struct Args(Bytes);

impl Args {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The value as a `T`.
    ///
    /// # Errors
    /// Where it is none, or not of that type.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, RoomError> {
        MsgPack.decode(&self.0).map_err(|error| RoomError::Bad(format!("the value is not as expected: {error}")))
    }
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Args({} bytes)", self.0.len())
    }
}

/// One value's MessagePack.
pub(super) fn encode(value: &impl Serialize) -> Result<Bytes, RoomError> {
    let mut bytes = Vec::new();
    MsgPack.encode(value, &mut bytes).map_err(|error| RoomError::Bad(error.to_string()))?;
    if bytes.len() > BODY_MAX {
        return Err(RoomError::Bad("an event has 1 MiB at most: what is longer goes over a stream".into()));
    }
    Ok(bytes.into())
}

/// An event with these arguments.
pub(super) fn emit(event: &str, args: &impl Serialize) -> Result<Emit, RoomError> {
    let name = EventName::try_from(event).map_err(|error| RoomError::Bad(error.to_string()))?;
    let body = encode(args)?;
    match body.first() {
        Some(0xc0) if body.len() == 1 => Ok(Emit::new(name, Bytes::from_static(&[0x90]))),
        Some(0x90..=0x9f | 0xdc | 0xdd) => Ok(Emit::new(name, body)),
        _ => Err(RoomError::Bad("an event's arguments are a tuple or another sequence: (argument,) for one".into())),
    }
}
