//! What the fuzzer may do: the peer's bytes and frames, and the caller's calls.

use arbitrary::Arbitrary;
use browser_stream_mux::StreamId;
use bytes::{BufMut, Bytes, BytesMut};

#[derive(Arbitrary, Debug)]
pub struct Input {
    pub opener: bool,
    pub steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
pub enum Step {
    /// Bytes from the peer as they are.
    Bytes(Vec<u8>),
    /// A frame from the peer that is likely to mean something.
    Frame(Frame),
    Open,
    Send(Stream, u16),
    Finish(Stream),
    Reset(Stream, u32),
    ResetBehind(Stream, u32),
    /// Credit for the peer: granted on a spliced stream, consumed on a local one.
    Grant(Stream, u16),
    Transmit(u16),
    Ping,
    Wait(u16),
    GoAway,
}

/// One of a few ids, so that peer and caller meet on them.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Stream(u8);

impl Stream {
    pub fn id(self) -> StreamId {
        StreamId::from(self.0 % 10)
    }

    /// A stream is either granted or consumed, never both.
    pub fn is_spliced(self) -> bool {
        self.id() % 4 < 2
    }
}

#[derive(Arbitrary, Debug)]
pub struct Frame {
    kind: u8,
    flags: u8,
    stream: Stream,
    /// The payload's of DATA, up to several frames of ours; of others the number itself.
    length: u32,
    /// Where a read ends within it.
    cut: u16,
}

impl Frame {
    /// The frame, whole, in the two reads in which it comes.
    pub fn parts(&self) -> [Bytes; 2] {
        let kind = self.kind % 4;
        let length = if kind == 0 { self.length % LENGTH_MAX } else { self.length };
        let mut bytes = BytesMut::new();
        bytes.put_u8(0);
        bytes.put_u8(kind);
        bytes.put_u16(u16::from(self.flags & 0x1f));
        bytes.put_u32(self.stream.id());
        bytes.put_u32(length);
        if kind == 0 {
            bytes.put_bytes(7, length as usize);
        }
        let mut first = bytes.freeze();
        let rest = first.split_off(usize::from(self.cut) % (first.len() + 1));
        [first, rest]
    }
}

/// More than the initial window: the peer may try to break it with one frame.
const LENGTH_MAX: u32 = 300 * 1024;
