//! One timer that is always due soon, so that setting any other costs no system call.
//!
//! tokio wakes the thread that waits for its timers whenever one is set that is due before all others. Where opens are answered at once no other waits, and
//! each open's would be the first: a thread woken for each, in vain.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use super::Process;

/// Sooner than what opens, replies and refusals wait for.
const PULSE: Duration = Duration::from_millis(500);

/// Keeps such a timer while there are sessions; to be called in a runtime when one begins.
pub(super) fn keep(process: &Arc<Process>) {
    if !process.pulse.swap(true, Ordering::AcqRel) {
        tokio::spawn(beat(Pulse(Arc::downgrade(process))));
    }
}

async fn beat(pulse: Pulse) {
    loop {
        tokio::time::sleep(PULSE).await;
        if pulse.0.upgrade().is_none_or(|process| process.live.is_empty()) {
            return;
        }
    }
}

/// Dropped with the timer, also by a runtime that ends: the next session has another one.
struct Pulse(Weak<Process>);

impl Drop for Pulse {
    fn drop(&mut self) {
        if let Some(process) = self.0.upgrade() {
            process.pulse.store(false, Ordering::Release);
        }
    }
}
