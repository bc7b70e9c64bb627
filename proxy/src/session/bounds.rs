//! How much a session's streams may hold, and for how long: the ladder of queued bytes, bytes that wait for an answer, directions that fell silent.

#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use browser_stream_mux::{Code, End as Ended, INITIAL_WINDOW, StreamId};
use bytes::Bytes;

use super::{
    Process, Session, State,
    effect::Effects,
    end::{End, Sink, Source},
    ledger::CAP,
};
use crate::counters::Refusal;

/// What a session keeps of its streams for the sake of its bounds.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// Bytes behind opens that nobody has answered.
    waiting_bytes: usize,
    /// The streams of those opens, oldest first; some may have been answered since.
    waiting: Vec<StreamId>,
    /// Streams with one finished direction, by when the other is looked at; some may have ended since.
    half_closed: BinaryHeap<Reverse<(Instant, StreamId)>>,
    /// Streams whose replies are awaited, and until when, in order; some may have been answered since.
    replies: VecDeque<(Instant, StreamId)>,
    /// When the reader looks at them next.
    replies_looked_at: Option<Instant>,
    /// Streams whose senders get no credit because the memory budget is used up.
    starved: Vec<StreamId>,
    /// Bytes in the cells of local handles, those behind unanswered opens among them.
    unread: usize,
    /// Bytes that were on their way when the socket was full.
    pub(super) under_way: usize,
    /// Bytes that the process's memory was told of.
    booked: usize,
}

impl State {
    /// The most credit that a sender to this session has in advance.
    pub(super) fn cap(&self) -> u32 {
        if self.process.memory.pressed() {
            0
        } else if self.mux.queued() > self.rung(self.process.limits.queued_cap_falls_at_bytes) {
            INITIAL_WINDOW
        } else {
            CAP
        }
    }

    /// Whether a stream may be opened to this peer.
    pub(super) fn takes_opens(&self) -> bool {
        self.mux.queued() < self.rung(self.process.limits.queued_busy_at_bytes)
    }

    /// After bytes were queued: resets the heaviest streams while too much is.
    #[inline]
    pub(super) fn hold_to_ladder(&mut self, effects: &mut Effects) {
        if self.is_beyond_ladder() {
            self.lighten(effects);
        }
    }

    fn is_beyond_ladder(&self) -> bool {
        self.mux.queued() > self.rung(self.process.limits.queued_reset_at_bytes)
    }

    #[cold]
    fn lighten(&mut self, effects: &mut Effects) {
        while self.is_beyond_ladder() && self.cut_heaviest(|_| 0, effects).is_some() {
            self.process.counters.count(Refusal::QueueReset);
        }
    }

    /// Resets the stream that holds most, `more` included, and drops what nobody has read of it; how much is freed as soon as whoever writes it hears of that.
    fn cut_heaviest(&mut self, more: impl Fn(&End) -> usize, effects: &mut Effects) -> Option<usize> {
        let (heaviest, _) = self.mux.heaviest(more)?;
        let cell = self.mux.value(heaviest).and_then(|end| end.cell().cloned());
        let coming = cell.as_ref().map_or(0, |cell| cell.held_back());
        self.cut_stream(heaviest, Code::Limit, effects);
        if let Some(cell) = cell {
            // Its reader has an error for it, not what came before: that is what the memory is needed for.
            cell.abandon(Ended::Reset(Code::Limit.number()));
        }
        self.collect_ended(effects);
        self.book();
        Some(coming)
    }

    /// The most of the process's memory that this session may hold. O(streams).
    pub(super) fn weight(&self) -> usize {
        let held_back = self.mux.streams().map(|(_, end)| held_back(end)).sum::<usize>();
        self.mux.weight() + self.bounds.unread + held_back
    }

    /// Tells the process's memory what the session holds beside the read buffers, which tell for themselves. What is a part of one and not read yet, or on its
    /// way into a full socket, counts in both: too much rather than too little.
    pub(super) fn book(&mut self) {
        let held = self.mux.held() + self.bounds.unread + self.bounds.under_way;
        let booked = self.bounds.booked;
        if held.abs_diff(booked) < BOOKED_IN && held > 0 {
            return;
        }
        if held > booked {
            self.process.memory.take(held - booked);
        } else {
            self.process.memory.give(booked - held);
        }
        self.bounds.booked = held;
    }

    /// Bytes came for a local handle.
    pub(super) fn unread(&mut self, bytes: usize) {
        self.bounds.unread += bytes;
    }

    /// A local handle's cell was emptied, or is its own affair from now on.
    pub(super) fn forget_unread(&mut self, bytes: u32) {
        self.bounds.unread -= bytes as usize;
    }

