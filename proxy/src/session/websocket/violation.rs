//! What a peer must not send.

/// A peer broke the WebSocket protocol: its connection is to be closed with [`close_code`](Self::close_code).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A client masks every frame (RFC 6455, section 5.1).
    #[error("a frame is not masked")]
    Unmasked,
    /// One of RSV1–3 is set, and no extension was negotiated (section 5.2).
    #[error("a reserved bit is set, and no extension was agreed on")]
    Reserved,
    /// 3–7 or 11–15 (section 5.2).
    #[error("a frame has an opcode that does not exist")]
    Opcode,
    /// A control frame has at most 125 bytes of payload (section 5.5).
    #[error("a control frame has more than 125 bytes")]
    ControlTooLong,
    /// A control frame is one frame (section 5.5).
    #[error("a control frame is fragmented")]
    ControlFragmented,
    /// A continuation frame outside a fragmented message (section 5.4).
    #[error("a continuation frame has no message to continue")]
    NothingToContinue,
    /// A text or binary frame inside a fragmented message (section 5.4).
    #[error("a message begins before the one before it ended")]
    Interleaved,
    /// The top bit of a 64-bit length is 0 (section 5.2).
    #[error("a frame's length does not fit into 63 bits")]
    LengthTooLong,
    /// A length stands in the fewest bytes that hold it (section 5.2).
    #[error("a frame's length stands in more bytes than it needs")]
    LengthNotMinimal,
    /// One byte is no close code (section 5.5.1).
    #[error("a close frame has half a code")]
    CloseTooShort,
    /// A code that nobody defined, or that is never sent (section 7.4).
    #[error("a close frame has a code that must not be sent")]
    CloseCode,
    /// A text message, where only binary ones are taken.
    #[error("a text message came, and only binary ones are taken")]
    Text,
    /// A close reason, or a text message where they are taken, that is not UTF-8 (section 8.1).
    #[error("text is not UTF-8")]
    NotUtf8,
}

impl Violation {
    /// The code to close the connection with (RFC 6455, section 7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            Self::Text => 1003,
            Self::NotUtf8 => 1007,
            _ => 1002,
        }
    }
}
