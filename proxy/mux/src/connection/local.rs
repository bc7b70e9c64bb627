//! What the caller does with its streams.

use bytes::Bytes;

use crate::{
    INITIAL_WINDOW, PRIORITY_MAX, StreamId,
    connection::{
        Connection, View,
        entry::{Fin, Handshake},
    },
    queue::Queue,
};

impl<T: Default> Connection<T> {
    /// Queues bytes that lie in memory of their own. `false` if the stream is not live or takes no more, then they are dropped. How much is queued is the
    /// caller's to bound.
    pub fn send(&mut self, id: StreamId, bytes: Bytes) -> bool {
        self.queue(id, |queue| queue.push_own(bytes)).is_some()
    }

    /// As [`send`](Self::send) for a slice of what was read, and tells how the stream stands then.
    pub fn deliver(&mut self, id: StreamId, bytes: Bytes) -> Option<(View, &mut T)> {
        self.queue(id, |queue| queue.push(bytes))
    }

    /// As [`deliver`](Self::deliver), with copies of several in order: for short ones, where slices of somebody's memory would cost more, and hold it.
    #[inline]
    pub fn deliver_short<'a>(&mut self, id: StreamId, pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<(View, &mut T)> {
        self.queue(id, |queue| pieces.into_iter().for_each(|piece| queue.push_short(piece)))
    }

    #[inline]
    fn queue(&mut self, id: StreamId, push: impl FnOnce(&mut Queue)) -> Option<(View, &mut T)> {
        let entry = self.streams.get_mut(id).filter(|entry| entry.takes_more())?;
        self.held -= entry.queue.held();
        self.queued -= entry.queue.len();
        push(entry.queue.open());
        self.queued += entry.queue.len();
        self.held += entry.queue.held();
        entry.enter(id, &mut self.round);
        Some((entry.view(), &mut entry.value))
    }

    /// Sets how much a stream sends in its turn while others wait: so many KiB, 1 to [`PRIORITY_MAX`]; others are taken as the nearest.
    pub fn set_priority(&mut self, id: StreamId, priority: u8) {
        if let Some(entry) = self.live_mut(id) {
            entry.priority = priority.clamp(1, PRIORITY_MAX);
        }
    }

    /// Finishes our direction behind what is queued. `false` if the stream is not live or was finished before.
    pub fn finish(&mut self, id: StreamId) -> bool {
        let Some(entry) = self.streams.get_mut(id).filter(|entry| entry.takes_more()) else {
            return false;
        };
        entry.fin = Fin::Due;
        entry.enter(id, &mut self.round);
        true
    }

    /// Resets the stream at once and ahead of everything: its queue is dropped. If the peer has not heard of the stream yet, it never will.
    /// The stream has ended. `false` if it was not live.
    pub fn reset(&mut self, id: StreamId, code: u32) -> bool {
        let Some(entry) = self.live_mut(id) else { return false };
        let known = entry.handshake != Handshake::SynDue;
        let under_way = entry.under_way();
        self.end(id);
        if known {
            self.forgiven += under_way;
            self.control.reset(id, code);
        }
        true
    }

    /// Resets the stream behind what is queued, its FIN included; what the peer still sends is dropped, and gives it credit only where both would stand still for
    /// want of it. `false` if the stream is not live or is being reset already.
    pub fn reset_behind(&mut self, id: StreamId, code: u32) -> bool {
        let Some(entry) = self.live_mut(id).filter(|entry| !entry.resets_behind) else {
            return false;
        };
        if entry.handshake == Handshake::SynDue && entry.queue.is_empty() && entry.fin == Fin::Unsaid {
            return self.reset(id, code);
        }
        (entry.resets_behind, entry.reset_code) = (true, code);
        self.rouse(id);
        self.unstick(id);
        true
    }

    /// Where both ends reset a stream behind more than the other's credit allows to send, neither would get to its reset. Whoever has used up all credit, as the
    /// peer has, gives one more window: what comes is dropped.
    pub(super) fn unstick(&mut self, id: StreamId) {
        if let Some(entry) = self.live_mut(id)
            && entry.resets_behind
            && (entry.credit, entry.window.credit()) == (0, 0)
            && !entry.queue.is_empty()
            && !entry.peer_finished
        {
            entry.window.grant(INITIAL_WINDOW);
            self.announce(id);
        }
    }

    /// Gives the peer credit: for a caller that accounts for itself, as a splice does. All grants until the next transmit leave as one frame.
    /// Does nothing once the peer finished.
    pub fn grant(&mut self, id: StreamId, bytes: u32) {
        if let Some(entry) = self.live_mut(id).filter(|entry| entry.expects_data()) {
            entry.window.grant(bytes);
            self.announce(id);
        }
    }

    /// A local reader took bytes off the stream: credit goes back by the window's own policy (PROTOCOL.md, section 2). Not for a stream that uses `grant`.
    pub fn consumed(&mut self, id: StreamId, bytes: u32) {
        let Some(entry) = self.streams.get_mut(id).filter(|entry| entry.expects_data()) else {
            return;
        };
        entry.window.consume(bytes, &mut self.growth);
        self.announce(id);
    }

    /// Puts the stream into the round if it has something that may leave.
    pub(super) fn rouse(&mut self, id: StreamId) {
        if let Some(entry) = self.streams.get_mut(id) {
            entry.enter(id, &mut self.round);
        }
    }

    /// Puts the stream into the queue of window updates if the peer must hear of something.
    pub(super) fn announce(&mut self, id: StreamId) {
        if let Some(entry) = self.streams.get_mut(id)
            && !entry.has_news
            && entry.window.has_news()
        {
            entry.has_news = true;
            self.control.announce(id);
        }
    }
}
