//! What waits on one stream, to be sent or to be read: chunks as they were handed in, taken out at any length without copying.

use std::{cell::RefCell, collections::VecDeque, mem, ops::Deref};

use bytes::{Bytes, BytesMut};

use crate::held::Held;

/// The first chunk lies in the struct itself, so a stream that sends one message at a time never allocates.
/// Short chunks behind it are copied together at the tail.
#[derive(Default)]
pub(crate) struct Queue {
    first: Chunk,
    rest: VecDeque<Chunk>,
    tail: Vec<u8>,
    bytes: usize,
    held: Held,
}

#[derive(Default)]
struct Chunk {
    bytes: Bytes,
    /// Memory that is the queue's alone; 0 if it is a slice of somebody's.
    own: usize,
}

impl Chunk {
    fn held(&self) -> Held {
        Held { own: self.own, slices: usize::from(self.own == 0) }
    }
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    pub(crate) fn held(&self) -> Held {
        self.held
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Pushes a slice of what was read; a short one that has to wait behind others is copied.
    pub(crate) fn push(&mut self, slice: Bytes) {
        if slice.len() <= SHORT && self.bytes > 0 {
            self.push_short(&slice);
        } else {
            self.push_chunk(Chunk { bytes: slice, own: 0 });
        }
    }

    /// Pushes what a writer handed in: memory that nobody else has.
    pub(crate) fn push_own(&mut self, bytes: Bytes) {
        if bytes.len() <= SHORT && self.bytes > 0 {
            self.push_short(&bytes);
        } else {
            self.push_chunk(Chunk { own: bytes.len(), bytes });
        }
    }

    fn push_chunk(&mut self, chunk: Chunk) {
        if chunk.bytes.is_empty() {
            return;
        }
        self.held += chunk.held();
        self.bytes += chunk.bytes.len();
        self.close_tail();
        if self.first.bytes.is_empty() && self.rest.is_empty() {
            self.first = chunk;
        } else {
            self.rest.push_back(chunk);
        }
    }

    /// Pushes a copy of a chunk.
    #[inline]
    pub(crate) fn push_short(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len();
        if self.tail.len() + chunk.len() > self.tail.capacity().min(JOINED_MAX) {
            self.make_room(chunk.len());
        } else if self.tail.is_empty() && !chunk.is_empty() {
            // What it has kept of its memory is held again.
            self.held.own += self.tail.capacity();
        }
        self.tail.extend_from_slice(chunk);
    }

    /// The tail has room for so many bytes more, which are on their way into it.
    #[cold]
    fn make_room(&mut self, bytes: usize) {
        if self.tail.len() + bytes > JOINED_MAX {
            self.close_tail();
        }
        let before = if self.tail.is_empty() { 0 } else { self.tail.capacity() };
        self.tail.reserve(if before == 0 { bytes.max(TAIL_MIN) } else { bytes });
        self.held.own += self.tail.capacity() - before;
    }

    /// The tail becomes a chunk like any other.
    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            let chunk = self.tail_chunk();
            self.rest.push_back(chunk);
        }
    }

    /// It is counted already.
    fn tail_chunk(&mut self) -> Chunk {
        let own = if self.tail.is_empty() { 0 } else { self.tail.capacity() };
        Chunk { bytes: mem::take(&mut self.tail).into(), own }
    }

    /// The chunk that comes next stands in `first`.
    fn advance(&mut self) {
        if self.first.bytes.is_empty() {
            self.first = self.rest.pop_front().unwrap_or_else(|| self.tail_chunk());
        }
    }

    /// Hands `take` pieces that make up the next `bytes` bytes, or all there are.
    pub(crate) fn take(&mut self, bytes: usize, mut take: impl FnMut(Piece<'_>)) {
        let mut left = bytes.min(self.bytes);
        self.bytes -= left;
        while left > 0 {
            if self.first.bytes.is_empty() && self.rest.is_empty() && self.tail.len() == left {
                take(Piece::Copied(&self.tail));
                self.held.own -= self.tail.capacity();
                self.tail.clear();
                if self.tail.capacity() > TAIL_KEPT {
                    self.tail = Vec::new();
                }
                break;
            }
            self.advance();
            let length = left.min(self.first.bytes.len());
            take(Piece::Slice(self.first.bytes.split_to(length)));
            left -= length;
            if self.first.bytes.is_empty() {
                // Its memory is free as soon as it was taken.
                let first = mem::take(&mut self.first);
                self.held -= first.held();
            }
        }
        if self.rest.is_empty() && self.rest.capacity() > 0 {
            self.rest = VecDeque::new();
        }
    }

    /// The next chunk, as it was pushed or joined with short ones.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        self.advance();
        let mut chunk = None;
        self.take(self.first.bytes.len(), |first| chunk = Some(first.into()));
        chunk
    }

    /// The next `N` bytes without taking them; `None` while there are fewer.
    pub(crate) fn peek<const N: usize>(&self) -> Option<[u8; N]> {
        let mut peeked = [0; N];
        let mut bytes = self.first.bytes.iter().chain(self.rest.iter().flat_map(|chunk| &chunk.bytes)).chain(&self.tail);
        for place in &mut peeked {
            *place = *bytes.next()?;
        }
        Some(peeked)
    }

    /// Takes the next `bytes` bytes in one piece, copying only if they lie in several.
    pub(crate) fn gather(&mut self, bytes: usize) -> Bytes {
        let mut whole = Bytes::new();
        if bytes <= self.first.bytes.len() {
            self.take(bytes, |piece| whole = piece.into());
            return whole;
        }
        let mut joined = BytesMut::with_capacity(bytes);
        self.take(bytes, |piece| joined.extend_from_slice(&piece));
        joined.freeze()
    }

    /// Forgets everything; how many bytes that were.
    pub(crate) fn clear(&mut self) -> usize {
        mem::take(self).bytes
    }
}

