//! Events' arguments and answers as a program in the proxy's process has them: MessagePack.

use std::{fmt, io::Cursor};

use browser_stream_mux::Code;
use browser_stream_protocol::room::EventName;
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::error::OpenError;

/// A MessagePack value that came from a member, of whatever shape it likes: [`to`](Self::to) makes one of yours of it.
///
/// See [`Rooms`](super::Rooms).
#[derive(Clone, PartialEq, Eq)]
pub struct Value(Bytes);

/// Values may be nested so deep.
const DEPTH_MAX: usize = 100;

impl Value {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The value as a `T`; an event's arguments are a sequence, so a tuple takes them.
    ///
    /// # Errors
    /// `bad_request` for what is no value, is nested deeper than 100, or is not of that type.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, OpenError> {
        let bad = |why: &dyn fmt::Display| OpenError::new(Code::BadRequest, format!("the value is not as expected: {why}"));
        let mut input = rmp_serde::Deserializer::new(Cursor::new(&self.0[..]));
        // It refuses the last level that it is given, and takes a moment for a level, too.
        input.set_max_depth(DEPTH_MAX + 2);
        let value = T::deserialize(&mut input).map_err(|error| bad(&error))?;
        if input.position() < self.0.len() as u64 {
            return Err(bad(&"more comes behind it"));
        }
        Ok(value)
    }

    /// Its MessagePack.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.0.len())
    }
}

/// One value's MessagePack; structs are maps, as JavaScript's objects are.
pub(super) fn encode(value: &impl Serialize, most: usize) -> Result<Bytes, OpenError> {
    let bytes =
        rmp_serde::to_vec_named(value).map_err(|error| OpenError::new(Code::BadRequest, format!("it has no MessagePack: {error}")))?;
    if bytes.len() > most {
        return Err(OpenError::new(Code::Limit, format!("{} bytes, {most} at most: a longer one goes over a stream", bytes.len())));
    }
    Ok(bytes.into())
}

/// An event's name and arguments, which are a tuple or another sequence; `()` for none.
pub(super) fn event(name: &str, args: &impl Serialize, most: usize) -> Result<(EventName, Bytes), OpenError> {
    let name = EventName::try_from(name).map_err(|error| OpenError::new(Code::BadRequest, error.to_string()))?;
    let body = encode(args, most)?;
    match body.first() {
        Some(0xc0) if body.len() == 1 => Ok((name, Bytes::from_static(&[0x90]))),
        Some(0x90..=0x9f | 0xdc | 0xdd) => Ok((name, body)),
        _ => Err(OpenError::new(Code::BadRequest, "an event's arguments are a tuple or another sequence: (argument,) for one")),
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;

    use super::*;

    #[test]
    fn a_value_is_nested_as_deep_as_clients_nest_it_and_no_deeper_by_much() {
        let nested = |levels: usize, inner: &[u8]| Value::new([&vec![0x91; levels][..], inner].concat().into()).to::<IgnoredAny>();
        // A timestamp is an extension.
        for inner in [&[0xc0][..], &[0xd6, 0xff, 0, 0, 0, 0]] {
            assert!(nested(DEPTH_MAX, inner).is_ok());
            assert!(nested(DEPTH_MAX + 2, inner).is_err_and(|error| error.is(Code::BadRequest)));
        }
    }
}
