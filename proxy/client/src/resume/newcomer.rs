//! A carrier at the server before its stream is known.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;

use super::{Decoder, Limits, Nonce, Received, Record, StreamId};

/// The carriers of one session that have proven nothing yet; clones share the count.
#[derive(Clone, Debug, Default)]
pub struct Unproven(Arc<AtomicU32>);

/// A place among them; dropped when the carrier is proven, or gone.
#[derive(Debug)]
#[must_use = "dropping a pass frees its place"]
pub struct Pass(Unproven);

impl Unproven {
    /// A place, unless there are too many.
    pub fn admit(&self, limits: &Limits) -> Option<Pass> {
        let more = |count| (count < limits.unproven_max).then_some(count + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Pass(self.clone()))
    }

    /// How many places are taken.
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A carrier that was opened to join a stream and has not said which.
#[derive(Debug)]
pub struct Newcomer {
    decoder: Decoder,
    deadline: Instant,
    pass: Pass,
}

/// What it said. Look the stream up with [`Registry::join`](super::Registry::join), hand it to [`Endpoint::joined`](super::Endpoint::joined).
#[derive(Debug)]
pub struct Join {
    /// The stream.
    pub stream: StreamId,
    /// The client's nonce.
    pub nonce: Nonce,
    pub(super) decoder: Decoder,
    pub(super) deadline: Instant,
    pub(super) pass: Pass,
}

/// What came of a newcomer.
impl Newcomer {
    /// It was opened just now, and holds a pass.
    pub fn new(pass: Pass, limits: &Limits, now: Instant) -> Self {
        Self { decoder: Decoder::default(), deadline: now + limits.unproven, pass }
    }

    /// When it must be closed if it said nothing.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Takes its bytes: itself again if JOIN is not whole, an error (close it) if it said anything else.
    pub fn received(mut self, input: &mut Bytes) -> Result<Result<Join, Self>, NoJoin> {
        match self.decoder.next(input) {
            Ok(None) => Ok(Err(self)),
            Ok(Some(Received::Record(Record::Join { stream, nonce }))) => {
                Ok(Ok(Join { stream, nonce, decoder: self.decoder, deadline: self.deadline, pass: self.pass }))
            }
            Ok(Some(_)) | Err(_) => Err(NoJoin),
        }
    }
}

/// The first record of a carrier was not JOIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the first record of a carrier was not JOIN")]
pub struct NoJoin;
