//! What leaves on a carrier.

use bytes::{Bytes, BytesMut};
use std::time::Instant;

use super::{Action, Close, Endpoint, State};
use crate::resume::{CARRIER_QUEUE_MAX, CarrierId, Outcome, Record};

impl Endpoint {
    /// Whether [`transmit`](Self::transmit) would put something out, given room.
    pub fn wants_transmit(&self, id: CarrierId) -> bool {
        let Some(index) = self.index(id) else { return false };
        let carrier = &self.carriers[index];
        let current = self.current == Some(id);
        carrier.due.is_any() || carrier.is_leaving() || (current && (self.receiver.is_due() || self.wants_data()))
    }

    /// Appends to `out` what leaves on a carrier now, to be written back to back: what must be said, then at most `room` bytes of DATA.
    ///
    /// `room` is what the carrier's queue may still take: 256 KiB less what lies in it. While it is 0 nothing leaves but the last words of a carrier
    /// that is closed behind them: a peer that asks and never reads is owed one answer, however often it asks. Payload is sliced, not copied.
    pub fn transmit(&mut self, id: CarrierId, room: usize, now: Instant, out: &mut Vec<Bytes>) {
        let Some(index) = self.index(id).filter(|&index| room > 0 || self.carriers[index].is_leaving()) else { return };
        let mut scratch = BytesMut::new();
        self.say(index, &mut scratch);
        if self.current == Some(id) && self.wants_data() {
            self.sender.transmit(room.min(CARRIER_QUEUE_MAX) as u64, &mut scratch, out);
            let carrier = &mut self.carriers[index];
            carrier.sent = carrier.sent.max(self.sender.next());
        }
        if !scratch.is_empty() {
            out.push(scratch.freeze());
        }
        if self.carriers[index].is_leaving() {
            self.carriers.remove(index);
            self.actions.push_back(Action::Close(id, Close::Finish));
        }
        self.settle(now);
    }

    fn wants_data(&self) -> bool {
        self.state == State::Live && self.moving.is_none() && self.sender.wants_transmit()
    }

    /// Everything but DATA and FIN, in the order that lets the peer judge the carrier: facts, then PING and PONG.
    fn say(&mut self, index: usize, out: &mut BytesMut) {
        let carrier = &mut self.carriers[index];
        let current = self.current == Some(carrier.id);
        let due = std::mem::take(&mut carrier.due);
        out.extend_from_slice(&due.handshake);
        if due.ack || (current && self.receiver.is_due()) {
            self.receiver.tell(current).encode(out);
        }
        if let (true, Some(Outcome::Reset { reason, .. })) = (due.reset, &self.outcome) {
            Record::Reset(reason.clone()).encode(out);
        }
        if due.done {
            Record::Done.encode(out);
        }
        if due.gone {
            Record::Gone.encode(out);
        }
        if let Some(probe) = carrier.probe.as_mut().filter(|_| due.ping) {
            probe.mark = carrier.sent;
            probe.done = matches!(self.state, State::Closing | State::Resetting)
                || matches!((self.state, &self.outcome), (State::Tombstone, Some(Outcome::Reset { here: true, .. })));
            Record::Ping(probe.token).encode(out);
        }
        if let Some(token) = due.pong {
            Record::Pong(token).encode(out);
        }
    }
}
