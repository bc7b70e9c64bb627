//! What a decoder tells, and to whom.

use super::Violation;

/// Is told by a [`Decoder`](super::Decoder) what came, in order.
///
/// A violation that it returns ends the decoding as one of the peer's frames would.
pub trait Messages {
    /// A message begins: the head of its first frame came. Refuse a kind with the violation that it is.
    fn begin(&mut self, kind: Kind) -> Result<(), Violation>;

    /// Payload of the current message, unmasked, never empty; it lies at `at` in the input of this call of `decode`.
    ///
    /// A piece ends where a frame or the input ends: pieces mean nothing, only their order does.
    fn payload(&mut self, at: usize, bytes: &[u8]);

    /// A frame of the current message came that has no payload. Nothing needs to follow from it: whoever counts what costs and brings nothing is told.
    fn empty(&mut self) {}

    /// The current message is whole.
    fn end(&mut self) -> Result<(), Violation>;

    /// A control frame, whole. It may stand between the fragments of a message; after a close nothing more is told.
    fn control(&mut self, control: Control<'_>);
}

/// What a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8, as the peer says: the decoder does not check it.
    Text,
    /// Any bytes.
    Binary,
}

/// A control frame (RFC 6455, section 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control<'a> {
    /// To be answered with a [`pong`](super::pong) of these bytes, at most 125.
    Ping(&'a [u8]),
    /// Answers a ping, or came by itself.
    Pong(&'a [u8]),
    /// The peer sends no more; its code, which is one that may be sent, and its reason, unless it gave none.
    Close(Option<(u16, &'a str)>),
}
