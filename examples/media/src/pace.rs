//! Sends no faster than was asked for.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

pub struct Pace {
    bytes_per_second: Option<f64>,
    next: Instant,
}

impl Pace {
    pub fn new(kib_per_second: Option<u32>) -> Self {
        Self { bytes_per_second: kib_per_second.map(|kib| f64::from(kib) * 1024.0), next: Instant::now() }
    }

    /// Waits until the next bytes may follow these.
    pub async fn keep(&mut self, bytes: usize) {
        let Some(rate) = self.bytes_per_second.filter(|rate| *rate > 0.0) else { return };
        self.next = self.next.max(Instant::now()) + Duration::from_secs_f64(bytes as f64 / rate);
        sleep_until(self.next).await;
    }
}
