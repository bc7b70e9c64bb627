//! What an event in one session does to others, kept until the session's own lock is free: two are never held at once.

use std::{ops::Range, sync::Arc};

use browser_stream_mux::{Cell, Code, End as Ended, SHORT, StreamId, View};
use bytes::{Buf, Bytes};

use super::{
    Process, Session, State, bounds,
    end::{End, Far, Sink, Source, Watch},
    flush,
    ledger::Ledger,
};

/// Something to do when the lock is free.
pub(super) enum Effect {
    /// What follows is for this session, until another is named or something has to be done without a lock.
    For(Arc<Session>),
    /// Bytes for the other end of a splice.
    Data(StreamId, Bytes),
    /// The same for a few: where they lie in the copies that the effects keep.
    Short(StreamId, Range<u32>),
    /// The other end of a splice finished.
    Finish(StreamId),
    /// The other end of a splice was reset with this code, or lost.
    End(StreamId, Ended, Queued),
    /// Credit for the sender at the other end.
    Grant(StreamId, u32),
    /// A spliced stream ended before it was done.
    Ended(Arc<dyn Watch>, Ended),
    /// Bytes of a local writer left its queue.
    Sent(Arc<Cell>, usize),
}

/// What an end does to the bytes that are still queued behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Queued {
    /// A reset in the middle takes them along.
    Dropped,
    /// They were whole, or all that is left of a peer that is gone: the end waits behind them.
    Delivered,
}

/// Payload of a frame: a slice of what was read, or a place among the copies.
pub(super) enum Payload {
    Long(Bytes),
    Short(Range<u32>),
}

fn copied(copies: &[u8], place: Range<u32>) -> &[u8] {
    copies.get(place.start as usize..place.end as usize).unwrap_or_default()
}

/// What is to be done, in order, and what is to be dropped behind it.
#[derive(Default)]
pub(super) struct Effects {
    list: Vec<Effect>,
    /// Short payloads, of which slices would cost more than copies.
    copies: Vec<u8>,
    /// What ended streams were joined to: dropped where a drop may call back.
    ended: Vec<End>,
    /// The session that `list` is about at its end.
    target: Option<usize>,
    /// Streams that the peer opened, whose opens local handles read.
    opened: Vec<(StreamId, Arc<Cell>)>,
    /// Sessions that have something to send now.
    ready: Vec<Arc<Session>>,
    /// The memory budget is used up.
    relieve: Option<Arc<Process>>,
}

impl Effects {
    /// Adds something that is done to the stream at the far end of a splice.
    pub fn at(&mut self, session: &Arc<Session>, effect: Effect) {
        let target = Arc::as_ptr(session).addr();
        if self.target.replace(target) != Some(target) {
            self.list.push(Effect::For(session.clone()));
        }
        self.list.push(effect);
    }

    /// Takes `length` bytes off the front of `input`: copied if they are few.
    pub fn cut(&mut self, input: &mut Bytes, length: usize) -> Payload {
        let at = self.copies.len();
        match input.get(..length) {
            Some(short) if length <= SHORT => {
                self.copies.extend_from_slice(short);
                input.advance(length);
                // One read brings at most its own length of them.
                Payload::Short(at as u32..(at + length) as u32)
            }
            _ => Payload::Long(input.split_to(length)),
        }
    }

    /// Adds bytes for the other end of a splice.
    pub fn data(&mut self, far: &Far, payload: Payload) {
        let effect = match payload {
            Payload::Long(bytes) => Effect::Data(far.id, bytes),
            Payload::Short(place) => Effect::Short(far.id, place),
        };
        self.at(&far.session, effect);
    }

    /// A payload as a reader keeps it.
    pub fn bytes(&self, payload: Payload) -> Bytes {
        match payload {
            Payload::Long(bytes) => bytes,
            Payload::Short(place) => Bytes::copy_from_slice(copied(&self.copies, place)),
        }
    }

    /// Adds something that is done without a lock.
    pub fn here(&mut self, effect: Effect) {
        self.target = None;
        self.list.push(effect);
    }

    /// Adds what an ended stream was joined to.
    pub fn ended(&mut self, end: End) {
        self.ended.push(end);
    }

    /// Adds a stream that the peer opened.
    pub fn open(&mut self, id: StreamId, cell: Arc<Cell>) {
        self.opened.push((id, cell));
    }

