//! `bss serve` as a service: what systemd is told of it (`Type=notify`, `WatchdogSec=`), where it wants to know.

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

/// It serves, or serves again after [`reloading`].
pub fn ready() {
    tell(NotifyState::Ready);
}

/// It reads its files again: [`ready`] ends this.
pub fn reloading() {
    tell(NotifyState::Reloading);
}

/// It takes no more sessions and ends within [`Limits::drain_timeout`](browser_stream_server::Limits::drain_timeout).
pub fn stopping() {
    tell(NotifyState::Stopping);
}

/// Says for ever that it lives, twice as often as systemd must hear it. One whose threads are all stuck says nothing, and is started anew.
pub async fn live() {
    let Some(silence) = sd_notify::watchdog_enabled() else { return };
    let mut beat = interval(silence / 2);
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        beat.tick().await;
        tell(NotifyState::Watchdog);
    }
}

/// Does nothing where nobody asked (`NOTIFY_SOCKET`).
fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd cannot be told how the service is");
    }
}
