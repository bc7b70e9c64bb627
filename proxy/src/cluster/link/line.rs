//! The way to one other process: the session that there is, and when it may be dialed again.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::session::Session;

/// The way to one other process.
#[derive(Default)]
pub(super) struct Line {
    session: Mutex<Weak<Session>>,
    /// Held by who dials: one at a time.
    pub attempts: tokio::sync::Mutex<Attempts>,
}

/// How dialing went so far.
#[derive(Default)]
pub(super) struct Attempts {
    /// In a row, and when the last thing happened.
    failed: u32,
    at: Option<Instant>,
    is_made: bool,
}

impl Line {
    /// The session, if it takes streams.
    pub fn live(&self) -> Option<Arc<Session>> {
        self.session.lock().upgrade().filter(|session| session.is_live())
    }

    /// It is this from now on.
    pub fn has(&self, session: &Arc<Session>) {
        *self.session.lock() = Arc::downgrade(session);
    }

    /// Whether it is worth keeping. Asked under the lock over all lines, so nobody begins to use it meanwhile.
    pub fn is_used(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1 || self.live().is_some()
    }
}

impl Attempts {
    /// Whether it is time for another. A link that ended as soon as it was made counts as one that failed.
    pub fn may_dial(&mut self) -> bool {
        let Some(at) = self.at else { return true };
        if self.is_made {
            self.is_made = false;
            self.failed = if at.elapsed() < SHORT_LIVED { self.failed + 1 } else { 0 };
        }
        self.failed == 0 || at.elapsed() >= pause(self.failed)
    }

    pub fn succeeded(&mut self) {
        (self.is_made, self.at) = (true, Some(Instant::now()));
    }

    pub fn failed(&mut self) {
        (self.failed, self.at) = (self.failed.saturating_add(1), Some(Instant::now()));
    }
}

/// How long nobody dials after so many failures.
fn pause(failed: u32) -> Duration {
    PAUSE_MIN.saturating_mul(1 << (failed - 1).min(8)).min(PAUSE_MAX)
}

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(3);
const SHORT_LIVED: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_does_not_answer_is_dialed_less_and_less_and_at_once_when_a_link_that_lived_has_ended() {
        let mut attempts = Attempts::default();
        assert!(attempts.may_dial(), "the first time");
        for pause_ms in [100, 200, 400, 800, 1600, 3000, 3000] {
            attempts.failed();
            advance(Duration::from_millis(pause_ms - 1)).await;
            assert!(!attempts.may_dial(), "after {pause_ms} ms, and not before");
            advance(Duration::from_millis(1)).await;
            assert!(attempts.may_dial(), "after {pause_ms} ms");
        }
        attempts.succeeded();
        advance(Duration::from_millis(1)).await;
        assert!(!attempts.may_dial(), "it was made and ended at once");
        advance(PAUSE_MAX).await;
        assert!(attempts.may_dial());
        attempts.succeeded();
        advance(SHORT_LIVED).await;
        assert!(attempts.may_dial(), "it lived");
    }
}
