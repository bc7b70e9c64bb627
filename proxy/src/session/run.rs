//! The life of a session: a task that reads and writes, and whatever ends either ends both.

use std::{collections::VecDeque, future::poll_fn, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use browser_stream_mux::{Dead, End as Ended, Violation, WINDOW_MAX};
use bytes::Bytes;
use futures::FutureExt;
use tokio::time::timeout;

use super::{
    Goodbye, Phase, Session,
    charge::Blame,
    effect::{Effect, Effects, Origin, Queued},
    end::{End, Sink},
    opening::Openings,
    process::Coming,
    read,
    transport::{Read, Reader, TransportError},
    websocket, write,
};
use crate::counters::Refusal;

/// After a goodbye what the peer still sends is read and dropped for this long: closing over unread bytes would make TCP drop the goodbye.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// And for so many bytes: a window of a stream that has grown as far as it may.
const LINGER_BYTES: u64 = WINDOW_MAX as u64;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("the peer closed the connection")]
    Closed,
    #[error("closed by the proxy")]
    ByUs,
    #[error(transparent)]
    Violation(#[from] Violation),
    #[error(transparent)]
    Dead(#[from] Dead),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("the peer took nothing off its connection for too long")]
    Stalled,
    #[error("the peer opened streams ten times as fast as it may")]
    Opens,
    #[error("the peer sent ten times as many frames that move nothing as it may")]
    Frames(Blame),
    #[error("a task of the session panicked")]
    Panicked,
}

impl Cut {
    /// How the peer is told.
    fn goodbye(&self) -> Goodbye {
        let (code, reason) = match self {
            Self::Closed | Self::ByUs => (1000, ""),
            Self::Violation(_) => (1002, "protocol violated"),
            Self::Dead(_) => (1001, "nothing heard from the peer"),
            Self::Transport(error) => (error.close_code(), "not what the transport expects"),
            Self::Stalled => (1008, "nothing taken by the peer"),
            Self::Opens => (1008, "limit: streams opened too fast"),
            Self::Frames(_) => (1008, "limit: too many frames that move nothing"),
            Self::Panicked => (1011, "internal error"),
        };
        Goodbye { code, reason }
    }

    /// What it counts as, if the proxy refused to go on.
    fn refusal(&self) -> Option<Refusal> {
        Some(match self {
            Self::Violation(_) => Refusal::Violation,
            Self::Dead(_) => Refusal::Dead,
            Self::Transport(TransportError::Violation(websocket::Violation::Text)) => Refusal::Text,
            Self::Transport(TransportError::Violation(_)) => Refusal::Transport,
            Self::Stalled => Refusal::WriteStall,
            Self::Opens => Refusal::OpenRateCut,
            Self::Frames(blame) => blame.cut(),
            Self::Closed | Self::ByUs | Self::Transport(TransportError::Io(_)) | Self::Panicked => return None,
        })
    }
}

/// Serves one peer until its session is over, whatever way; what is sent goes into the session's wire.
pub(super) async fn run<R: Reader>(session: &Arc<Session>, reader: &mut R) {
    let _over = Over { session };
    let mut writing = pin!(AssertUnwindSafe(write::write(session)).catch_unwind());
    let mut openings = Openings::default();
    let reading = AssertUnwindSafe(read::read(session, reader, &mut openings)).catch_unwind();
    let (cut, written) = tokio::select! {
        read = reading => (read.unwrap_or(Cut::Panicked), false),
        written = &mut writing => (written.map_or(Cut::Panicked, |written| written.err().unwrap_or(Cut::ByUs)), true),
    };
    tracing::debug!(reason = %cut, "session over");
    if let Some(refusal) = cut.refusal() {
        session.process.counters.count(refusal);
    }
    let Goodbye { code, reason } = cut.goodbye();
    session.close(code, reason);
    session.process.tell(|| Coming { session: session.id, ended: Some(cut.to_string()) });
    session.lose_streams(Lose::AllButControl);
    // What was to be answered learns that its stream is lost.
    openings.abandon();
    let discarding = async {
        // A reader that panicked is not asked again.
        if !matches!(cut, Cut::Panicked) {
            discard(reader).await;
        }
    };
    let parting = async {
        if !written {
            let _ = (&mut writing).await;
        }
    };
    // The peer closes when it has read the goodbye; whichever is sooner.
    let _ = Box::pin(timeout(LINGER, async { tokio::join!(discarding, parting) })).await;
}

/// Takes what the peer still sends until it closes, or has sent as much as may have been on its way.
async fn discard(reader: &mut impl Reader) {
    let mut dropped = VecDeque::new();
    let mut left = LINGER_BYTES;
    while left > 0 && matches!(poll_fn(|cx| reader.poll_read(cx, &mut dropped)).await, Ok(read) if read != Read::Closed) {
        let payload: u64 = dropped.drain(..).map(|run: Bytes| run.len() as u64).sum();
        left = left.saturating_sub(payload + reader.chatter().overhead);
        // Whoever was cut is served behind everybody.
        tokio::task::yield_now().await;
    }
}

/// Ends the session whatever way [`run`] is left, given up in the middle included.
struct Over<'a> {
    session: &'a Arc<Session>,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.session.lose_streams(Lose::All);
        let mut state = self.session.state.lock();
        state.phase = Phase::Gone;
        state.unbook();
        drop(state);
        *self.session.wire.lock() = None;
    }
}

/// Which streams of a session that is over are lost now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lose {
    /// The session stream has a last word to say.
    AllButControl,
    All,
}

impl Session {
    /// Ends every stream of a session that is over: local handles get `lost`, far ends what they were sent and then `lost`.
    fn lose_streams(self: &Arc<Self>, which: Lose) {
        self.change(|state, effects| {
            state.owned = None;
            state.count_moved();
            let kept = state.control.filter(|_| which == Lose::AllButControl);
            for (id, end, _) in state.mux.drain(kept) {
                end.end((state.me.as_ptr().addr(), id), Ended::Lost, effects);
                effects.ended(end);
            }
        });
    }
}

impl End {
    /// Tells whoever is joined to this end that its stream, which is `origin`, ended.
    pub(super) fn end(&self, origin: Origin, how: Ended, effects: &mut Effects) {
        if let Sink::Reply(_) = self.sink {
            return self.unanswered(how, effects);
        }
        if let Some(cell) = self.cell() {
            // A half-made splice: whoever holds the handle decides about the other stream. Told under the lock, so that who finds
            // the stream gone finds out how it ended, too.
            cell.ended(how);
        } else if let Some(far) = self.far() {
            let whole = self.peer_finished || how == Ended::Lost;
            effects.at(&far.session, Effect::End(far.id, how, if whole { Queued::Delivered } else { Queued::Dropped }, origin));
        }
        if let Some(watch) = &self.watch {
            effects.here(Effect::Ended(watch.clone(), how));
        }
    }
}
