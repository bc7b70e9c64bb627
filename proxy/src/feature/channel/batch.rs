//! What a publisher sent since it was last looked at, made into records once for all who read it.

use std::{mem, ops::Range, sync::Arc};

use browser_stream_protocol::channel::{Delivered, Records, delivered_head};
use bytes::{BufMut, Bytes, BytesMut};

use crate::memory::{Memory, booked};

/// A record for readers, with what has to be known to leave it out.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub publisher: u32,
    /// Which of the publisher's messages.
    pub message: u64,
    pub kind: Kind,
    /// Bytes of that message in it.
    pub payload: usize,
    /// The record, or its head.
    pub head: Bytes,
    /// The rest of it, a slice of what was read.
    pub body: Bytes,
}

/// What a record does to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes of it: its first, its last, both, or neither.
    Part { begins: bool, ends: bool },
    /// It is given up.
    Cut,
    /// It is about no message.
    Word,
    /// So many were left out here; the record is made when it leaves.
    Skipped(u64),
}

impl Item {
    /// A record that is about no message.
    pub fn word(publisher: u32, record: &Delivered) -> Self {
        let mut head = BytesMut::new();
        record.write(&mut head);
        Self { publisher, message: 0, kind: Kind::Word, payload: 0, head: head.freeze(), body: Bytes::new() }
    }

    pub fn begins(&self) -> bool {
        matches!(self.kind, Kind::Part { begins: true, .. })
    }

    pub fn ends(&self) -> bool {
        matches!(self.kind, Kind::Part { ends: true, .. } | Kind::Cut)
    }

    /// Bytes on the wire.
    pub fn wire(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// The same in memory of its own, for who keeps it: a slice would keep all that was read with it.
    pub fn owned(&self, memory: &Arc<Memory>) -> Self {
        let mut bytes = BytesMut::with_capacity(self.wire());
        bytes.put_slice(&self.head);
        bytes.put_slice(&self.body);
        Self { head: booked(bytes, memory), body: Bytes::new(), ..*self }
    }
}

/// Records in a row, all of one publisher.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub publisher: u32,
    pub items: Vec<Item>,
    /// All of them, in as few slices as it takes.
    pub wire: Vec<Bytes>,
    /// Bytes of `wire`.
    pub bytes: usize,
    /// Bytes of messages in it.
    pub payload: u64,
    /// Of the publisher's messages so many are over behind it.
    pub messages: u64,
    /// And one more was begun.
    pub is_midway: bool,
}

/// Makes batches of what one publisher sends.
#[derive(Debug)]
pub(super) struct Batcher {
    publisher: u32,
    memory: Arc<Memory>,
    longest: u64,
    message: u64,
    is_midway: bool,
    /// Bytes of the message under way.
    length: u64,
    /// Records that are short enough to be copied, and the heads of others.
    run: BytesMut,
    pieces: Vec<Piece>,
    bytes: usize,
    payload: u64,
}

#[derive(Debug)]
struct Piece {
    message: u64,
    kind: Kind,
    payload: usize,
    run: Range<usize>,
    body: Bytes,
}

/// A message is longer than any may be.
#[derive(Debug)]
pub(super) struct TooLong;

/// A batch has no more records than this, and begins none when it has so many bytes: readers get it before the next is looked at.
const ITEMS_MAX: usize = 1024;
pub(super) const BYTES_MAX: usize = 128 * 1024;

/// Bytes of messages are copied up to here, once for all readers: a slice may keep all that was read with it, sixteen times as much at most.
const COPY_MAX: usize = 16 * 1024;

impl Batcher {
    pub fn new(publisher: u32, longest: usize, memory: Arc<Memory>) -> Self {
        let (run, pieces, longest) = (BytesMut::new(), Vec::new(), longest as u64);
        Self { publisher, memory, longest, message: 0, is_midway: false, length: 0, run, pieces, bytes: 0, payload: 0 }
    }

    /// So many messages are not here.
    #[cfg(feature = "cluster")]
    pub fn skip(&mut self, messages: u64) {
        self.message += messages;
    }

