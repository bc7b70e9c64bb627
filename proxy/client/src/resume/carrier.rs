//! One carrier as an endpoint knows it.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::{Decoder, Limits, Mac, Nonce, Pass};

/// Names a carrier of one endpoint; its shell chooses it and never uses it again.
pub type CarrierId = u64;

/// What a carrier runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A stream that the proxy splices.
    Proxy,
    /// A stream over the pair's data channel.
    Direct,
}

/// A carrier brought what can not be: it is closed, and nothing from there on is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) id: CarrierId,
    pub(super) kind: Kind,
    pub(super) stage: Stage,
    pub(super) decoder: Decoder,
    /// When it last brought something.
    pub(super) heard: Instant,
    /// The highest position that went out on it.
    pub(super) sent: u64,
    pub(super) due: Due,
    /// The newest PING, until its PONG comes.
    pub(super) probe: Option<Probe>,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// Client: the birth open went out, with so many early bytes; no reply yet.
    Birth { early: u64 },
    /// The proofs are exchanged.
    Handshake(Box<Handshake>),
    /// Records are taken and sent.
    Proven,
    /// The last records leave, then it is finished.
    Leaving,
}

#[derive(Debug)]
pub(super) struct Handshake {
    pub(super) step: Step,
    /// Until then.
    pub(super) deadline: Instant,
    /// Server: its place among the unproven carriers of its session.
    pub(super) _pass: Option<Pass>,
}

#[derive(Debug)]
pub(super) enum Step {
    /// Client: JOIN went out.
    Joined { nonce: Nonce },
    /// Client: PROVE came; the shell computes. What came behind it waits.
    Checking { claim: Mac, held: BytesMut },
    /// Server: JOIN came; the shell computes.
    Asked { nonce: Nonce },
    /// Server: PROVE went out.
    Challenged { proof: Mac },
}

/// Records that must leave, in the order in which they do.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// JOIN, PROVE or PROOF, encoded.
    pub(super) handshake: Bytes,
    pub(super) ack: bool,
    pub(super) reset: bool,
    pub(super) done: bool,
    pub(super) gone: bool,
    pub(super) ping: bool,
    pub(super) pong: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Probe {
    pub(super) token: u64,
    /// When it became due.
    since: Instant,
    /// Something came since.
    pub(super) heard: bool,
    /// What was sent on the carrier before it: acknowledged before its PONG, or a record was lost.
    pub(super) mark: u64,
    /// DONE is owed for what was said before it.
    pub(super) done: bool,
}

impl Probe {
    pub(super) fn new(token: u64, now: Instant) -> Self {
        Self { token, since: now, heard: false, mark: 0, done: false }
    }
}

impl Carrier {
    pub(super) fn new(id: CarrierId, kind: Kind, stage: Stage, now: Instant) -> Self {
        Self { id, kind, stage, decoder: Decoder::default(), heard: now, sent: 0, due: Due::default(), probe: None }
    }

    pub(super) fn is_proven(&self) -> bool {
        matches!(self.stage, Stage::Proven)
    }

    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.stage, Stage::Leaving)
    }

    /// Something came.
    pub(super) fn hears(&mut self, now: Instant) {
        self.heard = now;
        if let Some(probe) = &mut self.probe {
            probe.heard = true;
        }
    }

    /// When a PING that nothing followed makes it dead.
    pub(super) fn dead_at(&self, limits: &Limits) -> Option<Instant> {
        let silent = self.probe.as_ref().filter(|probe| !probe.heard)?;
        Some(silent.since + self.pick(limits.dead_proxy, limits.dead_direct))
    }

    /// When silence on it, while something is outstanding, asks for a PING; none while one is unanswered.
    pub(super) fn quiet_at(&self, limits: &Limits) -> Option<Instant> {
        let asked = self.probe.as_ref().is_some_and(|probe| !probe.heard);
        (!asked && self.is_proven()).then(|| self.heard + self.pick(limits.quiet_proxy, limits.quiet_direct))
    }

    /// When it must be proven.
    pub(super) fn handshake_deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Handshake(handshake) => Some(handshake.deadline),
            _ => None,
        }
    }

    /// The handshake's time at the client.
    pub(super) fn patience(kind: Kind, limits: &Limits) -> Duration {
        if kind == Kind::Proxy { limits.handshake_proxy } else { limits.handshake_direct }
    }

    fn pick(&self, proxy: Duration, direct: Duration) -> Duration {
        if self.kind == Kind::Proxy { proxy } else { direct }
    }
}

impl Due {
    pub(super) fn is_any(&self) -> bool {
        !self.handshake.is_empty() || self.ack || self.reset || self.done || self.gone || self.ping || self.pong.is_some()
    }
}
