//! When something moved last.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// Beats whenever something moves, in whichever direction.
#[derive(Debug)]
pub(super) struct Pulse {
    begun: Instant,
    last_ms: AtomicU64,
}

impl Pulse {
    /// The first beat is now.
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), last_ms: AtomicU64::new(0) }
    }

    pub(super) fn beat(&self) {
        self.last_ms.store(u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Resolves when nothing has moved for so long. Cancel-safe.
    pub(super) async fn quiet(&self, most: Duration) {
        loop {
            let until = self.begun + Duration::from_millis(self.last_ms.load(Ordering::Relaxed)) + most;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_quiet_only_after_the_last_beat() {
        let (begun, pulse) = (Instant::now(), Arc::new(Pulse::new()));
        let beating = tokio::spawn({
            let pulse = pulse.clone();
            async move {
                for _ in 0..3 {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    pulse.beat();
                }
            }
        });
        pulse.quiet(Duration::from_secs(3)).await;
        assert_eq!(begun.elapsed().as_secs(), 9);
        assert!(beating.is_finished());
    }
}
