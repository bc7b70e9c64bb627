//! How a stream ended, and what a server remembers of one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Identity, Reason};

/// How a stream ended; set once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Both ends hold everything and know it.
    Clean,
    /// One end reset it.
    Reset {
        /// With this; empty in a revived tombstone that the peer reset.
        reason: Reason,
        /// This end did.
        here: bool,
    },
    /// The peer could not be reached, or does not hold the stream any more.
    Lost {
        /// Bytes of the peer's direction that came.
        received: u64,
        /// The position in one's own direction up to which the peer acknowledged.
        base: u64,
    },
    /// The client's open was answered with an error, or not in time.
    Refused(Reason),
}

/// An ended stream as its server remembers it until no late open or JOIN of it can come.
#[derive(Clone, Debug)]
pub struct Tombstone {
    pub(super) identity: Arc<Identity>,
    pub(super) outcome: Outcome,
    /// What was received, FIN counted.
    pub(super) received: u64,
    /// The total of the peer's direction, if FIN came.
    pub(super) total: Option<u64>,
    /// What the peer acknowledged, FIN counted.
    pub(super) base: u64,
    pub(super) hold: Duration,
    pub(super) expires: Instant,
    /// The client knows as much, or will never ask.
    pub(super) is_known: bool,
}

impl Tombstone {
    /// How the stream ended.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// When it may be forgotten.
    pub fn expires(&self) -> Instant {
        self.expires
    }
}
