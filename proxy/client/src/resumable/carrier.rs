//! One stream of the mux under a resumable stream.

use std::{
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use browser_stream_mux::{Code, PRIORITY, Stream, StreamError};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::{
    answer::{Unanswered, answer},
    resumable::field::Taken,
    resume::{CarrierId, Place},
};

/// A carrier, at the client perhaps before the answer to its open.
pub(super) struct Carrier {
    pub(super) id: CarrierId,
    pub(super) stream: Stream,
    /// Of the session that it was opened on; a server's have none, for it does not choose.
    pub(super) generation: u64,
    is_answered: bool,
    priority: u8,
    /// Its place among the unproven: until it is proven, another carrier may take it.
    place: Option<Place>,
}

/// What a client's open of a carrier was answered with.
#[derive(Deserialize)]
pub(super) struct Accepted {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) resume: Option<Taken>,
    #[serde(default)]
    pub(super) seal: Option<Box<RawValue>>,
}

/// What a carrier brought.
pub(super) enum Came {
    Answer(Result<Accepted, Unanswered>),
    Bytes(Bytes),
    /// The peer closed it, and needs nothing more.
    Done,
    /// It can bring no more.
    End,
}

impl Carrier {
    /// One whose open was sent.
    pub(super) fn asked(id: CarrierId, stream: Stream, generation: u64) -> Self {
        Self { id, stream, generation, is_answered: false, priority: PRIORITY, place: None }
    }

    /// One that was accepted here.
    pub(super) fn accepted(id: CarrierId, stream: Stream, place: Option<Place>) -> Self {
        Self { id, stream, generation: 0, is_answered: true, priority: PRIORITY, place }
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Came> {
        if !self.is_answered {
            // Reading an answer is cancel-safe: nothing is taken before all of it is there.
            return pin!(answer(&mut self.stream)).poll(cx).map(|answer| {
                self.is_answered = true;
                Came::Answer(answer)
            });
        }
        if self.place.as_ref().is_some_and(|place| place.poll_withdrawn(cx).is_ready()) {
            return Poll::Ready(Came::End);
        }
        self.stream.poll_chunk(cx).map(|chunk| match chunk {
            Ok(Some(bytes)) => Came::Bytes(bytes),
            Ok(None) => Came::Done,
            Err(StreamError::Reset(code)) if code == Code::Gone.number() => Came::Done,
            Err(_) => Came::End,
        })
    }

    /// How much may be queued on it now; whoever is told 0 is woken when there is room.
    pub(super) fn room(&self, cx: &mut Context<'_>) -> usize {
        match self.stream.poll_room(cx) {
            Poll::Ready(Ok(room)) => room,
            // Its end is told by what is read.
            Poll::Pending | Poll::Ready(Err(_)) => 0,
        }
    }

    pub(super) fn set_priority(&mut self, priority: u8) {
        if std::mem::replace(&mut self.priority, priority) != priority {
            self.stream.set_priority(priority);
        }
    }

    /// Finishes it behind what was said last, and holds it until the peer has let go of it as well, or for as long as `most`: a reset could overtake that.
    pub(super) async fn finish(mut self, most: Duration) {
        self.stream.finish();
        // One that never lets go has heard enough.
        let _ = timeout(most, self.stream.peer_done()).await;
    }

    pub(super) fn reset(mut self, code: Code) {
        self.stream.reset(code);
    }
}
