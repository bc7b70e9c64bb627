//! Integers as records carry them: LEB128, seven bits a byte, low first, at most 8 bytes and at most 2^53 - 1.

use bytes::{BufMut, BytesMut};

/// The largest integer that a record may carry: the largest that JavaScript counts exactly.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

const BYTES_MAX: usize = 8;

/// An integer of more bytes, or a larger one, than a record may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadInteger;

/// Appends `value`, which is at most [`INTEGER_MAX`].
///
/// ```
/// use browser_stream_protocol::integer::{put, take};
/// use bytes::BytesMut;
///
/// let mut bytes = BytesMut::new();
/// put(300, &mut bytes);
/// let mut rest = &bytes[..];
/// assert_eq!(take(&mut rest), Ok(Some(300)));
/// assert!(rest.is_empty());
/// ```
pub fn put(mut value: u64, out: &mut BytesMut) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Takes one integer off the front of `rest`; `None` if it is not whole yet.
///
/// # Errors
/// Where it is longer or larger than a record may carry.
pub fn take(rest: &mut &[u8]) -> Result<Option<u64>, BadInteger> {
    let mut value = 0;
    for (index, &byte) in rest.iter().take(BYTES_MAX).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *rest = rest.get(index + 1..).unwrap_or_default();
            return if value <= INTEGER_MAX { Ok(Some(value)) } else { Err(BadInteger) };
        }
    }
    if rest.len() < BYTES_MAX { Ok(None) } else { Err(BadInteger) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_survives() {
        for bits in 0..=53 {
            for value in [(1_u64 << bits) - 1, (1 << bits) & INTEGER_MAX] {
                let mut out = BytesMut::new();
                put(value, &mut out);
                let mut rest = &out[..];
                assert_eq!(take(&mut rest), Ok(Some(value)));
                assert!(rest.is_empty());
                assert_eq!(take(&mut &out[..out.len() - 1]), Ok(None));
            }
        }
    }

    #[test]
    fn what_is_too_long_or_too_large_is_refused() {
        assert_eq!(take(&mut &[0x80; 9][..]), Err(BadInteger));
        assert_eq!(take(&mut &[0x80; 8][..]), Err(BadInteger));
        assert_eq!(take(&mut &[0x80; 7][..]), Ok(None));
        assert_eq!(take(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x10][..]), Err(BadInteger));
        assert_eq!(take(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x01][..]), Ok(Some(INTEGER_MAX)));
    }
}
