//! The proxy over real sockets for longer: peers that come and go. `LONG=1` makes seconds of it minutes. Peers that flood are in `tests/floods`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod crowd;

use std::{sync::Arc, time::Duration};

use browser_stream_server::{Config, Proxy, StreamRouter, StreamServerProxy};
use harness::{Peer, bytes_of, dial, serve};

/// A proxy over real sockets.
struct Real {
    proxy: Proxy,
    url: String,
}

impl Real {
    async fn new() -> Self {
        let names = StreamServerProxy::with_limits("/browser-server", Arc::default());
        let proxy = Proxy::new(Config::default(), StreamRouter::new().mount(names));
        let url = format!("ws://{}/mux", serve(proxy.router()).await);
        Self { proxy, url }
    }

    async fn peer(&self) -> Peer {
        Peer::over(bytes_of(dial(&self.url).await))
    }
}

/// How long a part takes: what it takes in `make test`, or that many times as long in `make test-long`.
fn lasting(short: Duration, longer: u32) -> Duration {
    if std::env::var_os("LONG").is_some() { short * longer } else { short }
}
