//! From a holder to a fetcher.

use bytes::{Bytes, BytesMut};

use super::{Bitmap, MANIFEST_BYTES_MAX, PIECE_BYTES, PIECES_MAX, wanted::index};
use crate::{
    integer,
    record::{BadRecord, Fields, Record, Stop, put, put_bytes},
};

const HAVE: u8 = 1;
const GOT: u8 = 2;
const NONE: u8 = 3;
const MANIFEST: u8 = 4;
const PIECE: u8 = 5;
const REFUSED: u8 = 6;

/// What a holder says, of contents by the fetcher's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// These pieces are there; it replaces what was said before. `None`: all of so many.
    Have {
        /// Of which content.
        number: u64,
        /// How many pieces it has in all.
        pieces: u32,
        /// Which of them are there, where that is not all.
        have: Option<Bitmap>,
    },
    /// This piece is there, too.
    Got(u64, u32),
    /// Nothing of it is there, or not any more; the number is free.
    None(u64),
    /// Its manifest.
    Manifest(u64, Bytes),
    /// The whole of this piece.
    Piece(u64, u32, Bytes),
    /// That piece does not come: `limit` says try elsewhere or later, `not_found` that it is not there.
    Refused(u64, u32, u32),
}

impl Record for Held {
    fn read(fields: &mut Fields) -> Result<Self, Stop> {
        Ok(match fields.byte()? {
            HAVE => have(fields)?,
            GOT => Self::Got(fields.integer()?, index(fields)?),
            NONE => Self::None(fields.integer()?),
            MANIFEST => Self::Manifest(fields.integer()?, fields.bytes(MANIFEST_BYTES_MAX)?),
            PIECE => Self::Piece(fields.integer()?, index(fields)?, fields.bytes(PIECE_BYTES)?),
            REFUSED => Self::Refused(fields.integer()?, index(fields)?, fields.small()?),
            kind => return Err(BadRecord::Kind(kind).into()),
        })
    }

    fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Have { number, pieces, have } => {
                put(HAVE, &[*number, (*pieces).into()], out);
                put_bytes(&have.as_ref().map(Bitmap::bytes).unwrap_or_default(), out);
            }
            Self::Got(number, piece) => put(GOT, &[*number, (*piece).into()], out),
            Self::None(number) => put(NONE, &[*number], out),
            Self::Manifest(number, bytes) => {
                put(MANIFEST, &[*number], out);
                put_bytes(bytes, out);
            }
            Self::Piece(number, piece, bytes) => {
                put_piece(*number, *piece, bytes.len(), out);
                out.extend_from_slice(bytes);
            }
            Self::Refused(number, piece, code) => put(REFUSED, &[*number, (*piece).into(), (*code).into()], out),
        }
    }
}

impl Held {
    /// A piece's record up to its bytes, for who has those elsewhere.
    pub fn piece_head(number: u64, piece: u32, length: usize) -> Bytes {
        let mut out = BytesMut::with_capacity(24);
        put_piece(number, piece, length, &mut out);
        out.freeze()
    }
}

fn put_piece(number: u64, piece: u32, length: usize, out: &mut BytesMut) {
    put(PIECE, &[number, piece.into()], out);
    integer::put(length as u64, out);
}

fn have(fields: &mut Fields) -> Result<Held, Stop> {
    let (number, pieces) = (fields.integer()?, fields.small()?);
    let count = usize::try_from(pieces).ok().filter(|&pieces| pieces <= PIECES_MAX).ok_or(BadRecord::Integer)?;
    let bytes = fields.bytes(count.div_ceil(8))?;
    let have = if bytes.is_empty() { None } else { Some(Bitmap::parse(count, &bytes).map_err(|_| BadRecord::Integer)?) };
    Ok(Held::Have { number, pieces, have })
}
