//! A peer whose connection always has something, so that it is never waited for.

use std::{
    collections::VecDeque,
    pin::pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use browser_stream_server::{
    Limits,
    transport::{Read, Reader, Transport, TransportError, Writer},
};
use bytes::Bytes;
use harness::*;

/// A connection that always brings something of its own, and never a byte.
struct Restless;

impl Transport for Restless {
    type Reader = Self;
    type Writer = Self;

    fn split(self) -> (Self, Self) {
        (Self, Self)
    }
}

impl Reader for Restless {
    fn poll_read(&mut self, cx: &mut Context<'_>, _: &mut VecDeque<Bytes>) -> Poll<Result<Read, TransportError>> {
        // As a socket of the runtime does, it lets other tasks have their turn now and then.
        ready!(pin!(tokio::task::consume_budget()).poll(cx));
        Poll::Ready(Ok(Read::Bytes))
    }
}

impl Writer for Restless {
    fn poll_write(&mut self, _: &mut Context<'_>, buffers: &mut Vec<Bytes>) -> Poll<Result<(), TransportError>> {
        buffers.clear();
        Poll::Ready(Ok(()))
    }

    fn taken(&self) -> u64 {
        0
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: u16, _: &'static str) -> Poll<()> {
        Poll::Ready(())
    }
}

#[tokio::test]
async fn threat_04_a_peer_that_is_never_waited_for_is_dead_in_time_all_the_same() {
    let mut limits = Limits::default();
    limits.silence_max = Duration::from_millis(50);
    let proxy = Proxy::with(limits, |router| router);
    within(proxy.sessions.run(Restless, None)).await;
    assert_eq!(proxy.refused("dead"), 1);
}
