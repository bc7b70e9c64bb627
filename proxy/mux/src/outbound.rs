//! Frames on their way out: headers and short payloads packed together, long payloads as slices of what the sender handed in.

use std::{cell::Cell, mem};

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Header, queue::Piece};

/// What [`Connection::transmit`](crate::Connection::transmit) puts out. Keep one per session: its memory is used again.
///
/// See [`Connection`](crate::Connection).
#[derive(Debug, Default)]
pub struct Outbound {
    /// Whole frames, in order; write them out back to back. The writer takes them away.
    pub buffers: Vec<Bytes>,
    scratch: BytesMut,
    total: u64,
}

/// Up to here a copy is cheaper than one more slice for the socket.
const COPY_MAX: usize = 2 * 1024;

/// Scratch memory is asked for in blocks of this size: 340 headers.
const BLOCK: usize = 4 * 1024;

/// And in such behind the first ones, where there is much to say.
const BLOCK_MAX: usize = 16 * 1024;

thread_local! {
    /// Memory that was given back, for whoever writes next.
    static SPARE: Cell<Outbound> = Cell::default();
}

impl Outbound {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the memory back, for a session that goes idle, where all that was put in has left; the thread keeps it for the next.
    pub fn release(&mut self) {
        if self.scratch.capacity() == 0 || !self.scratch.is_empty() || !self.buffers.is_empty() {
            return;
        }
        SPARE.set(mem::replace(self, Self { total: self.total, ..Self::default() }));
    }

    /// Bytes ever put in.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    #[inline]
    pub(crate) fn header(&mut self, header: Header) {
        self.copy(&header.encode());
    }

    #[inline]
    pub(crate) fn payload(&mut self, piece: Piece<'_>) {
        if piece.len() <= COPY_MAX {
            return self.copy(&piece);
        }
        self.flush();
        self.total += piece.len() as u64;
        self.buffers.push(piece.into());
    }

    /// Moves what was packed so far into `buffers`.
    pub(crate) fn flush(&mut self) {
        if !self.scratch.is_empty() {
            self.buffers.push(self.scratch.split().freeze());
        }
    }

    #[cold]
    fn take_block(&mut self) {
        self.flush();
        if self.scratch.capacity() == 0 {
            let spare = SPARE.take();
            self.scratch = spare.scratch;
            if self.buffers.is_empty() {
                self.buffers = spare.buffers;
            }
        }
        self.scratch.reserve(if self.buffers.len() < 2 { BLOCK } else { BLOCK_MAX });
    }

    #[inline]
    fn copy(&mut self, bytes: &[u8]) {
        if self.scratch.capacity() - self.scratch.len() < bytes.len() {
            self.take_block();
        }
        self.total += bytes.len() as u64;
        self.scratch.put_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Flags, Kind};

    const HEADER: Header = Header { kind: Kind::Data, flags: Flags::NONE, stream: 1, length: 3 };

    #[test]
    fn short_payloads_share_a_buffer_with_their_headers() {
        let mut out = Outbound::new();
        for _ in 0..3 {
            out.header(HEADER);
            out.payload(Piece::Copied(b"abc"));
        }
        out.flush();
        assert_eq!(out.buffers.len(), 1);
        assert_eq!(out.buffers[0].len(), 45);
    }

    #[test]
    fn a_long_payload_is_not_copied() {
        let payload = Bytes::from(vec![1; COPY_MAX + 1]);
        let mut out = Outbound::new();
        out.header(HEADER);
        out.payload(Piece::Slice(payload.clone()));
        out.header(HEADER);
        out.flush();
        assert_eq!(out.buffers.len(), 3);
        assert_eq!(out.buffers[1].as_ptr(), payload.as_ptr());
        assert_eq!(out.total(), (2 * Header::BYTES + payload.len()) as u64);
    }

    #[test]
    fn scratch_memory_is_used_again_once_it_was_written() {
        let mut out = Outbound::new();
        out.header(HEADER);
        out.flush();
        let first = out.buffers[0].as_ptr();
        let mut reused = false;
        for _ in 0..2 * BLOCK / Header::BYTES {
            out.buffers.clear();
            out.header(HEADER);
            out.flush();
            reused |= out.buffers[0].as_ptr() == first;
        }
        assert!(reused);
    }

    #[test]
    fn an_idle_session_keeps_no_memory_and_the_next_that_writes_has_it() {
        let mut out = Outbound::new();
        out.header(HEADER);
        out.flush();
        out.release();
        assert_eq!(out.buffers.len(), 1, "what has not left stays");
        out.buffers.clear();
        out.release();
        assert_eq!((out.buffers.capacity(), out.scratch.capacity()), (0, 0));
        let mut next = Outbound::new();
        next.header(HEADER);
        assert!(next.buffers.capacity() > 0);
    }
}
