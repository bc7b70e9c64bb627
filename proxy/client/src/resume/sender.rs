//! One direction as its sender knows it: what was written, what the peer holds, and what goes out next.

use bytes::{Bytes, BytesMut};

use super::{Budget, Limits, Record, budget::Share, carrier::Broken, chunks::Chunks};

/// Positions count the direction's bytes, and FIN as one more.
#[derive(Debug)]
pub(super) struct Sender {
    /// What the peer acknowledged.
    base: u64,
    /// The bytes from `base` on.
    replay: Chunks,
    finished: bool,
    /// The highest room that the peer told.
    limit: u64,
    /// What goes next on the current carrier.
    next: u64,
    /// The highest position that ever went out.
    sent: u64,
    /// Bytes that went out although they had before.
    resent: u64,
    /// How much of `replay` may be held without taking more of the budget.
    bound: u64,
    /// What that is while it holds nothing of the budget, and what it may grow to: first this far, then as far as the peer's window.
    min: u64,
    usual: u64,
    most: u64,
    share: Share,
    data_max: u32,
}

impl Sender {
    pub(super) fn new(limits: &Limits, budget: &Budget) -> Self {
        Self {
            base: 0,
            replay: Chunks::default(),
            finished: false,
            limit: limits.window_min,
            next: 0,
            sent: 0,
            resent: 0,
            bound: limits.replay_min,
            min: limits.replay_min,
            usual: limits.replay,
            most: limits.replay,
            share: Share::of(budget),
            data_max: limits.data_max,
        }
    }

    /// A direction that was acknowledged up to `base` and takes no more.
    pub(super) fn buried(base: u64, limits: &Limits) -> Self {
        let replay = Chunks::starting_at(base);
        Self { base, replay, next: base, sent: base, ..Self::new(limits, &Budget::new(0)) }
    }

    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// Bytes that were written.
    pub(super) fn written(&self) -> u64 {
        self.replay.end()
    }

    /// The position behind all that was written, FIN included.
    pub(super) fn end(&self) -> u64 {
        self.written() + u64::from(self.finished)
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Bytes that went out more than once, each as often as it was repeated.
    pub(super) fn resent(&self) -> u64 {
        self.resent
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    pub(super) fn is_acknowledged(&self) -> bool {
        self.base == self.end()
    }

    pub(super) fn is_fin_acknowledged(&self) -> bool {
        self.finished && self.is_acknowledged()
    }

    /// Whether something that went out on the current carrier is not acknowledged yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.base < self.next
    }

    /// Bytes that were written and did not go out yet.
    pub(super) fn ahead(&self) -> u64 {
        self.written().saturating_sub(self.next.max(self.base))
    }

    /// How many bytes a writer may hand in now, whatever is left of the budget.
    pub(super) fn writable(&self) -> u64 {
        if self.finished { 0 } else { self.bound.saturating_sub(self.held()) }
    }

    /// Takes as much of `bytes` as may be held off its front.
    pub(super) fn write(&mut self, bytes: &mut Bytes) -> usize {
        if !self.finished {
            self.grow(self.held() + bytes.len() as u64);
        }
        let length = bytes.len().min(usize::try_from(self.writable()).unwrap_or(usize::MAX));
        if length > 0 {
            self.replay.push(bytes.split_to(length));
        }
        length
    }

    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    /// The peer holds everything below `received` and may be sent `room` beyond; whether that was news.
    pub(super) fn acknowledged(&mut self, received: u64, room: u64, limits: &Limits) -> Result<bool, Broken> {
        if received > self.sent {
            return Err(Broken);
        }
        let news = received > self.base;
        if news {
            self.base = received;
            self.replay.release(received.min(self.written()));
        }
        if self.held() == 0 {
            self.shrink();
        }
        self.limit = self.limit.max(received + room);
        self.most = self.most.max(room.min(limits.replay_max));
        Ok(news)
    }

    /// A carrier becomes current: nothing that went out on another counts as sent.
    pub(super) fn take(&mut self) {
        self.next = self.base;
    }

    /// The bytes behind a birth open. If its carrier becomes current, the stream goes on behind them.
    pub(super) fn early(&mut self, max: u32) -> Vec<Bytes> {
        let length = self.written().min(u64::from(max));
        let mut out = Vec::new();
        self.replay.slices(0, length as usize, &mut out);
        self.goes_out(0, length);
        out
    }

    /// The current carrier is a birth carrier that took `early` bytes behind its open.
    pub(super) fn resume_behind(&mut self, early: u64) {
        self.next = early;
    }

    pub(super) fn wants_transmit(&self) -> bool {
        let next = self.next.max(self.base);
        next < self.written().min(self.limit) || self.may_fin(next)
    }

    /// Puts out what may go now: at most `room` bytes of DATA, then FIN.
    pub(super) fn transmit(&mut self, mut room: u64, scratch: &mut BytesMut, out: &mut Vec<Bytes>) {
        self.next = self.next.max(self.base);
        let end = self.written().min(self.limit);
        while self.next < end && room > 0 {
            let length = (end - self.next).min(room).min(u64::from(self.data_max));
            Record::Data { offset: self.next, length: length as u32 }.encode(scratch);
            out.push(scratch.split().freeze());
            self.replay.slices(self.next, length as usize, out);
            self.goes_out(self.next, length);
            self.next += length;
            room -= length;
        }
        if self.may_fin(self.next) {
            Record::Fin { total: self.written() }.encode(scratch);
            self.next += 1;
        }
        self.sent = self.sent.max(self.next);
    }

    /// Forgets what nobody will be sent any more.
    pub(super) fn clear(&mut self) {
        self.replay.clear();
        self.shrink();
    }

    /// Everything from `offset` on, for a stream that turned out not to be resumable.
    pub(super) fn rest(&mut self, offset: u64) -> Vec<Bytes> {
        let mut out = Vec::new();
        self.replay.slices(offset, self.written().saturating_sub(offset) as usize, &mut out);
        out
    }

    /// Bytes that the peer may yet have to be sent again.
    fn held(&self) -> u64 {
        self.written().saturating_sub(self.base)
    }

    /// Takes of the budget what `held` bytes need, as far as it has that: a stream that never holds much takes nothing.
    fn grow(&mut self, held: u64) {
        while held >= self.bound {
            let bound = if self.bound < self.usual { self.usual } else { self.most };
            if bound <= self.bound || !self.share.take(bound - self.bound) {
                return;
            }
            self.bound = bound;
        }
    }

    fn shrink(&mut self) {
        self.share.give_back();
        self.bound = self.min;
    }

    /// Counts what goes out from `offset` on, and what of it did before.
    fn goes_out(&mut self, offset: u64, length: u64) {
        let end = offset + length;
        self.resent += self.sent.min(end).saturating_sub(offset);
        self.sent = self.sent.max(end);
    }

    fn may_fin(&self, next: u64) -> bool {
        self.finished && next == self.written()
    }
}
