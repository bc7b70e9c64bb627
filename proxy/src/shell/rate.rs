//! How fast something goes, of late.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Bytes at the last looks, the newest behind.
#[derive(Debug, Default)]
pub struct Rate(VecDeque<(Instant, u64)>);

/// The rate is that of so many looks: two seconds.
const LOOKS: usize = 8;

impl Rate {
    /// So many have passed in all by now.
    pub fn look(&mut self, now: Instant, bytes: u64) {
        self.0.push_back((now, bytes));
        if self.0.len() > LOOKS {
            self.0.pop_front();
        }
    }

    /// Bytes between the first look and the last, and the time.
    pub fn passed(&self) -> (u64, Duration) {
        match (self.0.front(), self.0.back()) {
            (Some((since, before)), Some((now, bytes))) => (bytes.saturating_sub(*before), *now - *since),
            _ => (0, Duration::ZERO),
        }
    }
}
