//! A table of what has a stream id: two multiplications per look-up, keyed at random so that a peer cannot choose ids that collide.
//!
//! The id lies in the value: a value in a box takes nine bytes of the table.

use std::{
    hash::{BuildHasher, RandomState},
    mem,
};

use hashbrown::{HashTable, hash_table::Entry};

use crate::StreamId;

/// What has a stream id.
pub(crate) trait Identified {
    fn id(&self) -> StreamId;
}

/// A table of values by stream id.
pub(crate) struct Ids<V> {
    table: HashTable<V>,
    key: Key,
}

impl<V> Default for Ids<V> {
    fn default() -> Self {
        Self { table: HashTable::new(), key: Key::random() }
    }
}

impl<V: Identified> Ids<V> {
    pub(crate) fn get(&self, id: StreamId) -> Option<&V> {
        self.table.find(self.key.hash(id), |value| value.id() == id)
    }

    pub(crate) fn get_mut(&mut self, id: StreamId) -> Option<&mut V> {
        self.table.find_mut(self.key.hash(id), |value| value.id() == id)
    }

    /// Puts in a value, and takes out the one that had its id.
    pub(crate) fn insert(&mut self, value: V) -> Option<V> {
        let (key, id) = (self.key, value.id());
        match self.table.entry(key.hash(id), |value| value.id() == id, |value| key.hash(value.id())) {
            Entry::Occupied(mut old) => Some(mem::replace(old.get_mut(), value)),
            Entry::Vacant(place) => {
                place.insert(value);
                None
            }
        }
    }

    /// Takes out the value with this id, if it is one of those.
    pub(crate) fn remove_if(&mut self, id: StreamId, is_one: impl FnOnce(&V) -> bool) -> Option<V> {
        let found = self.table.find_entry(self.key.hash(id), |value| value.id() == id).ok()?;
        if is_one(found.get()) { Some(found.remove().0) } else { None }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &V> {
        self.table.iter()
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = V> + use<V> {
        self.table.into_iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.table.capacity()
    }

    pub(crate) fn shrink_to(&mut self, capacity: usize) {
        let key = self.key;
        self.table.shrink_to(capacity, |value| key.hash(value.id()));
    }
}

/// What ids are hashed with.
#[derive(Clone, Copy)]
struct Key(u64);

impl Key {
    fn random() -> Self {
        Self(RandomState::new().hash_one(0_u32) | 1)
    }

    fn hash(self, id: StreamId) -> u64 {
        let input = u64::from(id).wrapping_add(self.0.rotate_left(32));
        let product = u128::from(input) * u128::from(self.0);
        let folded = product as u64 ^ (product >> 64) as u64;
        // Once more, with a constant: an unlucky key alone leaves ids in a row close together. The table takes its slot from the low bits
        // and its tag from the high ones.
        let mixed = (folded ^ (folded >> 32)).wrapping_mul(MIX);
        mixed ^ (mixed >> 29)
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
            spreads(Key((mixed ^ (mixed >> 31)) | 1));
        }
    }

    fn spreads(key: Key) {
        let hashes: Vec<u64> = (0..1024_u32).map(|n| key.hash(2 * n + 1)).collect();
        let slots: std::collections::HashSet<u64> = hashes.iter().map(|hash| hash & 2047).collect();
        let tags: std::collections::HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert!(slots.len() > 500, "{} slots with the key {:x}", slots.len(), key.0);
        assert!(tags.len() > 90, "{} tags with the key {:x}", tags.len(), key.0);
    }
}
