//! A direction's bytes between two offsets, as the chunks in which they came.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Bytes from `start` to `end`. Chunks are kept as given; only short ones are copied together, so that a byte does not cost a chunk.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    chunks: VecDeque<Chunk>,
    /// Short chunks, joined; they end at `end`.
    tail: BytesMut,
    start: u64,
    end: u64,
}

#[derive(Debug)]
struct Chunk {
    at: u64,
    bytes: Bytes,
}

/// Up to here a copy costs less than one more chunk and the memory that it would hold on to.
const SHORT: usize = 256;
/// Short chunks are joined up to this size.
const TAIL_MAX: usize = 16 * 1024;
/// A list as long as this is given back when it is empty.
const SPARE_MAX: usize = 16;

impl Chunks {
    /// None, beginning at `offset`.
    pub(super) fn starting_at(offset: u64) -> Self {
        Self { start: offset, end: offset, ..Self::default() }
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Appends a chunk.
    pub(super) fn push(&mut self, bytes: Bytes) {
        let length = bytes.len();
        if length > SHORT {
            self.seal();
            self.chunks.push_back(Chunk { at: self.end, bytes });
        } else {
            if self.tail.len() + length > TAIL_MAX {
                self.seal();
            }
            self.tail.extend_from_slice(&bytes);
        }
        self.end += length as u64;
    }

    /// Takes the first chunk.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        self.seal();
        let chunk = self.chunks.pop_front()?;
        self.start += chunk.bytes.len() as u64;
        self.trim();
        Some(chunk.bytes)
    }

    /// Forgets what lies below `offset`.
    pub(super) fn release(&mut self, offset: u64) {
        if offset >= self.end {
            *self = Self::starting_at(self.end);
            return;
        }
        if self.chunks.is_empty() {
            self.seal();
        }
        self.start = self.start.max(offset);
        while let Some(first) = self.chunks.front_mut() {
            let below = offset.saturating_sub(first.at);
            if below < first.bytes.len() as u64 {
                first.at += below;
                drop(first.bytes.split_to(below as usize));
                break;
            }
            self.chunks.pop_front();
            if self.chunks.is_empty() {
                self.seal();
            }
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.release(self.end);
    }

    /// Appends slices of the `length` bytes from `offset` on, all of which are here, to `out`.
    pub(super) fn slices(&mut self, offset: u64, length: usize, out: &mut Vec<Bytes>) {
        self.seal();
        let first = self.chunks.partition_point(|chunk| chunk.at <= offset).saturating_sub(1);
        let mut skip = self.chunks.get(first).map_or(0, |chunk| (offset - chunk.at) as usize);
        let mut left = length;
        for chunk in self.chunks.range(first.min(self.chunks.len())..) {
            if left == 0 {
                break;
            }
            let taken = left.min(chunk.bytes.len() - skip);
            out.push(chunk.bytes.slice(skip..skip + taken));
            left -= taken;
            skip = 0;
        }
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            let bytes = self.tail.split().freeze();
            self.chunks.push_back(Chunk { at: self.end - bytes.len() as u64, bytes });
        }
    }

    fn trim(&mut self) {
        if self.chunks.is_empty() && self.chunks.capacity() > SPARE_MAX {
            *self = Self::starting_at(self.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(from: usize, length: usize) -> Bytes {
        (from..from + length).map(|at| at as u8).collect()
    }

    fn joined(chunks: &mut Chunks, offset: u64, length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        chunks.slices(offset, length, &mut out);
        out.concat()
    }

    #[test]
    fn a_long_chunk_is_sliced_and_short_ones_are_joined() {
        let mut chunks = Chunks::default();
        for at in 0..10 {
            chunks.push(bytes(at, 1));
        }
        let long = bytes(10, SHORT + 1);
        chunks.push(long.clone());
        let mut out = Vec::new();
        chunks.slices(5, 10, &mut out);
        assert_eq!(out.iter().map(Bytes::len).collect::<Vec<_>>(), [5, 5]);
        assert_eq!(out[1].as_ptr(), long.as_ptr());
    }

    #[test]
    fn an_emptied_list_holds_no_memory() {
        let mut chunks = Chunks::default();
        for at in 0..100 {
            chunks.push(bytes(at * 300, 300));
        }
        chunks.release(30_000);
        assert_eq!((chunks.chunks.capacity(), chunks.tail.capacity(), chunks.start(), chunks.end()), (0, 0, 30_000, 30_000));
    }

    proptest! {
        #[test]
        fn what_lies_between_the_ends_is_there(steps in prop::collection::vec((0_u8..4, 1_usize..600), 1..100)) {
            let mut chunks = Chunks::default();
            for (step, size) in steps {
                let (start, end) = (chunks.start(), chunks.end());
                match step {
                    0 | 1 => chunks.push(bytes(end as usize, size)),
                    2 => chunks.release(start + (size as u64).min(end - start)),
                    _ => {
                        let popped = chunks.pop().unwrap_or_default();
                        prop_assert_eq!(&popped, &bytes(start as usize, popped.len()));
                        prop_assert_eq!(chunks.start(), start + popped.len() as u64);
                        prop_assert!(!popped.is_empty() || start == end);
                    }
                }
                let (start, end) = (chunks.start(), chunks.end());
                let length = (end - start) as usize;
                for skip in [0, length / 3, length] {
                    prop_assert_eq!(joined(&mut chunks, start + skip as u64, length - skip), bytes(start as usize + skip, length - skip).to_vec());
                }
            }
        }
    }
}
