//! A server's WebSocket frames (RFC 6455) without any I/O: bytes in, pieces of messages out, and the heads of what is sent.
//!
//! - [`Decoder`] takes whatever the socket gave, unmasks it in place and tells a [`Messages`] what it was; it keeps no payload.
//! - [`head`] is written in front of payload that lies elsewhere; [`pong`] and [`close`] are whole frames.
//! - What a peer must not send is a [`Violation`], with the code to close with.
//!
//! No extension is ever negotiated, so every reserved bit is a violation.

mod close;
mod decoder;
mod frame;
mod head;
mod mask;
mod messages;
mod opcode;
mod violation;

#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use frame::{HEAD_BYTES_MAX, close, head, pong};
pub use mask::unmask;
pub use messages::{Control, Kind, Messages};
pub use opcode::Opcode;
pub use violation::Violation;

/// The most payload that a control frame has (RFC 6455, section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;
