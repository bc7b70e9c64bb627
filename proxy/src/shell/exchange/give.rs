//! What one receiver gets: the list, and a file.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use browser_stream_client::{
    Stream, StreamError,
    values::{Json, Values},
};
use bytes::{Buf, Bytes, BytesMut};
use futures::FutureExt;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::{JoinHandle, spawn_blocking},
};

use super::{
    offer::{Offered, Reader},
    wire::{self, Files, Get, PIECE, Told, code},
};

/// A receiver that looks on. Dropped, it is told that nobody sends any more.
pub struct Onlooker {
    values: Values<Stream, Json>,
}

impl Onlooker {
    pub fn new(stream: Stream) -> Self {
        Self { values: Values::new(stream, Json) }
    }

    /// Tells it what there is; until it goes.
    pub async fn look(mut self, files: Files) {
        if self.values.send(&Told::Files(files)).await.is_ok() {
            while let Ok(Some(_)) = self.values.next::<Value>().await {}
        }
    }
}

impl Drop for Onlooker {
    fn drop(&mut self) {
        // What does not fit now would not be heard in time either.
        let _ = self.values.send(&Told::Bye { reason: "The sender stopped sharing.".into() }).now_or_never();
        self.values.stream_mut().finish();
    }
}

/// Why a file did not get there.
#[derive(Debug)]
pub enum Broken {
    /// The stream ended, with what the receiver said.
    Stream(StreamError, Option<String>),
    /// The file cannot be read, or is another one.
    File(io::Error),
    /// The receiver holds a part of another file.
    Another,
}

/// A stream with a receiver that wants a file. Dropped before its end, the receiver is told that it ends.
pub struct Giving {
    stream: Stream,
    is_over: bool,
    /// What the receiver said last, as far as it has come.
    said: BytesMut,
    has_finished: bool,
    held: u64,
}

impl Giving {
    pub fn new(stream: Stream) -> Self {
        Self { stream, is_over: false, said: BytesMut::new(), has_finished: false, held: 0 }
    }

    /// Ends the stream with this code.
    pub fn refuse(mut self, code: u32, message: &str) {
        self.is_over = true;
        self.stream.error_with(code, message);
    }

    /// Sends the file to its end, and waits until the receiver has all of it. `held` hears how much it holds.
    pub async fn give(mut self, offered: &Offered, get: Get, held: impl FnMut(u64)) -> Result<(), Broken> {
        let given = self.pass(offered, get, held).await;
        match &given {
            Err(Broken::File(_)) => self.refuse(code::CHANGED, "The file cannot be read any more: it was changed, moved or deleted."),
            Err(Broken::Another) => self.refuse(code::ANOTHER, "What you hold is of another file."),
            Ok(()) | Err(Broken::Stream(..)) => self.is_over = true,
        }
        given
    }

    async fn pass(&mut self, offered: &Offered, get: Get, mut held: impl FnMut(u64)) -> Result<(), Broken> {
        let (size, mut at) = (offered.said.size, get.from);
        let reader = blocking({
            let offered = offered.clone();
            move || {
                let reader = offered.open()?;
                fits(&reader, &get, size).map(|fits| fits.then_some(Arc::new(reader)))
            }
        })
        .await?
        .ok_or(Broken::Another)?;
        let mut all = Sha256::new();
        let mut next = prepared(&reader, at);
        while at < size {
            let (digest, frame, length) = next.await.map_err(|error| Broken::File(io::Error::other(error)))?.map_err(Broken::File)?;
            at += length;
            // While this one leaves, the next is read.
            next = prepared(&reader, at);
            all.update(digest);
            self.write(frame, &mut held).await?;
        }
        self.write(wire::end(all.finalize().into()), &mut held).await?;
        self.stream.finish();
        poll_fn(|cx| self.poll_said(cx, &mut held)).await.map_err(|error| self.broken(&error))?;
        if self.held == size { Ok(()) } else { Err(Broken::Stream(StreamError::Lost, None)) }
    }

    /// Writes a frame, and hears the receiver meanwhile.
    async fn write(&mut self, mut frame: Bytes, held: &mut impl FnMut(u64)) -> Result<(), Broken> {
        let written = poll_fn(|cx| {
            // What it says is not waited for here.
            if let Poll::Ready(Err(error)) = self.poll_said(cx, held) {
                return Poll::Ready(Err(error));
            }
            while !frame.is_empty() {
                let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &frame))?;
                frame.advance(written);
            }
            Poll::Ready(Ok(()))
        });
        written.await.map_err(|error: io::Error| self.broken(&error))
    }

    /// Reads what the receiver says to hold; ready when it has finished.
    fn poll_said(&mut self, cx: &mut Context<'_>, held: &mut impl FnMut(u64)) -> Poll<io::Result<()>> {
        while !self.has_finished {
            let mut space = [0; 64];
            let mut buffer = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            self.has_finished = buffer.filled().is_empty();
            self.said.extend_from_slice(buffer.filled());
            while self.said.len() >= size_of::<u64>() {
                self.held = self.said.get_u64();
                held(self.held);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn broken(&self, error: &io::Error) -> Broken {
        let error = error.get_ref().and_then(|inner| inner.downcast_ref()).copied().unwrap_or(StreamError::Lost);
        Broken::Stream(error, self.stream.message())
    }
}

impl Drop for Giving {
    fn drop(&mut self) {
        if !self.is_over {
            self.stream.error_with(code::WITHDRAWN, "The sender stopped.");
        }
    }
}

/// A piece as it is sent: its digest, its frame, its length.
type Prepared = ([u8; wire::DIGEST], Bytes, u64);

/// Begins to read the piece at this place.
fn prepared(reader: &Arc<Reader>, at: u64) -> JoinHandle<io::Result<Prepared>> {
    let reader = reader.clone();
    spawn_blocking(move || {
        let bytes = reader.piece(at)?;
        let digest = wire::digest(&bytes);
        Ok((digest, wire::piece(digest, &bytes), bytes.len() as u64))
    })
}

/// Whether the receiver holds the beginning of this very file.
fn fits(reader: &Reader, get: &Get, size: u64) -> io::Result<bool> {
    let piece = u64::from(PIECE);
    if get.from == 0 {
        return Ok(true);
    }
    if get.from > size || (!get.from.is_multiple_of(piece) && get.from != size) {
        return Ok(false);
    }
    let mut last = reader.piece((get.from - 1) / piece * piece)?;
    last.truncate(usize::try_from((get.from - 1) % piece + 1).map_err(io::Error::other)?);
    Ok(get.have.as_deref() == Some(&wire::hex(&wire::digest(&last))))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Broken> {
    spawn_blocking(work).await.map_err(io::Error::other).and_then(|done| done).map_err(Broken::File)
}
