//! How carriers are opened and proven (`proxy/RESUME.md`, section 2).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};

use super::{Action, Close, Endpoint, Raw, State, arrival::Flow};
use crate::resume::{
    CarrierId, Identity, Join, Kind, Mac, MacRequest, Macs, Nonce, Outcome, Reason, Record, Secret,
    carrier::{Broken, Carrier, Handshake, Stage, Step},
    decoder::Decoder,
};

/// Bytes that may come behind PROVE while its mac is computed: one ACK.
const HELD_MAX: usize = 64;

/// Errors of a proxy carrier's open that mean: again.
const AGAIN: [&str; 7] = ["not_found", "timeout", "unresponsive", "busy", "limit", "draining", "internal"];

/// Whether a carrier's bytes wait for its mac.
pub(super) enum Held {
    Yes,
    No,
}

impl Held {
    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Yes)
    }
}

impl Endpoint {
    /// Client: the birth open leaves on this carrier. Returns the early bytes that stand right behind it, as many as the open says.
    pub fn birth(&mut self, id: CarrierId, now: Instant) -> Vec<Bytes> {
        let Some(client) = self.client.as_mut().filter(|client| !client.replied) else { return Vec::new() };
        client.asked = false;
        if self.state == State::Freed {
            self.actions.push_back(Action::Close(id, Close::Reset));
            return Vec::new();
        }
        client.births += 1;
        let early = if self.takes_bytes() { self.sender.early(self.limits.early_max) } else { Vec::new() };
        let length = early.iter().map(|bytes| bytes.len() as u64).sum();
        self.carriers.push(Carrier::new(id, Kind::Proxy, Stage::Birth { early: length }, now));
        self.settle(now);
        early
    }

    /// Client: both ends have agreed on a secret, in the reply that is about to be told.
    pub fn agree(&mut self, secret: Secret) {
        self.identity = Arc::new(Identity { secret, ..(*self.identity).clone() });
    }

    /// Client: the reply to the birth open takes the stream up, with the smaller grace. What came behind it goes to [`received`](Self::received).
    pub fn replied(&mut self, id: CarrierId, grace: Duration, now: Instant) {
        let Some(index) = self.index(id) else { return };
        let Stage::Birth { early } = self.carriers[index].stage else { return };
        self.grace = grace.min(self.grace);
        if let Some(client) = self.client.as_mut().filter(|client| !client.replied) {
            (client.replied, client.tries) = (true, 0);
        }
        if self.state == State::Opening {
            self.state = State::Live;
        }
        self.carriers[index].hears(now);
        self.prove(index, now);
        if self.current.is_none() {
            self.current = Some(id);
            self.takes += 1;
            self.sender.resume_behind(early);
            let resetting = self.state == State::Resetting;
            if let Some(carrier) = self.current_carrier() {
                carrier.sent = early;
                carrier.due.reset = resetting;
            }
        }
        self.settle(now);
    }

    /// Client: the reply to the birth open does not know `resume`. What goes on raw behind the early bytes of that carrier.
    pub fn into_raw(mut self, id: CarrierId) -> Option<Raw> {
        let Stage::Birth { early } = self.carriers[self.index(id)?].stage else { return None };
        Some(Raw { unsent: self.sender.rest(early), finished: self.sender.is_finished() })
    }

    /// Client: a carrier was opened to join. Of proxy carriers the older ones are closed first.
    pub fn join(&mut self, id: CarrierId, kind: Kind, nonce: Nonce, now: Instant) {
        if let (Kind::Proxy, Some(client)) = (kind, &mut self.client) {
            client.asked = false;
        }
        if !self.wants_carriers() || self.client.as_ref().is_none_or(|client| !client.replied) {
            return self.actions.push_back(Action::Close(id, Close::Reset));
        }
        if kind == Kind::Proxy {
            while let Some(index) = self.carriers.iter().position(|carrier| carrier.kind == Kind::Proxy && !carrier.is_leaving()) {
                self.remove(index, Some(Close::Reset), now);
            }
        }
        let deadline = now + Carrier::patience(kind, &self.limits);
        let handshake = Handshake { step: Step::Joined { nonce }, deadline, _pass: None };
        let mut carrier = Carrier::new(id, kind, Stage::Handshake(Box::new(handshake)), now);
        carrier.due.handshake = encoded(&Record::Join { stream: self.identity.id, nonce });
        self.carriers.push(carrier);
        self.settle(now);
    }

    /// Client: the shell cannot open a proxy carrier at present. [`wake`](Self::wake) when it can.
    pub fn unopened(&mut self, now: Instant) {
        if let Some(client) = &mut self.client {
            client.asked = false;
        }
        self.settle(now);
    }

    /// Client: a carrier's open was answered with an error.
    pub fn refused(&mut self, id: CarrierId, reason: &Reason, now: Instant) {
        let Some(index) = self.index(id) else { return };
        let again = AGAIN.contains(&reason.code());
        let birth = matches!(self.carriers[index].stage, Stage::Birth { .. });
        self.remove(index, None, now);
        let Some(client) = &mut self.client else { return };
        if birth && (client.births == 1 || !again) {
            self.end(Outcome::Refused(reason.clone()), State::Freed, now);
        } else if birth {
            client.refusal = Some(reason.clone());
        } else if !again && !self.carriers.iter().any(Carrier::is_proven) {
            self.lose(now);
        }
        self.settle(now);
    }

