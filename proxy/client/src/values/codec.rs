//! What turns a value into bytes and back.

use serde::{Serialize, de::DeserializeOwned};

/// Why a value cannot be encoded or decoded, in words.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Encodes values, and decodes exactly what the codec of that name in the browser library takes.
///
/// ```
/// use browser_stream_client::values::{Codec, Json, MsgPack, Value};
///
/// let (mut text, mut packed) = (Vec::new(), Vec::new());
/// Json.encode(&[1, 2], &mut text)?;
/// MsgPack.encode(&[1, 2], &mut packed)?;
/// assert_eq!((text.as_slice(), packed.as_slice()), (&b"[1,2]"[..], &[0x92, 1, 2][..]));
/// assert_eq!(MsgPack.decode::<Value>(&packed)?, Value::Array(vec![Value::Integer(1), Value::Integer(2)]));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub trait Codec {
    /// Puts the value's bytes behind what is there.
    ///
    /// # Errors
    /// A value that the codec has no bytes for.
    fn encode<T: Serialize + ?Sized>(&self, value: &T, into: &mut Vec<u8>) -> Result<(), Cause>;

    /// The value of bytes that are exactly one.
    ///
    /// # Errors
    /// Bytes that are not one value, or not of type `T`.
    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Cause>;
}

/// Arrays and objects may be nested so deep.
pub(super) const DEPTH_MAX: usize = 100;
