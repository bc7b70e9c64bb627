//! One life of a server, as its program names it.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Names one life of a server: 16 random bytes, on the wire 32 lower-case hex digits (PROTOCOL.md, section 5).
///
/// Clients are told it: the same one means that the server still knows what it knew.
///
/// ```
/// use browser_stream_server::Instance;
///
/// let one = Instance::random();
/// assert_eq!(one.bytes().len(), 16);
/// assert_ne!(one, Instance::random());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instance([u8; BYTES]);

const BYTES: usize = 16;

impl Instance {
    /// A new one, for a server that does not name its life.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; BYTES] {
        &self.0
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl Serialize for Instance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = [0; 2 * BYTES];
        // On the stack: each client of a server is told it.
        serializer.serialize_str(HEXLOWER.encode_mut_str(&self.0, &mut digits))
    }
}

impl<'de> Deserialize<'de> for Instance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bytes_of_hex(deserializer).map(Self)
    }
}

/// Exactly `N` bytes in lower-case hex.
pub(crate) fn bytes_of_hex<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| D::Error::custom(format!("{} lower-case hex digits were expected", 2 * N)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_32_lower_case_hex_digits_and_nothing_else() {
        let text = r#""404142434445464748494a4b4c4d4e4f""#;
        let instance: Instance = serde_json::from_str(text).unwrap();
        assert_eq!(instance.bytes()[..2], [0x40, 0x41]);
        assert_eq!(serde_json::to_string(&instance).unwrap(), text);
        for wrong in [r#""""#, r#""40""#, &text.to_uppercase(), r#""404142434445464748494a4b4c4d4e4g""#, "1", "null"] {
            assert!(serde_json::from_str::<Instance>(wrong).is_err(), "{wrong}");
        }
        assert_ne!(Instance::random(), Instance::random());
    }
}