    /// A local handle's bytes were read.
    pub(super) fn was_read(&mut self, id: StreamId, bytes: u32) {
        let Some(end) = self.mux.value_mut(id) else { return };
        // After a splice was half made, what is read was forgotten before.
        let read = bytes.min(end.unread);
        end.unread -= read;
        self.forget_unread(read);
        self.book();
    }

    /// Both ends of this stream learn that it is reset with this code.
    pub(super) fn cut_stream(&mut self, id: StreamId, code: Code, effects: &mut Effects) {
        if let Some(end) = self.mux.value(id) {
            end.end((self.me.as_ptr().addr(), id), Ended::Reset(code.number()), effects);
        }
        self.mux.reset(id, code.number());
    }

    /// The sender on the far side of this stream gets no credit until there is memory again.
    pub(super) fn starve(&mut self, id: StreamId) {
        if self.bounds.starved.is_empty()
            && let Some(session) = self.me.upgrade()
        {
            session.look_soon();
        }
        let Self { mux, bounds, .. } = self;
        if bounds.starved.len() > 2 * mux.len() + SPARE {
            bounds.starved.retain(|id| mux.value(*id).is_some());
        }
        bounds.starved.push(id);
    }

    /// The peer opened a stream: what it sends now waits for an answer.
    pub(super) fn waits(&mut self, id: StreamId) {
        let Self { mux, bounds, .. } = self;
        let waits = |id: &StreamId| mux.value(*id).is_some_and(|end| end.waiting.is_some());
        // Most are answered at once, and those that are were the last.
        while bounds.waiting.pop_if(|id| !waits(id)).is_some() {}
        if bounds.waiting.len() > 2 * mux.len() + SPARE {
            bounds.waiting.retain(waits);
        }
        bounds.waiting.push(id);
    }

    /// Bytes came behind an open: beyond what may wait, the newest open has waited in vain.
    pub(super) fn waited(&mut self, bytes: usize, effects: &mut Effects) {
        self.bounds.waiting_bytes += bytes;
        while self.bounds.waiting_bytes > self.rung(self.process.limits.waiting_bytes_max)
            && let Some(id) = self.bounds.waiting.pop()
        {
            if let Some(bytes) = self.mux.value_mut(id).and_then(|end| end.waiting.take()) {
                self.bounds.waiting_bytes -= waited(bytes);
                self.cut_stream(id, Code::Limit, effects);
                self.process.counters.count(Refusal::WaitingBytes);
            }
        }
    }

    /// The reply to an open of ours is awaited, for so long and no longer.
    pub(super) fn awaits_reply(&mut self, id: StreamId, now: Instant) {
        self.forget_replies();
        let Self { mux, bounds, .. } = self;
        if bounds.replies.len() > 2 * mux.len() + SPARE {
            bounds.replies.retain(|(_, id)| mux.value(*id).is_some_and(|end| matches!(end.sink, Sink::Reply(_))));
        }
        let due = now + self.reply_timeout();
        self.bounds.replies.push_back((due, id));
        if self.bounds.replies_looked_at.is_none() {
            self.bounds.replies_looked_at = Some(due);
            if let Some(session) = self.me.upgrade() {
                session.look_soon();
            }
        }
    }

    /// Forgets those that came, up to the first that has not.
    fn forget_replies(&mut self) {
        let Self { mux, bounds, .. } = self;
        while let Some((_, id)) = bounds.replies.front()
            && !mux.value(*id).is_some_and(|end| matches!(end.sink, Sink::Reply(_)))
        {
            bounds.replies.pop_front();
        }
    }

    /// What was not answered in time never will be.
    fn look_at_replies(&mut self, now: Instant, effects: &mut Effects) {
        if self.bounds.replies_looked_at.is_none_or(|at| at > now) {
            return;
        }
        self.forget_replies();
        while let Some(&(due, id)) = self.bounds.replies.front()
            && due <= now
        {
            self.bounds.replies.pop_front();
            self.replied(id, None, Bytes::new(), effects);
            self.forget_replies();
        }
        self.bounds.replies_looked_at = self.bounds.replies.front().map(|(due, _)| *due);
        if self.bounds.replies.is_empty() {
            self.bounds.replies = VecDeque::new();
        }
    }

    /// A stream of the peer's is answered, or over.
    pub(super) fn answered(&mut self, id: StreamId) {
        let waited = self.mux.value_mut(id).and_then(|end| end.waiting.take());
        self.forget_waiting(waited);
    }

    pub(super) fn forget_waiting(&mut self, waiting: Option<NonZeroU32>) {
        self.bounds.waiting_bytes -= waiting.map_or(0, waited);
        if self.bounds.waiting_bytes == 0 && self.mux.is_empty() {
            self.bounds.waiting = Vec::new();
        }
    }

