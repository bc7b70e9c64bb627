//! How much goes into one message.
//!
//! A page is given a message when all of it is there, so whatever comes first in one waits for what comes last: on a slow way a message must be short, or
//! the fairness between streams is undone. On a fast one a long message costs both ends less.

use std::time::{Duration, Instant};

/// The bound of a session's messages, which follows how long its socket stays full.
#[derive(Debug)]
pub(super) struct Batch {
    max: usize,
    /// Since when the message that is on its way waits for room.
    full: Option<Instant>,
}

impl Batch {
    pub const MAX: usize = 256 * 1024;
    /// One turn of a stream.
    const MIN: usize = browser_stream_mux::TURN;
    /// A message that waits no longer than this may be as long as any.
    const QUICK: Duration = Duration::from_millis(5);

    /// Bytes that leave as one message at most, but for the frame with which it gets there.
    pub fn max(&self) -> usize {
        self.max
    }

    /// The socket has no room for the rest of a message.
    pub fn blocked(&mut self, now: impl FnOnce() -> Instant) {
        self.full.get_or_insert_with(now);
    }

    /// The socket has taken the message: if that had to wait, the next ones are as much shorter as it was too long.
    pub fn written(&mut self, now: impl FnOnce() -> Instant) {
        if let Some(since) = self.full.take() {
            let waited = (now() - since).max(Self::QUICK);
            let max = Self::MAX as u128 * Self::QUICK.as_nanos() / waited.as_nanos();
            self.max = (max as usize).max(Self::MIN);
        }
    }

    /// The socket has taken all that was queued.
    pub fn emptied(&mut self) {
        self.max = Self::MAX.min(2 * self.max);
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self { max: Self::MAX, full: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message that finds the socket full, and all of it written when `ms` have passed.
    fn waits(batch: &mut Batch, ms: u64) {
        let start = Instant::now();
        batch.blocked(|| start);
        // The socket had room for a part of it.
        batch.blocked(|| start + Duration::from_millis(ms / 2));
        batch.written(|| start + Duration::from_millis(ms));
    }

    #[test]
    fn a_message_is_as_short_as_the_way_is_slow() {
        let mut batch = Batch::default();
        for (ms, kib) in [(0, 256), (5, 256), (10, 128), (20, 64), (80, 16), (10_000, 16), (1, 256)] {
            waits(&mut batch, ms);
            assert_eq!(batch.max(), kib * 1024, "after {ms} ms");
        }
    }

    #[test]
    fn one_that_did_not_wait_says_nothing_and_all_that_was_queued_makes_the_next_longer() {
        let mut batch = Batch::default();
        waits(&mut batch, 1_000);
        batch.written(|| unreachable!("the clock is asked only where something waited"));
        assert_eq!(batch.max(), 16 * 1024);
        for kib in [32, 64, 128, 256, 256] {
            batch.emptied();
            assert_eq!(batch.max(), kib * 1024);
        }
    }
}
