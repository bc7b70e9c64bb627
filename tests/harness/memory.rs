//! A transport without a network.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use browser_stream_server::transport::{Reader, Transport, TransportError, Writer};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};

/// One end of a pipe in memory as the proxy's connection to a peer.
pub struct Memory(pub DuplexStream);

impl Transport for Memory {
    type Reader = MemoryReader;
    type Writer = MemoryWriter;

    fn split(self) -> (MemoryReader, MemoryWriter) {
        let (read, write) = tokio::io::split(self.0);
        (MemoryReader(read), MemoryWriter { pipe: write, taken: Arc::default() })
    }
}

/// The half that the proxy reads.
pub struct MemoryReader(ReadHalf<DuplexStream>);

/// The half that the proxy writes.
pub struct MemoryWriter {
    pipe: WriteHalf<DuplexStream>,
    taken: Arc<AtomicU64>,
}

impl Reader for MemoryReader {
    async fn read(&mut self) -> Result<Option<Bytes>, TransportError> {
        let mut buffer = BytesMut::with_capacity(64 * 1024);
        let read = self.0.read_buf(&mut buffer).await?;
        Ok((read > 0).then(|| buffer.freeze()))
    }
}

impl Writer for MemoryWriter {
    async fn write(&mut self, buffers: &mut Vec<Bytes>) -> Result<(), TransportError> {
        for mut buffer in buffers.drain(..) {
            while !buffer.is_empty() {
                let taken = self.pipe.write_buf(&mut buffer).await?;
                self.taken.fetch_add(taken as u64, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn progress(&self) -> Arc<AtomicU64> {
        self.taken.clone()
    }

    async fn close(&mut self, _code: u16, _reason: &'static str) {
        // A peer that has gone already needs no goodbye.
        let _ = self.pipe.shutdown().await;
    }
}
