//! The half of a WebSocket that takes the peer's messages off the socket, as runs of bytes.

use std::{
    collections::VecDeque,
    io, mem,
    ops::Range,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};

use super::{
    Control, Decoder, Kind, Messages, Violation,
    answers::{Answers, Pings},
    socket::Readable,
};
use crate::{
    buffer::{Buffer, Buffers, READ_MAX},
    session::transport::{Chatter, Read, Reader, TransportError},
};

/// Takes the peer's messages.
pub struct Receiver<R> {
    socket: R,
    decoder: Decoder,
    /// What came with the handshake.
    early: Bytes,
    buffers: Arc<Buffers>,
    /// How much is read at once.
    appetite: usize,
    /// Short payloads, packed.
    packed: BytesMut,
    places: Vec<(usize, Range<usize>)>,
    answers: Arc<Answers>,
    /// Frames that bring nothing, since the session asked last.
    chatter: Chatter,
    /// The peer closed or broke a rule: what it still sends is dropped.
    over: bool,
}

impl<R: Readable> Receiver<R> {
    pub(super) fn new(socket: R, early: Bytes, buffers: Arc<Buffers>, answers: Arc<Answers>) -> Self {
        Self {
            socket,
            decoder: Decoder::default(),
            // Copied, or the buffer of the HTTP server, 8 KiB, would live as long as the session.
            early: Bytes::copy_from_slice(&early),
            buffers,
            appetite: READ_BYTES,
            packed: BytesMut::new(),
            places: Vec::new(),
            answers,
            chatter: Chatter::default(),
            over: false,
        }
    }

    /// Reads once; `None` is the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Buffer>>> {
        if !self.early.is_empty() {
            let mut buffer = self.buffers.take()?;
            let put = buffer.put(&self.early);
            // Split off, or what is used up would live on.
            drop(self.early.split_to(put));
            return Poll::Ready(Ok(Some(buffer)));
        }
        let read = self.poll_socket(cx);
        if read.is_pending() {
            // A peer that waits holds no memory here.
            self.packed = BytesMut::new();
            self.places = Vec::new();
        }
        let buffer = ready!(read)?;
        Poll::Ready(Ok(Some(buffer).filter(|buffer| !buffer.as_ref().is_empty())))
    }

    fn poll_socket(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Buffer>> {
        ready!(self.socket.poll_readable(cx))?;
        let mut buffer = self.buffers.take()?;
        let socket = &mut self.socket;
        let most = self.appetite;
        ready!(if socket.gives_pieces() { buffer.poll_read_all(cx, socket, most) } else { buffer.poll_read(cx, socket, most) })?;
        Poll::Ready(Ok(buffer))
    }

    /// Puts what was read into `runs`: long payloads as parts of the memory they were read into, short ones copied together.
    fn decode(&mut self, mut buffer: Buffer, runs: &mut VecDeque<Bytes>) -> Result<Read, Violation> {
        let mut messages = Runs {
            runs,
            packed: &mut self.packed,
            places: &mut self.places,
            answers: &self.answers,
            pings: Pings::default(),
            read: Read::Bytes,
            controls: 0,
            empty: 0,
            left: buffer.filled().len(),
        };
        let judged = self.decoder.decode(buffer.filled(), &mut messages);
        messages.pack();
        self.chatter.unanswered += messages.pings.answer(&self.answers) as u64;
        let (read, controls) = (messages.read, messages.controls);
        self.chatter.frames += (controls + messages.empty) as u64;
        self.chatter.overhead += messages.left as u64;
        // Much at once where long payloads never pause; of short ones little, for whoever else waits for this thread.
        let filled = buffer.filled().len();
        let full = filled >= self.appetite;
        self.appetite = match judged {
            Ok(frames) if full && frames + CONTROL_COSTS * controls > filled / CRUMB => READ_CRUMBS,
            _ if full && !self.places.is_empty() => READ_MAX,
            _ => READ_BYTES,
        };
        if !self.places.is_empty() {
            let whole = buffer.into_bytes();
            for (at, place) in self.places.drain(..) {
                if let Some(run) = runs.get_mut(at) {
                    *run = whole.slice(place);
                }
            }
        }
        judged.map(|_| read)
    }
}

impl<R: Readable> Reader for Receiver<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, runs: &mut VecDeque<Bytes>) -> Poll<Result<Read, TransportError>> {
        let Some(buffer) = ready!(self.poll_fill(cx))? else {
            self.over = true;
            return Poll::Ready(Ok(Read::Closed));
        };
        if self.over {
            runs.push_back(Bytes::from_owner(buffer));
            return Poll::Ready(Ok(Read::Bytes));
        }
        let read = self.decode(buffer, runs);
        self.over = matches!(read, Ok(Read::Closed) | Err(_));
        Poll::Ready(read.map_err(TransportError::from))
    }

    fn is_crumbs(&self) -> bool {
        self.appetite == READ_CRUMBS
    }

    fn chatter(&mut self) -> Chatter {
        mem::take(&mut self.chatter)
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
    controls: usize,
    empty: usize,
    /// Bytes of this read that may still be payload, and in the end those that were none.
    left: usize,
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
        self.left -= bytes.len();
        if bytes.len() <= SHORT {
            if self.packed.capacity() - self.packed.len() < bytes.len() {
                self.pack();
                self.packed.reserve(self.left.clamp(bytes.len(), PACK_BYTES));
            }
            self.packed.extend_from_slice(bytes);
            return;
        }
        self.pack();
        self.places.push((self.runs.len(), at..at + bytes.len()));
        self.runs.push_back(Bytes::new());
    }

    fn empty(&mut self) {
        self.empty += 1;
    }

    fn end(&mut self) -> Result<(), Violation> {
        Ok(())
    }

    fn control(&mut self, control: Control<'_>) {
        self.controls += 1;
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

/// Read at once to begin with: 16 KiB cost half as much processor time again.
const READ_BYTES: usize = 64 * 1024;

/// Read at once where frames are tiny: each costs as much as one of a few kilobytes.
const READ_CRUMBS: usize = 8 * 1024;

/// Bytes of a tiny frame, head included.
const CRUMB: usize = 32;

/// What a control frame costs beside a data frame.
const CONTROL_COSTS: usize = 8;

/// Up to here a copy costs less than a slice, and holds no read buffer.
const SHORT: usize = 2 * 1024;

/// Memory for short payloads is asked for in blocks of this size, or as much as the read may need.
const PACK_BYTES: usize = 16 * 1024;
