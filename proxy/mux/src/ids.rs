//! A map by stream id: one multiplication per look-up, keyed at random so that a peer cannot choose ids that collide.

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
        // Both halves: the map takes its slot from the low bits and its tag from the high ones.
        self.hash = product as u64 ^ (product >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_a_row_spread_over_slots_and_tags() {
        let keyed = Keyed::default();
        let hashes: Vec<u64> = (0..1024_u32).map(|n| keyed.hash_one(2 * n + 1)).collect();
        let slots: std::collections::HashSet<u64> = hashes.iter().map(|hash| hash & 2047).collect();
        let tags: std::collections::HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert!(slots.len() > 600, "{} slots", slots.len());
        assert!(tags.len() > 100, "{} tags", tags.len());
    }
}
