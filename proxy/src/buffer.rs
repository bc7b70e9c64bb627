//! Memory that sockets are read into: asked of the system by itself, so that it goes back there when a crowd has gone, whatever else lives on.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use memmap2::MmapMut;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, ReadBuf};

use crate::memory::Memory;

/// The most that is read at once: a fifth faster than 64 KiB where a stream never pauses.
pub(crate) const READ_MAX: usize = 256 * 1024;

/// Buffers for reading. A few that were given back are kept, since asking the system costs as much as reading.
#[derive(Debug)]
pub(crate) struct Buffers {
    spare: Mutex<Vec<MmapMut>>,
    /// Told of every buffer that is out.
    memory: Arc<Memory>,
}

/// A buffer, given back when dropped, and what of it is filled.
#[derive(Debug)]
pub(crate) struct Buffer {
    map: Option<MmapMut>,
    /// So much of it is filled, and counts: pages that nobody wrote to are nowhere.
    filled: usize,
    buffers: Arc<Buffers>,
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
        let map = spare.map_or_else(|| MmapMut::map_anon(READ_MAX), Ok)?;
        Ok(Buffer { map: Some(map), filled: 0, buffers: self.clone() })
    }
}

impl Buffer {
    /// What it counts in.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.buffers.memory
    }

    /// Reads once, at most so many bytes, behind what is filled; nothing filled then is the end.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, socket: &mut (impl AsyncRead + Unpin), most: usize) -> Poll<io::Result<()>> {
        let mut read = ReadBuf::new(self.room(most));
        ready!(Pin::new(socket).poll_read(cx, &mut read))?;
        let bytes = read.filled().len();
        self.fill(bytes);
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
        self.map.as_mut().and_then(|map| map.get_mut(self.filled..end)).unwrap_or_default()
    }

    /// So many bytes of the room were written just now.
    fn fill(&mut self, bytes: usize) {
        self.filled += bytes;
        self.buffers.memory.take(bytes);
    }

    /// What is filled.
    pub fn filled(&mut self) -> &mut [u8] {
        self.map.as_mut().and_then(|map| map.get_mut(..self.filled)).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.map.as_ref().and_then(|map| map.get(..self.filled)).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.buffers.memory.give(self.filled);
        let mut spare = self.buffers.spare.lock();
        if spare.len() < SPARE_MAX {
            spare.extend(self.map.take());
        }
    }
}

/// 2 MiB: what a few busy sessions have on their way.
const SPARE_MAX: usize = 8;

#[cfg(test)]
mod tests {
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
