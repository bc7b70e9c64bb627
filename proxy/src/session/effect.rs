//! What an event in one session does to others, kept until the session's own lock is free: two are never held at once.

use std::sync::Arc;

use browser_stream_mux::{Cell, Code, End as Ended, Stream, StreamId};
use bytes::Bytes;

use super::{
    Session, State,
    end::{End, Far, Sink, Source, Watch},
    ledger::CAP,
    opening,
};

/// Something to do without a lock, in order.
pub(super) enum Effect {
    /// The peer opened a stream; a local handle reads its open.
    Opened(StreamId, Arc<Cell>),
    /// Bytes for the other end of a splice.
    Data(Far, Bytes),
    /// The other end of a splice finished.
    Finish(Far),
    /// The other end of a splice was reset with this code, or lost.
    End(Far, Ended, Queued),
    /// Credit for the sender at the other end.
    Grant(Far, u32),
    /// A spliced stream ended before it was done.
    Ended(Arc<dyn Watch>, Ended),
    /// Bytes of a local writer left its queue.
    Sent(Arc<Cell>, usize),
    /// What a stream was joined to, dropped where its drop may call back.
    Drop(End),
}

/// What an end does to the bytes that are still queued behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Queued {
    /// A reset in the middle takes them along.
    Dropped,
    /// They were whole, or all that is left of a peer that is gone: the end waits behind them.
    Delivered,
}

/// A list of effects.
#[derive(Default)]
pub(super) struct Effects(Vec<Effect>);

impl Effects {
    pub fn push(&mut self, effect: Effect) {
        self.0.push(effect);
    }

    /// Carries them out, and whatever they lead to in turn. `on` is where they come from.
    pub fn run(self, on: &Arc<Session>) {
        let mut list = self.0;
        while !list.is_empty() {
            let mut next = Self::default();
            let mut effects = list.into_iter().peekable();
            while let Some(effect) = effects.next() {
                let Some(session) = effect.session().cloned() else {
                    effect.run_here(on);
                    continue;
                };
                // Neighbours for the same session share its lock and one wake-up.
                let mut state = session.state.lock();
                effect.run_there(&mut state, &mut next);
                while let Some(effect) = effects.next_if(|e| e.session().is_some_and(|s| Arc::ptr_eq(s, &session))) {
                    effect.run_there(&mut state, &mut next);
                }
                state.collect_ended(&mut next);
                drop(state);
                session.wake.notify_one();
            }
            list = next.0;
        }
    }
}

impl Effect {
    /// The session whose lock this effect needs.
    fn session(&self) -> Option<&Arc<Session>> {
        match self {
            Self::Data(far, _) | Self::Finish(far) | Self::End(far, ..) | Self::Grant(far, _) => Some(&far.session),
            _ => None,
        }
    }

    fn run_there(self, state: &mut State, next: &mut Effects) {
        match self {
            Self::Data(far, bytes) => state.deliver(far.id, bytes, next),
            Self::Finish(far) => {
                state.mux.finish(far.id);
            }
            Self::End(far, how, queued) => state.end_from_far(far.id, how, queued),
            Self::Grant(far, bytes) => state.mux.grant(far.id, bytes),
            _ => {}
        }
    }

    fn run_here(self, on: &Arc<Session>) {
        match self {
            Self::Opened(id, cell) => opening::spawn(on.clone(), Stream::new(id, cell, on.clone())),
            Self::Ended(watch, how) => watch.ended(how),
            Self::Sent(cell, bytes) => cell.sent(bytes),
            Self::Drop(end) => drop(end),
            _ => {}
        }
    }
}

impl State {
    /// Queues bytes of the far end's, and hands back what credit that allows.
    pub(super) fn deliver(&mut self, id: StreamId, bytes: Bytes, effects: &mut Effects) {
        let length = bytes.len();
        if !self.mux.send(id, bytes) {
            return;
        }
        if let Some(End { source: Source::Splice(ledger), .. }) = self.mux.value_mut(id) {
            ledger.took(length);
        }
        self.settle(id, effects);
    }

    /// Hands the far sender the credit that is due to it.
    pub(super) fn settle(&mut self, id: StreamId, effects: &mut Effects) {
        let Some(view) = self.mux.get(id) else { return };
        let Some(End { source: Source::Splice(ledger), .. }) = self.mux.value_mut(id) else {
            return;
        };
        if let Some(grant) = ledger.grant(view.send_credit, view.queued, CAP) {
            effects.push(Effect::Grant(ledger.source.clone(), grant));
        }
    }

    /// `bytes` of this stream have left for the socket.
    pub(super) fn left(&mut self, id: StreamId, bytes: usize, effects: &mut Effects) {
        match self.mux.value(id).map(|end| &end.source) {
            Some(Source::Local(cell)) => effects.push(Effect::Sent(cell.clone(), bytes)),
            Some(Source::Splice(_)) => self.settle(id, effects),
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

    /// Puts what ended streams were joined to among the effects, so that nothing is dropped under the lock.
    pub(super) fn collect_ended(&mut self, effects: &mut Effects) {
        while let Some((id, end)) = self.mux.ended() {
            if self.control == Some(id) {
                self.control = None;
            }
            effects.push(Effect::Drop(end));
        }
    }

    /// The same for callers that have no effects.
    pub(super) fn take_ended(&mut self) -> Vec<End> {
        let mut effects = Effects::default();
        self.collect_ended(&mut effects);
        let ends = effects.0.into_iter().filter_map(|effect| match effect {
            Effect::Drop(end) => Some(end),
            _ => None,
        });
        ends.collect()
    }
}
