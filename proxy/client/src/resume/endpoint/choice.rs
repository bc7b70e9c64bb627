//! Which carrier takes the records, and when one is dead (`proxy/RESUME.md`, sections 4 and 5).

use std::time::Instant;

use super::{Action, Close, Endpoint, State};
use crate::resume::{
    CarrierId, Kind, Outcome, Reason,
    carrier::{Carrier, Probe, Stage},
};

impl Endpoint {
    /// A carrier ended, or is known to be dead: its records may be lost from anywhere on.
    pub fn closed(&mut self, id: CarrierId, now: Instant) {
        if let Some(index) = self.index(id) {
            self.remove(index, None, now);
        }
        self.settle(now);
    }

    /// The peer closed a carrier as one that has nothing more to hear or to say: [`Close::Done`] or [`Close::Finish`]. Whatever else ends one resets it, or loses it.
    pub fn done_with(&mut self, id: CarrierId, now: Instant) {
        self.is_known |= self.outcome.is_some() && self.index(id).is_some_and(|index| self.carriers[index].is_proven());
        self.closed(id, now);
    }

    /// A carrier may be dead (ICE says `disconnected`): it is asked at once.
    pub fn suspect(&mut self, id: CarrierId, now: Instant) {
        if let Some(index) = self.index(id).filter(|&index| self.carriers[index].is_proven()) {
            self.probe(index, now);
        }
    }

    /// The network or the machine is back (`online`, `pageshow`, the session is up, a wake): every carrier is asked, and one that is missing is opened, at once.
    pub fn wake(&mut self, now: Instant) {
        for index in 0..self.carriers.len() {
            if self.carriers[index].is_proven() {
                self.probe(index, now);
            }
        }
        if let Some(client) = &mut self.client {
            client.tries = 0;
        }
        self.settle(now);
        self.reopen_at_once(now);
    }

    /// A carrier is best that is direct, then one that is newer.
    fn best(&self) -> Option<&Carrier> {
        let proven = || self.carriers.iter().rev().filter(|carrier| carrier.is_proven());
        proven().find(|carrier| carrier.kind == Kind::Direct).or_else(|| proven().next())
    }

    /// Takes the best carrier: at once if there is none, by choice at most once a second, and then perhaps after a short wait for what is on its way.
    pub(super) fn choose(&mut self, now: Instant) {
        let Some(best) = self.best().map(|carrier| carrier.id) else { return };
        if self.current == Some(best) {
            self.moving = None;
            return;
        }
        if self.current.is_none() {
            return self.take(best);
        }
        if self.chosen.is_some_and(|at| now < at + self.limits.choice) {
            return;
        }
        let until = *self.moving.get_or_insert(now + self.limits.choice_wait);
        if now >= until || !self.sender.is_waiting() {
            self.chosen = Some(now);
            self.take(best);
        }
    }

    /// When a move by choice is due.
    pub(super) fn choice_deadline(&self) -> Option<Instant> {
        let best = self.best()?.id;
        let moves = self.current.is_some_and(|current| current != best);
        let free = || self.chosen.map(|at| at + self.limits.choice);
        if moves { self.moving.or_else(free) } else { None }
    }

    /// Says on the carrier what is true now; of its own direction everything that is not acknowledged.
    fn take(&mut self, id: CarrierId) {
        self.moving = None;
        self.current = Some(id);
        self.sender.take();
        let Some(index) = self.index(id) else { return };
        self.takes += 1;
        if self.takes > 1 || self.receiver.position() > 0 || self.outcome.is_some() {
            self.say_facts(index);
        }
    }

    /// The current facts: ACK, and RESET or DONE where due.
    pub(super) fn say_facts(&mut self, index: usize) {
        let due = &mut self.carriers[index].due;
        due.ack = true;
        match &self.outcome {
            Some(Outcome::Reset { here: true, .. }) => due.reset = true,
            Some(Outcome::Clean | Outcome::Reset { here: false, .. }) => due.done = true,
            _ => {}
        }
    }

    /// Something waits for the peer: silence means something.
    pub(super) fn is_outstanding(&self) -> bool {
        match self.state {
            State::Live => !self.sender.is_acknowledged(),
            State::Closing | State::Resetting => true,
            State::Tombstone => matches!(self.outcome, Some(Outcome::Reset { here: true, .. })),
            State::Opening | State::Freed => false,
        }
    }

    /// Says the facts again, and asks whether they arrived.
    pub(super) fn probe(&mut self, index: usize, now: Instant) {
        self.say_facts(index);
        self.token += 1;
        let carrier = &mut self.carriers[index];
        carrier.due.ping = true;
        carrier.probe = Some(Probe::new(self.token, now));
    }

    /// The carrier brought what can not be, or lost what was said on it.
    pub(super) fn break_off(&mut self, index: usize, now: Instant) {
        let proven = self.carriers[index].is_proven();
        self.remove(index, Some(Close::Reset), now);
        self.broken += u32::from(proven);
        self.breaks += 1;
        if proven && self.broken >= self.limits.broken_max {
            self.reset(Reason::new("bad_request", "one carrier after another broke"), now);
        }
    }

    /// Forgets a carrier, and has it closed.
    pub(super) fn remove(&mut self, index: usize, close: Option<Close>, now: Instant) {
        let carrier = self.carriers.remove(index);
        if let Some(close) = close {
            self.actions.push_back(Action::Close(carrier.id, close));
        }
        if carrier.is_proven() {
            self.left(carrier.id, now);
        }
    }

    /// The carrier says its last records, then it is finished.
    pub(super) fn leave(&mut self, index: usize, now: Instant) {
        let carrier = &mut self.carriers[index];
        carrier.stage = Stage::Leaving;
        carrier.probe = None;
        carrier.due.ping = false;
        let id = carrier.id;
        self.left(id, now);
    }

    fn left(&mut self, id: CarrierId, now: Instant) {
        if self.current == Some(id) {
            self.current = None;
            self.moving = None;
        }
        if !self.carriers.iter().any(Carrier::is_proven) {
            self.absent = Some(now);
        }
    }

    /// Of too many proven carriers the one longest unheard goes, never the one that was proven just now.
    pub(super) fn crowd_out(&mut self, proven: usize, now: Instant) {
        if self.carriers.iter().filter(|carrier| carrier.is_proven()).count() > self.limits.carriers_max {
            let others = self.carriers.iter().enumerate().filter(|(index, carrier)| *index != proven && carrier.is_proven());
            if let Some((index, _)) = others.min_by_key(|(_, carrier)| carrier.heard) {
                self.remove(index, Some(Close::Reset), now);
            }
        }
    }
}