    /// Server: a birth open of this stream came on a carrier, the first or again; its reply was sent, and `early` raw bytes stand behind the open.
    pub fn born(&mut self, id: CarrierId, early: u32, now: Instant) {
        if early > self.limits.early_max || !self.wants_carriers() {
            return self.actions.push_back(Action::Close(id, Close::Reset));
        }
        let mut carrier = Carrier::new(id, Kind::Proxy, Stage::Proven, now);
        carrier.decoder = Decoder::after_early(early);
        self.carriers.push(carrier);
        let index = self.carriers.len() - 1;
        self.prove(index, now);
        if self.is_lost() {
            self.say_gone(index, now);
        }
        self.settle(now);
    }

    /// Server: a carrier said JOIN of this stream. What came behind it goes to [`received`](Self::received).
    pub fn joined(&mut self, id: CarrierId, kind: Kind, join: Join, nonce: Nonce, now: Instant) {
        if !self.wants_carriers() {
            return self.actions.push_back(Action::Close(id, Close::Reset));
        }
        let Join { nonce: client, decoder, deadline, pass, .. } = join;
        let handshake = Handshake { step: Step::Asked { nonce }, deadline, _pass: Some(pass) };
        let mut carrier = Carrier::new(id, kind, Stage::Handshake(Box::new(handshake)), now);
        carrier.decoder = decoder;
        self.carriers.push(carrier);
        if self.is_lost() {
            self.say_gone(self.carriers.len() - 1, now);
        } else {
            self.ask_macs(id, client, nonce);
        }
        self.settle(now);
    }

    /// The macs that were asked for; ignored if the carrier is gone.
    pub fn macs(&mut self, id: CarrierId, macs: &Macs, now: Instant) {
        let Some(index) = self.index(id) else { return };
        let carrier = &mut self.carriers[index];
        let Stage::Handshake(handshake) = &mut carrier.stage else { return };
        match &mut handshake.step {
            Step::Asked { nonce } => {
                carrier.due.handshake = encoded(&Record::Prove { nonce: *nonce, mac: macs.server });
                carrier.due.ack = true;
                handshake.step = Step::Challenged { proof: macs.client };
            }
            Step::Checking { claim, held } if *claim == macs.server => {
                let held = std::mem::take(held).freeze();
                carrier.due.handshake = encoded(&Record::Proof { mac: macs.client });
                carrier.due.ack = true;
                self.prove(index, now);
                self.settle(now);
                self.arrive(id, held, now);
            }
            Step::Checking { .. } => self.break_off(index, now),
            Step::Joined { .. } | Step::Challenged { .. } => {}
        }
        self.settle(now);
    }

    /// Client: PROVE came.
    pub(super) fn proved(&mut self, index: usize, server: Nonce, claim: Mac) -> Result<Flow, Broken> {
        let carrier = &mut self.carriers[index];
        let Stage::Handshake(handshake) = &mut carrier.stage else { return Err(Broken) };
        let Step::Joined { nonce } = handshake.step else { return Err(Broken) };
        handshake.step = Step::Checking { claim, held: BytesMut::new() };
        let id = carrier.id;
        self.ask_macs(id, nonce, server);
        Ok(Flow::On)
    }

    /// Server: PROOF came.
    pub(super) fn proof(&mut self, index: usize, mac: Mac, now: Instant) -> Result<Flow, Broken> {
        let Stage::Handshake(handshake) = &self.carriers[index].stage else { return Err(Broken) };
        match &handshake.step {
            Step::Challenged { proof } if *proof == mac => {
                self.prove(index, now);
                // The server's carrier is chosen before the client's records are used, as at the client.
                self.settle(now);
                Ok(Flow::On)
            }
            _ => Err(Broken),
        }
    }

    /// The carrier belongs to the peer: from here on its records are taken.
    fn prove(&mut self, index: usize, now: Instant) {
        self.carriers[index].stage = Stage::Proven;
        self.absent = None;
        if let Some(client) = &mut self.client {
            client.last_try = None;
        }
        self.crowd_out(index, now);
    }

    fn ask_macs(&mut self, carrier: CarrierId, client: Nonce, server: Nonce) {
        let identity = self.identity.clone();
        self.actions.push_back(Action::Macs(MacRequest { carrier, identity, client, server }));
    }

    /// Carriers are of use, to this stream or to its tombstone.
    pub(super) fn wants_carriers(&self) -> bool {
        self.state != State::Freed
    }
}

impl Carrier {
    /// Keeps what comes behind PROVE until its mac was computed; an error if that is too much.
    pub(super) fn hold(&mut self, bytes: &mut Bytes) -> Result<Held, Broken> {
        let Stage::Handshake(handshake) = &mut self.stage else { return Ok(Held::No) };
        let Step::Checking { held, .. } = &mut handshake.step else { return Ok(Held::No) };
        held.extend_from_slice(&bytes.split_to(bytes.len().min(HELD_MAX + 1)));
        if held.len() > HELD_MAX { Err(Broken) } else { Ok(Held::Yes) }
    }
}

fn encoded(record: &Record) -> Bytes {
    let mut out = BytesMut::new();
    record.encode(&mut out);
    out.freeze()
}
