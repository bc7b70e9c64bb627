//! What queued bytes hold of the process's memory beyond themselves.

use std::ops::{AddAssign, SubAssign};

/// The memory behind the bytes of a queue, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Memory of the queues' own, filled or not: copies, and what writers handed in.
    pub(crate) own: usize,
    /// Slices of memory that was read into, which may be many times as large and is held as long as any slice of it.
    pub(crate) slices: usize,
}

/// What a slice may be a part of: a read of the usual length.
const SLICE_HOLDS: usize = 64 * 1024;

impl Held {
    /// The most that `queued` bytes keep the process from using: themselves, and for each slice all that it may be a part of.
    pub(crate) fn weight(self, queued: usize) -> usize {
        queued.max(self.own) + self.slices * SLICE_HOLDS
    }
}

impl AddAssign for Held {
    fn add_assign(&mut self, more: Self) {
        self.own += more.own;
        self.slices += more.slices;
    }
}

impl SubAssign for Held {
    fn sub_assign(&mut self, less: Self) {
        self.own -= less.own;
        self.slices -= less.slices;
    }
}
