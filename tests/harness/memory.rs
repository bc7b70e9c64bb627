//! A transport without a network.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use browser_stream_server::transport::{Read, Reader, Transport, TransportError, Writer};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncWrite, DuplexStream, ReadHalf, WriteHalf};
use tokio_util::io::poll_read_buf;

/// One end of a pipe in memory as the proxy's connection to a peer.
pub struct Memory(pub DuplexStream);

impl Transport for Memory {
    type Reader = MemoryReader;
    type Writer = MemoryWriter;

    fn split(self) -> (MemoryReader, MemoryWriter) {
        let (read, write) = tokio::io::split(self.0);
        (MemoryReader(read), MemoryWriter { pipe: write, waiting: Vec::new(), taken: 0 })
    }
}

/// The half that the proxy reads.
pub struct MemoryReader(ReadHalf<DuplexStream>);

/// The half that the proxy writes.
pub struct MemoryWriter {
    pipe: WriteHalf<DuplexStream>,
    /// What was taken and has not left, last first.
    waiting: Vec<Bytes>,
    taken: u64,
}

impl Reader for MemoryReader {
    fn poll_read(&mut self, cx: &mut Context<'_>, runs: &mut VecDeque<Bytes>) -> Poll<Result<Read, TransportError>> {
        let mut buffer = BytesMut::with_capacity(64 * 1024);
        let read = ready!(poll_read_buf(Pin::new(&mut self.0), cx, &mut buffer))?;
        if read == 0 {
            return Poll::Ready(Ok(Read::Closed));
        }
        runs.push_back(buffer.freeze());
        Poll::Ready(Ok(Read::Bytes))
    }
}

impl MemoryWriter {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(buffer) = self.waiting.last_mut() {
            let taken = ready!(Pin::new(&mut self.pipe).poll_write(cx, buffer))?;
            self.taken += taken as u64;
            buffer.advance(taken);
            if buffer.is_empty() {
                self.waiting.pop();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Writer for MemoryWriter {
    fn poll_write(&mut self, cx: &mut Context<'_>, buffers: &mut Vec<Bytes>) -> Poll<Result<(), TransportError>> {
        ready!(self.poll_drain(cx))?;
        self.waiting.extend(buffers.drain(..).rev());
        self.poll_drain(cx).map_err(TransportError::from)
    }

    fn taken(&self) -> u64 {
        self.taken
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, _code: u16, _reason: &'static str) -> Poll<()> {
        // A peer that has gone already needs no goodbye.
        let _ = ready!(self.poll_drain(cx));
        Pin::new(&mut self.pipe).poll_shutdown(cx).map(drop)
    }
}