    /// Takes out the streams that the peer opened.
    pub fn opened(&mut self) -> impl Iterator<Item = (StreamId, Arc<Cell>)> + use<> {
        std::mem::take(&mut self.opened).into_iter()
    }

    /// Adds that the memory budget is used up.
    pub fn relieve(&mut self, process: &Arc<Process>) {
        self.relieve = Some(process.clone());
    }

    /// Drops what ended streams were joined to; with no lock held, for a drop may call back.
    pub fn drop_ended(&mut self) {
        std::mem::take(&mut self.ended).clear();
    }

    /// Adds a session that has something to send.
    pub fn ready(&mut self, session: &Arc<Session>) {
        self.ready.push(session.clone());
    }

    /// The sessions that have something to send.
    pub fn taken(&mut self) -> &mut Vec<Arc<Session>> {
        &mut self.ready
    }

    /// Runs `work`, whose sessions are ready then if they have something to send.
    pub fn corked<R>(&mut self, work: impl FnOnce() -> R) -> R {
        flush::corked(&mut self.ready, work)
    }

    /// Carries them out and writes what they put into queues, and so on with whatever that leads to.
    pub fn run(&mut self) {
        self.act();
        while let Some(session) = self.ready.pop() {
            session.flush(self);
            self.act();
        }
    }

    /// Carries them out, and what they lead to; what they put into queues stays there.
    pub fn act(&mut self) {
        while !self.list.is_empty() || !self.ended.is_empty() || self.relieve.is_some() {
            let (mut list, mut copies) = (std::mem::take(&mut self.list), std::mem::take(&mut self.copies));
            self.target = None;
            self.round(&mut list, &copies);
            if self.list.is_empty() {
                // Their memory is used again.
                self.list = list;
                copies.clear();
                self.copies = copies;
            }
            self.drop_ended();
            if let Some(process) = self.relieve.take() {
                bounds::relieve(&process, self);
            }
        }
    }

    fn round(&mut self, list: &mut Vec<Effect>, copies: &[u8]) {
        let mut effects = list.drain(..).peekable();
        while let Some(effect) = effects.next() {
            let Effect::For(session) = effect else {
                effect.run_here();
                continue;
            };
            // Neighbours for the same session share its lock and one write.
            let mut state = session.state.lock();
            while let Some(effect) = effects.next_if(Effect::is_far) {
                effect.run_there(&mut state, copies, self);
            }
            state.collect_ended(self);
            state.book();
            let ready = state.wants_turn();
            drop(state);
            if ready {
                self.ready.push(session);
            }
        }
    }
}

/// Runs `work` and then writes, with no lock of its caller's held, what it has queued for however many sessions. Not for the reading task of a session, which does
/// that by itself.
pub(crate) fn together<R>(work: impl FnOnce() -> R) -> R {
    let mut effects = Effects::default();
    let result = effects.corked(work);
    effects.run();
    result
}

impl Drop for Effects {
    /// Nobody has written what is left, for whoever had to has panicked: the sessions' own tasks do.
    fn drop(&mut self) {
        for session in &self.ready {
            session.wake.notify_one();
        }
    }
}

impl Effect {
    /// Whether this is done under the lock of the session named before.
    fn is_far(&self) -> bool {
        matches!(self, Self::Data(..) | Self::Short(..) | Self::Finish(_) | Self::End(..) | Self::Grant(..))
    }

    fn run_there(self, state: &mut State, copies: &[u8], next: &mut Effects) {
        match self {
            Self::Data(id, bytes) => state.deliver(id, bytes, next),
            Self::Short(id, place) => state.deliver_short(id, copied(copies, place), next),
            Self::Finish(id) => {
                state.mux.finish(id);
            }
            Self::End(id, how, queued) => state.end_from_far(id, how, queued),
            Self::Grant(id, bytes) => state.mux.grant(id, bytes),
            _ => {}
        }
    }

    fn run_here(self) {
        match self {
            Self::Ended(watch, how) => watch.ended(how),
            Self::Sent(cell, bytes) => cell.sent(bytes),
            _ => {}
        }
    }
}

impl State {
    /// Queues bytes of the far end's, and hands back what credit that allows.
    pub(super) fn deliver(&mut self, id: StreamId, bytes: Bytes, effects: &mut Effects) {
        let length = bytes.len();
        let cap = self.cap();
        if let Some((view, end)) = self.mux.deliver(id, bytes) {
            end.moves();
            let starves = end.took(length, view, cap, effects);
            self.delivered(id, cap, starves, effects);
        }
    }