    /// One direction of this stream has finished: from now on the other may not be silent for too long.
    pub(super) fn half_closed(&mut self, id: StreamId, now: Instant) {
        let due = now + self.process.limits.half_closed_timeout;
        let Self { mux, bounds, .. } = self;
        // With its second finish a stream has ended, as a rule.
        let Some((_, end)) = mux.look(id) else { return };
        end.moved_at = Some(self.process.clock.next());
        if bounds.half_closed.len() > 2 * mux.len() + SPARE {
            bounds.half_closed.retain(|Reverse((_, id))| mux.value(*id).is_some_and(|end| end.moved_at.is_some()));
        }
        bounds.half_closed.push(Reverse((due, id)));
    }

    /// When the next of these bounds has to be looked at.
    pub(super) fn bounds_deadline(&self, now: Instant) -> Option<Instant> {
        let silent = self.bounds.half_closed.peek().map(|Reverse((due, _))| *due);
        let starved = (!self.bounds.starved.is_empty()).then(|| now + MEMORY_LOOK);
        silent.into_iter().chain(starved).chain(self.bounds.replies_looked_at).min()
    }

    /// Resets streams that were silent for too long, and gives those their credit that waited for memory.
    pub(super) fn look_at_bounds(&mut self, now: Instant, effects: &mut Effects) {
        self.look_at_replies(now, effects);
        let timeout = self.process.limits.half_closed_timeout;
        while let Some(&Reverse((due, id))) = self.bounds.half_closed.peek()
            && due <= now
        {
            self.bounds.half_closed.pop();
            let Some(moved_at) = self.mux.look(id).and_then(|(_, end)| end.moved_at) else { continue };
            let due = self.process.clock.instant(moved_at) + timeout;
            if due <= now {
                self.cut_stream(id, Code::Timeout, effects);
                self.process.counters.count(Refusal::HalfClosed);
            } else {
                self.bounds.half_closed.push(Reverse((due, id)));
            }
        }
        if self.bounds.starved.is_empty() {
            return;
        }
        if self.process.memory.pressed() {
            // Nobody delivers anything any more who could be asked to make room.
            effects.relieve(&self.process);
        } else {
            for id in std::mem::take(&mut self.bounds.starved) {
                if let Some(End { source: Source::Splice(ledger), .. }) = self.mux.value_mut(id) {
                    ledger.starved = false;
                    self.settle(id, effects);
                }
            }
        }
    }

    /// Gives back what was booked, for a session that is over.
    pub(super) fn unbook(&mut self) {
        self.process.memory.give(std::mem::take(&mut self.bounds.booked));
    }
}

/// The bytes that an unanswered stream has brought.
fn waited(waiting: NonZeroU32) -> usize {
    waiting.get() as usize - 1
}

/// The bytes that somebody keeps for a stream until there is room.
fn held_back(end: &End) -> usize {
    end.cell().map_or(0, |cell| cell.held_back())
}

/// The memory budget is used up: the heaviest streams of the heaviest sessions are reset until some of it is free again.
///
/// One thread at a time does it. It weighs all sessions once, and afterwards only the one that it has taken something from.
pub(super) fn relieve(process: &Process, effects: &mut Effects) {
    let enough = process.limits.memory_budget_bytes / 16 * 15;
    let Some(_alone) = process.relief.try_lock() else { return };
    if process.memory.used() <= enough {
        return;
    }
    let sessions: Vec<Arc<Session>> = process.live.iter().map(|entry| entry.value().clone()).collect();
    let mut weights: BinaryHeap<(usize, usize)> = sessions.iter().enumerate().map(|(at, session)| (session.weight(), at)).collect();
    // What their writers give back in a moment.
    let mut coming = 0;
    while process.memory.used().saturating_sub(coming) > enough
        && let Some((_, at)) = weights.pop()
        && let Some(heaviest) = sessions.get(at)
    {
        let mut state = heaviest.state.lock();
        match state.cut_heaviest(|end| end.unread as usize + held_back(end), effects) {
            Some(bytes) => coming += bytes,
            None => continue,
        }
        weights.push((state.weight(), at));
        let ready = state.wants_turn();
        drop(state);
        process.counters.count(Refusal::Budget);
        if ready {
            effects.ready(heaviest);
        }
        effects.drop_ended();
    }
}

/// The process's memory is told in steps of this size.
const BOOKED_IN: usize = 16 * 1024;

/// How soon a session whose streams wait for memory looks again.
const MEMORY_LOOK: Duration = Duration::from_millis(100);

/// Entries of ended streams that may stand in a list before it is tidied.
const SPARE: usize = 64;
