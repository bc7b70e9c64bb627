//! A stream between a client and a server.

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use browser_stream_mux::{Stream as Carrier, StreamError};
use bytes::Bytes;
use futures::future::Either;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{resumable::Resumable, wire::Meta};

/// One ordered, flow-controlled stream of bytes in both directions: `AsyncRead + AsyncWrite`, or chunk by chunk.
///
/// Each direction ends by a *finish*, which reads as the end of the file; the stream is *reset* with a code, or *lost* with a connection, and both are
/// errors: a [`StreamError`], also inside the `io::Error` of the traits. None is ever shown as another. What came before a reset or loss stays readable.
///
/// A *resumable* stream, which is what our libraries make of each unless told otherwise, survives the connections of both ends: it is lost only when one end was away
/// for two minutes, or is no more.
///
/// Dropped before it finished it is reset `cancelled`, so that a cut writer never looks like a finished one.
pub struct Stream {
    carriage: Carriage,
    id: String,
    meta: Option<Meta>,
}

/// What carries a stream.
pub(crate) enum Carriage {
    /// One stream of one connection, for as long as that lives.
    Plain(Carrier),
    /// Any number of them, one behind the other.
    Resumable(Resumable),
}

impl Stream {
    pub(crate) fn new(carriage: Carriage, id: String, meta: Option<Meta>) -> Self {
        Self { carriage, id, meta }
    }

    /// Whether it survives its connection: both ends know how, and want it.
    pub fn is_resumable(&self) -> bool {
        matches!(self.carriage, Carriage::Resumable(_))
    }

    /// How often it went on over something else than before, most often because a connection of one end broke; 0 for a stream that is not resumable.
    pub fn moves(&self) -> u64 {
        match &self.carriage {
            Carriage::Plain(_) => 0,
            Carriage::Resumable(stream) => stream.moves(),
        }
    }

    /// Bytes of our direction that went out more than once, since a move says again what the other end had not acknowledged; 0 for a stream that is
    /// not resumable.
    pub fn resent(&self) -> u64 {
        match &self.carriage {
            Carriage::Plain(_) => 0,
            Carriage::Resumable(stream) => stream.resent(),
        }
    }

    /// The unique id that the proxy gave the client, the same at both ends.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the client said when it connected, as a value; `None` if it said nothing, or something of another shape.
    pub fn meta<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.meta.as_ref()?.get()).ok()
    }

    /// The next chunk as it came, without a copy; `None` when the other side has finished. Cancel-safe.
    ///
    /// # Errors
    /// [`StreamError::Reset`] or [`StreamError::Lost`], once all that came before has been read.
    pub async fn read_chunk(&mut self) -> Result<Option<Bytes>, StreamError> {
        poll_fn(|cx| match &mut self.carriage {
            Carriage::Plain(carrier) => carrier.poll_chunk(cx),
            Carriage::Resumable(stream) => stream.poll_chunk(cx),
        })
        .await
    }

    /// Writes a chunk without a copy, after waiting until less than 256 KiB of this stream wait to leave. Cancel-safe: all of it is written or nothing.
    ///
    /// # Errors
    /// [`StreamError::Finished`] behind our own finish, else as the stream ended.
    pub async fn write_chunk(&mut self, mut chunk: Bytes) -> Result<(), StreamError> {
        match &mut self.carriage {
            Carriage::Plain(carrier) => carrier.write_chunk(chunk).await,
            Carriage::Resumable(stream) => poll_fn(|cx| stream.poll_write_chunk(cx, &mut chunk)).await,
        }
    }

    /// Ends our direction behind what was written; reading goes on. Does nothing the second time.
    pub fn finish(&mut self) {
        match &mut self.carriage {
            Carriage::Plain(carrier) => carrier.finish(),
            Carriage::Resumable(stream) => stream.finish(),
        }
    }

    /// Ends both directions at once, with a code of the application's (256 and up), or one of `cancelled`, `busy`, `gone` and `limit`; the proxy makes
    /// `internal` of any other. What waits to leave or to be read is dropped.
    pub fn reset(&mut self, code: impl Into<u32>) {
        match &mut self.carriage {
            Carriage::Plain(carrier) => carrier.reset(code),
            Carriage::Resumable(stream) => stream.reset(code.into()),
        }
    }

    /// Finishes our direction and resolves when the other side has all of it; of a stream that is not resumable nobody says so, and all of it has left for
    /// the proxy. Cancel-safe, but for the finish.
    ///
    /// # Errors
    /// [`StreamError::Reset`] or [`StreamError::Lost`]: how much of it arrived is not known.
    pub async fn sent(&mut self) -> Result<(), StreamError> {
        self.finish();
        match &self.carriage {
            Carriage::Plain(carrier) => {
                carrier.cell().drained().await;
                carrier.cell().end().map_or(Ok(()), |end| Err(end.into()))
            }
            Carriage::Resumable(stream) => poll_fn(|cx| stream.poll_sent(cx)).await,
        }
    }

    /// Whether something carries it now. Without it a resumable stream waits: for a connection of ours, or for the other end's.
    pub fn is_carried(&self) -> bool {
        match &self.carriage {
            Carriage::Plain(carrier) => carrier.cell().end().is_none(),
            Carriage::Resumable(stream) => stream.is_carried(),
        }
    }

    /// Resolves when the stream is reset or lost, with which; never for one that finishes. For giving up work that nobody waits for. Cancel-safe, and
    /// may be kept beside the stream.
    pub fn stopped(&self) -> impl Future<Output = StreamError> + Send + use<> {
        let stopped = match &self.carriage {
            Carriage::Plain(carrier) => Either::Left(Arc::clone(carrier.cell())),
            Carriage::Resumable(stream) => Either::Right(stream.stopped()),
        };
        async move {
            match stopped {
                Either::Left(cell) => cell.stopped().await.into(),
                Either::Right(stopped) => stopped.await,
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.carriage {
            Carriage::Plain(carrier) => Pin::new(carrier).poll_read(cx, buffer),
            Carriage::Resumable(stream) => stream.poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.carriage {
            Carriage::Plain(carrier) => Pin::new(carrier).poll_write(cx, bytes),
            Carriage::Resumable(stream) => stream.poll_write(cx, bytes),
        }
    }

    /// Ready at once: what was written leaves as soon as it may.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.carriage {
            Carriage::Plain(carrier) => Pin::new(carrier).poll_shutdown(cx),
            Carriage::Resumable(stream) => stream.poll_shutdown(),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("id", &self.id).finish_non_exhaustive()
    }
}