/// A stream's queue as long as it has one: an idle stream is a small one.
#[derive(Default)]
pub(crate) struct Backlog(Option<Box<Queue>>);

thread_local! {
    /// Queues that were emptied and are used again, by whatever stream comes next; in their boxes, which are what a stream holds.
    #[expect(clippy::vec_box)]
    static SPARES: RefCell<Vec<Box<Queue>>> = const { RefCell::new(Vec::new()) };
}

/// So many of them are kept by a thread.
const SPARES_MAX: usize = 128;

impl Backlog {
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What its bytes hold beyond themselves.
    pub(crate) fn held(&self) -> Held {
        self.0.as_ref().map_or_else(Held::default, |queue| queue.held())
    }

    /// The queue, to put something in.
    pub(crate) fn open(&mut self) -> &mut Queue {
        self.0.get_or_insert_with(|| SPARES.with_borrow_mut(Vec::pop).unwrap_or_default())
    }

    /// As [`Queue::take`].
    pub(crate) fn take(&mut self, bytes: usize, take: impl FnMut(Piece<'_>)) {
        let Some(queue) = &mut self.0 else { return };
        queue.take(bytes, take);
        if queue.is_empty()
            && let Some(queue) = self.0.take()
        {
            SPARES.with_borrow_mut(|spares| {
                if spares.len() < SPARES_MAX {
                    spares.push(queue);
                }
            });
        }
    }

    /// As [`Queue::clear`].
    pub(crate) fn clear(&mut self) -> usize {
        self.0.take().map_or(0, |mut queue| queue.clear())
    }
}

/// A part of a queue, taken out.
pub(crate) enum Piece<'a> {
    /// A part of a chunk as it was pushed.
    Slice(Bytes),
    /// Short chunks that were copied together.
    Copied(&'a [u8]),
}

impl Deref for Piece<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Slice(slice) => slice,
            Self::Copied(bytes) => bytes,
        }
    }
}

impl From<Piece<'_>> for Bytes {
    fn from(piece: Piece<'_>) -> Self {
        match piece {
            Piece::Slice(slice) => slice,
            Piece::Copied(bytes) => Self::copy_from_slice(bytes),
        }
    }
}

/// A chunk this short is copied: a handle on it would cost as much as the copy, and hold many times its payload, say a window's worth of single bytes
/// from a hostile peer.
pub const SHORT: usize = 2 * 1024;

/// Memory for copies is asked for in blocks of at least this size.
const TAIL_MIN: usize = 512;

/// What an emptied queue keeps for its next tail.
const TAIL_KEPT: usize = 1024;

