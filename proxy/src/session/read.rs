//! The reading half of a session: what the peer sends is taken and acted upon, and what that puts into queues is written, before more is read.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use browser_stream_mux::{Code, End as Ended, Event, FrameError, StreamId};
use bytes::Bytes;
use tokio::time::{Sleep, sleep_until};

use super::{
    Phase, Session, State,
    charge::Verdict,
    effect::{Effect, Effects},
    end::{End, Sink},
    opening::Openings,
    payload::{Came, Payload},
    rate::Admission,
    run::Cut,
    transport::{Read, Reader},
};
use crate::{counters::Refusal, error::APPLICATION_CODE_MIN};

/// Control frames that may wait for one peer: twice what all its streams need at once. More are replies that it provokes and does not take.
const REPLIES_MAX: usize = 256 * 1024;

/// How long a session goes on with what its peer sends while others wait. What a turn leads to is written together, and each end of one may have
/// tokio wake another thread: turns of half this length cost a tenth more for bulk, those of a quarter an eighth more for small messages, and a third for opens.
const TURN_MAX: Duration = Duration::from_micros(200);

/// The same for a peer whose bytes come in crumbs, of which there is little to put together: hardly more than one read.
const TURN_OF_CRUMBS: Duration = Duration::from_micros(10);

/// Short payloads of spliced streams that are taken under one lock, before a look at the clock: a quarter of a turn at most.
pub(super) const HELPING: i32 = 1024;

/// What any other event costs beside those.
pub(super) const EVENT_COSTS: i32 = 4;

/// What a new stream costs.
const OPEN_COSTS: i32 = 32;

/// A deadline for a session that has none.
const FAR_FUTURE: Duration = Duration::from_secs(24 * 60 * 60);

/// Takes what the peer sends until it closes, breaks a rule, or falls silent.
pub(super) async fn read<R: Reader>(session: &Arc<Session>, reader: &mut R, openings: &mut Openings) -> Cut {
    let mut timer = pin!(sleep_until(session.deadline()));
    let mut reading = Reading { session, reader, openings, runs: VecDeque::new(), owing: false, closed: false, pause: None };
    poll_fn(|cx| reading.poll(cx, timer.as_mut())).await
}

struct Reading<'a, R> {
    session: &'a Arc<Session>,
    reader: &'a mut R,
    /// Streams of the peer's that are being answered.
    openings: &'a mut Openings,
    runs: VecDeque<Bytes>,
    /// The peer does not take what it provokes: it is read no further, and cut by the writing task when it takes nothing at all.
    owing: bool,
    /// The peer closed; what it sent before is still being taken.
    closed: bool,
    /// The peer sends too much that moves nothing: it is read no faster.
    pause: Option<Pin<Box<Sleep>>>,
}

