//! What stands on a sealed stream: records, each a u16 length and so many bytes of ciphertext and tag.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{
    Tampered,
    cipher::{Direction, TAG},
};

/// The most that one record holds.
pub(super) const PLAIN_MAX: usize = 32_768;
const LENGTH: usize = 2;

/// The direction that we write.
pub(crate) struct Outbound {
    direction: Direction,
    buffer: BytesMut,
}

/// The direction that we read.
pub(crate) struct Inbound {
    direction: Direction,
    /// What came and is not a whole record yet.
    buffer: BytesMut,
    is_ended: bool,
}

impl Outbound {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self::over(Direction::new(key))
    }

    pub(super) fn over(direction: Direction) -> Self {
        Self { direction, buffer: BytesMut::new() }
    }

    /// The records that hold these bytes; none for none.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> Bytes {
        self.buffer.reserve(plain.len() + plain.len().div_ceil(PLAIN_MAX) * (LENGTH + TAG));
        plain.chunks(PLAIN_MAX).for_each(|piece| self.record(piece));
        self.buffer.split().freeze()
    }

    /// The record that ends the direction: an empty one.
    pub(crate) fn end(&mut self) -> Bytes {
        self.record(&[]);
        self.buffer.split().freeze()
    }

    fn record(&mut self, plain: &[u8]) {
        // At most 32,784.
        self.buffer.put_u16((plain.len() + TAG) as u16);
        let start = self.buffer.len();
        self.buffer.extend_from_slice(plain);
        let tag = self.direction.seal(&mut self.buffer[start..]);
        self.buffer.extend_from_slice(&tag);
    }
}

impl Inbound {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self::over(Direction::new(key))
    }

    pub(super) fn over(direction: Direction) -> Self {
        Self { direction, buffer: BytesMut::new(), is_ended: false }
    }

    /// Bytes of the stream came.
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// What the next record holds, if all of it is there. Behind an error nothing more can be read.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Tampered> {
        if self.is_ended {
            return if self.buffer.is_empty() { Ok(None) } else { Err(Tampered) };
        }
        let Some(length) = self.buffer.first_chunk::<LENGTH>().map(|length| usize::from(u16::from_be_bytes(*length))) else {
            return Ok(None);
        };
        let Some(plain) = length.checked_sub(TAG).filter(|plain| *plain <= PLAIN_MAX) else { return Err(Tampered) };
        if self.buffer.len() < LENGTH + length {
            self.buffer.reserve(LENGTH + length - self.buffer.len());
            return Ok(None);
        }
        self.buffer.advance(LENGTH);
        let mut record = self.buffer.split_to(length);
        let tag = record.split_off(plain);
        let Ok(tag) = tag[..].try_into() else { return Err(Tampered) };
        self.direction.open(&mut record, tag)?;
        if plain == 0 {
            self.is_ended = true;
            return self.next();
        }
        Ok(Some(record.freeze()))
    }

    /// The stream's bytes have ended: whether the peer said that they would.
    pub(crate) fn finished(&self) -> Result<(), Tampered> {
        if self.is_ended && self.buffer.is_empty() { Ok(()) } else { Err(Tampered) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn read(inbound: &mut Inbound, bytes: &[u8], piece: usize) -> Result<Vec<u8>, Tampered> {
        let mut plain = Vec::new();
        for bytes in bytes.chunks(piece) {
            inbound.received(bytes);
            while let Some(record) = inbound.next()? {
                plain.extend_from_slice(&record);
            }
        }
        inbound.finished().map(|()| plain)
    }

    fn written(parts: &[&[u8]]) -> Vec<u8> {
        let mut outbound = Outbound::new(&KEY);
        let mut bytes: Vec<u8> = parts.iter().flat_map(|part| outbound.seal(part)).collect();
        bytes.extend_from_slice(&outbound.end());
        bytes
    }

    #[test]
    fn what_was_sealed_comes_back_however_it_is_cut() {
        let long: Vec<u8> = (0..100_000_u32).map(|at| at as u8).collect();
        let bytes = written(&[b"hello", b"", &long]);
        assert_eq!(bytes.len(), 5 + 100_000 + 6 * (LENGTH + TAG));
        for piece in [1, 17, 4096, 65_536, bytes.len()] {
            let plain = read(&mut Inbound::new(&KEY), &bytes, piece).expect("untouched");
            assert_eq!((&plain[..5], &plain[5..]), (&b"hello"[..], &long[..]));
        }
    }

    #[test]
    fn every_flipped_bit_every_cut_and_every_addition_is_noticed() {
        let bytes = written(&[b"hello", b"world"]);
        for at in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            assert_eq!(read(&mut Inbound::new(&KEY), &bytes, 7), Err(Tampered), "bit {at}");
        }
        for length in 0..bytes.len() {
            assert_eq!(read(&mut Inbound::new(&KEY), &bytes[..length], 7), Err(Tampered), "{length} bytes");
        }
        assert_eq!(read(&mut Inbound::new(&KEY), &[&bytes[..], &[0]].concat(), 7), Err(Tampered));
        assert_eq!(read(&mut Inbound::new(&[8; 32]), &bytes, 7), Err(Tampered));
    }

    #[test]
    fn a_length_that_no_record_has_is_noticed_before_its_bytes_come() {
        for length in [0_u16, 15, 32_785, u16::MAX] {
            let mut inbound = Inbound::new(&KEY);
            inbound.received(&length.to_be_bytes());
            assert_eq!(inbound.next(), Err(Tampered), "{length}");
        }
    }
}
