//! Memory that sockets are read into: asked of the system by itself, so that it goes back there when a crowd has gone, whatever else lives on.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use memmap2::MmapMut;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, ReadBuf};

use crate::memory::{Lease, Memory};

/// The most that is read at once: a fifth faster than 64 KiB where a stream never pauses.
pub(crate) const READ_MAX: usize = 256 * 1024;

/// Buffers for reading. A few that were given back are kept, since asking the system costs as much as reading.
#[derive(Debug)]
pub(crate) struct Buffers {
    spare: Mutex<Vec<Pages>>,
    /// Told of every buffer that is out.
    memory: Arc<Memory>,
}

/// A buffer, given back when dropped, and what of it is filled.
#[derive(Debug)]
pub(crate) struct Buffer {
    pages: Option<Pages>,
    filled: usize,
    buffers: Arc<Buffers>,
}

/// Memory of the system's, and how much of it was ever written to: that counts, whatever of it is filled now, for the system has it back with the whole
/// mapping only. Pages that nobody wrote to are nowhere.
#[derive(Debug)]
struct Pages {
    map: MmapMut,
    touched: usize,
}

impl Buffers {
    /// None yet; those that are out count in `memory`.
    pub fn new(memory: Arc<Memory>) -> Self {
        Self { spare: Mutex::default(), memory }
    }

    /// An empty buffer of [`READ_MAX`].
    ///
    /// # Errors
    /// The system has no more memory.
    pub fn take(self: &Arc<Self>) -> io::Result<Buffer> {
        let spare = self.spare.lock().pop();
        let pages = spare.map_or_else(|| MmapMut::map_anon(READ_MAX).map(|map| Pages { map, touched: 0 }), Ok)?;
        self.memory.take(pages.touched);
        Ok(Buffer { pages: Some(pages), filled: 0, buffers: self.clone() })
    }
}

impl Buffer {
    /// What was read as one run: the buffer itself, or what little is in it in memory of its own, so that little never holds much.
    pub fn into_bytes(self) -> Bytes {
        let read = self.as_ref();
        if read.len() > COPY_MAX {
            return Bytes::from_owner(self);
        }
        let lease = self.buffers.memory.lease(read.len());
        Bytes::from_owner(Leased { bytes: read.to_vec(), _lease: lease })
    }

    /// Reads once, at most so many bytes, behind what is filled; nothing filled then is the end.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, socket: &mut (impl AsyncRead + Unpin), most: usize) -> Poll<io::Result<()>> {
        let mut read = ReadBuf::new(self.room(most));
        ready!(Pin::new(socket).poll_read(cx, &mut read))?;
        let bytes = read.filled().len();
        self.fill(bytes);
        Poll::Ready(Ok(()))
    }

    /// The same until so many bytes are filled or nothing more is there now. What ends it behind the first read, an error too, is met again by the next.
    pub fn poll_read_all(&mut self, cx: &mut Context<'_>, socket: &mut (impl AsyncRead + Unpin), most: usize) -> Poll<io::Result<()>> {
        ready!(self.poll_read(cx, socket, most))?;
        let mut before = 0;
        while before < self.filled && self.filled < most {
            before = self.filled;
            if !matches!(self.poll_read(cx, socket, most - before), Poll::Ready(Ok(()))) {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Copies as many of these bytes as there is room for behind what is filled; how many.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        let room = self.room(bytes.len());
        room.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        let put = room.len();
        self.fill(put);
        put
    }

    fn room(&mut self, most: usize) -> &mut [u8] {
        let end = READ_MAX.min(self.filled.saturating_add(most));
        self.pages.as_mut().and_then(|pages| pages.map.get_mut(self.filled..end)).unwrap_or_default()
    }

    /// So many bytes of the room were written just now.
    fn fill(&mut self, bytes: usize) {
        self.filled += bytes;
        if let Some(pages) = &mut self.pages {
            let touched = pages.touched.max(self.filled);
            self.buffers.memory.take(touched - pages.touched);
            pages.touched = touched;
        }
    }

    /// What is filled.
    pub fn filled(&mut self) -> &mut [u8] {
        self.pages.as_mut().and_then(|pages| pages.map.get_mut(..self.filled)).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.pages.as_ref().and_then(|pages| pages.map.get(..self.filled)).unwrap_or_default()
    }
}

/// A copy of what was read, and its count.
struct Leased {
    bytes: Vec<u8>,
    _lease: Lease,
}

impl AsRef<[u8]> for Leased {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(pages) = self.pages.take() else { return };
        self.buffers.memory.give(pages.touched);
        let mut spare = self.buffers.spare.lock();
        if spare.len() < SPARE_MAX {
            spare.push(pages);
        }
    }
}