impl<R: Reader> Reading<'_, R> {
    fn poll(&mut self, cx: &mut Context<'_>, timer: Pin<&mut Sleep>) -> Poll<Cut> {
        let mut effects = Effects::spare();
        let polled = self.turn(cx, timer, &mut effects);
        effects.run();
        effects.keep();
        polled
    }

    fn turn(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>, effects: &mut Effects) -> Poll<Cut> {
        let begun = now();
        // Here, too, for a peer that never pauses is never waited for.
        if let Err(dead) = self.look(timer.as_mut(), begun) {
            return Poll::Ready(dead);
        }
        loop {
            effects.corked(|| self.openings.poll(cx));
            effects.act();
            if now().duration_since(begun) > self.turn_max() {
                // A peer that never stops sending must not be the only one that is served. Yielding, unlike waking oneself, lets the runtime look
                // at its sockets first: it would else do so after 61 such turns.
                let _ = pin!(tokio::task::yield_now()).poll(cx);
                return Poll::Pending;
            }
            // What a read leads to is written together.
            if self.runs.is_empty() {
                effects.run();
            }
            let Poll::Ready(read) = self.poll_read(cx) else {
                effects.run();
                // A peer that waits holds no memory here.
                if self.runs.is_empty() {
                    self.runs = VecDeque::new();
                }
                self.session.reading.register(cx.waker());
                if let Err(dead) = self.look(timer.as_mut(), now()) {
                    return Poll::Ready(dead);
                }
                ready!(timer.as_mut().poll(cx));
                continue;
            };
            let taken = match read {
                Ok(read) => self.take(read, effects),
                Err(cut) => Err(cut),
            };
            if let Err(cut) = taken {
                return Poll::Ready(cut);
            }
        }
    }

    /// Does what is due, and sets the timer to what is due next.
    fn look(&self, mut timer: Pin<&mut Sleep>, now: Instant) -> Result<(), Cut> {
        if self.session.hurry.swap(false, Ordering::AcqRel) {
            timer.as_mut().reset(self.session.deadline());
        }
        if timer.deadline().into_std() <= now {
            self.session.tick()?;
            timer.reset(self.session.deadline());
        }
        Ok(())
    }

    fn turn_max(&self) -> Duration {
        if self.reader.is_crumbs() { TURN_OF_CRUMBS } else { TURN_MAX }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Read, Cut>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        if self.owing {
            self.session.reading.register(cx.waker());
            let mut state = self.session.state.lock();
            self.owing = state.owes();
            state.turn.owed = self.owing;
            if self.owing {
                return Poll::Pending;
            }
        }
        if !self.runs.is_empty() {
            return Poll::Ready(Ok(Read::Bytes));
        }
        self.reader.poll_read(cx, &mut self.runs).map_err(Cut::from)
    }

    /// Takes what was read. What it leads to in other sessions is done here and now; what it puts into queues is written later, together.
    fn take(&mut self, read: Read, effects: &mut Effects) -> Result<(), Cut> {
        let Self { session, runs, .. } = self;
        self.closed |= read == Read::Closed;
        let now = now();
        let chatter = self.reader.chatter();
        session.process.counters.add(Refusal::PongsDropped, chatter.unanswered);
        let (taken, verdict) = {
            let mut state = session.state.lock();
            state.turn.answer |= read == Read::Answer;
            let taken = state.receive(runs, now, effects);
            effects.begin(&mut state);
            let verdict = state.charge(chatter.frames, now);
            state.collect_ended(effects);
            state.book();
            if session.process.memory.pressed() {
                effects.relieve(&session.process);
            }
            self.owing = state.owes();
            if state.wants_turn() {
                effects.ready(session);
            }
            (taken, verdict)
        };
        effects.act();
        while let Some(fresh) = effects.next_opened() {
            self.openings.add(session, fresh, effects);
        }
        taken?;
        match verdict {
            _ if self.closed && self.runs.is_empty() => Err(Cut::Closed),
            Verdict::Fine => Ok(()),
            Verdict::Cut(blame) => Err(Cut::Frames(blame)),
            Verdict::Pause(until, blame) => {
                session.process.counters.count(blame.slowed());
                self.pause = Some(Box::pin(sleep_until(until.into())));
                Ok(())
            }
        }
    }
}

impl Session {
    /// When the reader has to look at the clock next; asked again each time it has, for what moves it only moves it away.
    fn deadline(&self) -> tokio::time::Instant {
        let state = self.state.lock();
        let now = now();
        let deadline = state.mux.deadline().into_iter().chain(state.bounds_deadline(now)).min();
        deadline.unwrap_or(now + FAR_FUTURE).into()
    }

    /// Asks the peer for a sign of life where it is time, and looks at what may not last for ever; an error when there was no such sign for too long.
    fn tick(self: &Arc<Self>) -> Result<(), Cut> {
        self.change(|state, effects| {
            state.look_at_bounds(now(), effects);
            state.mux.tick(now()).map_err(Cut::from)
        })
    }

