//! A WebSocket into a server: bytes both ways, from the moment at which both sides have agreed.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes},
    time::timeout,
};

use super::pulse::Pulse;

/// Carries both until both have ended, one of them breaks, or nothing has moved for so long. Neither side is told an end that the other did not make.
pub(super) async fn carry(visitor: OnUpgrade, server: OnUpgrade, patience: Duration, most: Duration) -> Ended {
    let both = async { tokio::try_join!(visitor, server) };
    let Ok(Ok((visitor, server))) = timeout(patience, both).await else { return Ended::Broken };
    let pulse = Arc::new(Pulse::new());
    let (mut visitor, mut server) = (Beating::new(visitor, &pulse), Beating::new(server, &pulse));
    tokio::select! {
        carried = copy_bidirectional_with_sizes(&mut visitor, &mut server, COPY_BYTES, COPY_BYTES) => match carried {
            Ok(_) => Ended::Whole,
            Err(_) => Ended::Broken,
        },
        () = pulse.quiet(most) => Ended::Quiet,
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Whole,
    Broken,
    Quiet,
}

/// One side, whose bytes beat.
struct Beating {
    io: TokioIo<Upgraded>,
    pulse: Arc<Pulse>,
}

impl Beating {
    fn new(io: Upgraded, pulse: &Arc<Pulse>) -> Self {
        Self { io: TokioIo::new(io), pulse: pulse.clone() }
    }
}

impl AsyncRead for Beating {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, buffer));
        self.pulse.beat();
        Poll::Ready(read)
    }
}

impl AsyncWrite for Beating {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes));
        self.pulse.beat();
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// What each direction holds at once.
const COPY_BYTES: usize = 16 * 1024;
