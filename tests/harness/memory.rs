//! A transport without a network.

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
        (MemoryReader(read), MemoryWriter(write))
    }
}

/// The half that the proxy reads.
pub struct MemoryReader(ReadHalf<DuplexStream>);

/// The half that the proxy writes.
pub struct MemoryWriter(WriteHalf<DuplexStream>);

impl Reader for MemoryReader {
    async fn read(&mut self) -> Result<Option<Bytes>, TransportError> {
        let mut buffer = BytesMut::with_capacity(64 * 1024);
        let read = self.0.read_buf(&mut buffer).await?;
        Ok((read > 0).then(|| buffer.freeze()))
    }
}

impl Writer for MemoryWriter {
    async fn write(&mut self, buffers: &mut Vec<Bytes>) -> Result<(), TransportError> {
        for buffer in buffers.drain(..) {
            self.0.write_all(&buffer).await?;
        }
        Ok(())
    }

    async fn close(&mut self, _code: u16, _reason: &'static str) {
        // A peer that has gone already needs no goodbye.
        let _ = self.0.shutdown().await;
    }
}
