//! What a frame is.

use super::Violation;

/// A frame's opcode (RFC 6455, section 5.2); the number is the wire's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// More of the message that began before.
    Continuation = 0,
    /// Begins a text message.
    Text = 1,
    /// Begins a binary message.
    Binary = 2,
    /// The last frame of its direction.
    Close = 8,
    /// To be answered with a pong of the same payload.
    Ping = 9,
    /// Answers a ping, or came by itself.
    Pong = 10,
}

impl Opcode {
    /// Whether it may stand between the fragments of a message.
    pub fn is_control(self) -> bool {
        self as u8 & CONTROL != 0
    }

    #[inline(always)]
    pub(super) fn from_wire(bits: u8) -> Result<Self, Violation> {
        Ok(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return Err(Violation::Opcode),
        })
    }
}

/// The bit that tells control frames.
const CONTROL: u8 = 8;
