//! A socket that carries the mux and nothing else: what nodes of a cluster speak to one another, over TLS.

use std::{
    collections::VecDeque,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use super::{
    load::Load,
    transport::{Read, Reader, Transport, TransportError, Writer},
    websocket::{Readable, Socket},
};
use crate::buffer::Buffers;

/// A socket on which both ends begin with frames of the mux.
pub(crate) struct Bare<S> {
    socket: S,
    buffers: Arc<Buffers>,
}

impl<S: Socket> Bare<S> {
    /// On this socket, which is read into one of `buffers`.
    pub fn new(socket: S, buffers: Arc<Buffers>) -> Self {
        Self { socket, buffers }
    }
}

impl<S: Socket> Transport for Bare<S> {
    type Reader = Receiver<S::Read>;
    type Writer = Sender<S::Write>;

    fn split(self) -> (Self::Reader, Self::Writer) {
        let (read, write) = self.socket.split();
        (Receiver { socket: read, buffers: self.buffers }, Sender { socket: write, load: Load::default() })
    }
}

/// Takes what the peer sends.
pub(crate) struct Receiver<R> {
    socket: R,
    buffers: Arc<Buffers>,
}

impl<R: Readable> Reader for Receiver<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, runs: &mut VecDeque<Bytes>) -> Poll<Result<Read, TransportError>> {
        ready!(self.socket.poll_readable(cx))?;
        let mut buffer = self.buffers.take()?;
        ready!(buffer.poll_read_all(cx, &mut self.socket, READ_BYTES))?;
        if buffer.as_ref().is_empty() {
            return Poll::Ready(Ok(Read::Closed));
        }
        runs.push_back(buffer.into_bytes());
        Poll::Ready(Ok(Read::Bytes))
    }
}

/// Sends frames to the peer.
pub(crate) struct Sender<W> {
    socket: W,
    load: Load,
}

impl<W: AsyncWrite + Unpin + Send + 'static> Writer for Sender<W> {
    fn poll_write(&mut self, cx: &mut Context<'_>, buffers: &mut Vec<Bytes>) -> Poll<Result<(), TransportError>> {
        ready!(self.load.poll_drain(cx, &mut self.socket))?;
        if !buffers.is_empty() {
            mem::swap(&mut self.load.parts, buffers);
            ready!(self.load.poll_drain(cx, &mut self.socket))?;
        }
        *buffers = mem::take(&mut self.load.parts);
        Pin::new(&mut self.socket).poll_flush(cx).map_err(TransportError::from)
    }

    fn under_way(&self) -> usize {
        self.load.left()
    }

    fn taken(&self) -> u64 {
        self.load.taken()
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, _: u16, _: &'static str) -> Poll<()> {
        // The mux said that it goes, and that is all there is to say. An error means that the peer has gone.
        let _ = ready!(self.load.poll_drain(cx, &mut self.socket));
        Pin::new(&mut self.socket).poll_shutdown(cx).map(drop)
    }
}

/// Read at once: a node's socket has one reader for many peers.
const READ_BYTES: usize = 64 * 1024;
