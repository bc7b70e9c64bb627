//! What all streams of a program may hold together beyond their first windows.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Bytes that the windows and replay buffers of a program's streams may grow by together; clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<AtomicU64>);

impl Default for Budget {
    /// 64 MiB.
    fn default() -> Self {
        Self::new(64 * 1024 * 1024)
    }
}

impl Budget {
    /// A budget of that many bytes.
    pub fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    /// What nobody holds.
    pub fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one stream holds of the budget in one direction; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Budget,
    taken: u64,
}

impl Share {
    pub(super) fn of(budget: &Budget) -> Self {
        Self { budget: budget.clone(), taken: 0 }
    }

    /// Takes all of `bytes` or nothing.
    pub(super) fn take(&mut self, bytes: u64) -> bool {
        let less = |left: u64| left.checked_sub(bytes);
        let taken = self.budget.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        self.taken += if taken { bytes } else { 0 };
        taken
    }

    pub(super) fn give_back(&mut self) {
        self.budget.0.fetch_add(std::mem::take(&mut self.taken), Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_taken_whole_and_given_back_when_dropped() {
        let budget = Budget::new(10);
        let mut share = Share::of(&budget);
        assert!(share.take(7));
        assert!(!share.take(4));
        assert_eq!(budget.left(), 3);
        drop(share);
        assert_eq!(budget.left(), 10);
    }
}
