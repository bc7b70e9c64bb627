//! The life of a session: one task reads, one writes, and whatever ends either ends both.

use std::{future::poll_fn, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use browser_stream_mux::{Cell, Code, Dead, End as Ended, Event, StreamId, Violation};
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
    flush::{Flushed, Wire},
    transport::{Read, Reader, Transport, TransportError},
};
use crate::error::APPLICATION_CODE_MIN;

/// Control frames that may wait for one peer: twice what all its streams need at once. More are replies that it provokes and does not take.
const REPLIES_MAX: usize = 256 * 1024;

/// How often a write that waits is looked at before it counts as stalled.
const STALL_LOOKS: u32 = 10;

/// A deadline for a session that has none.
const FAR_FUTURE: Duration = Duration::from_secs(24 * 60 * 60);

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
    *session.wire.lock() = Some(Wire::new(Box::new(writer), session.wake.clone()));
    let mut writing = tokio::spawn(write(session.clone()));
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
        let mut dropped = Vec::new();
        // A reader that panicked is not asked again.
        while !matches!(cut, Cut::Panicked)
            && matches!(poll_fn(|cx| reader.poll_read(cx, &mut dropped)).await, Ok(read) if read != Read::Closed)
        {
            dropped.clear();
        }
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

/// Takes what the peer sends until it closes, breaks a rule, or falls silent.
async fn read<R: Reader>(session: &Arc<Session>, reader: &mut R) -> Cut {
    let mut runs = Vec::new();
    let mut effects = Effects::default();
    let mut timer = pin!(tokio::time::sleep_until(session.deadline()));
    let mut pace = Pace::Read;
    loop {
        let taken = match pace {
            // A peer that does not take what it provokes is read no further, and cut by the writer when it takes nothing at all.
            Pace::Owing => tokio::select! {
                biased;
                () = session.room.notified() => Taken::Nothing,
                () = &mut timer => Taken::Time,
            },
            Pace::Read => {
                let reading = poll_fn(|cx| {
                    let read = reader.poll_read(cx, &mut runs);
                    if read.is_pending() {
                        // A peer that waits holds no memory here.
                        runs = Vec::new();
                        effects.release();
                    }
                    read
                });
                tokio::select! {
                    biased;
                    read = reading => match read {
                        Ok(read) => Taken::Read(read),
                        Err(error) => return error.into(),
                    },
                    () = &mut timer => Taken::Time,
                }
            }
        };
        match session.take_in(taken, &mut runs, &mut effects) {
            Ok(next) => pace = next,
            Err(cut) => return cut,
        }
        if matches!(taken, Taken::Time) {
            timer.as_mut().reset(session.deadline());
        }
        if matches!(taken, Taken::Read(Read::Closed)) {
            return Cut::Closed;
        }
    }
}

/// What a reader waited for.
#[derive(Clone, Copy)]
enum Taken {
    Read(Read),
    Time,
    Nothing,
}

/// Whether a peer is read on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    Read,
    /// Not while it owes us the reading of our replies.
    Owing,
}

/// Writes whenever a socket that was full has room, keeps an eye on those that stay full, and says goodbye at the end.
async fn write(session: Arc<Session>) -> Result<(), Cut> {
    let mut effects = Effects::default();
    let mut stall = Stall::default();
    loop {
        let flushed = session.resume(&mut effects);
        effects.run(&session);
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
            Phase::Parting(goodbye) if flushed == Flushed::All => return session.hang_up(goodbye).await,
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
            if since.elapsed() >= self.limits.write_stall_max {
                return Err(Cut::Stalled);
            }
            if timeout(self.limits.write_stall_max / STALL_LOOKS, self.wake.notified()).await.is_ok() {
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

    /// When the reader has to look at the clock next; asked again each time it has, for what moves it only moves it away.
    fn deadline(&self) -> Instant {
        self.state.lock().mux.deadline().map_or_else(|| Instant::now() + FAR_FUTURE, Instant::from_std)
    }

    /// Takes what a reader waited for, and says how to go on.
    fn take_in(self: &Arc<Self>, taken: Taken, runs: &mut Vec<Bytes>, effects: &mut Effects) -> Result<Pace, Cut> {
        let now = Instant::now().into_std();
        let (judged, pace, ready) = {
            let mut state = self.state.lock();
            let judged = match taken {
                Taken::Time => state.mux.tick(now).map_err(Cut::from),
                Taken::Read(read) => {
                    state.turn.answer |= read == Read::Answer;
                    state.receive(runs, self, now, effects).map_err(Cut::from)
                }
                Taken::Nothing => Ok(()),
            };
            state.collect_ended(effects);
            let pace = if state.mux.control_queued() > REPLIES_MAX { Pace::Owing } else { Pace::Read };
            (judged, pace, state.wants_turn())
        };
        effects.run(self);
        if ready {
            self.flush(effects);
            effects.run(self);
        }
        judged.map(|()| pace)
    }

    /// Ends every stream of a session that is over: local handles get `lost`, far ends what they were sent and then `lost`.
    fn lose_streams(self: &Arc<Self>, which: Lose) {
        self.change(|state, effects| {
            let kept = state.control.filter(|_| which == Lose::AllButControl);
            for (_, end, _) in state.mux.drain(kept) {
                end.end(Ended::Lost, effects);
                effects.ended(end);
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
            effects.at(&far.session, Effect::End(far.id, how, if whole { Queued::Delivered } else { Queued::Dropped }));
        }
        if let Some(watch) = &self.watch {
            effects.here(Effect::Ended(watch.clone(), how));
        }
    }
}

impl State {
    /// Takes runs of bytes from the peer.
    fn receive(
        &mut self,
        runs: &mut Vec<Bytes>,
        session: &Arc<Session>,
        now: std::time::Instant,
        effects: &mut Effects,
    ) -> Result<(), Violation> {
        for mut run in runs.drain(..) {
            while self.phase == Phase::Live
                && let Some(event) = self.mux.receive(&mut run, now)?
            {
                self.take(event, session, effects);
            }
        }
        Ok(())
    }

    /// What an event of the mux means for whoever its stream is joined to.
    fn take(&mut self, event: Event, session: &Arc<Session>, effects: &mut Effects) {
        match event {
            Event::Opened(id) => self.opened(id, session, effects),
            Event::Data(id, bytes) => match self.mux.value(id).map(|end| &end.sink) {
                Some(Sink::Local(cell)) => cell.data(bytes),
                Some(Sink::Splice(far)) => effects.at(&far.session, Effect::Data(far.id, bytes)),
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
        effects.here(Effect::Opened(id, cell));
    }

    fn finished(&mut self, id: StreamId, effects: &mut Effects) {
        let Some(end) = self.mux.value_mut(id) else {
            return;
        };
        end.peer_finished = true;
        match &end.sink {
            Sink::Local(cell) | Sink::Drain(cell) => cell.finished(),
            Sink::Splice(far) => effects.at(&far.session, Effect::Finish(far.id)),
            Sink::Nobody => {}
        }
    }
}

/// The code that a peer's reset has on the far side: what belongs to the proxy alone becomes `internal`.
fn passable(code: u32) -> u32 {
    let own = [Code::Cancelled, Code::Gone, Code::Busy, Code::Limit];
    if code == 0 || code >= APPLICATION_CODE_MIN || own.iter().any(|own| own.number() == code) { code } else { Code::Internal.number() }
}
