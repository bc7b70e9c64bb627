//! From a fetcher to a holder.

use bytes::{BufMut, BytesMut};

use super::{ContentId, PIECES_MAX};
use crate::record::{BadRecord, Fields, Record, Stop, put};

const WANT: u8 = 1;
const DROP: u8 = 2;
const MANIFEST: u8 = 3;
const ASK: u8 = 4;
const CANCEL: u8 = 5;

/// What a fetcher says. It gives contents numbers, each of which stands for one content from [`Want`](Self::Want) to [`Drop`](Self::Drop) or the holder's `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// From now on this number stands for this content. Answered by what is there of it.
    Want(u64, ContentId),
    /// Nothing more of it; the number is free.
    Drop(u64),
    /// Its manifest is wanted.
    Manifest(u64),
    /// This piece of it is wanted.
    Ask(u64, u32),
    /// It is not any more: if it has not begun, nothing is answered.
    Cancel(u64, u32),
}

/// The number of a piece.
pub(super) fn index(fields: &mut Fields) -> Result<u32, Stop> {
    let index = fields.small()?;
    if index as usize >= PIECES_MAX { Err(BadRecord::Integer.into()) } else { Ok(index) }
}

impl Record for Wanted {
    fn read(fields: &mut Fields) -> Result<Self, Stop> {
        Ok(match fields.byte()? {
            WANT => Self::Want(fields.integer()?, id(fields)?),
            DROP => Self::Drop(fields.integer()?),
            MANIFEST => Self::Manifest(fields.integer()?),
            ASK => Self::Ask(fields.integer()?, index(fields)?),
            CANCEL => Self::Cancel(fields.integer()?, index(fields)?),
            kind => return Err(BadRecord::Kind(kind).into()),
        })
    }

    fn write(&self, out: &mut BytesMut) {
        match *self {
            Self::Want(number, id) => {
                put(WANT, &[number], out);
                out.put_slice(&id.0);
            }
            Self::Drop(number) => put(DROP, &[number], out),
            Self::Manifest(number) => put(MANIFEST, &[number], out),
            Self::Ask(number, piece) => put(ASK, &[number, piece.into()], out),
            Self::Cancel(number, piece) => put(CANCEL, &[number, piece.into()], out),
        }
    }
}

fn id(fields: &mut Fields) -> Result<ContentId, Stop> {
    let bytes = fields.run(32)?;
    Ok(ContentId(bytes.first_chunk().copied().unwrap_or_default()))
}
