//! The half of a WebSocket that sends messages to the peer: whole frames of the mux, many to a message, out of the memory they lie in.

use std::{
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use super::{Opcode, answers::Answers, head};
use crate::session::{
    load::Load,
    transport::{TransportError, Writer},
};

/// Sends messages to the peer.
pub struct Sender<W> {
    socket: W,
    /// The message that is on its way.
    load: Load,
    answers: Arc<Answers>,
    closing: bool,
}

impl<W: AsyncWrite + Unpin> Sender<W> {
    pub(super) fn new(socket: W, answers: Arc<Answers>) -> Self {
        Self { socket, load: Load::default(), answers, closing: false }
    }

    /// The message that is on its way, then the answers that the reader owes, together.
    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.load.poll_drain(cx, &mut self.socket))?;
        while self.answers.take(&mut self.load.parts) {
            ready!(self.load.poll_drain(cx, &mut self.socket))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin + Send + 'static> Writer for Sender<W> {
    fn poll_write(&mut self, cx: &mut Context<'_>, buffers: &mut Vec<Bytes>) -> Poll<Result<(), TransportError>> {
        ready!(self.poll_answers(cx))?;
        if !buffers.is_empty() {
            mem::swap(&mut self.load.parts, buffers);
            self.load.begin_with(head(Opcode::Binary, self.load.parts.iter().map(Bytes::len).sum()));
            ready!(self.load.poll_drain(cx, &mut self.socket))?;
        }
        // Their memory is the caller's again: a session that has nothing to send keeps none.
        *buffers = mem::take(&mut self.load.parts);
        Pin::new(&mut self.socket).poll_flush(cx).map_err(TransportError::from)
    }

    fn under_way(&self) -> usize {
        self.load.left()
    }

    fn taken(&self) -> u64 {
        self.load.taken()
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, code: u16, reason: &'static str) -> Poll<()> {
        // Errors mean that the peer is gone: there is nobody to tell. Behind a close nothing is sent, not even an answer.
        if !self.closing {
            let answered = ready!(self.poll_answers(cx));
            self.closing = true;
            if answered.is_ok() {
                self.load.parts.push(self.answers.goodbye(code, reason));
            }
        }
        let _ = ready!(self.load.poll_drain(cx, &mut self.socket));
        Pin::new(&mut self.socket).poll_shutdown(cx).map(drop)
    }
}
