//! The bodies of a request and of its answer, passed on as they come: at the pace of whoever reads, and never as whole where they are not.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{Error, body};
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio_util::task::AbortOnDropHandle;

use super::pulse::Pulse;

/// What a visitor sends, on its way to the server. Trailers are left out.
pub(super) struct Inward {
    pub(super) body: body::Body,
    pub(super) pulse: Arc<Pulse>,
}

/// What a server answers, on its way to the visitor. Trailers are left out.
pub(super) struct Outward {
    pub(super) body: Incoming,
    pub(super) pulse: Arc<Pulse>,
    pub(super) exchange: Exchange,
}

/// What carries a request and its answer over the server's stream: dropped, it resets that, unless all has come.
pub(super) struct Exchange {
    pub(super) carrier: Option<AbortOnDropHandle<()>>,
    /// The stream was given up before its end: what has come is not the whole.
    pub(super) cut: Arc<AtomicBool>,
}

impl Exchange {
    /// All that was to come has: what is left of it ends by itself.
    fn done(&mut self) {
        if let Some(carrier) = self.carrier.take() {
            drop(carrier.detach());
        }
    }
}

impl Body for Inward {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.pulse.beat();
        Poll::Ready(frame.and_then(data))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Body for Outward {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.pulse.beat();
        match frame.map(|frame| frame.map_err(Error::new)).and_then(data) {
            // The last chunk of an answer is what makes it whole, so nobody may take silence for it.
            None if self.exchange.cut.load(Ordering::Acquire) => {
                Poll::Ready(Some(Err(Error::new(io::Error::from(io::ErrorKind::UnexpectedEof)))))
            }
            None => {
                self.exchange.done();
                Poll::Ready(None)
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        // Of a body whose length nobody said its own end is awaited.
        self.body.is_end_stream() && !self.exchange.cut.load(Ordering::Acquire)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Outward {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.exchange.done();
        }
    }
}

/// Data alone; a trailer is the end.
fn data<E>(frame: Result<Frame<Bytes>, E>) -> Option<Result<Frame<Bytes>, E>> {
    match frame {
        Ok(frame) if frame.is_trailers() => None,
        frame => Some(frame),
    }
}
