//! What is logged, and what never is. A program of its own: each of its tests has somebody who listens, for whether a line is logged is decided once
//! for each process where nobody does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    io,
    sync::{Arc, Mutex},
};

use browser_stream_server::token::{Asking, Authorizer, Identity, Refused};
use futures::{FutureExt, future::BoxFuture};
use harness::{Proxy, reply};
use serde_json::json;
use tracing::{
    Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id},
};
use tracing_subscriber::{
    Layer,
    fmt::MakeWriter,
    layer::{Context, SubscriberExt},
};

/// All that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Knows nobody.
struct Nobody;

impl Authorizer for Nobody {
    fn authorize(&self, asking: Asking) -> BoxFuture<'_, Result<Identity, Refused>> {
        tracing::info!(?asking, "what an authorizer may log");
        std::future::ready(Err(Refused::Revoked)).boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn threat_33_no_lease_and_no_secret_of_a_stream_is_ever_logged() {
    let log = Log::default();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).init();
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let claim = json!({ "lease": true, "instance": "40".repeat(16), "token": "TOKEN-TOKEN" });
    let control = owner.claim_with("NAME", claim.clone()).await.unwrap();
    let mac = control.reply["lease"]["mac"].as_str().unwrap().to_owned();
    let _session = owner.ask("/session", json!({ "token": "TOKEN-TOKEN", "library": "test/1" })).await.unwrap();
    let secret = "ab".repeat(32);
    let mut near = client.begin("/browser-server/connect/NAME", json!({ "resume": { "v": 1, "secret": secret } }));
    let (_, mut far) = owner.next().await;
    far.write_frame(json!({ "resume": secret }).to_string().as_bytes());
    assert_eq!(reply(&mut near).await.unwrap()["resume"], secret);
    assert_eq!(client.claim_with("NAME", json!({ "lease": control.reply["lease"] })).await.err().as_deref(), Some("superseded"));
    let mut other = control.reply["lease"].clone();
    other["name"] = "OTHER".into();
    assert_eq!(client.claim_with("NAME", json!({ "lease": other })).await.err().as_deref(), Some("bad_request"));
    let guarded = Proxy::new();
    let _ = guarded.sessions.clone().with_authorizer(Nobody);
    let (shown, peer) = (guarded.peer_shown("TOKEN-TOKEN"), guarded.peer());
    for peer in [&shown, &peer] {
        assert_eq!(peer.ask("/session", json!({ "token": "TOKEN-TOKEN" })).await.err().as_deref(), Some("unauthorized"));
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("server.created") && log.contains("open refused"), "what is logged is seen: {log}");
    let refused = log.lines().filter(|line| line.contains("INFO") && line.contains("a token is refused: \"the token was revoked"));
    assert!(refused.count() >= 2, "who runs the proxy sees why: {log}");
    for hidden in [mac.as_str(), secret.as_str(), "TOKEN-TOKEN"] {
        assert!(!log.contains(hidden), "{log}");
    }
}

/// The names of the spans that were made.
#[derive(Clone, Default)]
struct Made(Arc<Mutex<Vec<&'static str>>>);

impl<S: Subscriber> Layer<S> for Made {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.0.lock().unwrap().push(attributes.metadata().name());
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_and_streams_have_a_span_each_where_debug_is_logged_and_none_where_it_is_not() {
    for (level, spans) in [(LevelFilter::INFO, &[][..]), (LevelFilter::DEBUG, &["session", "session", "stream", "stream"])] {
        let made = Made::default();
        let _listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(level).with(made.clone()));
        let proxy = Proxy::new();
        let (mut server, client) = (proxy.peer(), proxy.peer());
        let _control = server.claim("NAME").await.unwrap();
        let (connected, _accepted) = tokio::join!(client.connect("NAME"), server.accept());
        assert!(connected.is_ok());
        let mut made = made.0.lock().unwrap().clone();
        made.sort_unstable();
        assert_eq!(made, spans, "{level}");
    }
}
