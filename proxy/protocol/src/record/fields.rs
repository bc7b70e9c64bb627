//! What records are made of: integers, and what they are lengths of.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::TEXT_MAX;
use crate::{channel::Ending, integer, room::BadEventName};

/// What is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// No record begins with this byte.
    #[error("no record begins with {0:#04x}")]
    Kind(u8),
    /// An integer is too long or too large, or says what cannot be.
    #[error("an integer of a record is too long, too large, or means nothing there")]
    Integer,
    /// So many bytes are more than may stand there.
    #[error("{0} bytes are more than that part of a record may have")]
    Length(u64),
    /// An event's arguments, or an answer, are longer than any may be.
    #[error("{0} bytes are more than an event may have")]
    TooLong(u64),
    /// More members are named than may be, or none.
    #[error("a record names {0} members")]
    Members(u64),
    /// An event's name cannot be one.
    #[error(transparent)]
    Event(#[from] BadEventName),
}

/// The records of one direction.
pub trait Record: Sized {
    /// Takes one record off the front, or says how long it is at least.
    #[doc(hidden)]
    fn read(fields: &mut Fields) -> Result<Self, Stop>;
    /// Appends the record.
    fn write(&self, out: &mut BytesMut);
}

/// Why no record was read.
#[derive(Debug)]
pub enum Stop {
    /// It has so many bytes at least, which is more than there are.
    Short(usize),
    /// It is none.
    Bad(BadRecord),
}

impl<E: Into<BadRecord>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Bad(error.into())
    }
}

/// Reads a record's fields off the front of some bytes.
#[derive(Debug)]
pub struct Fields {
    rest: Bytes,
    taken: usize,
    /// The most bytes of an event's arguments.
    body_max: usize,
}

impl Fields {
    pub(crate) fn new(bytes: Bytes, body_max: usize) -> Self {
        Self { rest: bytes, taken: 0, body_max }
    }

    /// Ends with [`Stop::Short`] where fewer bytes than this are left.
    pub(crate) fn need(&self, bytes: usize) -> Result<(), Stop> {
        if self.rest.len() < bytes { Err(Stop::Short(self.taken + bytes)) } else { Ok(()) }
    }

    /// How many bytes were read.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Stop> {
        let byte = *self.rest.first().ok_or(Stop::Short(self.taken + 1))?;
        self.skip(1);
        Ok(byte)
    }

    pub(crate) fn integer(&mut self) -> Result<u64, Stop> {
        let mut rest = &self.rest[..];
        let value = integer::take(&mut rest).map_err(|_| BadRecord::Integer)?;
        let bytes = self.rest.len() - rest.len();
        let value = value.ok_or(Stop::Short(self.taken + self.rest.len() + 1))?;
        self.skip(bytes);
        Ok(value)
    }

    /// An integer of 32 bits: a member's number, a code.
    pub(crate) fn small(&mut self) -> Result<u32, Stop> {
        Ok(u32::try_from(self.integer()?).map_err(|_| BadRecord::Integer)?)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Stop> {
        match self.integer()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(BadRecord::Integer.into()),
        }
    }

    /// A length of at most `most`, and so many bytes.
    pub(crate) fn bytes(&mut self, most: usize) -> Result<Bytes, Stop> {
        let length = self.integer()?;
        let fits = usize::try_from(length).ok().filter(|&length| length <= most);
        self.run(fits.ok_or(BadRecord::Length(length))?)
    }

    /// An event's arguments, or an answer.
    pub(crate) fn body(&mut self) -> Result<Bytes, Stop> {
        let length = self.integer()?;
        let fits = usize::try_from(length).ok().filter(|&length| length <= self.body_max);
        self.run(fits.ok_or(BadRecord::TooLong(length))?)
    }

    pub(crate) fn text(&mut self) -> Result<String, Stop> {
        Ok(String::from_utf8_lossy(&self.bytes(TEXT_MAX)?).into_owned())
    }

    /// A code and a text.
    pub(crate) fn ending(&mut self) -> Result<Ending, Stop> {
        Ok(Ending { code: self.small()?, text: self.text()? })
    }

    /// So many bytes.
    pub(crate) fn run(&mut self, length: usize) -> Result<Bytes, Stop> {
        self.need(length)?;
        self.taken += length;
        Ok(self.rest.split_to(length))
    }

    fn skip(&mut self, bytes: usize) {
        self.rest.advance(bytes);
        self.taken += bytes;
    }
}

/// Appends a record's first byte and integers.
pub(crate) fn put(kind: u8, integers: &[u64], out: &mut BytesMut) {
    out.put_u8(kind);
    integers.iter().for_each(|&value| integer::put(value, out));
}

/// Appends a length and the bytes.
pub(crate) fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    integer::put(bytes.len() as u64, out);
    out.put_slice(bytes);
}

/// Appends as much of a text as a record has room for, cut between two characters.
pub(crate) fn put_text(text: &str, out: &mut BytesMut) {
    let text = text.get(..text.floor_char_boundary(TEXT_MAX)).unwrap_or_default();
    put_bytes(text.as_bytes(), out);
}