    pub fn is_full(&self) -> bool {
        self.pieces.len() >= ITEMS_MAX || self.bytes >= BYTES_MAX
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Adds bytes of the message under way; with `last` it is whole.
    pub fn add(&mut self, bytes: Bytes, last: bool) -> Result<(), TooLong> {
        self.length += bytes.len() as u64;
        if self.length > self.longest {
            return Err(TooLong);
        }
        self.payload += bytes.len() as u64;
        self.bytes += bytes.len();
        let start = self.run.len();
        delivered_head(self.publisher, bytes.len(), last, &mut self.run);
        let payload = bytes.len();
        let body = if bytes.len() <= COPY_MAX {
            self.run.put_slice(&bytes);
            Bytes::new()
        } else {
            bytes
        };
        self.push(start, Kind::Part { begins: !self.is_midway, ends: last }, payload, body);
        self.is_midway = true;
        if last {
            self.end();
        }
        Ok(())
    }

    /// The message under way is given up.
    pub fn cut(&mut self) {
        if self.is_midway {
            let start = self.run.len();
            Delivered::Cut(self.publisher).write(&mut self.run);
            self.push(start, Kind::Cut, 0, Bytes::new());
            self.end();
        }
    }

    /// What was added since the last time.
    pub fn take(&mut self) -> Batch {
        let run = booked(mem::take(&mut self.run), &self.memory);
        let bytes = run.len() + self.pieces.iter().map(|piece| piece.body.len()).sum::<usize>();
        let (mut wire, mut from) = (Vec::with_capacity(2), 0);
        for piece in self.pieces.iter().filter(|piece| !piece.body.is_empty()) {
            wire.push(run.slice(from..piece.run.end));
            wire.push(piece.body.clone());
            from = piece.run.end;
        }
        if from < run.len() {
            wire.push(run.slice(from..));
        }
        let publisher = self.publisher;
        let items = self.pieces.drain(..).map(|Piece { message, kind, payload, run: range, body }| {
            let head = run.slice(range);
            Item { publisher, message, kind, payload, head, body }
        });
        let items = items.collect();
        self.bytes = 0;
        Batch { publisher, items, wire, bytes, payload: mem::take(&mut self.payload), messages: self.message, is_midway: self.is_midway }
    }

    fn push(&mut self, start: usize, kind: Kind, payload: usize, body: Bytes) {
        let run = start..self.run.len();
        self.pieces.push(Piece { message: self.message, kind, payload, run, body });
    }

    fn end(&mut self) {
        (self.is_midway, self.length) = (false, 0);
        self.message += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batcher() -> (Batcher, Arc<Memory>) {
        let memory = Arc::new(Memory::new(usize::MAX));
        (Batcher::new(7, 100_000, memory.clone()), memory)
    }

    #[test]
    fn a_long_body_is_never_copied_and_short_messages_lie_together() {
        let (mut batcher, _memory) = batcher();
        let long = Bytes::from(vec![1; COPY_MAX + 1]);
        batcher.add(Bytes::from_static(b"a"), true).unwrap();
        batcher.add(Bytes::from_static(b"b"), true).unwrap();
        batcher.add(long.clone(), false).unwrap();
        batcher.add(Bytes::new(), true).unwrap();
        let batch = batcher.take();
        assert_eq!(batch.wire.len(), 3);
        assert_eq!(batch.wire[1].as_ptr(), long.as_ptr());
        assert_eq!(batch.bytes, batch.wire.iter().map(Bytes::len).sum::<usize>());
        assert_eq!((batch.payload, batch.messages, batch.is_midway), (COPY_MAX as u64 + 3, 3, false));
        let joined: Vec<u8> = batch.items.iter().flat_map(|item| [&item.head[..], &item.body]).flatten().copied().collect();
        assert_eq!(joined, batch.wire.concat(), "the same records either way");
    }

    #[test]
    fn a_message_is_numbered_and_knows_its_first_and_last_part() {
        let (mut batcher, _memory) = batcher();
        batcher.cut();
        batcher.add(Bytes::from_static(b"a"), false).unwrap();
        batcher.add(Bytes::from_static(b"b"), false).unwrap();
        batcher.cut();
        batcher.add(Bytes::new(), true).unwrap();
        let batch = batcher.take();
        let told: Vec<_> = batch.items.iter().map(|item| (item.message, item.begins(), item.ends())).collect();
        assert_eq!(told, [(0, true, false), (0, false, false), (0, false, true), (1, true, true)]);
    }

    #[test]
    fn a_message_that_is_too_long_is_refused_wherever_it_is_cut() {
        let (mut batcher, _memory) = batcher();
        batcher.add(Bytes::from(vec![0; 60_000]), false).unwrap();
        let _ = batcher.take();
        assert!(batcher.add(Bytes::from(vec![0; 40_001]), true).is_err());
    }

    #[test]
    fn what_is_copied_counts_until_the_last_slice_of_it_is_gone() {
        let (mut batcher, memory) = batcher();
        batcher.add(Bytes::from(vec![0; 5000]), true).unwrap();
        let batch = batcher.take();
        let kept = batch.items[0].owned(&memory);
        assert!(memory.used() >= 10_000);
        let slice = kept.head.slice(10..20);
        drop((batch, kept));
        assert!((5000..10_000).contains(&memory.used()));
        drop(slice);
        assert_eq!(memory.used(), 0);
    }
}
