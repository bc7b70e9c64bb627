//! A carrier at the server before its stream is known.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use futures::task::AtomicWaker;
use parking_lot::Mutex;

use super::{Decoder, Limits, Nonce, Received, Record, StreamId};

/// The carriers of one session that have proven nothing yet, oldest first; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Unproven(Arc<Mutex<Vec<Place>>>);

/// A place among them; dropped when the carrier is proven, or gone.
#[derive(Debug)]
#[must_use = "dropping a pass frees its place"]
pub struct Pass {
    place: Place,
    among: Unproven,
}

/// Whose place it is, for the shell: the carrier must be closed when it is given to another. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct Place(Arc<Holder>);

#[derive(Debug, Default)]
struct Holder {
    /// It said JOIN.
    joined: AtomicBool,
    withdrawn: AtomicBool,
    shell: AtomicWaker,
}

impl Unproven {
    /// A place. Where all are taken, the oldest carrier that has not said JOIN loses its own, else the oldest.
    pub fn admit(&self, limits: &Limits) -> Pass {
        let mut places = self.0.lock();
        let oldest = places.iter().position(|place| !place.0.joined.load(Ordering::Relaxed)).unwrap_or(0);
        if places.len() >= limits.unproven_max as usize && oldest < places.len() {
            places.remove(oldest).withdraw();
        }
        let place = Place::default();
        places.push(place.clone());
        Pass { place, among: self.clone() }
    }

    /// How many places are taken.
    pub fn count(&self) -> usize {
        self.0.lock().len()
    }
}

impl Pass {
    /// Its place.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.among.0.lock().retain(|place| !Arc::ptr_eq(&place.0, &self.place.0));
    }
}

impl Place {
    /// It was given to another carrier: this one must be closed.
    pub fn is_withdrawn(&self) -> bool {
        self.0.withdrawn.load(Ordering::Acquire)
    }

    /// Ready when it is; wakes the last task that asked.
    pub fn poll_withdrawn(&self, cx: &Context<'_>) -> Poll<()> {
        self.0.shell.register(cx.waker());
        if self.is_withdrawn() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Resolves when it is. Cancel-safe.
    pub async fn withdrawn(&self) {
        poll_fn(|cx| self.poll_withdrawn(cx)).await;
    }

    fn withdraw(&self) {
        self.0.withdrawn.store(true, Ordering::Release);
        self.0.shell.wake();
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

    /// Its place among the unproven.
    pub fn place(&self) -> &Place {
        self.pass.place()
    }

    /// Takes its bytes: itself again if JOIN is not whole, an error (close it) if it said anything else.
    pub fn received(mut self, input: &mut Bytes) -> Result<Result<Join, Self>, NoJoin> {
        match self.decoder.next(input) {
            Ok(None) => Ok(Err(self)),
            Ok(Some(Received::Record(Record::Join { stream, nonce }))) => {
                self.place().0.joined.store(true, Ordering::Relaxed);
                Ok(Ok(Join { stream, nonce, decoder: self.decoder, deadline: self.deadline, pass: self.pass }))
            }
            Ok(Some(_)) | Err(_) => Err(NoJoin),
        }
    }
}

impl Join {
    /// Its place among the unproven, until it is proven.
    pub fn place(&self) -> &Place {
        self.pass.place()
    }
}

/// The first record of a carrier was not JOIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the first record of a carrier was not JOIN")]
pub struct NoJoin;
