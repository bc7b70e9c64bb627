//! What comes over a carrier.

use std::time::Instant;

use bytes::Bytes;

use super::{Close, Endpoint, State};
use crate::resume::{
    CarrierId, Kind, Outcome, Received, Record,
    carrier::{Broken, Stage},
};

/// Whether the rest of the carrier's bytes is looked at.
pub(super) enum Flow {
    On,
    Stop,
}

impl Endpoint {
    /// A carrier brought bytes; those of an unknown one are dropped. Give its credit back at once.
    pub fn received(&mut self, id: CarrierId, bytes: Bytes, now: Instant) {
        self.arrive(id, bytes, now);
        self.settle(now);
    }

    pub(super) fn arrive(&mut self, id: CarrierId, mut bytes: Bytes, now: Instant) {
        loop {
            let Some(index) = self.index(id).filter(|&index| !self.carriers[index].is_leaving()) else { return };
            let carrier = &mut self.carriers[index];
            carrier.hears(now);
            let Ok(room) = carrier.hold(&mut bytes) else { return self.break_off(index, now) };
            if room.is_held() {
                return;
            }
            let flow = match carrier.decoder.next(&mut bytes) {
                Ok(None) => return,
                Ok(Some(received)) if carrier.is_proven() => self.proven(index, received, now),
                Ok(Some(Received::Record(record))) => self.unproven(index, record, now),
                Ok(Some(Received::Payload { .. })) | Err(_) => Err(Broken),
            };
            match flow {
                Ok(Flow::On) => {}
                Ok(Flow::Stop) => return,
                // The carrier may have been closed by what it brought.
                Err(Broken) => return self.index(id).map_or((), |index| self.break_off(index, now)),
            }
        }
    }

    fn proven(&mut self, index: usize, received: Received, now: Instant) -> Result<Flow, Broken> {
        let takes = self.takes_bytes();
        // After a clean end nothing new can come, but what came may be said again.
        let repeats = takes || matches!(self.outcome, Some(Outcome::Clean));
        match received {
            Received::Payload { offset, bytes } if takes => {
                let news = self.receiver.payload(offset, bytes, now, &self.limits)?;
                self.progressed(news);
            }
            Received::Record(Record::Data { offset, length }) if takes => self.receiver.head(offset, u64::from(length))?,
            Received::Record(Record::Fin { total }) if repeats => {
                let news = self.receiver.fin(total)?;
                self.progressed(news);
                self.complete(now);
            }
            Received::Record(Record::Ack { received, room }) if repeats => {
                let news = self.sender.acknowledged(received, room, &self.limits)?;
                self.progressed(news);
                self.complete(now);
            }
            Received::Payload { .. } | Received::Record(Record::Data { .. } | Record::Fin { .. } | Record::Ack { .. }) => {}
            Received::Record(Record::Reset(reason)) => return Ok(self.reset_by_peer(index, reason, now)),
            Received::Record(Record::Done) => return self.done(index, now),
            Received::Record(Record::Gone) => {
                self.lose(now);
                return Ok(Flow::Stop);
            }
            Received::Record(Record::Ping(token)) => {
                self.say_facts(index);
                self.carriers[index].due.pong = Some(token);
            }
            Received::Record(Record::Pong(token)) => self.pong(index, token)?,
            Received::Record(Record::Join { .. } | Record::Prove { .. } | Record::Proof { .. }) => return Err(Broken),
        }
        Ok(Flow::On)
    }

    /// The server may go on remembering: only the client can come back, so only it must hear DONE. How it closes the carrier that brought it tells the server that it
    /// has.
    fn done(&mut self, index: usize, now: Instant) -> Result<Flow, Broken> {
        match (self.state, &self.outcome) {
            (State::Closing | State::Resetting, _) => {
                self.remove(index, Some(Close::Done), now);
                self.end(Outcome::Clean, State::Freed, now);
            }
            (State::Tombstone, Some(Outcome::Reset { here: true, .. })) => {
                self.is_known = true;
                self.remove(index, Some(Close::Reset), now);
            }
            _ => return Err(Broken),
        }
        Ok(Flow::Stop)
    }

    /// What was said before the newest PING was heard before its PONG was sent, and answered ahead of it: unless a record was lost.
    fn pong(&mut self, index: usize, token: u64) -> Result<(), Broken> {
        let carrier = &mut self.carriers[index];
        let Some(probe) = carrier.probe.take_if(|probe| probe.token == token && !carrier.due.ping) else { return Ok(()) };
        let unacknowledged = self.takes_bytes() && self.sender.base() < probe.mark;
        if unacknowledged || probe.done { Err(Broken) } else { Ok(()) }
    }

    /// Records on a carrier that has proven nothing yet: the next step of its handshake, or GONE; anything else closes it and touches nothing else.
    fn unproven(&mut self, index: usize, record: Record, now: Instant) -> Result<Flow, Broken> {
        match (&self.carriers[index].stage, record) {
            (Stage::Handshake(_), Record::Prove { nonce, mac }) => self.proved(index, nonce, mac),
            (Stage::Handshake(_), Record::Proof { mac }) => self.proof(index, mac, now),
            (Stage::Handshake(_), Record::Gone) if self.is_client() => {
                let others = self.carriers.iter().any(|carrier| carrier.is_proven());
                if self.carriers[index].kind == Kind::Direct || others {
                    self.remove(index, Some(Close::Reset), now);
                } else {
                    self.lose(now);
                }
                Ok(Flow::Stop)
            }
            _ => Err(Broken),
        }
    }

    fn progressed(&mut self, news: bool) {
        if news {
            self.broken = 0;
            if let Some(client) = &mut self.client {
                client.tries = 0;
            }
        }
    }
}
