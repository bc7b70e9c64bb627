//! What the effects of other sessions do to this one's streams: bytes are queued, credit is handed back, ends are passed on.

use browser_stream_mux::{Code, End as Ended, INITIAL_WINDOW, StreamId, View};
use bytes::Bytes;

use super::{
    State,
    effect::{Effect, Effects, Origin, Queued},
    end::{End, Sink, Source},
    ledger::Ledger,
};

impl State {
    /// Queues bytes of the far end's, and hands back what credit that allows.
    pub(super) fn deliver(&mut self, id: StreamId, bytes: Bytes, effects: &mut Effects) {
        let length = bytes.len();
        let cap = self.cap();
        if let Some((view, end)) = self.mux.deliver(id, bytes) {
            end.moves(&self.process.clock);
            let starves = end.took(length, view, cap, effects);
            self.delivered(id, cap, starves, effects);
        }
    }

    /// The same with copies.
    pub(super) fn deliver_short<'a>(&mut self, id: StreamId, length: usize, pieces: impl Iterator<Item = &'a [u8]>, effects: &mut Effects) {
        let cap = self.cap();
        if let Some((view, end)) = self.mux.deliver_short(id, pieces) {
            end.moves(&self.process.clock);
            let starves = end.took(length, view, cap, effects);
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
            end.moves(&self.process.clock);
        }
        self.hold_to_ladder(effects);
    }

    /// Queues a copy of what the proxy itself says, which is short.
    pub(super) fn send_copy(&mut self, id: StreamId, bytes: &[u8], effects: &mut Effects) {
        if let Some((_, end)) = self.mux.deliver_short(id, [bytes]) {
            end.moves(&self.process.clock);
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

    /// The far end of a splice was reset or lost.
    pub(super) fn end_from_far(&mut self, id: StreamId, how: Ended, queued: Queued, origin: Origin, effects: &mut Effects) {
        let Some(end) = self.mux.value_mut(id) else {
            return;
        };
        // A peer may have used the id again since, for a stream that is joined to another.
        if end.far().is_some_and(|far| far.origin() != origin) {
            return;
        }
        if let Some(cell) = end.cell() {
            cell.ended(how);
        }
        if let Sink::Reply(_) = std::mem::replace(&mut end.sink, Sink::Nobody) {
            // Whom nobody has answered holds no place at the server any more, however long what it sent takes to leave.
            effects.ended(End { watch: end.watch.take(), ..End::default() });
        }
        let code = match how {
            Ended::Reset(code) => code,
            Ended::Lost => Code::Lost.number(),
        };
        // Nothing but the reply and what came with it is queued then: it waits for no credit.
        let behind =
            queued == Queued::Delivered || end.reply_waits && self.mux.get(id).is_some_and(|view| view.queued <= INITIAL_WINDOW as usize);
        if behind {
            self.mux.reset_behind(id, code);
        } else {
            self.mux.reset(id, code);
        }
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
        let (id, end, moved) = self.mux.ended_with()?;
        if self.is_ours(id)
            && let Some(watch) = &end.watch
        {
            watch.moved(moved);
        }
        self.forget_waiting(end.waiting);
        self.forget_unread(end.unread);
        self.gives_back(id);
        if self.control == Some(id) {
            self.control = None;
        }
        self.aside -= usize::from(end.aside);
        Some(end)
    }
}

impl State {
    /// What went over streams that are about to be lost counts for whom they were.
    pub(super) fn count_moved(&self) {
        for (id, moved, _, end) in self.mux.survey() {
            if let Some(watch) = end.watch.as_ref().filter(|_| self.is_ours(id)) {
                watch.moved(moved);
            }
        }
    }
}

impl End {
    /// `bytes` of the far sender's were queued; whether it starves from now on.
    fn took(&mut self, bytes: usize, view: View, cap: u32, effects: &mut Effects) -> bool {
        let Source::Splice(ledger) = &mut self.source else { return false };
        ledger.took(bytes);
        ledger.settle(view, cap, effects)
    }

    /// `bytes` of whoever puts them into the queue have left for the socket; whether the far sender starves from now on.
    #[inline]
    pub(super) fn left(&mut self, bytes: usize, view: View, cap: u32, effects: &mut Effects) -> bool {
        match &mut self.source {
            Source::Nobody => false,
            Source::Local(cell) => {
                effects.here(Effect::Sent(cell.clone(), bytes));
                false
            }
            Source::Splice(ledger) => {
                self.reply_waits = false;
                ledger.settle(view, cap, effects)
            }
        }
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
