//! The 12 bytes in front of every frame (yamux spec, "Framing"): version, type, flags, stream id and length, big-endian.

use std::ops::{BitOr, BitOrAssign};

use crate::{StreamId, Violation};

/// What a frame is.
///
/// See [`Header`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Payload of a stream; the length counts its bytes.
    Data = 0,
    /// Credit for the other side; the length is how much. With RST it is our reset code.
    WindowUpdate = 1,
    /// A ping (SYN) or its answer (ACK); the length is an opaque token.
    Ping = 2,
    /// The end of the session; the length is the reason.
    GoAway = 3,
}

/// The flags of a frame; bits that yamux does not know are kept and mean nothing.
///
/// See [`Header`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Opens a stream, or asks for a pong.
    pub const SYN: Self = Self(1);
    /// Acknowledges a stream, or is a pong.
    pub const ACK: Self = Self(2);
    /// Finishes the sender's direction.
    pub const FIN: Self = Self(4);
    /// Resets the stream.
    pub const RST: Self = Self(8);

    /// The flags with these bits.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Their bits.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether a bit is set that yamux does not know.
    pub const fn has_unknown(self) -> bool {
        self.0 & !15 != 0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// A frame's header.
///
/// ```
/// use browser_stream_mux::{Flags, Header, Kind, Violation};
///
/// let ping = [0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7]; // version, type, flags, stream, length: the number of the ping
/// assert_eq!(Header::decode(ping)?, Header { kind: Kind::Ping, flags: Flags::SYN, stream: 0, length: 7 });
/// assert_eq!(Header::decode(ping)?.encode(), ping);
/// assert_eq!(Header::decode([9; 12]), Err(Violation::Version));
/// # Ok::<(), browser_stream_mux::Violation>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is.
    pub kind: Kind,
    /// Its flags.
    pub flags: Flags,
    /// The stream that it belongs to; 0 for the session.
    pub stream: StreamId,
    /// Bytes of payload, credit, token or code, by kind.
    pub length: u32,
}

impl Header {
    /// Bytes that a header takes on the wire.
    pub const BYTES: usize = 12;

    /// Reads a header; refuses unknown versions and types, and stream frames on stream 0.
    pub fn decode(bytes: [u8; Self::BYTES]) -> Result<Self, Violation> {
        let [version, kind, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3] = bytes;
        if version != 0 {
            return Err(Violation::Version);
        }
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::WindowUpdate,
            2 => Kind::Ping,
            3 => Kind::GoAway,
            _ => return Err(Violation::Type),
        };
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        if stream == 0 && matches!(kind, Kind::Data | Kind::WindowUpdate) {
            return Err(Violation::StreamZero);
        }
        let flags = Flags(u16::from_be_bytes([f0, f1]));
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        Ok(Self { kind, flags, stream, length })
    }

    /// Writes a header.
    pub fn encode(self) -> [u8; Self::BYTES] {
        let [f0, f1] = self.flags.0.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        let [l0, l1, l2, l3] = self.length.to_be_bytes();
        [0, self.kind as u8, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3]
    }
}
