//! The mask on what a client sends (RFC 6455, section 5.3).

/// Takes the mask off (or puts it on) in place; `at` is where in the frame's payload `bytes` begin.
#[inline]
pub fn unmask(bytes: &mut [u8], key: [u8; 4], at: usize) {
    // The key as it falls on the first of these bytes; little-endian, so that the first byte is the lowest anywhere.
    let key = turned(u32::from_le_bytes(key), at);
    if bytes.len() < LONG { short(bytes, key) } else { long(bytes, key) }
}

/// Blocks of a fixed size, of which the compiler makes vector instructions; none lies across two cache lines.
fn long(bytes: &mut [u8], key: u32) {
    let ahead = bytes.as_ptr().align_offset(BLOCK).min(bytes.len());
    let (first, rest) = bytes.split_at_mut(ahead);
    short(first, key);
    let key = turned(key, ahead);
    let mut pattern = [0; BLOCK];
    for four in pattern.as_chunks_mut().0 {
        *four = key.to_le_bytes();
    }
    let (blocks, rest) = rest.as_chunks_mut::<BLOCK>();
    for block in blocks {
        for (byte, key) in block.iter_mut().zip(&pattern) {
            *byte ^= key;
        }
    }
    short(rest, key);
}

/// Words as wide as what is left, without any preparation.
#[inline]
fn short(bytes: &mut [u8], key: u32) {
    let two = u64::from(key) << 32 | u64::from(key);
    let four = u128::from(two) << 64 | u128::from(two);
    let (words, rest) = bytes.as_chunks_mut();
    for word in words {
        *word = (u128::from_le_bytes(*word) ^ four).to_le_bytes();
    }
    let (words, rest) = rest.as_chunks_mut();
    for word in words {
        *word = (u64::from_le_bytes(*word) ^ two).to_le_bytes();
    }
    let (words, rest) = rest.as_chunks_mut();
    for word in words {
        *word = (u32::from_le_bytes(*word) ^ key).to_le_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.to_le_bytes()) {
        *byte ^= key;
    }
}

/// The key, `at` bytes further on.
fn turned(key: u32, at: usize) -> u32 {
    key.rotate_right(8 * (at % 4) as u32)
}

/// A cache line, and a few vector registers' worth.
const BLOCK: usize = 64;
/// From here on it pays to align.
const LONG: usize = 8 * BLOCK;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rfcs_example_is_hello() {
        let mut bytes = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        unmask(&mut bytes, [0x37, 0xfa, 0x21, 0x3d], 0);
        assert_eq!(&bytes, b"Hello");
    }

    proptest! {
        #[test]
        fn every_byte_is_masked_by_its_place_wherever_the_payload_is_split(
            payload in prop::collection::vec(any::<u8>(), 0..2000),
            key: [u8; 4],
            split in 0usize..2000,
            start in 0usize..8,
        ) {
            let expected: Vec<u8> = payload.iter().enumerate().map(|(at, byte)| byte ^ key[(start + at) % 4]).collect();
            let mut bytes = payload;
            let split = split.min(bytes.len());
            let (first, second) = bytes.split_at_mut(split);
            unmask(first, key, start);
            unmask(second, key, start + split);
            prop_assert_eq!(bytes, expected);
        }
    }
}
