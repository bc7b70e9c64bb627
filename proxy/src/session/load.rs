//! What is on its way into a socket: buffers, out of the memory they lie in, and the head in front of them.

use std::{
    io::{self, IoSlice},
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use super::websocket::HEAD_BYTES_MAX;

/// One message on its way.
#[derive(Default)]
pub(super) struct Load {
    /// Its head, and which part of that is left.
    head: [u8; HEAD_BYTES_MAX],
    left: Range<usize>,
    /// What it is made of; those before `next` have left.
    pub parts: Vec<Bytes>,
    next: usize,
    taken: u64,
}

impl Load {
    /// This goes in front of the parts: so many bytes of it.
    pub fn begin_with(&mut self, (head, count): ([u8; HEAD_BYTES_MAX], usize)) {
        (self.head, self.left) = (head, 0..count);
    }

    /// Bytes of the parts that have not left.
    pub fn left(&self) -> usize {
        self.parts.iter().skip(self.next).map(Bytes::len).sum()
    }

    /// Bytes that the socket has taken so far, of this message and all before it.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Writes it to its end.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>, socket: &mut (impl AsyncWrite + Unpin)) -> Poll<io::Result<()>> {
        while !self.left.is_empty() || self.next < self.parts.len() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let head = self.head.get(self.left.clone()).filter(|head| !head.is_empty());
            let parts = head.into_iter().chain(self.parts.iter().skip(self.next).map(|bytes| &bytes[..]));
            let mut count = 0;
            for (slice, part) in slices.iter_mut().zip(parts) {
                *slice = IoSlice::new(part);
                count += 1;
            }
            let written = ready!(Pin::new(&mut *socket).poll_write_vectored(cx, slices.get(..count).unwrap_or_default()))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.taken += written as u64;
            self.advance(written);
        }
        self.parts.clear();
        self.next = 0;
        if self.parts.capacity() > SLICES_KEPT {
            self.parts = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        let from_head = written.min(self.left.len());
        self.left.start += from_head;
        written -= from_head;
        while written > 0
            && let Some(part) = self.parts.get_mut(self.next)
        {
            if part.len() > written {
                part.advance(written);
                return;
            }
            written -= part.len();
            // Its memory is free as soon as it has left.
            *part = Bytes::new();
            self.next += 1;
        }
    }
}

/// Slices handed to the kernel at once: more cost it more than another call.
const SLICES_MAX: usize = 64;

/// Room for so many slices is kept between messages.
const SLICES_KEPT: usize = 8;
