//! How much a trace keeps, of all connections together.

use std::{cell::Cell, rc::Rc};

/// Bytes that may be kept at once. All that keeps something takes its bytes out of one of these first.
#[derive(Clone, Debug)]
pub struct Budget(Rc<Cell<usize>>);

/// What may be kept of all connections at once: opens, notes and records that are not whole yet, segments that came too early, and what is known of streams.
const KEPT_MAX: usize = 64 << 20;

impl Budget {
    pub fn new() -> Self {
        Self(Rc::new(Cell::new(KEPT_MAX)))
    }

    /// Takes so many bytes out of it until what it gives is dropped; nothing where there are not so many left.
    pub fn take(&self, bytes: usize) -> Option<Share> {
        self.0.set(self.0.get().checked_sub(bytes)?);
        Some(Share { budget: self.clone(), bytes })
    }

    /// What is left of it.
    #[cfg(test)]
    pub fn left(&self) -> usize {
        self.0.get()
    }
}

/// Bytes that were taken out of the budget; dropped, they are free again.
#[derive(Debug)]
#[must_use = "dropping a share gives it back"]
pub struct Share {
    budget: Budget,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.set(self.budget.0.get() + self.bytes);
    }
}

/// Bytes that are kept within the budget.
#[derive(Debug)]
pub struct Kept {
    bytes: Vec<u8>,
    share: Share,
}

impl Kept {
    /// Nothing yet.
    pub fn new(budget: &Budget) -> Self {
        Self { bytes: Vec::new(), share: Share { budget: budget.clone(), bytes: 0 } }
    }

    /// Keeps these, too; false, and nothing kept of them, where there is no room.
    pub fn keep(&mut self, bytes: &[u8]) -> bool {
        let Some(mut more) = self.share.budget.take(bytes.len()) else { return false };
        self.share.bytes += std::mem::take(&mut more.bytes);
        // No more than what counts.
        self.bytes.reserve_exact(bytes.len());
        self.bytes.extend_from_slice(bytes);
        true
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_counts_until_it_is_dropped() {
        let budget = Budget::new();
        let share = budget.take(KEPT_MAX - 4).expect("there is room");
        let mut kept = Kept::new(&budget);
        assert!(kept.keep(b"abc") && !kept.keep(b"de") && kept.keep(b"d"));
        assert_eq!((kept.bytes(), budget.left()), (&b"abcd"[..], 0));
        drop((share, kept));
        assert_eq!(budget.left(), KEPT_MAX);
    }
}