    /// The reader looks at the clock sooner than it meant to.
    pub(super) fn look_soon(&self) {
        self.hurry.store(true, Ordering::Release);
        self.reading.wake();
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl State {
    /// What the peer's last frames cost it.
    fn charge(&mut self, chatter: u64, now: Instant) -> Verdict {
        // What the peers behind a node do is charged where they are.
        if self.party.is_node() {
            return Verdict::Fine;
        }
        let verdict = self.frame_account.read(&self.mux.counts(), chatter, &self.process.misc_rate, now);
        if let Verdict::Pause(_, blame) = verdict {
            self.say_limit(blame.slowed());
        }
        verdict
    }

    /// Whether the peer has too many replies to take. A node never has: two that wait for one another would wait for ever.
    pub(super) fn owes(&self) -> bool {
        !self.party.is_node() && self.mux.control_queued() > REPLIES_MAX
    }

    /// Takes runs of bytes from the peer, as many as make up one helping: what is left is taken when others have had their turn.
    pub(super) fn receive(&mut self, runs: &mut VecDeque<Bytes>, now: Instant, effects: &mut Effects) -> Result<(), Cut> {
        let mut helping = HELPING;
        while let Some(run) = runs.front_mut() {
            if self.phase != Phase::Live {
                runs.clear();
                return Ok(());
            }
            effects.reads(run);
            while let Some(event) =
                self.mux.receive_with(run, now, |id, end, input, length| end.came(id, (input, length), &self.process.clock, effects))?
            {
                helping -= self.take(event, now, effects)?;
                if helping <= 0 {
                    return Ok(());
                }
            }
            runs.pop_front();
        }
        Ok(())
    }

    /// What an event of the mux means for whoever its stream is joined to; what of a helping it is.
    fn take(&mut self, event: Event<Came>, now: Instant, effects: &mut Effects) -> Result<i32, Cut> {
        match event {
            Event::Opened(id) => {
                self.opened(id, now, effects)?;
                return Ok(OPEN_COSTS);
            }
            Event::Data(_, Came::Passed(costs)) => return Ok(costs),
            Event::Data(id, Came::Here(payload)) => self.data(id, payload, effects),
            Event::Finished(id) => self.finished(id, now, effects),
            // The stream has ended, but what it was joined to is still there until it is collected.
            Event::Reset(id, code) => {
                let how = self.how(code);
                if let Some(end) = self.mux.value(id) {
                    end.end((self.me.as_ptr().addr(), id), how, effects);
                }
            }
            Event::Credit(id) => self.settle(id, effects),
            Event::Pong | Event::GoAway(_) => {}
        }
        Ok(EVENT_COSTS)
    }

    /// Bytes came that are not for the other end of a splice.
    fn data(&mut self, id: StreamId, payload: Payload, effects: &mut Effects) {
        let Some(end) = self.mux.value_mut(id) else { return };
        match &end.sink {
            Sink::Nobody | Sink::Drain(_) | Sink::Splice(_) => {}
            sink => {
                let bytes = if let Sink::Local(_) = sink { effects.bytes(payload) } else { effects.slice(payload) };
                let length = bytes.len();
                let mut reply = None;
                match sink {
                    Sink::Fresh(place) => effects.begins(*place, bytes),
                    Sink::Local(cell) => cell.data(bytes),
                    _ => reply = Some(bytes),
                }
                // At most a window.
                end.unread = end.unread.saturating_add(length as u32);
                let waits = end.waiting.as_mut().map(|waiting| *waiting = waiting.saturating_add(length as u32)).is_some();
                self.unread(length);
                if waits {
                    self.waited(length, effects);
                }
                if let Some(bytes) = reply {
                    self.replies(id, bytes, effects);
                }
            }
        }
    }

    fn opened(&mut self, id: StreamId, now: Instant, effects: &mut Effects) -> Result<(), Cut> {
        let refusal = match self.open_account.admit(&self.process.open_rate, now) {
            // Its clients' opens were counted where they came in.
            _ if self.party.is_node() => None,
            Admission::Cut => return Err(Cut::Opens),
            Admission::Refused => Some(Refusal::OpenRate),
            Admission::Allowed if self.mux.opened_by_peer() > self.process.limits.streams_per_session_max => {
                Some(Refusal::StreamsPerSession)
            }
            Admission::Allowed => None,
        };
        if let Some(refusal) = refusal {
            self.process.counters.count(refusal);
            self.say_limit(refusal);
            self.mux.reset(id, Code::Limit.number());
            return Ok(());
        }
        let place = effects.open(id);
        if let Some(end) = self.mux.value_mut(id) {
            *end = End::fresh(place, self.process.clock.tenths(now));
        }
        self.waits(id);
        Ok(())
    }

    /// How a stream ended that the peer reset with this code. A node may say what the proxy may, also that a stream was lost.
    fn how(&self, code: u32) -> Ended {
        match code {
            _ if !self.party.is_node() => Ended::Reset(passable(code)),
            lost if lost == Code::Lost.number() => Ended::Lost,
            code => Ended::Reset(code),
        }
    }

    fn finished(&mut self, id: StreamId, now: Instant, effects: &mut Effects) {
        self.half_closed(id, now);
        let Some(end) = self.mux.value_mut(id) else {
            return;
        };
        end.peer_finished = true;
        match &end.sink {
            Sink::Local(cell) | Sink::Drain(cell) => cell.finished(),
            Sink::Splice(far) => effects.at(&far.session, Effect::Finish(far.id)),
            Sink::Reply(_) => self.replied(id, Some(Err(FrameError::Finished)), Bytes::new(), effects),
            Sink::Fresh(_) | Sink::Nobody => {}
        }
    }
}

/// The code that a peer's reset has on the far side: what belongs to the proxy alone becomes `internal`.
fn passable(code: u32) -> u32 {
    let own = [Code::Cancelled, Code::Gone, Code::Busy, Code::Limit];
    if code == 0 || code >= APPLICATION_CODE_MIN || own.iter().any(|own| own.number() == code) { code } else { Code::Internal.number() }
}
