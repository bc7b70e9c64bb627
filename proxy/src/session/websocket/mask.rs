//! The mask on what a client sends (RFC 6455, section 5.3).

/// Takes the mask off (or puts it on) in place; `at` is where in the frame's payload `bytes` begin.
pub fn unmask(bytes: &mut [u8], key: [u8; 4], at: usize) {
    // The key as it falls on the first of these bytes: little-endian, so that the first byte is the lowest anywhere.
    let turned = u32::from_le_bytes(key).rotate_right(8 * (at % 4) as u32).to_le_bytes();
    // Blocks of a fixed size, because the compiler makes vector instructions of them.
    let mut pattern = [0; BLOCK];
    for quarter in pattern.as_chunks_mut().0 {
        *quarter = turned;
    }
    let (blocks, rest) = bytes.as_chunks_mut::<BLOCK>();
    for block in blocks {
        for (byte, key) in block.iter_mut().zip(&pattern) {
            *byte ^= key;
        }
    }
    let (quarters, rest) = rest.as_chunks_mut::<4>();
    for quarter in quarters {
        *quarter = (u32::from_ne_bytes(*quarter) ^ u32::from_ne_bytes(turned)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(turned) {
        *byte ^= key;
    }
}

/// Two or four vector registers' worth.
const BLOCK: usize = 64;

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
            payload in prop::collection::vec(any::<u8>(), 0..400),
            key: [u8; 4],
            split in 0usize..400,
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
