//! How long a reader has taken nothing.

use std::time::Duration;

use tokio::time::Instant;

/// Since when a reader has taken nothing more.
pub(super) struct Stall {
    taken: u64,
    since: Instant,
}

impl Stall {
    pub fn new(taken: u64) -> Self {
        Self { taken, since: Instant::now() }
    }

    /// Whether it had taken so much for so long.
    pub fn exceeds(&mut self, taken: u64, most: Duration) -> bool {
        if taken > self.taken {
            *self = Self::new(taken);
        }
        self.since.elapsed() >= most
    }
}
