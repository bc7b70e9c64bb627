//! A transfer while the proxy is killed, or told to go down, and another takes its place.

use std::{net::SocketAddr, time::Duration};

use browser_stream_client::Peer;
use browser_stream_server::{Config, Proxy, StreamRouter, StreamServerProxy};
use harness::{Shim, Way, until};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    time::{Instant, timeout},
};

use crate::{
    connect::resumable,
    talk::{WINDOWS_MAX, hash, length, talk},
};

/// How often the proxy is started again.
const RESTARTS: u64 = 10;

/// A proxy in a runtime of its own: dropping that kills it, sockets and all.
struct Running {
    proxy: Proxy,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Running {
    fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread");
        let proxy = Proxy::new(Config::default(), StreamRouter::new().mount(StreamServerProxy::new("/browser-server")));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("bound");
        let serving = proxy.clone();
        runtime.spawn(async move { serving.serve(TcpListener::from_std(listener).expect("a socket")).await });
        Self { proxy, address, runtime: Some(runtime) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Replaces the proxy again and again while the two ends of a stream talk, each time after a share of the bytes has passed.
async fn while_talking(replace: impl AsyncFn(&mut Running, &Shim)) {
    let mut running = Running::start();
    let shim = Shim::start(running.address, 1).await;
    let dial = async || Peer::dial(shim.mux()).await.expect("the proxy is there");
    let (server, client) = (dial().await, dial().await);
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    let (mine, theirs) = resumable(&client, &mut listener).await;
    let (mine, theirs) = (tokio::spawn(talk(mine, 1)), tokio::spawn(talk(theirs, 2)));
    let replacing = timeout(Duration::from_secs(300), async {
        let share = 4 * length() as u64 / (RESTARTS + 1);
        for restart in 1..=RESTARTS {
            until(|| shim.carried(Way::Up) + shim.carried(Way::Down) >= restart * share).await;
            replace(&mut running, &shim).await;
            until(|| shim.connections() >= 2 + 2 * restart).await;
        }
    });
    let (replaced, down, up) = tokio::join!(replacing, mine, theirs);
    assert!(replaced.is_ok(), "each proxy carried a part of it");
    let (down, up) = (down.expect("no panic"), up.expect("no panic"));
    assert!(down.hash == hash(2) && up.hash == hash(1));
    let (moves, resent) = (down.moves.max(up.moves), down.resent + up.resent);
    println!("{resent} bytes again in {moves} moves");
    assert!(moves > 0 && resent <= moves * WINDOWS_MAX);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_30_a_proxy_that_is_killed_ten_times_costs_a_resumable_stream_nothing() {
    while_talking(async |running, shim| {
        *running = Running::start();
        shim.aim(running.address);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_30_a_proxy_that_goes_down_ten_times_is_left_at_once_and_nobody_sees_an_error() {
    while_talking(async |running, shim| {
        let old = std::mem::replace(running, Running::start());
        shim.aim(running.address);
        let start = Instant::now();
        old.proxy.shutdown(Duration::from_secs(30)).await;
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    })
    .await;
}
