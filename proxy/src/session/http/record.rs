//! Records of the response's body: a byte that says what one is, three of its length (big-endian), and that many. What a reader does not know it skips.

use bytes::Bytes;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes of the mux.
    Bytes = 0,
    /// The first: JSON that names the connection.
    Hello = 1,
    /// The last: JSON that says why it closes.
    Close = 2,
    /// Nothing. So much of it goes behind the first that whoever holds back the beginning of a response lets it go.
    Padding = 3,
}

/// Longer ones there are not.
pub const RECORD_BYTES_MAX: usize = (1 << 24) - 1;

/// What stands before a record of so many bytes.
pub fn head(kind: Kind, bytes: usize) -> [u8; 4] {
    debug_assert!(bytes <= RECORD_BYTES_MAX, "{bytes} bytes in one record");
    let mut head = (bytes as u32).to_be_bytes();
    head[0] = kind as u8;
    head
}

/// A whole record.
pub fn record(kind: Kind, body: &[u8]) -> Bytes {
    [&head(kind, body.len()), body].concat().into()
}

/// The last record, as a WebSocket would close.
pub fn close(code: u16, reason: &str) -> Bytes {
    record(Kind::Close, serde_json::json!({ "code": code, "reason": reason }).to_string().as_bytes())
}
