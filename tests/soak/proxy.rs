//! The proxy: this program once more, in a process of its own.

use std::{io::Write, panic, sync::Arc, time::Duration};

use browser_stream_server::{Config, Limits, Proxy, StreamRouter, StreamServerProxy};
use futures::poll;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

use crate::figures::Figures;

/// Serves, and prints its address, then its figures for every line that it reads, until there are no more of them.
#[tokio::main]
pub async fn serve() {
    // It survives a panic in a session; the soak is not to.
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        usual(info);
        std::process::exit(101);
    }));
    let limits = limits();
    let names = StreamServerProxy::with_limits("/browser-server", Arc::new(limits.clone()));
    names.list_names(true);
    let mut config = Config::default();
    config.limits = limits;
    config.bind = ([127, 0, 0, 1], 0).into();
    let proxy = Proxy::new(config, StreamRouter::new().mount(names));
    let listener = proxy.listen().await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let mut serving = Box::pin({
        let proxy = proxy.clone();
        async move { proxy.serve(listener).await }
    });
    // It begins by taking the descriptors that it keeps in reserve: they are there before anybody looks.
    assert!(poll!(serving.as_mut()).is_pending(), "it serves");
    tokio::spawn(serving);
    println!("{address}");
    let mut lines = BufReader::new(stdin()).lines();
    while let Ok(Some(_)) = lines.next_line().await {
        let figures = serde_json::to_string(&Figures::of(&proxy)).expect("figures are JSON");
        // Who asks and does not read is gone, and the next line is the end.
        let _ = writeln!(std::io::stdout(), "{figures}");
    }
}

/// Everybody's, but for times after which something is let go of.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.lease_grace = GRACE;
    limits.room_grace = GRACE;
    limits.ping_interval = Duration::from_secs(2);
    limits.silence_max = Duration::from_secs(8);
    limits.channel_stall_max = Duration::from_secs(2);
    limits
}

/// Longer than any connection here is away which comes back: shims stall for a second and a half at most, and a peer dials at once.
const GRACE: Duration = Duration::from_secs(8);
