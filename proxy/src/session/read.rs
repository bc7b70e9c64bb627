//! The reading half of a session: what the peer sends is taken and acted upon, and what that puts into queues is written, before more is read.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use browser_stream_mux::{Cell, Code, End as Ended, Event, StreamId, Violation};
use bytes::Bytes;
use tokio::time::{Instant, Sleep};

use super::{
    Phase, Session, State,
    effect::{Effect, Effects},
    end::{End, Sink},
    opening::Openings,
    run::Cut,
    transport::{Read, Reader},
};
use crate::error::APPLICATION_CODE_MIN;

/// Control frames that may wait for one peer: twice what all its streams need at once. More are replies that it provokes and does not take.
const REPLIES_MAX: usize = 256 * 1024;

/// A deadline for a session that has none.
const FAR_FUTURE: Duration = Duration::from_secs(24 * 60 * 60);

/// Takes what the peer sends until it closes, breaks a rule, or falls silent.
pub(super) async fn read<R: Reader>(session: &Arc<Session>, reader: &mut R, openings: &mut Openings) -> Cut {
    let mut timer = pin!(tokio::time::sleep_until(session.deadline()));
    let mut reading = Reading { session, reader, openings, runs: Vec::new(), effects: Effects::default(), owing: false };
    poll_fn(|cx| reading.poll(cx, timer.as_mut())).await
}

struct Reading<'a, R> {
    session: &'a Arc<Session>,
    reader: &'a mut R,
    /// Streams of the peer's that are being answered.
    openings: &'a mut Openings,
    runs: Vec<Bytes>,
    effects: Effects,
    /// The peer does not take what it provokes: it is read no further, and cut by the writing task when it takes nothing at all.
    owing: bool,
}

impl<R: Reader> Reading<'_, R> {
    fn poll(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<Cut> {
        loop {
            self.effects.corked(|| self.openings.poll(cx));
            self.effects.run();
            let Poll::Ready(read) = self.poll_read(cx) else {
                // A peer that waits holds no memory here.
                self.runs = Vec::new();
                self.effects.release();
                ready!(timer.as_mut().poll(cx));
                if let Err(dead) = self.session.tick() {
                    return Poll::Ready(dead);
                }
                timer.as_mut().reset(self.session.deadline());
                continue;
            };
            let taken = match read {
                Ok(read) => self.take(read),
                Err(cut) => Err(cut),
            };
            if let Err(cut) = taken {
                self.effects.run();
                return Poll::Ready(cut);
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Read, Cut>> {
        if self.owing {
            self.session.reading.register(cx.waker());
            self.owing = self.session.state.lock().owes();
            if self.owing {
                return Poll::Pending;
            }
        }
        self.reader.poll_read(cx, &mut self.runs).map_err(Cut::from)
    }

    /// Takes what was read. What it leads to in other sessions is done here and now; what it puts into queues is written later, together.
    fn take(&mut self, read: Read) -> Result<(), Cut> {
        let Self { session, runs, effects, .. } = self;
        let now = Instant::now().into_std();
        let taken = {
            let mut state = session.state.lock();
            state.turn.answer |= read == Read::Answer;
            let taken = state.receive(runs, now, effects);
            state.collect_ended(effects);
            self.owing = state.owes();
            if state.wants_turn() {
                effects.ready(session);
            }
            taken
        };
        effects.act();
        for (id, cell) in effects.opened() {
            self.openings.add(session, id, cell);
        }
        taken?;
        if read == Read::Closed { Err(Cut::Closed) } else { Ok(()) }
    }
}

impl Session {
    /// When the reader has to look at the clock next; asked again each time it has, for what moves it only moves it away.
    fn deadline(&self) -> Instant {
        self.state.lock().mux.deadline().map_or_else(|| Instant::now() + FAR_FUTURE, Instant::from_std)
    }

    /// Asks the peer for a sign of life where it is time; an error when there was none for too long.
    fn tick(self: &Arc<Self>) -> Result<(), Cut> {
        let now = Instant::now().into_std();
        self.change(|state, _| state.mux.tick(now)).map_err(Cut::from)
    }
}

impl State {
    /// Whether the peer has too many replies to take.
    fn owes(&self) -> bool {
        self.mux.control_queued() > REPLIES_MAX
    }

    /// Takes runs of bytes from the peer.
    fn receive(&mut self, runs: &mut Vec<Bytes>, now: std::time::Instant, effects: &mut Effects) -> Result<(), Violation> {
        for mut run in runs.drain(..) {
            while self.phase == Phase::Live
                && let Some(event) = self.mux.receive(&mut run, now)?
            {
                self.take(event, effects);
            }
        }
        Ok(())
    }

    /// What an event of the mux means for whoever its stream is joined to.
    fn take(&mut self, event: Event, effects: &mut Effects) {
        match event {
            Event::Opened(id) => self.opened(id, effects),
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

    fn opened(&mut self, id: StreamId, effects: &mut Effects) {
        if self.mux.opened_by_peer() > self.limits.streams_per_session_max {
            self.mux.reset(id, Code::Limit.number());
            return;
        }
        let cell = Cell::new();
        if let Some(end) = self.mux.value_mut(id) {
            *end = End::local(&cell);
        }
        effects.open(id, cell);
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
