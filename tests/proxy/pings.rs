//! When a peer that says nothing is asked for a sign of life.

use std::time::Duration;

use futures::future::join_all;
use harness::{ACK, PING, Proxy, Raw, SYN, frame};
use tokio::time::Instant;

/// How long until the peer is asked; it answers.
async fn asked(raw: &mut Raw) -> Duration {
    let since = Instant::now();
    let ping = raw.next_where(|frame| frame.kind == PING && frame.flags & SYN != 0).await;
    raw.send(&frame(PING, ACK, 0, ping.length, b"")).await;
    since.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_asked_every_twenty_seconds_and_a_crowd_not_all_at_once() {
    let proxy = Proxy::new();
    let peers = (0..100).map(|_| proxy.raw());
    let intervals = join_all(peers.map(async |mut raw| {
        let first = asked(&mut raw).await;
        assert!(asked(&mut raw).await.abs_diff(first) < Duration::from_millis(50), "each in a rhythm of its own");
        (first.as_secs_f64(), raw)
    }));
    let (mut intervals, peers): (Vec<f64>, Vec<Raw>) = intervals.await.into_iter().unzip();
    intervals.sort_unstable_by(f64::total_cmp);
    assert!(intervals.iter().all(|interval| (16.0..24.1).contains(interval)), "20 s, give or take a fifth: {intervals:?}");
    // A hundred drawn evenly from 8 s leave such a gap once in ten billion runs.
    let gap = intervals.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    assert!(gap < 2.0 && intervals[99] - intervals[0] > 6.0, "spread over all of it: {intervals:?}");
    assert_eq!(proxy.sessions.len(), peers.len(), "whoever answers lives");
}
