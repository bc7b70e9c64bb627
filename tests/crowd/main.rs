//! Peers that claim, connect, echo, reset, stall and vanish at random for three seconds; afterwards nothing of them is left. `make soak` does more of it, for longer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{sync::Arc, time::Duration};

use browser_stream_client::{Dial, Peer, Stream};
use browser_stream_server::{Config, Proxy, StreamRouter, StreamServerProxy};
use futures::TryStreamExt;
use harness::{Shim, pattern, serve, until};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::Instant,
};

/// Peers at once.
const CROWD: u64 = 24;

/// A proxy over real sockets, and a way to it that is cut now and then.
struct Real {
    proxy: Proxy,
    url: String,
    shim: Shim,
}

impl Real {
    async fn new() -> Self {
        let names = StreamServerProxy::with_limits("/browser-server", Arc::default());
        let proxy = Proxy::new(Config::default(), StreamRouter::new().mount(names));
        let address = serve(proxy.router()).await;
        Self { proxy, url: format!("ws://{address}/mux"), shim: Shim::start(address, 0).await }
    }

    /// A peer on one way or the other, that does not come back once it is cut.
    fn dial(&self, random: &mut StdRng) -> Dial {
        Peer::dial(if random.random() { self.url.clone() } else { self.shim.mux() }).reconnect(false)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_comes_and_goes_and_nothing_of_it_is_left() {
    let real = Arc::new(Real::new().await);
    let end = Instant::now() + Duration::from_secs(3);
    let mut crowd = JoinSet::new();
    for seed in 0..CROWD {
        let real = real.clone();
        crowd.spawn(async move {
            let mut random = StdRng::seed_from_u64(seed);
            let mut echoes = 0;
            while Instant::now() < end {
                echoes += life(&real, &mut random).await;
            }
            echoes
        });
    }
    let mut echoes = 0;
    while let Some(done) = crowd.join_next().await {
        echoes += done.unwrap();
    }
    println!("{echoes} echoes came back whole");
    assert!(echoes > 100);
    until(|| real.proxy.sessions().is_empty()).await;
    let names = Peer::dial(&real.url).await.unwrap();
    for number in 0..4 {
        let _free = names.server().listen(format!("N{number}")).await.unwrap();
    }
}

/// One connection of one peer: serves a while or connects a while, and goes in one of several ways. How many echoes it got.
async fn life(real: &Real, random: &mut StdRng) -> u64 {
    // Somebody else may cut it before it stands.
    let Ok(peer) = real.dial(random).await else { return 0 };
    let name = format!("N{}", random.random_range(0..4));
    if random.random_bool(0.4)
        && let Ok(mut listener) = peer.server().listen(&name).lease(false).await
    {
        let serving = async {
            while let Ok(Some(connection)) = listener.try_next().await {
                tokio::spawn(echo(connection.accept()));
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(random.random_range(50..400)), serving).await;
        match random.random_range(0..10) {
            0 => real.shim.cut(),
            1..5 => drop(listener.end().await),
            _ => {}
        }
        return 0;
    }
    let mut echoes = 0;
    for _ in 0..random.random_range(1..8) {
        echoes += client(&peer, &name, random).await;
    }
    echoes
}

/// Connects once and sends something; 1 if it came back whole. Whatever comes back is the beginning of what was sent.
async fn client(peer: &Peer, name: &str, random: &mut StdRng) -> u64 {
    // One that resumes would wait for its server to come back for two minutes.
    let Ok(stream) = peer.client().connect(name).wait(Duration::from_millis(50)).resume(false).await else { return 0 };
    let sent = pattern(random.random(), random.random_range(0..600_000));
    let (quits, stalls) = (random.random_bool(0.1), random.random_bool(0.1));
    let (mut read, mut write) = tokio::io::split(stream);
    let writing = async {
        let _ = write.write_all(&sent).await;
        let _ = write.shutdown().await;
    };
    let mut back = Vec::new();
    let reading = async {
        if stalls {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if quits {
            return false;
        }
        read.read_to_end(&mut back).await.is_ok()
    };
    let whole = tokio::select! {
        biased;
        (_, whole) = async { tokio::join!(writing, reading) }, if !quits => whole,
        () = tokio::time::sleep(Duration::from_secs(if quits { 0 } else { 60 })) => false,
    };
    assert!(quits || whole || back.len() <= sent.len(), "an echo took a minute");
    assert!(sent.starts_with(&back), "a byte was lost, doubled or moved");
    assert!(!whole || back == sent, "what ended cleanly is whole");
    u64::from(whole)
}

/// Sends back what comes, and ends as its client ends.
async fn echo(stream: Stream) {
    let (mut read, mut write) = tokio::io::split(stream);
    if tokio::io::copy(&mut read, &mut write).await.is_ok() {
        let _ = write.shutdown().await;
    }
}
