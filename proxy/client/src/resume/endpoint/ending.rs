//! How a stream ends: one outcome, set once (`proxy/RESUME.md`, section 3).

use std::time::Instant;

use super::{Close, Endpoint, State, arrival::Flow};
use crate::resume::{Outcome, Reason, carrier::Due};

impl Endpoint {
    /// Ends both directions at once; what is unread or unsent is dropped. The peer is told until it has said that it knows.
    pub fn reset(&mut self, reason: Reason, now: Instant) {
        if self.outcome.is_none() {
            self.receiver.clear();
            let state = if self.is_client() { State::Resetting } else { State::Tombstone };
            self.end(Outcome::Reset { reason, here: true }, state, now);
            if let Some(carrier) = self.current_carrier() {
                carrier.due.reset = true;
            }
        }
        self.settle(now);
    }

    /// The program ends, or wants no more of it: the peer is told GONE if it can be, and the stream is lost unless it had ended.
    pub fn give_up(&mut self, now: Instant) {
        if let Some(index) = self.current.and_then(|current| self.index(current)).filter(|_| self.state != State::Freed) {
            // A peer that waits to hear of an end that was whole must not hear of another.
            let due = &mut self.carriers[index].due;
            due.gone = self.outcome.is_none();
            self.leave(index, now);
        }
        self.lose(now);
    }

    /// Everything is here and there.
    pub(super) fn complete(&mut self, now: Instant) {
        if self.state != State::Live || !self.sender.is_fin_acknowledged() || self.receiver.total().is_none() {
            return;
        }
        if self.is_client() {
            self.state = State::Closing;
            return;
        }
        self.end(Outcome::Clean, State::Tombstone, now);
        if let Some(carrier) = self.current_carrier() {
            (carrier.due.ack, carrier.due.done) = (true, true);
        }
    }

    /// RESET from the peer: it is answered where it came, and the first end wins.
    pub(super) fn reset_by_peer(&mut self, index: usize, reason: Reason, now: Instant) -> Flow {
        self.carriers[index].due.done = true;
        if self.is_client() {
            self.leave(index, now);
            self.end(Outcome::Reset { reason, here: false }, State::Freed, now);
            return Flow::Stop;
        }
        self.end(Outcome::Reset { reason, here: false }, State::Tombstone, now);
        Flow::On
    }

    /// The peer does not hold the stream, or nobody is left to talk to.
    pub(super) fn lose(&mut self, now: Instant) {
        let (received, base) = self.progress();
        let state = if self.is_client() { State::Freed } else { State::Tombstone };
        self.is_known = true;
        self.end(Outcome::Lost { received, base }, state, now);
        self.close_carriers(now);
    }

    /// The outcome, unless there is one, and the state that follows from it.
    pub(super) fn end(&mut self, outcome: Outcome, state: State, now: Instant) {
        if self.outcome.is_none() {
            self.outcome = Some(outcome);
            self.ended = Some(now);
        }
        self.end_as_it_did(state, now);
    }

    pub(super) fn end_as_it_did(&mut self, state: State, now: Instant) {
        if self.state == State::Freed {
            return;
        }
        self.state = state;
        self.sender.clear();
        self.receiver.stop();
        if state == State::Freed {
            self.close_carriers(now);
            self.client = self.client.take().map(|mut client| {
                (client.reopen, client.asked) = (None, false);
                client
            });
        }
    }

    /// The stream is not held any more.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Lost { .. }))
    }

    /// Says nothing but GONE on a carrier.
    pub(super) fn say_gone(&mut self, index: usize, now: Instant) {
        self.carriers[index].due = Due { gone: true, ..Due::default() };
        self.leave(index, now);
    }

    /// Closes all carriers but those that say their last word.
    fn close_carriers(&mut self, now: Instant) {
        while let Some(index) = self.carriers.iter().position(|carrier| !carrier.is_leaving()) {
            self.remove(index, Some(Close::Reset), now);
        }
    }
}
