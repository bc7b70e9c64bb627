//! What waits on one stream, to be sent or to be read: chunks as they were handed in, taken out at any length without copying.

use std::{collections::VecDeque, mem};

use bytes::{Bytes, BytesMut};

/// The first chunk lies in the struct itself, so a stream that sends one message at a time never allocates, and an idle one holds nothing.
/// Short chunks behind it are copied together at the tail.
#[derive(Default)]
pub(crate) struct Queue {
    first: Bytes,
    rest: VecDeque<Bytes>,
    tail: Vec<u8>,
    bytes: usize,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(crate) fn push(&mut self, chunk: Bytes) {
        let first = self.bytes == 0;
        self.bytes += chunk.len();
        if first {
            self.first = chunk;
            return;
        }
        if chunk.len() <= SHORT && self.tail.len() + chunk.len() <= JOINED_MAX {
            if self.tail.is_empty() {
                self.tail.reserve(SHORT);
            }
            self.tail.extend_from_slice(&chunk);
            return;
        }
        self.close_tail();
        if chunk.len() <= SHORT {
            self.tail.extend_from_slice(&chunk);
        } else {
            self.rest.push_back(chunk);
        }
    }

    /// The tail becomes a chunk like any other.
    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.rest.push_back(mem::take(&mut self.tail).into());
        }
    }

    /// Hands `take` slices that make up the next `bytes` bytes, or all there are.
    pub(crate) fn take(&mut self, bytes: usize, mut take: impl FnMut(Bytes)) {
        let mut left = bytes.min(self.bytes);
        self.bytes -= left;
        while left > 0 {
            if self.first.len() > left {
                take(self.first.split_to(left));
                return;
            }
            let next = self.rest.pop_front().unwrap_or_else(|| mem::take(&mut self.tail).into());
            let chunk = mem::replace(&mut self.first, next);
            left -= chunk.len();
            take(chunk);
        }
        if self.rest.is_empty() {
            self.rest = VecDeque::new();
        }
    }

    /// The next chunk, as it was pushed or joined with short ones.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let mut chunk = None;
        self.take(self.first.len(), |first| chunk = Some(first));
        chunk
    }

    /// The next `N` bytes without taking them; `None` while there are fewer.
    pub(crate) fn peek<const N: usize>(&self) -> Option<[u8; N]> {
        let mut peeked = [0; N];
        let mut bytes = self.first.iter().chain(self.rest.iter().flatten()).chain(&self.tail);
        for place in &mut peeked {
            *place = *bytes.next()?;
        }
        Some(peeked)
    }

    /// Takes the next `bytes` bytes in one piece, copying only if they lie in several.
    pub(crate) fn gather(&mut self, bytes: usize) -> Bytes {
        let mut whole = Bytes::new();
        if bytes <= self.first.len() {
            self.take(bytes, |slice| whole = slice);
            return whole;
        }
        let mut joined = BytesMut::with_capacity(bytes);
        self.take(bytes, |slice| joined.extend_from_slice(&slice));
        joined.freeze()
    }

    /// Forgets everything; how many bytes that were.
    pub(crate) fn clear(&mut self) -> usize {
        mem::take(self).bytes
    }
}

/// A chunk this short is copied behind the one before it: a handle on it would cost more than the copy, and a queue of them, say a window's worth of
/// single bytes from a hostile peer, many times its payload.
const SHORT: usize = 512;

/// Where joining stops, so that a chunk stays cheap to copy out of its place.
const JOINED_MAX: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(queue: &mut Queue, bytes: usize) -> Vec<Bytes> {
        let mut slices = Vec::new();
        queue.take(bytes, |slice| slices.push(slice));
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
        assert_eq!(taken(&mut queue, 1000)[1].as_ptr(), long.as_ptr());
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
    fn an_emptied_queue_holds_no_memory() {
        let mut queue = Queue::default();
        for _ in 0..100 {
            queue.push(Bytes::from_static(&[0; 1000]));
        }
        assert!(queue.rest.capacity() > 0);
        taken(&mut queue, 100_000);
        assert_eq!(queue.rest.capacity() + queue.tail.capacity(), 0);
    }
}
