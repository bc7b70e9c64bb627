//! A map by stream id: two multiplications per look-up, keyed at random so that a peer cannot choose ids that collide.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
};

use crate::StreamId;

pub(crate) type Ids<V> = HashMap<StreamId, V, Keyed>;

#[derive(Clone)]
pub(crate) struct Keyed {
    key: u64,
}

impl Default for Keyed {
    fn default() -> Self {
        let key = RandomState::new().hash_one(0_u32) | 1;
        Self { key }
    }
}

impl BuildHasher for Keyed {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded { key: self.key, hash: 0 }
    }
}

pub(crate) struct Folded {
    key: u64,
    hash: u64,
}

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        let input = (self.hash ^ u64::from(id)).wrapping_add(self.key.rotate_left(32));
        let product = u128::from(input) * u128::from(self.key);
        let folded = product as u64 ^ (product >> 64) as u64;
        // Once more, with a constant: an unlucky key alone leaves ids in a row close together. The map takes its slot from the low bits
        // and its tag from the high ones.
        let mixed = (folded ^ (folded >> 32)).wrapping_mul(MIX);
        self.hash = mixed ^ (mixed >> 29);
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

/// 2⁶⁴ divided by the golden ratio, odd (Knuth, The Art of Computer Programming, volume 3, section 6.4).
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_a_row_spread_over_slots_and_tags_with_a_thousand_keys() {
        let mut key = 0;
        for _ in 0..1_000 {
            // splitmix64 (Steele, Lea, Flood 2014), as good as the random keys of a process.
            key += u128::from(MIX);
            let mut mixed = key as u64;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            spreads(Keyed { key: (mixed ^ (mixed >> 31)) | 1 });
        }
    }

    fn spreads(keyed: Keyed) {
        let hashes: Vec<u64> = (0..1024_u32).map(|n| keyed.hash_one(2 * n + 1)).collect();
        let slots: std::collections::HashSet<u64> = hashes.iter().map(|hash| hash & 2047).collect();
        let tags: std::collections::HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert!(slots.len() > 500, "{} slots with the key {:x}", slots.len(), keyed.key);
        assert!(tags.len() > 90, "{} tags with the key {:x}", tags.len(), keyed.key);
    }
}
