//! The proxy over real sockets for longer: peers that come and go. `LONG=1` makes seconds of it minutes. Peers that flood are in `tests/floods`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod crowd;

use std::{sync::Arc, time::Duration};

use browser_stream_client::{Dial, Peer};
use browser_stream_server::{Config, Proxy, StreamRouter, StreamServerProxy};
use harness::{Shim, serve};
use rand::{Rng, rngs::StdRng};

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

/// How long a part takes: what it takes in `make test`, or that many times as long in `make test-long`.
fn lasting(short: Duration, longer: u32) -> Duration {
    if std::env::var_os("LONG").is_some() { short * longer } else { short }
}
