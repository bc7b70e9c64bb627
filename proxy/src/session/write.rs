//! The writing task of a session: it goes on where a socket was full, and closes the connection at the end.

use std::{future::poll_fn, sync::Arc};

use tokio::time::{Instant, timeout};

use super::{
    GO_AWAY_NORMAL, Goodbye, Phase, Session,
    effect::Effects,
    flush::Flushed,
    run::{Cut, LINGER},
};

/// How often a write that waits is looked at before it counts as stalled.
const STALL_LOOKS: u32 = 10;

/// Writes whenever a socket that was full has room, keeps an eye on those that stay full, and says goodbye at the end.
pub(super) async fn write(session: &Arc<Session>) -> Result<(), Cut> {
    let mut stall = Stall::default();
    loop {
        let flushed = {
            let mut effects = Effects::default();
            let flushed = session.resume(&mut effects);
            effects.run();
            flushed
        };
        let phase = {
            let mut state = session.state.lock();
            if let Some(error) = state.turn.broken.take() {
                return Err(error.into());
            }
            state.turn.watched = state.turn.blocked;
            state.phase
        };
        match phase {
            Phase::Closing(goodbye) if flushed == Flushed::All => session.part(goodbye),
            // In a box, or each session would have room for its end from the beginning.
            Phase::Parting(goodbye) if flushed == Flushed::All => return Box::pin(session.hang_up(goodbye)).await,
            Phase::Gone => return Ok(()),
            _ => session.wait_to_write(&mut stall).await?,
        }
    }
}

/// Since when a socket has taken nothing.
#[derive(Default)]
struct Stall {
    taken: u64,
    since: Option<Instant>,
}

impl Session {
    /// What is urgent has left: the last frame is GO_AWAY, for a stock peer takes nothing behind it.
    fn part(&self, goodbye: Goodbye) {
        let mut state = self.state.lock();
        state.phase = Phase::Parting(goodbye);
        state.mux.go_away(GO_AWAY_NORMAL);
    }

    /// Waits until there is something to write, or room for it: a peer that takes nothing for too long is cut, one that takes little is not.
    async fn wait_to_write(&self, stall: &mut Stall) -> Result<(), Cut> {
        loop {
            if !self.state.lock().turn.blocked {
                stall.since = None;
                self.wake.notified().await;
                return Ok(());
            }
            let taken = self.wire.lock().as_ref().map_or(0, |wire| wire.writer.taken());
            let since = stall.since.filter(|_| taken == stall.taken).unwrap_or_else(Instant::now);
            *stall = Stall { taken, since: Some(since) };
            if since.elapsed() >= self.process.limits.write_stall_max {
                return Err(Cut::Stalled);
            }
            // In a box, as what follows a full socket is rare, and each session has room for it otherwise.
            if Box::pin(timeout(self.process.limits.write_stall_max / STALL_LOOKS, self.wake.notified())).await.is_ok() {
                return Ok(());
            }
        }
    }

    /// The last frame has left: closes the connection.
    async fn hang_up(&self, Goodbye { code, reason }: Goodbye) -> Result<(), Cut> {
        let Some(mut wire) = self.wire.lock().take() else { return Ok(()) };
        let _ = timeout(LINGER, poll_fn(|cx| wire.writer.poll_close(cx, code, reason))).await;
        Ok(())
    }
}
