//! What carries the bytes of a stream.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use browser_stream_mux::{Stream as Carrier, StreamError};
use bytes::Bytes;
use futures::future::Either;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::resumable::Resumable;

/// Bytes as they go to the proxy, sealed or not.
pub(crate) enum Carriage {
    /// One stream of one connection, for as long as that lives.
    Plain(Carrier),
    /// Any number of them, one behind the other.
    Resumable(Resumable),
}

impl Carriage {
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamError>> {
        match self {
            Self::Plain(carrier) => carrier.poll_chunk(cx),
            Self::Resumable(stream) => stream.poll_chunk(cx),
        }
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(carrier) => Pin::new(carrier).poll_read(cx, buffer),
            Self::Resumable(stream) => stream.poll_read(cx, buffer),
        }
    }

    /// Ready when it takes more; an error if it never will.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        match self {
            Self::Plain(carrier) => carrier.poll_room(cx),
            Self::Resumable(stream) => stream.poll_room(cx),
        }
        .map_ok(drop)
    }

    /// Takes all of it, room or not: for who keeps to [`poll_room`](Self::poll_room).
    pub(crate) fn write_now(&mut self, chunk: Bytes) {
        match self {
            // Where it takes no more its end says why.
            Self::Plain(carrier) => drop(carrier.write_now(chunk)),
            Self::Resumable(stream) => stream.write_now(chunk),
        }
    }

    /// Takes all of the chunk when there is room for some of it.
    pub(crate) fn poll_write_chunk(&mut self, cx: &mut Context<'_>, chunk: &mut Bytes) -> Poll<Result<(), StreamError>> {
        self.poll_room(cx).map_ok(|()| self.write_now(std::mem::take(chunk)))
    }

    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(carrier) => Pin::new(carrier).poll_write(cx, bytes),
            Self::Resumable(stream) => stream.poll_write(cx, bytes),
        }
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(carrier) => Pin::new(carrier).poll_shutdown(cx),
            Self::Resumable(stream) => stream.poll_shutdown(),
        }
    }

    pub(crate) fn finish(&mut self) {
        match self {
            Self::Plain(carrier) => carrier.finish(),
            Self::Resumable(stream) => stream.finish(),
        }
    }

    pub(crate) fn reset(&mut self, code: u32) {
        match self {
            Self::Plain(carrier) => carrier.reset(code),
            Self::Resumable(stream) => stream.reset(code),
        }
    }

    pub(crate) fn set_priority(&mut self, priority: u8) {
        match self {
            Self::Plain(carrier) => carrier.set_priority(priority),
            Self::Resumable(stream) => stream.set_priority(priority),
        }
    }

    pub(crate) fn moves(&self) -> u64 {
        match self {
            Self::Plain(_) => 0,
            Self::Resumable(stream) => stream.moves(),
        }
    }

    pub(crate) fn resent(&self) -> u64 {
        match self {
            Self::Plain(_) => 0,
            Self::Resumable(stream) => stream.resent(),
        }
    }

    pub(crate) fn is_carried(&self) -> bool {
        match self {
            Self::Plain(carrier) => carrier.cell().end().is_none(),
            Self::Resumable(stream) => stream.is_carried(),
        }
    }

    /// What the other side said when it failed the stream.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            Self::Plain(carrier) => carrier.cell().why().map(|why| why.as_ref().to_owned()),
            Self::Resumable(stream) => stream.message(),
        }
    }

    /// Resolves when what was finished has arrived, or has left where nobody says that it arrived. Cancel-safe.
    pub(crate) async fn sent(&self) -> Result<(), StreamError> {
        match self {
            Self::Plain(carrier) => {
                carrier.cell().drained().await;
                carrier.cell().end().map_or(Ok(()), |end| Err(end.into()))
            }
            Self::Resumable(stream) => std::future::poll_fn(|cx| stream.poll_sent(cx)).await,
        }
    }

    pub(crate) fn stopped(&self) -> impl Future<Output = StreamError> + Send + use<> {
        let stopped = match self {
            Self::Plain(carrier) => Either::Left(Arc::clone(carrier.cell())),
            Self::Resumable(stream) => Either::Right(stream.stopped()),
        };
        async move {
            match stopped {
                Either::Left(cell) => cell.stopped().await.into(),
                Either::Right(stopped) => stopped.await,
            }
        }
    }
}
