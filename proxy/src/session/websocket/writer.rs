//! The half of a WebSocket that sends messages to the peer: whole frames of the mux, many to a message, out of the memory they lie in.

use std::{
    io::{self, IoSlice},
    mem,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use super::{HEAD_BYTES_MAX, Opcode, answers::Answers, head};
use crate::session::transport::{TransportError, Writer};

/// Sends messages to the peer.
pub struct Sender<W> {
    socket: W,
    /// The head of the message that is on its way, and which part of it is left.
    head: [u8; HEAD_BYTES_MAX],
    left: Range<usize>,
    /// The message's payload; those before `next` have left.
    message: Vec<Bytes>,
    next: usize,
    answers: Arc<Answers>,
    taken: u64,
    closing: bool,
}

impl<W: AsyncWrite + Unpin> Sender<W> {
    pub(super) fn new(socket: W, answers: Arc<Answers>) -> Self {
        Self { socket, head: [0; HEAD_BYTES_MAX], left: 0..0, message: Vec::new(), next: 0, answers, taken: 0, closing: false }
    }

    /// Writes the message that is on its way to its end.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.left.is_empty() || self.next < self.message.len() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let head = self.head.get(self.left.clone()).filter(|head| !head.is_empty());
            let parts = head.into_iter().chain(self.message.iter().skip(self.next).map(|bytes| &bytes[..]));
            let mut count = 0;
            for (slice, part) in slices.iter_mut().zip(parts) {
                *slice = IoSlice::new(part);
                count += 1;
            }
            let written = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, slices.get(..count).unwrap_or_default()))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.taken += written as u64;
            self.advance(written);
        }
        self.message.clear();
        self.next = 0;
        if self.message.capacity() > SLICES_KEPT {
            self.message = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        let from_head = written.min(self.left.len());
        self.left.start += from_head;
        written -= from_head;
        while written > 0
            && let Some(part) = self.message.get_mut(self.next)
        {
            if part.len() > written {
                part.advance(written);
                return;
            }
            written -= part.len();
            // Its memory is free as soon as it has left.
            *part = Bytes::new();
            self.next += 1;
        }
    }

    /// The message that is on its way, then the answers that the reader owes, together.
    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        while self.answers.take(&mut self.message) {
            ready!(self.poll_drain(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin + Send + 'static> Writer for Sender<W> {
    fn poll_write(&mut self, cx: &mut Context<'_>, buffers: &mut Vec<Bytes>) -> Poll<Result<(), TransportError>> {
        ready!(self.poll_answers(cx))?;
        if !buffers.is_empty() {
            mem::swap(&mut self.message, buffers);
            let (bytes, count) = head(Opcode::Binary, self.message.iter().map(Bytes::len).sum());
            (self.head, self.left) = (bytes, 0..count);
            ready!(self.poll_drain(cx))?;
        }
        // Their memory is the caller's again: a session that has nothing to send keeps none.
        *buffers = mem::take(&mut self.message);
        Pin::new(&mut self.socket).poll_flush(cx).map_err(TransportError::from)
    }

    fn under_way(&self) -> usize {
        self.message.iter().skip(self.next).map(Bytes::len).sum()
    }

    fn taken(&self) -> u64 {
        self.taken
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, code: u16, reason: &'static str) -> Poll<()> {
        // Errors mean that the peer is gone: there is nobody to tell. Behind a close nothing is sent, not even an answer.
        if !self.closing {
            let answered = ready!(self.poll_answers(cx));
            self.closing = true;
            if answered.is_ok() {
                self.message.push(self.answers.goodbye(code, reason));
            }
        }
        let _ = ready!(self.poll_drain(cx));
        Pin::new(&mut self.socket).poll_shutdown(cx).map(drop)
    }
}

/// Slices handed to the kernel at once: more cost it more than another call.
const SLICES_MAX: usize = 64;

/// Room for so many slices is kept between messages.
const SLICES_KEPT: usize = 8;
