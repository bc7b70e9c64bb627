//! One file from its sender.

use std::io;

use browser_stream_client::{Stream, StreamError};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::{
    task::spawn_blocking,
    time::{Duration, Instant},
};

use super::{
    part::Part,
    wire::{self, Frame, Frames, code},
};

/// Why a file is not whole.
#[derive(Debug)]
pub enum Broken {
    /// The stream ended, with what the sender said.
    Stream(StreamError, Option<String>),
    /// A piece, or all of them, are not what their digest says.
    Corrupt,
    /// What came is not what a sender says.
    Protocol,
    /// It cannot be written.
    Disk(io::Error),
}

/// A stream from a sender. Dropped before its end, the sender is told that nobody wants the file any more.
pub struct Taking {
    stream: Stream,
    is_over: bool,
    /// When the sender was told last how much is there, and how much that was.
    told: (Instant, u64),
}

/// The sender is told so often what is there.
const TELL: Duration = Duration::from_millis(200);

impl Taking {
    pub fn new(stream: Stream) -> Self {
        Self { stream, is_over: false, told: (Instant::now(), u64::MAX) }
    }

    /// Takes the file to its end: verified, and the sender knows. The part comes back in any case, with all whole pieces; `held` hears how much that is.
    pub async fn take(mut self, part: Part, size: u64, piece: u32, held: impl FnMut(u64)) -> (Option<Part>, Result<(), Broken>) {
        let mut part = Some(part);
        let taken = self.pass(&mut part, size, piece, held).await;
        let end = match &taken {
            Err(Broken::Corrupt) => Some((code::CORRUPT, "A piece did not arrive as it was sent.")),
            Err(Broken::Protocol) => Some((code::CORRUPT, "What came is not what a sender says.")),
            Err(Broken::Disk(_)) => Some((code::UNWRITABLE, "The receiver cannot write the file.")),
            Ok(()) | Err(Broken::Stream(..)) => None,
        };
        if let Some((code, message)) = end {
            self.stream.error_with(code, message);
        }
        self.is_over = true;
        (part, taken)
    }

    async fn pass(&mut self, part: &mut Option<Part>, size: u64, piece: u32, mut held: impl FnMut(u64)) -> Result<(), Broken> {
        let (mut frames, mut all) = (Frames::new(piece), Sha256::new());
        loop {
            while let Some(frame) = frames.take().map_err(|_| Broken::Protocol)? {
                match frame {
                    Frame::Piece(digest, bytes) => {
                        let now = put(part, digest, bytes, size, piece).await?;
                        all.update(digest);
                        held(now);
                        self.tell(now, false).await?;
                    }
                    Frame::End(digest) => {
                        let there = part.as_ref().map_or(0, Part::held);
                        if there != size || digest != <[u8; wire::DIGEST]>::from(all.finalize()) {
                            return Err(Broken::Corrupt);
                        }
                        self.tell(size, true).await?;
                        return self.stream.sent().await.map_err(|error| self.broken(error));
                    }
                    Frame::Note => {}
                }
            }
            match self.stream.read_chunk().await {
                Ok(Some(chunk)) => frames.push(&chunk),
                // A part only: it may be a sender that is gone in the middle.
                Ok(None) if frames.is_within() => return Err(Broken::Protocol),
                Ok(None) => return Err(Broken::Stream(StreamError::Lost, None)),
                Err(error) => return Err(self.broken(error)),
            }
        }
    }

    /// Says how much is there, now and then.
    async fn tell(&mut self, held: u64, is_all: bool) -> Result<(), Broken> {
        let (last, told) = self.told;
        if held == told || (!is_all && last.elapsed() < TELL) {
            return Ok(());
        }
        self.told = (Instant::now(), held);
        self.stream.write_chunk(Bytes::copy_from_slice(&held.to_be_bytes())).await.map_err(|error| self.broken(error))
    }

    fn broken(&self, error: StreamError) -> Broken {
        Broken::Stream(error, self.stream.message())
    }
}

/// Verifies a piece and puts it behind the others: bytes that are there then.
async fn put(part: &mut Option<Part>, digest: [u8; wire::DIGEST], bytes: Bytes, size: u64, piece: u32) -> Result<u64, Broken> {
    let mut taken = part.take().ok_or(Broken::Protocol)?;
    let left = size - taken.held();
    if bytes.len() as u64 != left.min(u64::from(piece)) {
        *part = Some(taken);
        return Err(Broken::Protocol);
    }
    let put = spawn_blocking(move || {
        let put = if wire::digest(&bytes) == digest { taken.put(&bytes).map_err(Broken::Disk) } else { Err(Broken::Corrupt) };
        (taken, put)
    });
    let (taken, put) = put.await.map_err(|error| Broken::Disk(io::Error::other(error)))?;
    let held = taken.held();
    *part = Some(taken);
    put.map(|()| held)
}

impl Drop for Taking {
    fn drop(&mut self) {
        if !self.is_over {
            self.stream.error_with(code::UNWANTED, "The receiver stopped.");
        }
    }
}