/// Where joining stops, so that a chunk stays cheap to copy out of its place.
const JOINED_MAX: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(queue: &mut Queue, bytes: usize) -> Vec<Bytes> {
        let mut slices = Vec::new();
        queue.take(bytes, |piece| slices.push(piece.into()));
        slices
    }

    #[test]
    fn bytes_come_out_in_order_at_any_length() {
        let mut queue = Queue::default();
        for chunk in ["abc", "", "de", "f"] {
            queue.push(Bytes::from_static(chunk.as_bytes()));
        }
        assert_eq!(queue.len(), 6);
        assert_eq!(taken(&mut queue, 1), ["a"]);
        assert_eq!(taken(&mut queue, 3).concat(), b"bcd");
        assert_eq!(queue.peek(), Some(*b"ef"));
        assert_eq!(queue.peek::<3>(), None);
        assert_eq!(queue.gather(1), "e");
        assert_eq!(queue.pop(), Some(Bytes::from_static(b"f")));
        assert_eq!(queue.pop(), None);
        assert!(queue.is_empty() && taken(&mut queue, 1).is_empty());
    }

    #[test]
    fn slices_share_the_memory_that_was_pushed() {
        let chunk = Bytes::from(vec![7; 100]);
        let start = chunk.as_ptr();
        let mut queue = Queue::default();
        queue.push(chunk);
        assert_eq!(taken(&mut queue, 40)[0].as_ptr(), start);
        assert_eq!(taken(&mut queue, 60)[0].as_ptr(), start.wrapping_add(40));
        let long = Bytes::from(vec![7; SHORT + 1]);
        queue.push(Bytes::from_static(b"a"));
        queue.push(long.clone());
        assert_eq!(taken(&mut queue, 2 * SHORT)[1].as_ptr(), long.as_ptr());
    }

    #[test]
    fn a_window_of_single_bytes_is_held_in_few_chunks() {
        let read = Bytes::from((0..=255).cycle().take(100_000).collect::<Vec<u8>>());
        let mut queue = Queue::default();
        for at in 0..read.len() {
            queue.push(read.slice(at..=at));
        }
        assert!(queue.rest.len() <= read.len() / JOINED_MAX + 1, "{}", queue.rest.len());
        assert_eq!(queue.gather(read.len()), read);
    }

    #[test]
    fn joining_leaves_the_memory_of_others_alone() {
        let mine = Bytes::from(b"abcdef".to_vec());
        let mut queue = Queue::default();
        queue.push(mine.slice(..3));
        queue.push(Bytes::from_static(b"XYZ"));
        assert_eq!((&mine[..], &queue.gather(6)[..]), (&b"abcdef"[..], &b"abcXYZ"[..]));
    }

    #[test]
    fn what_is_held_is_counted_with_all_of_its_memory_until_the_last_of_it_leaves() {
        let mut queue = Queue::default();
        for chunk in [3000, 10, 20, 4000, 30] {
            queue.push(Bytes::from(vec![1; chunk]));
        }
        assert_eq!(queue.held(), Held { own: 2 * TAIL_MIN, slices: 2 });
        taken(&mut queue, 2999);
        assert_eq!(queue.held().slices, 2, "one byte holds as much as all of them");
        taken(&mut queue, 1 + 25);
        assert_eq!(queue.held(), Held { own: 2 * TAIL_MIN, slices: 1 });
        taken(&mut queue, 5 + 4000 + 29);
        assert_eq!(queue.held(), Held { own: TAIL_MIN, slices: 0 });
        taken(&mut queue, 1);
        assert_eq!((queue.held(), queue.len()), (Held::default(), 0));
    }

    #[test]
    fn nothing_holds_nothing_wherever_it_is_pushed() {
        let mut queue = Queue::default();
        queue.push_short(&[1; 10]);
        taken(&mut queue, 10);
        queue.push(Bytes::from(vec![1; 3000]));
        for chunk in ["", "a", ""] {
            queue.push(Bytes::from_static(chunk.as_bytes()));
        }
        assert_eq!(queue.held(), Held { own: TAIL_MIN, slices: 1 });
        taken(&mut queue, 3001);
        assert_eq!(queue.held(), Held::default());
    }

    #[test]
    fn what_a_writer_handed_in_counts_as_the_queues_own() {
        let mut queue = Queue::default();
        queue.push_own(Bytes::from(vec![1; 5000]));
        queue.push_own(Bytes::from(vec![1; 10]));
        assert_eq!(queue.held(), Held { own: 5000 + TAIL_MIN, slices: 0 });
        taken(&mut queue, 5010);
        assert_eq!(queue.held(), Held::default());
    }

    #[test]
    fn an_emptied_queue_holds_next_to_no_memory() {
        let mut queue = Queue::default();
        for _ in 0..100 {
            queue.push(Bytes::from_static(&[0; SHORT + 1]));
        }
        assert!(queue.rest.capacity() > 0);
        taken(&mut queue, 100 * (SHORT + 1));
        assert!(queue.rest.capacity() == 0 && queue.tail.capacity() <= TAIL_KEPT);
    }
}
