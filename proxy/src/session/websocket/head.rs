//! The head of a frame that came.

use super::{CONTROL_BYTES_MAX, Opcode, Violation};

/// The most bytes of a head that is masked.
pub const BYTES_MAX: usize = 14;

/// What stands in front of a client's payload (RFC 6455, section 5.2).
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub opcode: Opcode,
    /// The last frame of its message.
    pub last: bool,
    pub key: [u8; 4],
    /// Bytes of payload.
    pub length: u64,
    /// Bytes of the head itself.
    pub size: usize,
}

impl Head {
    /// Reads the head that `bytes` begin with; `None` if they are only a part of it, which is right so far.
    ///
    /// Each byte is judged before the next is asked for, so what is found does not depend on how the bytes arrive.
    /// `within` says whether a fragmented message is under way.
    #[inline(always)]
    pub fn parse(bytes: &[u8], within: bool) -> Result<Option<Self>, Violation> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let opcode = opcode(first, within)?;
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        if second & MASKED == 0 {
            return Err(Violation::Unmasked);
        }
        let short = second & !MASKED;
        if opcode.is_control() && usize::from(short) > CONTROL_BYTES_MAX {
            return Err(Violation::ControlTooLong);
        }
        let rest = &bytes[2..];
        let length = match short {
            SHORT_OF_16_BITS => rest.first_chunk().map(|length| medium(*length)),
            SHORT_OF_64_BITS => rest.first_chunk().map(|length| long(*length)),
            _ => Some(Ok((u64::from(short), 0))),
        };
        let Some((length, extra)) = length.transpose()? else { return Ok(None) };
        let key = rest[extra..].first_chunk().copied();
        Ok(key.map(|key| Self { opcode, last: first & FINAL != 0, key, length, size: 6 + extra }))
    }
}

/// Judges a head's first byte.
#[inline(always)]
fn opcode(first: u8, within: bool) -> Result<Opcode, Violation> {
    if first & RESERVED != 0 {
        return Err(Violation::Reserved);
    }
    let opcode = Opcode::from_wire(first & OPCODE)?;
    match opcode {
        Opcode::Continuation if !within => Err(Violation::NothingToContinue),
        Opcode::Text | Opcode::Binary if within => Err(Violation::Interleaved),
        Opcode::Close | Opcode::Ping | Opcode::Pong if first & FINAL == 0 => Err(Violation::ControlFragmented),
        _ => Ok(opcode),
    }
}

/// A length of 16 bits, and the bytes that it takes.
#[inline(always)]
fn medium(length: [u8; 2]) -> Result<(u64, usize), Violation> {
    let length = u16::from_be_bytes(length);
    if usize::from(length) <= CONTROL_BYTES_MAX {
        return Err(Violation::LengthNotMinimal);
    }
    Ok((length.into(), 2))
}

/// A length of 64 bits, and the bytes that it takes.
#[inline(always)]
fn long(length: [u8; 8]) -> Result<(u64, usize), Violation> {
    let length = u64::from_be_bytes(length);
    if length > LENGTH_MAX {
        return Err(Violation::LengthTooLong);
    }
    if length <= u16::MAX.into() {
        return Err(Violation::LengthNotMinimal);
    }
    Ok((length, 8))
}

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
/// Stands where a short length would, in front of a length of 16 bits.
const SHORT_OF_16_BITS: u8 = 126;
/// Stands where a short length would, in front of a length of 64 bits.
const SHORT_OF_64_BITS: u8 = 127;
const LENGTH_MAX: u64 = i64::MAX as u64;
