//! Values as MessagePack.

use rmp_serde::{Deserializer, Serializer};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    codec::{Cause, Codec},
    shape,
};

/// MessagePack, as a page's `msgpack`. Structs are maps by their fields' names.
///
/// | in a page | in Rust |
/// |---|---|
/// | number | an integer if it is whole and of at most 32 bits, else `f64` |
/// | BigInt | `i64`, `u64`; what Rust sends as an integer is a BigInt in a page if it has more than 32 bits, else a number |
/// | Date | [`Timestamp`](super::Timestamp) |
/// | `Uint8Array` | [`bytes::Bytes`] (a `Vec<u8>` is an array of numbers) |
///
/// A page's `Date.now()` is a number of more than 32 bits: an `f64`. [`Value`](super::Value) takes whatever comes.
///
/// See [`Codec`](super::Codec).
#[derive(Clone, Copy, Debug, Default)]
pub struct MsgPack;

impl Codec for MsgPack {
    fn encode<T: Serialize + ?Sized>(&self, value: &T, into: &mut Vec<u8>) -> Result<(), Cause> {
        let from = into.len();
        value.serialize(&mut Serializer::new(&mut *into).with_struct_map())?;
        Ok(shape::check(&into[from..])?)
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Cause> {
        shape::check(bytes)?;
        Ok(T::deserialize(&mut Deserializer::from_read_ref(bytes))?)
    }
}
