//! A peer whose connection always has something, so that it is never waited for.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use browser_stream_mux::WINDOW_MAX;
use browser_stream_server::{
    Limits,
    transport::{Chatter, Read, Reader, Transport, TransportError, Writer},
};
use bytes::Bytes;
use harness::*;

/// A connection that always brings something of its own, and never a byte.
#[derive(Clone, Default)]
struct Restless {
    /// What each read brings.
    chatter: Chatter,
    /// How often it was read.
    reads: Arc<AtomicU64>,
}

impl Transport for Restless {
    type Reader = Self;
    type Writer = Self;

    fn split(self) -> (Self, Self) {
        (self.clone(), self)
    }
}

impl Reader for Restless {
    fn poll_read(&mut self, cx: &mut Context<'_>, _: &mut VecDeque<Bytes>) -> Poll<Result<Read, TransportError>> {
        // As a socket of the runtime does, it lets other tasks have their turn now and then.
        ready!(pin!(tokio::task::consume_budget()).poll(cx));
        self.reads.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok(Read::Bytes))
    }

    fn chatter(&mut self) -> Chatter {
        self.chatter
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
    within(proxy.sessions.run(Restless::default(), None)).await;
    assert_eq!(proxy.refused("dead"), 1);
}

#[tokio::test]
async fn threat_16_who_is_cut_for_what_moves_nothing_is_read_no_further_than_what_was_on_its_way() {
    let (proxy, read) = (Proxy::new(), 8 * 1024);
    // Empty fragments, with six bytes for each, and more of them than ten bursts.
    let chatter = Chatter { frames: 200_000, overhead: read, ..Chatter::default() };
    let restless = Restless { chatter, ..Restless::default() };
    let reads = restless.reads.clone();
    within(proxy.sessions.run(restless, None)).await;
    assert_eq!(proxy.refused("transport_rate_cut"), 1);
    assert_eq!(reads.load(Ordering::Relaxed), 1 + u64::from(WINDOW_MAX) / read);
}
