//! The half of a WebSocket that takes the peer's messages off the socket, as runs of bytes.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};

use super::{
    Control, Decoder, Kind, Messages, Violation,
    answers::{Answers, Pings},
    socket::{Fill, READ_BYTES},
};
use crate::{
    memory::{Lease, Memory},
    session::transport::{Read, Reader, TransportError},
};

/// Takes the peer's messages.
pub struct Receiver<R> {
    socket: R,
    decoder: Decoder,
    buffer: BytesMut,
    /// Counts the memory that `buffer` is a part of, as long as anybody holds a part of it.
    lease: Option<Arc<Lease>>,
    memory: Arc<Memory>,
    /// Short payloads, packed.
    packed: BytesMut,
    places: Vec<(usize, Range<usize>)>,
    answers: Arc<Answers>,
    /// The peer closed or broke a rule: what it still sends is dropped.
    over: bool,
}

impl<R: Fill> Receiver<R> {
    pub(super) fn new(socket: R, early: &[u8], memory: Arc<Memory>, answers: Arc<Answers>) -> Self {
        Self {
            socket,
            decoder: Decoder::default(),
            // What came with the handshake is read first; its own memory, hyper's, is given back.
            buffer: BytesMut::from(early),
            lease: None,
            memory,
            packed: BytesMut::new(),
            places: Vec::new(),
            answers,
            over: false,
        }
    }

    /// Reads once; 0 is the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let Self { socket, buffer, lease, memory, .. } = self;
        let filled = socket.poll_fill(cx, buffer, |buffer| {
            if buffer.capacity() - buffer.len() < ROOM_MIN {
                if lease.as_ref().is_none_or(|lease| Arc::strong_count(lease) > 1) {
                    *lease = Some(Arc::new(memory.lease(READ_BYTES)));
                    *buffer = BytesMut::with_capacity(READ_BYTES);
                } else {
                    // Nobody else holds a part of it any more: the same memory, from its start.
                    buffer.reserve(READ_BYTES);
                }
            }
        });
        if filled.is_pending() {
            // A peer that waits holds no memory here.
            self.buffer = BytesMut::new();
            self.packed = BytesMut::new();
            self.places = Vec::new();
            self.lease = None;
        }
        filled
    }

    /// Puts what was read into `runs`: long payloads as parts of the memory they were read into, short ones copied together.
    fn decode(&mut self, runs: &mut VecDeque<Bytes>) -> Result<Read, Violation> {
        let mut messages = Runs {
            runs,
            packed: &mut self.packed,
            places: &mut self.places,
            answers: &self.answers,
            pings: Pings::default(),
            read: Read::Bytes,
        };
        let judged = self.decoder.decode(&mut self.buffer, &mut messages);
        messages.pack();
        messages.pings.answer(&self.answers);
        let read = messages.read;
        if self.places.is_empty() {
            self.buffer.clear();
        } else {
            let whole = Leased { bytes: self.buffer.split(), _lease: self.lease.clone() };
            let whole = Bytes::from_owner(whole);
            for (at, place) in self.places.drain(..) {
                if let Some(run) = runs.get_mut(at) {
                    *run = whole.slice(place);
                }
            }
        }
        judged.map(|()| read)
    }
}

impl<R: Fill> Reader for Receiver<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, runs: &mut VecDeque<Bytes>) -> Poll<Result<Read, TransportError>> {
        if self.over {
            return Poll::Ready(Ok(match ready!(self.poll_fill(cx)) {
                Ok(0) | Err(_) => Read::Closed,
                Ok(_) => {
                    runs.push_back(self.buffer.split().freeze());
                    Read::Bytes
                }
            }));
        }
        if self.buffer.is_empty() && ready!(self.poll_fill(cx))? == 0 {
            self.over = true;
            return Poll::Ready(Ok(Read::Closed));
        }
        let read = self.decode(runs);
        self.over = matches!(read, Ok(Read::Closed) | Err(_));
        Poll::Ready(read.map_err(TransportError::from))
    }
}

/// Part of a read buffer, and the count of the whole of it.
struct Leased {
    bytes: BytesMut,
    _lease: Option<Arc<Lease>>,
}

impl AsRef<[u8]> for Leased {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Sorts the pieces of one read.
struct Runs<'a> {
    runs: &'a mut VecDeque<Bytes>,
    packed: &'a mut BytesMut,
    places: &'a mut Vec<(usize, Range<usize>)>,
    answers: &'a Answers,
    pings: Pings,
    read: Read,
}

impl Runs<'_> {
    /// Short payloads so far are a run of their own.
    fn pack(&mut self) {
        if !self.packed.is_empty() {
            self.runs.push_back(self.packed.split().freeze());
        }
    }
}

impl Messages for Runs<'_> {
    fn begin(&mut self, kind: Kind) -> Result<(), Violation> {
        match kind {
            Kind::Binary => Ok(()),
            Kind::Text => Err(Violation::Text),
        }
    }

    fn payload(&mut self, at: usize, bytes: &[u8]) {
        if bytes.len() <= SHORT {
            if self.packed.capacity() - self.packed.len() < bytes.len() {
                self.pack();
                self.packed.reserve(PACK_BYTES);
            }
            self.packed.extend_from_slice(bytes);
            return;
        }
        self.pack();
        self.places.push((self.runs.len(), at..at + bytes.len()));
        self.runs.push_back(Bytes::new());
    }

    fn end(&mut self) -> Result<(), Violation> {
        Ok(())
    }

    fn control(&mut self, control: Control<'_>) {
        match control {
            Control::Ping(payload) => {
                self.pings.keep(payload);
                self.read = Read::Answer;
            }
            Control::Pong(_) => {}
            Control::Close(said) => {
                self.answers.close(said.map(|(code, _)| code));
                self.read = Read::Closed;
            }
        }
    }
}

/// Below this what is left of a buffer is not worth a system call.
const ROOM_MIN: usize = 4 * 1024;

/// Up to here a copy costs less than a slice, and holds no read buffer.
const SHORT: usize = 2 * 1024;

/// Memory for short payloads is asked for in blocks of this size.
const PACK_BYTES: usize = 16 * 1024;
