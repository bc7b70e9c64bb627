//! What came of a stream behind its open, in order.

use std::mem;

use bytes::Bytes;

/// Pieces of a stream: of the first, which is all that comes of most, no list is made.
#[derive(Default)]
pub(super) struct Chunks {
    pub first: Bytes,
    rest: Vec<Bytes>,
}

impl Chunks {
    /// Adds a piece at the end.
    pub fn push(&mut self, chunk: Bytes) {
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = chunk;
        } else {
            self.rest.push(chunk);
        }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.first.len() + self.rest.iter().map(Bytes::len).sum::<usize>()
    }

    /// Takes all of them out.
    pub fn take(&mut self) -> impl Iterator<Item = Bytes> + use<> {
        let Self { first, rest } = mem::take(self);
        [first].into_iter().chain(rest).filter(|chunk| !chunk.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf;

    use super::*;

    #[test]
    fn pieces_come_out_in_order_whatever_was_taken_off_the_first() {
        let mut chunks = Chunks::default();
        for piece in ["open", "a", "b"] {
            chunks.push(Bytes::from_static(piece.as_bytes()));
        }
        chunks.first.advance(4);
        chunks.push(Bytes::from_static(b"c"));
        assert_eq!(chunks.len(), 3);
        assert_eq!(chunks.take().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!((chunks.len(), chunks.take().count()), (0, 0));
    }
}
