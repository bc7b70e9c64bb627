//! A server's WebSocket (RFC 6455): its frames without any I/O, and on top of them the transport of a session.
//!
//! - [`Decoder`] takes whatever the socket gave, unmasks it in place and tells a [`Messages`] what it was; it keeps no payload.
//! - `head` is written in front of payload that lies elsewhere; `pong` and `close` are whole frames.
//! - What a peer must not send is a [`Violation`], with the code to close with.
//! - [`WebSocket`] puts both on a [`Socket`].
//!
//! No extension is ever negotiated, so every reserved bit is a violation.

mod answers;
mod close;
mod decoder;
mod frame;
mod head;
mod mask;
mod messages;
mod opcode;
mod reader;
mod socket;
mod violation;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

pub use decoder::Decoder;
pub use frame::{HEAD_BYTES_MAX, close, head, pong};
pub use mask::unmask;
pub use messages::{Control, Kind, Messages};
pub use opcode::Opcode;
pub use reader::Receiver;
pub use socket::{Any, Readable, Socket};
pub use violation::Violation;
pub use writer::Sender;

use super::transport::Transport;
use crate::buffer::Buffers;
use answers::Answers;

/// The most payload that a control frame has (RFC 6455, section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// An established WebSocket on a socket, as its server.
pub struct WebSocket<S> {
    socket: S,
    early: Bytes,
    buffers: Arc<Buffers>,
}

impl<S: Socket> WebSocket<S> {
    /// A WebSocket on a socket whose handshake is done and read `early` beyond its end; it reads into one of `buffers`.
    pub(crate) fn new(socket: S, early: Bytes, buffers: Arc<Buffers>) -> Self {
        Self { socket, early, buffers }
    }
}

impl<S: Socket> Transport for WebSocket<S> {
    type Reader = Receiver<S::Read>;
    type Writer = Sender<S::Write>;

    fn split(self) -> (Self::Reader, Self::Writer) {
        let answers = Arc::new(Answers::default());
        let (read, write) = self.socket.split();
        (Receiver::new(read, self.early, self.buffers, answers.clone()), Sender::new(write, answers))
    }
}
