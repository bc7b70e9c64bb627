//! Whether bytes are one whole MessagePack value, before anything is made of them: lengths are believed later, and other readers take any nesting, and text
//! that is no UTF-8.

use std::str;

use super::codec::DEPTH_MAX;

#[derive(Debug, thiserror::Error)]
pub enum Misshapen {
    #[error("cut short")]
    Short,
    #[error("{0} bytes behind the value")]
    Long(usize),
    #[error("a byte that begins no value")]
    Never,
    #[error("nested deeper than {DEPTH_MAX} levels")]
    Deep,
    #[error("text that is no UTF-8")]
    Text,
}

/// Reads over the value.
pub fn check(bytes: &[u8]) -> Result<(), Misshapen> {
    let mut rest = Rest(bytes);
    rest.value(0)?;
    if rest.0.is_empty() { Ok(()) } else { Err(Misshapen::Long(rest.0.len())) }
}

/// What was not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn value(&mut self, depth: usize) -> Result<(), Misshapen> {
        let first = self.number(1)?;
        match first {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0.. => Ok(()),
            0x80..=0x8f => self.items(2 * (first & 15), depth),
            0x90..=0x9f => self.items(first & 15, depth),
            0xa0..=0xbf => self.text(first & 31),
            0xc1 => Err(Misshapen::Never),
            0xc4..=0xc6 => self.behind(1 << (first - 0xc4), 0),
            0xc7..=0xc9 => self.behind(1 << (first - 0xc7), 1),
            0xca | 0xcb => self.skip(4 << (first - 0xca)),
            0xcc..=0xcf => self.skip(1 << (first - 0xcc)),
            0xd0..=0xd3 => self.skip(1 << (first - 0xd0)),
            0xd4..=0xd8 => self.skip(1 + (1 << (first - 0xd4))),
            0xd9..=0xdb => {
                let length = self.number(1 << (first - 0xd9))?;
                self.text(length)
            }
            0xdc | 0xdd => {
                let count = self.number(2 << (first - 0xdc))?;
                self.items(count, depth)
            }
            0xde | 0xdf => {
                let count = self.number(2 << (first - 0xde))?;
                self.items(2 * count, depth)
            }
        }
    }

    /// Each takes a byte at least, so that no more are counted than bytes are there.
    fn items(&mut self, count: u64, depth: usize) -> Result<(), Misshapen> {
        if depth == DEPTH_MAX {
            return Err(Misshapen::Deep);
        }
        if count > self.0.len() as u64 {
            return Err(Misshapen::Short);
        }
        (0..count).try_for_each(|_| self.value(depth + 1))
    }

    fn text(&mut self, length: u64) -> Result<(), Misshapen> {
        str::from_utf8(self.take(length)?).map(drop).map_err(|_| Misshapen::Text)
    }

    /// Skips what stands behind a length of so many bytes, and `more`.
    fn behind(&mut self, size: u64, more: u64) -> Result<(), Misshapen> {
        let length = self.number(size)?;
        self.skip(length + more)
    }

    fn number(&mut self, size: u64) -> Result<u64, Misshapen> {
        Ok(self.take(size)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn skip(&mut self, length: u64) -> Result<(), Misshapen> {
        self.take(length).map(drop)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Misshapen> {
        let length = usize::try_from(length).map_err(|_| Misshapen::Short)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Misshapen::Short)?;
        self.0 = rest;
        Ok(taken)
    }
}
