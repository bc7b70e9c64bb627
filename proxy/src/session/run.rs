//! The life of a session: one task reads, one writes, and whatever ends either ends both.

use std::{
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use browser_stream_mux::{Cell, Code, Dead, End as Ended, Event, Outbound, StreamId, Violation};
use bytes::Bytes;
use futures::FutureExt;
use tokio::{
    task::AbortHandle,
    time::{Instant, timeout},
};

use super::{
    GO_AWAY_NORMAL, Goodbye, Phase, Session, State,
    effect::{Effect, Effects, Queued},
    end::{End, Sink},
    transport::{Reader, Transport, TransportError, Writer},
};
use crate::error::APPLICATION_CODE_MIN;

/// Bytes that the writer takes out of the queue at once.
const BATCH: usize = 256 * 1024;

/// Control frames that may wait for one peer: twice what all its streams need at once. More are replies that it provokes and does not take.
const REPLIES_MAX: usize = 256 * 1024;

/// How often a write that waits is looked at before it counts as stalled.
const STALL_LOOKS: u32 = 10;

/// After a goodbye what the peer still sends is read and dropped for this long: closing over unread bytes would make TCP drop the goodbye.
const LINGER: Duration = Duration::from_secs(1);

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum Cut {
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
            Self::Panicked => (1011, "internal error"),
        };
        Goodbye { code, reason }
    }
}

/// Serves one peer until its session is over, whatever way.
pub(super) async fn run<T: Transport>(session: &Arc<Session>, transport: T) {
    let (mut reader, writer) = transport.split();
    let mut writing = tokio::spawn(write(session.clone(), writer));
    let _over = Over { session, writing: writing.abort_handle() };
    let reading = AssertUnwindSafe(read(session, &mut reader)).catch_unwind();
    let cut = tokio::select! {
        read = reading => read.unwrap_or(Cut::Panicked),
        written = &mut writing => match written {
            Ok(Ok(())) => Cut::ByUs,
            Ok(Err(cut)) => cut,
            Err(_) => Cut::Panicked,
        },
    };
    tracing::debug!(session = %session.id, reason = %cut, "session over");
    let Goodbye { code, reason } = cut.goodbye();
    session.close(code, reason);
    session.lose_streams(Lose::AllButControl);
    let discarding = async {
        // A reader that panicked is not asked again.
        while !matches!(cut, Cut::Panicked) && matches!(reader.read().await, Ok(Some(_))) {}
    };
    let parting = async {
        if !writing.is_finished() {
            let _ = (&mut writing).await;
        }
    };
    // The peer closes when it has read the goodbye; whichever is sooner.
    let _ = timeout(LINGER, async { tokio::join!(discarding, parting) }).await;
}

/// Ends the session whatever way [`run`] is left, given up in the middle included.
struct Over<'a> {
    session: &'a Arc<Session>,
    writing: AbortHandle,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.writing.abort();
        self.session.lose_streams(Lose::All);
        self.session.state.lock().phase = Phase::Gone;
    }
}

/// Which streams of a session that is over are lost now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lose {
    /// The session stream has a last word to say.
    AllButControl,
    All,
}

/// Takes what the peer sends until it closes, breaks a rule, or falls silent.
async fn read<R: Reader>(session: &Arc<Session>, reader: &mut R) -> Cut {
    loop {
        let (deadline, owing) = {
            let state = session.state.lock();
            (state.mux.deadline().map(Instant::from_std), state.mux.control_queued() > REPLIES_MAX)
        };
        let silent = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let taken = tokio::select! {
            biased;
            // A peer that does not take what it provokes is read no further, and cut by the writer when it takes nothing at all.
            () = session.room.notified(), if owing => Ok(()),
            bytes = reader.read(), if !owing => match bytes {
                Ok(Some(bytes)) => session.receive(bytes).map_err(Cut::from),
                Ok(None) => return Cut::Closed,
                Err(error) => return error.into(),
            },
            () = silent => session.tick().map_err(Cut::from),
        };
        if let Err(cut) = taken {
            return cut;
        }
    }
}

/// Sends what is queued, in batches, until the session is to be closed.
async fn write<W: Writer>(session: Arc<Session>, mut writer: W) -> Result<(), Cut> {
    let mut out = Outbound::default();
    let progress = writer.progress();
    loop {
        let phase = session.transmit(&mut out);
        if !out.buffers.is_empty() {
            send(&mut writer, &mut out.buffers, &progress, session.limits.write_stall_max).await?;
            continue;
        }
        match phase {
            Phase::Live => session.wake.notified().await,
            Phase::Closing(goodbye) => session.part(goodbye),
            Phase::Parting(Goodbye { code, reason }) => {
                let _ = timeout(LINGER, writer.close(code, reason)).await;
                return Ok(());
            }
            Phase::Gone => return Ok(()),
        }
    }
}

/// Sends one batch; a peer that takes nothing of it for too long is cut, one that takes little is not.
async fn send<W: Writer>(writer: &mut W, buffers: &mut Vec<Bytes>, progress: &AtomicU64, stall_max: Duration) -> Result<(), Cut> {
    let mut writing = pin!(writer.write(buffers));
    let mut taken = progress.load(Ordering::Relaxed);
    let mut stalled_since = Instant::now();
    loop {
        if let Ok(written) = timeout(stall_max / STALL_LOOKS, &mut writing).await {
            return Ok(written?);
        }
        let now_taken = progress.load(Ordering::Relaxed);
        if now_taken != taken {
            (taken, stalled_since) = (now_taken, Instant::now());
        } else if stalled_since.elapsed() >= stall_max {
            return Err(Cut::Stalled);
        }
    }
}

