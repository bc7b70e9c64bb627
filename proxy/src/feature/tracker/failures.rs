//! Who was of no use to whom: what peers say of one another, and what that is worth.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use browser_stream_protocol::swarm::PeerName;
use uuid::Uuid;

use crate::memory::{Lease, Memory};

/// What others say of one peer, of late.
#[derive(Default)]
pub(super) struct Record {
    failures: Vec<Failure>,
    out_until: Option<Instant>,
}

struct Failure {
    /// The session that says so.
    reporter: Uuid,
    at: Instant,
}

/// What a report came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It counts for nothing.
    Nothing,
    /// It counts.
    Counted,
    /// The peer is left out for whoever reports it.
    OutForOne,
    /// The peer is left out for everybody.
    OutForAll,
}

/// A peer is left out that fails so often; one reporter alone decides for itself only.
const FAILURES_MAX: usize = 3;
/// One reporter's failures of one peer count once in this time.
const AGAIN: Duration = Duration::from_secs(10);
/// A failure counts for so long: who has been up for days is not left out for three.
const REMEMBERED: Duration = Duration::from_secs(60);

impl Record {
    /// This session says that the peer failed.
    pub fn report(&mut self, reporter: Uuid, now: Instant, left_out: Duration) -> Verdict {
        self.failures.retain(|failure| now < failure.at + REMEMBERED);
        let mut own = self.failures.iter().filter(|failure| failure.reporter == reporter);
        if self.is_out(now) || own.clone().any(|failure| now < failure.at + AGAIN) {
            return Verdict::Nothing;
        }
        let (own, all) = (own.by_ref().count() + 1, self.failures.len() + 1);
        self.failures.push(Failure { reporter, at: now });
        if all >= FAILURES_MAX && own < all {
            self.failures.clear();
            self.out_until = Some(now + left_out);
            return Verdict::OutForAll;
        }
        if own < FAILURES_MAX {
            return Verdict::Counted;
        }
        // What it says is worth no more to the others for having been said so often.
        self.failures.clear();
        Verdict::OutForOne
    }

    /// Whether it is left out for everybody.
    pub fn is_out(&self, now: Instant) -> bool {
        self.out_until.is_some_and(|until| now < until)
    }
}

/// The peers that one session was told of: only of those it may say that they failed.
#[derive(Default)]
pub(super) struct Acquaintances {
    known: HashMap<PeerName, Known>,
    /// In the order in which it was told of them.
    order: VecDeque<PeerName>,
}

struct Known {
    out_until: Option<Instant>,
    _lease: Lease,
}

/// So many it knows; the oldest are forgotten.
const KNOWN_MAX: usize = 512;
/// What one costs.
const KNOWN_BYTES: usize = 96;

impl Acquaintances {
    /// It is told of this one.
    pub fn meet(&mut self, name: PeerName, memory: &Arc<Memory>) {
        if self.known.contains_key(&name) {
            return;
        }
        if self.order.len() >= KNOWN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.known.insert(name, Known { out_until: None, _lease: memory.lease(KNOWN_BYTES) });
        self.order.push_back(name);
    }

    /// Whether it was told of this one.
    pub fn knows(&self, name: PeerName) -> bool {
        self.known.contains_key(&name)
    }

    /// It is not told of this one for a while.
    pub fn leave_out(&mut self, name: PeerName, until: Instant) {
        if let Some(known) = self.known.get_mut(&name) {
            known.out_until = Some(until);
        }
    }

    /// Whether it is not told of this one.
    pub fn leaves_out(&self, name: PeerName, now: Instant) -> bool {
        self.known.get(&name).and_then(|known| known.out_until).is_some_and(|until| now < until)
    }
}
