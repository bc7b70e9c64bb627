//! What a session rides on: a message-based connection, split so that reading and writing never wait for one another.

use std::{
    future::Future,
    io,
    sync::{Arc, atomic::AtomicU64},
};

use bytes::Bytes;

/// A connection to one peer that has been established and upgraded, before anybody spoke.
pub trait Transport: Send + 'static {
    /// The half that takes what the peer sends.
    type Reader: Reader;
    /// The half that sends to the peer.
    type Writer: Writer;

    /// Splits the connection into its two halves.
    fn split(self) -> (Self::Reader, Self::Writer);
}

/// The half of a connection that takes what the peer sends.
pub trait Reader: Send + 'static {
    /// The next run of bytes, never empty; `None` when the peer closed. Where a message begins or ends means nothing.
    ///
    /// Cancel-safe: no byte is lost when the future is dropped.
    fn read(&mut self) -> impl Future<Output = Result<Option<Bytes>, TransportError>> + Send;
}

/// The half of a connection that sends to the peer.
pub trait Writer: Send + 'static {
    /// Sends what is in `buffers` (whole frames, in order, never empty) and leaves it empty; resolves when the socket took it.
    fn write(&mut self, buffers: &mut Vec<Bytes>) -> impl Future<Output = Result<(), TransportError>> + Send;

    /// Bytes that the connection has taken so far, readable while a write waits: it tells a slow peer from one that takes nothing.
    fn progress(&self) -> Arc<AtomicU64>;

    /// Says goodbye with a WebSocket close code and shuts down the write side. Safe to call after a failed write.
    fn close(&mut self, code: u16, reason: &'static str) -> impl Future<Output = ()> + Send;
}

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The peer sent a text message; the mux speaks binary only.
    #[error("text message: send binary messages only")]
    Text,
    /// The peer sent a message above the transport's limit.
    #[error("message too big")]
    TooBig,
    /// The peer broke the transport's own protocol.
    #[error("transport protocol violated: {0}")]
    Protocol(String),
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl TransportError {
    /// The WebSocket close code that tells the peer (RFC 6455 section 7.4.1).
    pub fn close_code(&self) -> u16 {
        match self {
            Self::Text => 1003,
            Self::TooBig => 1009,
            Self::Protocol(_) => 1002,
            Self::Io(_) => 1006,
        }
    }
}