impl Session {
    /// What is urgent has left: the last frame is GO_AWAY, for a stock peer takes nothing behind it.
    fn part(&self, goodbye: Goodbye) {
        let mut state = self.state.lock();
        state.phase = Phase::Parting(goodbye);
        state.mux.go_away(GO_AWAY_NORMAL);
    }

    /// Takes a run of bytes from the peer.
    fn receive(self: &Arc<Self>, mut input: Bytes) -> Result<(), Violation> {
        let now = Instant::now().into_std();
        self.change(|state, effects| {
            if state.phase != Phase::Live {
                return Ok(());
            }
            while let Some(event) = state.mux.receive(&mut input, now)? {
                state.take(event, self, effects);
            }
            Ok(())
        })
    }

    /// Asks the peer for a sign of life where it is time; an error when there was none for too long.
    fn tick(self: &Arc<Self>) -> Result<(), Dead> {
        let now = Instant::now().into_std();
        self.change(|state, _| state.mux.tick(now))
    }

    /// Takes the next batch out of the queue, and hands back the credit that this frees.
    fn transmit(self: &Arc<Self>, out: &mut Outbound) -> Phase {
        let mut effects = Effects::default();
        let phase = {
            let mut state = self.state.lock();
            out.sent.clear();
            state.mux.transmit(BATCH, out);
            for &(id, bytes) in &out.sent {
                state.left(id, bytes as usize, &mut effects);
            }
            state.collect_ended(&mut effects);
            state.phase
        };
        self.room.notify_one();
        effects.run(self);
        phase
    }

    /// Ends every stream of a session that is over: local handles get `lost`, far ends what they were sent and then `lost`.
    fn lose_streams(self: &Arc<Self>, which: Lose) {
        self.change(|state, effects| {
            let kept = state.control.filter(|_| which == Lose::AllButControl);
            for (_, end, _) in state.mux.drain(kept) {
                end.end(Ended::Lost, effects);
                effects.push(Effect::Drop(end));
            }
        });
    }
}

impl End {
    /// Tells whoever is joined to this end that its stream ended.
    fn end(&self, how: Ended, effects: &mut Effects) {
        if let Some(cell) = self.cell() {
            // A half-made splice: whoever holds the handle decides about the other stream. Told under the lock, so that who finds
            // the stream gone finds out how it ended, too.
            cell.ended(how);
        } else if let Some(far) = self.far() {
            let whole = self.peer_finished || how == Ended::Lost;
            effects.push(Effect::End(far.clone(), how, if whole { Queued::Delivered } else { Queued::Dropped }));
        }
        if let Some(watch) = &self.watch {
            effects.push(Effect::Ended(watch.clone(), how));
        }
    }
}

impl State {
    /// What an event of the mux means for whoever its stream is joined to.
    fn take(&mut self, event: Event, session: &Arc<Session>, effects: &mut Effects) {
        match event {
            Event::Opened(id) => self.opened(id, session, effects),
            Event::Data(id, bytes) => match self.mux.value(id).map(|end| &end.sink) {
                Some(Sink::Local(cell)) => cell.data(bytes),
                Some(Sink::Splice(far)) => effects.push(Effect::Data(far.clone(), bytes)),
                _ => {}
            },
            Event::Finished(id) => self.finished(id, effects),
            // The stream has ended, but what it was joined to is still there until it is collected.
            Event::Reset(id, code) => {
                if let Some(end) = self.mux.value(id) {
                    end.end(Ended::Reset(passable(code)), effects);
                }
            }
            Event::Credit(id) => self.settle(id, effects),
            Event::Pong | Event::GoAway(_) => {}
        }
    }

    fn opened(&mut self, id: StreamId, session: &Arc<Session>, effects: &mut Effects) {
        if self.mux.opened_by_peer() > session.limits.streams_per_session_max {
            self.mux.reset(id, Code::Limit.number());
            return;
        }
        let cell = Cell::new();
        if let Some(end) = self.mux.value_mut(id) {
            *end = End::local(&cell);
        }
        effects.push(Effect::Opened(id, cell));
    }

    fn finished(&mut self, id: StreamId, effects: &mut Effects) {
        let Some(end) = self.mux.value_mut(id) else {
            return;
        };
        end.peer_finished = true;
        match &end.sink {
            Sink::Local(cell) | Sink::Drain(cell) => cell.finished(),
            Sink::Splice(far) => effects.push(Effect::Finish(far.clone())),
            Sink::Nobody => {}
        }
    }
}

/// The code that a peer's reset has on the far side: what belongs to the proxy alone becomes `internal`.
fn passable(code: u32) -> u32 {
    let own = [Code::Cancelled, Code::Gone, Code::Busy, Code::Limit];
    if code == 0 || code >= APPLICATION_CODE_MIN || own.iter().any(|own| own.number() == code) { code } else { Code::Internal.number() }
}