    /// The same with a copy.
    fn deliver_short(&mut self, id: StreamId, bytes: &[u8], effects: &mut Effects) {
        let cap = self.cap();
        if let Some((view, end)) = self.mux.deliver_short(id, bytes) {
            end.moves();
            let starves = end.took(bytes.len(), view, cap, effects);
            self.delivered(id, cap, starves, effects);
        }
    }

    fn delivered(&mut self, id: StreamId, cap: u32, starves: bool, effects: &mut Effects) {
        if starves {
            self.starve(id);
        }
        if cap == 0 {
            // What comes now was granted before.
            effects.relieve(&self.process);
        }
        self.hold_to_ladder(effects);
    }

    /// Queues bytes of a local writer's.
    pub(super) fn send(&mut self, id: StreamId, bytes: Bytes, effects: &mut Effects) {
        self.mux.send(id, bytes);
        if let Some(end) = self.mux.value_mut(id) {
            end.moves();
        }
        self.hold_to_ladder(effects);
    }

    /// Queues bytes that go to other streams, too.
    pub(super) fn share(&mut self, id: StreamId, chunks: &[Bytes], effects: &mut Effects) {
        for chunk in chunks {
            self.mux.deliver(id, chunk.clone());
        }
        self.hold_to_ladder(effects);
        self.book();
    }

    /// Hands the far sender the credit that is due to it.
    pub(super) fn settle(&mut self, id: StreamId, effects: &mut Effects) {
        let cap = self.cap();
        if let Some((view, End { source: Source::Splice(ledger), .. })) = self.mux.look(id)
            && ledger.settle(view, cap, effects)
        {
            self.starve(id);
        }
    }

    /// `bytes` of this stream have left for the socket.
    pub(super) fn left(&mut self, id: StreamId, bytes: usize, effects: &mut Effects) {
        let cap = self.cap();
        match self.mux.look(id) {
            Some((view, End { source: Source::Splice(ledger), .. })) => {
                let starves = ledger.settle(view, cap, effects);
                if starves {
                    self.starve(id);
                }
            }
            Some((_, End { source: Source::Local(cell), .. })) => effects.here(Effect::Sent(cell.clone(), bytes)),
            _ => {}
        }
    }

    /// The far end of a splice was reset or lost.
    pub(super) fn end_from_far(&mut self, id: StreamId, how: Ended, queued: Queued) {
        let Some(end) = self.mux.value_mut(id) else {
            return;
        };
        if let Some(cell) = end.cell() {
            cell.ended(how);
        }
        end.sink = Sink::Nobody;
        let code = match how {
            Ended::Reset(code) => code,
            Ended::Lost => Code::Lost.number(),
        };
        match queued {
            Queued::Dropped => self.mux.reset(id, code),
            Queued::Delivered => self.mux.reset_behind(id, code),
        };
    }

    /// Puts what ended streams were joined to aside, so that nothing is dropped under the lock.
    pub(super) fn collect_ended(&mut self, effects: &mut Effects) {
        while let Some(end) = self.next_ended() {
            effects.ended(end);
        }
        self.leave_if_done();
    }

    /// The same for callers that have no effects.
    pub(super) fn take_ended(&mut self) -> Vec<End> {
        let ended = std::iter::from_fn(|| self.next_ended()).collect();
        self.leave_if_done();
        ended
    }

    fn next_ended(&mut self) -> Option<End> {
        let (id, end) = self.mux.ended()?;
        self.forget_waiting(end.waiting);
        self.forget_unread(end.unread);
        if self.control == Some(id) {
            self.control = None;
        }
        self.aside -= usize::from(end.aside);
        Some(end)
    }
}

impl End {
    /// `bytes` of the far sender's were queued; whether it starves from now on.
    fn took(&mut self, bytes: usize, view: View, cap: u32, effects: &mut Effects) -> bool {
        let Source::Splice(ledger) = &mut self.source else { return false };
        ledger.took(bytes);
        ledger.settle(view, cap, effects)
    }
}

impl Ledger {
    /// Hands the sender the credit that is due to it; whether it starves from now on, for want of memory.
    fn settle(&mut self, view: View, cap: u32, effects: &mut Effects) -> bool {
        if cap == 0 {
            return !std::mem::replace(&mut self.starved, true);
        }
        if let Some(grant) = self.grant(view.send_credit, view.queued, cap) {
            effects.at(&self.source.session, Effect::Grant(self.source.id, grant));
        }
        false
    }
}