/// 2 MiB, which count for nothing while they are spare: what a few busy sessions have on their way.
const SPARE_MAX: usize = 8;

/// A read of no more than this is copied where a part of it lives on, or many of them would hold a mapping each.
const COPY_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn buffers_count_while_they_are_out_and_a_few_are_kept() {
        let memory = Arc::new(Memory::new(usize::MAX));
        let buffers = Arc::new(Buffers::new(memory.clone()));
        let mut out: Vec<Buffer> = (0..2 * SPARE_MAX).map(|_| buffers.take().expect("memory")).collect();
        out.iter_mut().for_each(|buffer| assert_eq!(buffer.put(&[7; 1000]), 1000));
        assert_eq!(memory.used(), 2 * SPARE_MAX * 1000);
        drop(out);
        assert_eq!((memory.used(), buffers.spare.lock().len()), (0, SPARE_MAX));
    }

    #[test]
    fn a_buffer_counts_all_that_was_ever_written_to_its_memory() {
        let memory = Arc::new(Memory::new(usize::MAX));
        let buffers = Arc::new(Buffers::new(memory.clone()));
        buffers.take().expect("memory").put(&[7; 100_000]);
        let mut second = buffers.take().expect("memory");
        second.put(b"little");
        assert_eq!(memory.used(), 100_000, "its pages are held, whatever is in them");
        drop(second);
        assert_eq!(memory.used(), 0);
    }

    /// What each read gives: bytes, an error where there are none, or nothing yet when it is empty.
    struct Pieces(Vec<Poll<&'static str>>);

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            match self.0.pop() {
                Some(Poll::Ready("")) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Some(Poll::Ready(piece)) => into.put_slice(piece.as_bytes()),
                Some(Poll::Pending) => return Poll::Pending,
                None => {}
            }
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_comes_in_pieces_is_read_as_one_until_nothing_is_there_or_it_is_enough() {
        let buffers = Arc::new(Buffers::new(Arc::new(Memory::new(usize::MAX))));
        let read_all = |mut pieces: Vec<Poll<&'static str>>| {
            pieces.reverse();
            let mut buffer = buffers.take().expect("memory");
            let mut cx = Context::from_waker(Waker::noop());
            let polled = buffer.poll_read_all(&mut cx, &mut Pieces(pieces), 8);
            polled.map(|read| read.map(|()| String::from_utf8_lossy(buffer.as_ref()).into_owned()).map_err(|error| error.kind()))
        };
        let ready = |text: &str| Poll::Ready(Ok(text.to_owned()));
        assert_eq!(read_all(vec![Poll::Ready("one"), Poll::Ready("two"), Poll::Pending, Poll::Ready("3")]), ready("onetwo"));
        assert_eq!(
            read_all(vec![Poll::Ready("four"), Poll::Ready("five"), Poll::Ready("6")]),
            ready("fourfive"),
            "as much as was asked for"
        );
        assert_eq!(read_all(vec![Poll::Ready("last")]), ready("last"), "then comes the end");
        assert_eq!(read_all(vec![Poll::Ready("last"), Poll::Ready("")]), ready("last"), "what broke behind it is for the next read");
        assert_eq!(read_all(vec![]), ready(""));
        assert_eq!(read_all(vec![Poll::Pending]), Poll::Pending);
        assert_eq!(read_all(vec![Poll::Ready("")]), Poll::Ready(Err(io::ErrorKind::ConnectionReset)));
    }

    #[test]
    fn a_buffer_shows_what_was_filled() {
        let buffers = Arc::new(Buffers::new(Arc::new(Memory::new(usize::MAX))));
        let mut buffer = buffers.take().expect("memory");
        assert_eq!(buffer.put(b"hello"), 5);
        assert_eq!(buffer.filled(), b"hello");
        assert_eq!(buffer.put(&vec![7; READ_MAX]), READ_MAX - 5, "as much as there is room for");
        assert_eq!((&buffer.as_ref()[..6], buffer.as_ref().len()), (&b"hello\x07"[..], READ_MAX));
        drop(buffer);
        assert!(buffers.take().expect("memory").as_ref().is_empty(), "what was in it before is nobody's");
    }
}
