//! What a session rides on: a connection that carries whole frames, split so that reading and writing never wait for one another.
//!
//! Both halves are polled rather than awaited, because whoever has bytes for a peer writes them, not a task of that peer's own: the
//! context says who is woken when a half that had to wait can go on.

use std::{
    collections::VecDeque,
    io,
    task::{Context, Poll},
};

use bytes::Bytes;

use super::websocket::Violation;

/// A connection to one peer that has been established and upgraded, before anybody spoke.
pub trait Transport: Send + 'static {
    /// The half that takes what the peer sends.
    type Reader: Reader;
    /// The half that sends to the peer.
    type Writer: Writer;

    /// Splits the connection into its two halves.
    fn split(self) -> (Self::Reader, Self::Writer);
}

/// What carries a session, for whoever counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// A WebSocket, or what a program has in its place.
    WebSocket,
    /// A long response of HTTP, and requests.
    Http,
    /// A stream of WebTransport.
    #[cfg(feature = "webtransport")]
    WebTransport,
}

/// The half of a connection that takes what the peer sends.
pub trait Reader: Send + 'static {
    /// Adds what has come to `runs`, in order: none of them empty, and none at all where only the transport itself was spoken to.
    /// Where a run begins or ends means nothing. What comes after [`Read::Closed`] or an error means nothing, until another `Closed` says that it has ended.
    ///
    /// Nothing is lost by not polling again.
    fn poll_read(&mut self, cx: &mut Context<'_>, runs: &mut VecDeque<Bytes>) -> Poll<Result<Read, TransportError>>;

    /// Whether the last read brought pieces so small that they cost more than they bring: such a peer has shorter turns.
    fn is_crumbs(&self) -> bool {
        false
    }

    /// How often the peer spoke to the transport itself, or said nothing at all, since this was asked last.
    fn chatter(&mut self) -> Chatter {
        Chatter::default()
    }
}

/// What came below the mux and brought nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chatter {
    /// Pings, pongs, and frames without payload.
    pub frames: u64,
    /// Pings that are not answered, because others came behind them.
    pub unanswered: u64,
    /// Bytes on the connection that were no payload: heads, and control frames.
    pub overhead: u64,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Bytes of the peer's.
    Bytes,
    /// The peer asked the transport for something, and the [`Writer`] has the answer: it wants to be polled.
    Answer,
    /// The peer closed.
    Closed,
}

/// The half of a connection that sends to the peer.
pub trait Writer: Send + 'static {
    /// Sends what it took before, and the transport's own answers, then takes `buffers` (whole frames, in order; left empty) and sends them.
    /// Ready when all of it has gone to the connection.
    fn poll_write(&mut self, cx: &mut Context<'_>, buffers: &mut Vec<Bytes>) -> Poll<Result<(), TransportError>>;

    /// Bytes of the message that is on its way into a full connection.
    fn under_way(&self) -> usize {
        0
    }

    /// Bytes that the connection has taken so far: it tells a slow peer from one that takes nothing.
    fn taken(&self) -> u64;

    /// Says goodbye with a WebSocket close code behind what was taken, and shuts down the write side. Safe to call after an error.
    fn poll_close(&mut self, cx: &mut Context<'_>, code: u16, reason: &'static str) -> Poll<()>;
}

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The peer broke the rules of the WebSocket.
    #[error("WebSocket violated: {0}")]
    Violation(#[from] Violation),
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl TransportError {
    /// The WebSocket close code that tells the peer (RFC 6455 section 7.4.1).
    pub fn close_code(&self) -> u16 {
        match self {
            Self::Violation(violation) => violation.close_code(),
            Self::Io(_) => 1006,
        }
    }
}
