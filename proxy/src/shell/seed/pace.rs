//! How fast all fetchers together are served.

use std::{
    future::pending,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    sync::{Mutex, Notify},
    time::{Instant, sleep_until},
};

/// The pace of all that is served; without a limit it is that of the connection.
pub struct Pace {
    limit: Option<Limit>,
}

struct Limit {
    bytes_per_second: u64,
    /// Bytes that somebody asked for, and that have not left.
    owed: AtomicU64,
    /// Less is owed than before.
    room: Notify,
    /// When the next may leave. Whoever waits for it waits in turn.
    next: Mutex<Instant>,
}

/// More than this time's worth is not promised: whoever asks is told to ask elsewhere.
const PROMISED: Duration = Duration::from_secs(5);

impl Pace {
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        let limit =
            |bytes_per_second| Limit { bytes_per_second, owed: AtomicU64::new(0), room: Notify::new(), next: Mutex::new(Instant::now()) };
        Self { limit: bytes_per_second.map(limit) }
    }

    /// Promises to serve so much, if that can be soon; where nothing is promised yet it can.
    pub fn promise(&self, bytes: u64) -> bool {
        let Some(limit) = &self.limit else { return true };
        let most = limit.bytes_per_second.saturating_mul(PROMISED.as_secs());
        let promise = |owed: u64| (owed == 0 || owed + bytes <= most).then_some(owed + bytes);
        limit.owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, promise).is_ok()
    }

    /// What was promised is served, or not wanted any more.
    pub fn keep(&self, bytes: u64) {
        if let Some(limit) = &self.limit {
            limit.owed.fetch_sub(bytes, Ordering::Relaxed);
            // One at a time: what is free is not enough for all.
            limit.room.notify_one();
        }
    }

    /// Resolves when more may be promised than before, for one after the other of those who wait. Cancel-safe.
    pub async fn room(&self) {
        match &self.limit {
            Some(limit) => limit.room.notified().await,
            None => pending().await,
        }
    }

    /// Resolves when so much may leave. Cancel-safe: whoever gives up waiting has taken nothing.
    pub async fn turn(&self, bytes: u64) {
        let Some(limit) = &self.limit else { return };
        let mut next = limit.next.lock().await;
        sleep_until(*next).await;
        *next = next.max(Instant::now()) + Duration::from_secs_f64(bytes as f64 / limit.bytes_per_second as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_leaves_is_never_more_than_the_limit_and_one_piece() {
        let (pace, begun) = (Pace::new(Some(1000)), Instant::now());
        for sent in 0..10 {
            pace.turn(500).await;
            assert_eq!(begun.elapsed(), Duration::from_millis(500 * sent));
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        let begun = Instant::now();
        pace.turn(500).await;
        pace.turn(500).await;
        assert_eq!(begun.elapsed(), Duration::from_millis(500), "a minute without work is no minute's worth at once");
    }

    #[test]
    fn no_more_is_promised_than_can_leave_in_five_seconds_but_always_one_piece() {
        let pace = Pace::new(Some(100));
        assert!(pace.promise(10_000), "the first, however long it takes");
        assert!(!pace.promise(1));
        pace.keep(10_000);
        assert!(pace.promise(300) && pace.promise(200) && !pace.promise(1));
        assert!(Pace::new(None).promise(u64::MAX));
    }
}
