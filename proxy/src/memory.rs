//! What the process holds for its peers, against its budget.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::{Bytes, BytesMut};

/// A gauge of the bytes that buffers and queues hold, and the budget that they should stay below. It refuses nothing by itself: whoever
/// could do without more asks [`pressed`](Self::pressed) first.
#[derive(Debug)]
pub(crate) struct Memory {
    budget: usize,
    used: AtomicUsize,
}

impl Memory {
    /// Nothing used of `budget` bytes.
    pub fn new(budget: usize) -> Self {
        Self { budget, used: AtomicUsize::new(0) }
    }

    /// Books `bytes` that were allocated. Each `take` needs its [`give`](Self::give); [`lease`](Self::lease) sees to that by itself.
    pub fn take(&self, bytes: usize) {
        // A figure to decide by, not a lock: nothing else is ordered by it.
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Books `bytes` as freed. More than was taken counts as all: a wrong book must not look like a full memory for ever.
    pub fn give(&self, bytes: usize) {
        let before = self.used.fetch_sub(bytes, Ordering::Relaxed);
        if before < bytes {
            debug_assert!(false, "{bytes} bytes given back where {before} were taken");
            self.used.fetch_add(bytes - before, Ordering::Relaxed);
        }
    }

    #[cfg(feature = "metrics")]
    /// Bytes that should not be reached.
    pub fn budget(&self) -> usize {
        self.budget
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether the budget is used up: nobody new is let in, and no credit is given, until some of it is free again.
    pub fn pressed(&self) -> bool {
        self.used() >= self.budget
    }

    /// Whether three quarters of the budget are used: what is kept for convenience goes first, before anybody's stream has to.
    pub fn tight(&self) -> bool {
        self.used() >= self.budget / 4 * 3
    }

    /// Books `bytes` for as long as the lease lives.
    pub fn lease(self: &Arc<Self>, bytes: usize) -> Lease {
        self.take(bytes);
        Lease { memory: self.clone(), bytes }
    }
}

/// Bytes of a [`Memory`], given back when this is dropped.
#[derive(Debug)]
#[must_use = "dropping a lease gives its bytes back"]
pub(crate) struct Lease {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.memory.give(self.bytes);
    }
}

/// Bytes that count for as long as anybody has a slice of them.
struct Booked {
    bytes: BytesMut,
    _lease: Lease,
}

impl AsRef<[u8]> for Booked {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Books these bytes; so few are covered by what is counted for their place in a queue.
pub(crate) fn booked(bytes: BytesMut, memory: &Arc<Memory>) -> Bytes {
    if bytes.len() <= FEW {
        return bytes.freeze();
    }
    let lease = memory.lease(bytes.capacity());
    Bytes::from_owner(Booked { bytes, _lease: lease })
}

/// No more than a place in a queue costs beside its bytes.
const FEW: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_budget_presses_and_what_is_given_back_relieves_it() {
        let memory = Memory::new(10);
        memory.take(9);
        assert!(!memory.pressed());
        memory.take(1);
        assert!(memory.pressed());
        memory.give(10);
        assert_eq!((memory.used(), memory.pressed()), (0, false));
    }

    #[test]
    fn a_lease_gives_back_what_it_books_when_it_is_dropped() {
        let memory = Arc::new(Memory::new(100));
        let lease = memory.lease(70);
        let other = memory.lease(30);
        assert_eq!((memory.used(), memory.pressed()), (100, true));
        drop(lease);
        assert_eq!(memory.used(), 30);
        drop(other);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_lease_survives_a_panic_of_its_owner_as_nothing_booked() {
        let memory = Arc::new(Memory::new(100));
        let lease = memory.lease(50);
        let owner = std::thread::spawn(move || {
            let _lease = lease;
            panic!("on purpose");
        });
        assert!(owner.join().is_err());
        assert_eq!(memory.used(), 0);
    }
}
