//! Which pieces of a content somebody has.

use bytes::Bytes;

use super::PIECES_MAX;

/// Which pieces of so many: piece `i` is bit `7 - i % 8` of byte `i / 8`, and the bits behind the last are 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    pieces: usize,
    bytes: Vec<u8>,
}

/// Bytes that say of no set of pieces that it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBitmap {
    /// More pieces than a content may have.
    #[error("{0} pieces are more than a content may have")]
    Pieces(u64),
    /// Not one bit for each piece.
    #[error("{0} bytes have not one bit for each of {1} pieces")]
    Length(usize, usize),
    /// Bits for pieces that there are not.
    #[error("a bit is set behind that of the last piece")]
    Padding,
}

impl Bitmap {
    /// None of so many pieces.
    pub fn none(pieces: usize) -> Self {
        Self { pieces, bytes: vec![0; pieces.div_ceil(8)] }
    }

    /// All of so many pieces.
    pub fn all(pieces: usize) -> Self {
        let mut all = Self { pieces, bytes: vec![0xff; pieces.div_ceil(8)] };
        if let Some(last) = all.bytes.last_mut() {
            *last &= !padding(pieces);
        }
        all
    }

    /// Takes what came.
    ///
    /// # Errors
    /// Where it says of no set of so many pieces that it is there.
    pub fn parse(pieces: usize, bytes: &[u8]) -> Result<Self, BadBitmap> {
        if pieces > PIECES_MAX {
            return Err(BadBitmap::Pieces(pieces as u64));
        }
        if bytes.len() != pieces.div_ceil(8) {
            return Err(BadBitmap::Length(bytes.len(), pieces));
        }
        if bytes.last().is_some_and(|last| last & padding(pieces) != 0) {
            return Err(BadBitmap::Padding);
        }
        Ok(Self { pieces, bytes: bytes.to_vec() })
    }

    /// Its bytes, as they travel.
    pub fn bytes(&self) -> Bytes {
        Bytes::copy_from_slice(&self.bytes)
    }

    /// Of how many pieces it is.
    pub fn pieces(&self) -> usize {
        self.pieces
    }

    /// Whether that piece is there.
    pub fn has(&self, piece: usize) -> bool {
        self.bytes.get(piece / 8).is_some_and(|byte| byte & bit(piece) != 0)
    }

    /// That piece is there, too; true if it was not before.
    pub fn add(&mut self, piece: usize) -> bool {
        let is_new = piece < self.pieces && !self.has(piece);
        if is_new && let Some(byte) = self.bytes.get_mut(piece / 8) {
            *byte |= bit(piece);
        }
        is_new
    }

    /// How many are there.
    pub fn count(&self) -> usize {
        self.bytes.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Whether all are.
    pub fn is_all(&self) -> bool {
        self.count() == self.pieces
    }
}

fn bit(piece: usize) -> u8 {
    0x80 >> (piece % 8)
}

/// The bits of the last byte that stand for no piece.
fn padding(pieces: usize) -> u8 {
    match pieces % 8 {
        0 => 0,
        used => 0xff >> used,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_any_size_survives_and_has_what_was_added() {
        for pieces in [0, 1, 7, 8, 9, 16, 1000] {
            let all = Bitmap::all(pieces);
            assert!(all.is_all() && all.count() == pieces);
            assert_eq!(Bitmap::parse(pieces, &all.bytes()), Ok(all));
            let mut some = Bitmap::none(pieces);
            let added = (0..pieces).step_by(3).filter(|&piece| some.add(piece)).count();
            assert_eq!((some.count(), added), (pieces.div_ceil(3), pieces.div_ceil(3)));
            assert!((0..pieces).all(|piece| some.has(piece) == (piece % 3 == 0)));
            assert!(!some.add(0) && !some.add(pieces) && !some.has(pieces));
        }
    }

    #[test]
    fn what_is_no_set_is_refused() {
        assert_eq!(Bitmap::parse(9, &[0xff]), Err(BadBitmap::Length(1, 9)));
        assert_eq!(Bitmap::parse(9, &[0xff, 0xc0]), Err(BadBitmap::Padding));
        assert_eq!(Bitmap::parse(9, &[0xff, 0x80, 0]), Err(BadBitmap::Length(3, 9)));
        assert_eq!(Bitmap::parse(PIECES_MAX + 1, &[0; 8193]), Err(BadBitmap::Pieces(65_537)));
    }
}
