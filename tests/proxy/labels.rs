//! That the labels of the metrics are no promises: each kind of frame and each answer to an open counts where it happens. `tidy/moved.rs` says where each limit does.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
};
use browser_stream_mux::Stream;
use browser_stream_server::{
    Config, Proxy, StreamRouter, StreamServerProxy,
    token::{Asking, Authorizer, Identity, Refused, Token},
};
use futures::{FutureExt, future::BoxFuture};
use harness::{ACK, FIN, GO_AWAY, Memory, PING, Peer, RST, Raw, SYN, WINDOW_UPDATE, frame, reply, until, within};
use http::Request;
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tower::ServiceExt;

/// A proxy with its metrics, whose peers are in memory.
struct Told(Proxy);

impl Told {
    fn new(change: impl FnOnce(Proxy) -> Proxy) -> Self {
        let mut config = Config::default();
        config.limits.names_per_session_max = 2;
        let names = StreamServerProxy::with_limits("/browser-server", Arc::new(config.limits.clone()));
        Self(change(Proxy::new(config, StreamRouter::new().mount(names))))
    }

    fn end(&self, token: Option<&str>) -> DuplexStream {
        let (near, far) = tokio::io::duplex(1 << 20);
        let (sessions, token) = (self.0.sessions().clone(), token.map(Token::new));
        tokio::spawn(async move { sessions.run_shown(Memory(far), None, token).await });
        near
    }

    fn peer(&self) -> Peer {
        Peer::over(self.end(None))
    }

    /// How often each value of this metric's label counted, but for those at zero.
    async fn counted(&self, metric: &str) -> BTreeMap<String, u64> {
        let here = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1)));
        let request = Request::get("/metrics").header("host", "localhost").extension(here).body(Body::empty()).expect("a request");
        let answer = self.0.admin_router().oneshot(request).await.expect("it answers");
        let text = to_bytes(answer.into_body(), 1 << 20).await.expect("a text");
        let text = String::from_utf8(text.to_vec()).expect("UTF-8");
        let begin = format!("{metric}{{");
        let samples = text.lines().filter_map(|line| line.strip_prefix(&begin)?.split_once("\"} "));
        let values =
            samples.map(|(label, count)| (label.split('"').nth(1).unwrap_or_default().to_owned(), count.parse().expect("a number")));
        values.filter(|(_, count)| *count > 0).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_frame_counts_as_what_it_was() {
    let told = Told::new(|proxy| proxy);
    let mut raw = Raw::over(told.end(None));
    raw.open(1, r#"{"path":"/browser-server/listen/NAME"}"#).await;
    raw.reply(1).await;
    raw.open(3, r#"{"path":"/browser-server/connect/NAME"}"#).await;
    // It is its own server: what the proxy opens to it, it acknowledges.
    let opened = raw.next_where(|frame| frame.flags & SYN != 0).await.stream;
    raw.send(&frame(WINDOW_UPDATE, ACK, opened, 0, &[])).await;
    raw.data(0, opened, b"\0\x02{}").await;
    raw.data(0, 3, &[]).await;
    raw.send(&frame(WINDOW_UPDATE, 0, 3, 9, &[])).await;
    raw.data(FIN, 3, &[]).await;
    raw.send(&frame(WINDOW_UPDATE, RST, opened, 0, &[])).await;
    raw.send(&frame(PING, SYN, 0, 7, &[])).await;
    raw.send(&frame(GO_AWAY, 0, 0, 0, &[])).await;
    let once = ["ack", "empty", "fin", "ping", "reset", "stray", "window_update"].map(|kind| (kind.to_owned(), 1));
    let mut all = BTreeMap::from(once);
    all.extend([("open".to_owned(), 2), ("data".to_owned(), 1)]);
    within(async {
        while told.counted("bss_received_frames_total").await != all {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn each_session_counts_as_what_carries_it() {
    let told = Told::new(|proxy| proxy);
    let peer = told.peer();
    peer.claim("NAME").await.expect("it is free");
    let here = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1)));
    let request = Request::post("/mux").header("host", "localhost").header("bss-carrier", "down").extension(here);
    let answer = told.0.router().oneshot(request.body(Body::empty()).expect("a request")).await.expect("it answers");
    assert_eq!(answer.status(), 200);
    let each = ["http", "websocket"].map(|carrier| (carrier.to_owned(), 1));
    within(async {
        while told.counted("bss_sessions_total").await != BTreeMap::from(each.clone()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// Lets whoever shows something wait for ever, and nobody in.
struct Judge;

impl Authorizer for Judge {
    fn authorize(&self, asking: Asking) -> BoxFuture<'_, Result<Identity, Refused>> {
        async move {
            match asking.token {
                Some(_) => std::future::pending().await,
                None => Err(Refused::Missing),
            }
        }
        .boxed()
    }
}

/// The code with which an open ends: it is asked for, and answered by the server as it says.
async fn answered(client: &Peer, server: &mut Peer, said: Value) -> Option<String> {
    let connect = client.connect("NAME");
    let answer = async {
        let (_, mut stream) = server.next().await;
        stream.write_frame(said.to_string().as_bytes());
        stream
    };
    let (connected, _stream) = tokio::join!(connect, answer);
    connected.err()
}

#[tokio::test(start_paused = true)]
async fn each_answer_to_an_open_counts_as_what_it_was() {
    let told = Told::new(|proxy| proxy);
    let (mut server, client) = (told.peer(), told.peer());
    let leased = server.claim_with("NAME", json!({ "lease": true })).await.expect("it is free");
    for (said, code) in [
        (json!({ "error": { "code": "busy" } }), "busy"),
        (json!({ "error": { "code": "forbidden" } }), "forbidden"),
        (json!({ "error": { "code": "gone" } }), "gone"),
        (json!({ "error": { "code": 4001 } }), "4001"),
        (json!({ "error": { "code": "lost" } }), "internal"),
    ] {
        assert_eq!(answered(&client, &mut server, said).await.as_deref(), Some(code));
    }
    let refused = async |fields: Value| client.connect_with("NAME", fields).await.err();
    assert_eq!(refused(json!({ "need": ["seal"] })).await.as_deref(), Some("unsupported"));
    assert_eq!(refused(json!({})).await.as_deref(), Some("timeout"), "nobody answers");
    assert_eq!(client.claim("NAME").await.err().as_deref(), Some("name_taken"));
    assert_eq!(client.claim("%zz").await.err().as_deref(), Some("bad_request"));
    assert_eq!(client.connect_with("OTHER", json!({ "wait": 0 })).await.err().as_deref(), Some("not_found"));
    let shown = json!({ "lease": leased.reply["lease"] });
    assert_eq!(client.claim_with("NAME", shown).await.err().as_deref(), Some("superseded"), "the owner has shown it as often");
    let mut waiting = client.begin("/browser-server/listen/NAME", json!({ "standby": true }));
    tokio::time::sleep(Duration::from_secs(1)).await;
    waiting.reset(0u32);
    let _held = (client.claim("one").await.expect("it is free"), client.claim("two").await.expect("it is free"));
    assert_eq!(client.claim("three").await.err().as_deref(), Some("limit"));
    // Its last client sees the server go.
    let mut connecting = client.begin("/browser-server/connect/NAME", json!({}));
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.vanish();
    assert_eq!(reply(&mut connecting).await.err().as_deref(), Some("unresponsive"));
    assert_eq!(told.peer().claim("NAME").await.err().as_deref(), Some("name_reserved"), "its lease holds");

    let going = told.0.clone();
    tokio::spawn(async move { going.shutdown(Duration::from_secs(30)).await });
    tokio::task::yield_now().await;
    assert_eq!(client.connect("NAME").await.err().as_deref(), Some("draining"));

    let guarded = Told::new(|proxy| proxy.with_authorizer(Judge));
    assert_eq!(guarded.peer().claim("NAME").await.err().as_deref(), Some("unauthorized"));
    let gone = Peer::over(guarded.end(Some("anything")));
    let _waits: Stream = gone.begin("/browser-server/listen/NAME", json!({}));
    tokio::time::sleep(Duration::from_secs(1)).await;
    gone.vanish();
    until(|| guarded.0.sessions().list().is_empty()).await;

    let mut results = told.counted("bss_opens_total").await;
    for (result, count) in guarded.counted("bss_opens_total").await {
        *results.entry(result).or_default() += count;
    }
    assert_eq!(results.keys().map(String::as_str).collect::<Vec<_>>(), RESULTS, "{results:?}");
}

/// How opens are answered. Nobody is refused one with `lagging`, `tampered` or `key_changed`.
const RESULTS: [&str; 19] = [
    "accepted",
    "application",
    "bad_request",
    "busy",
    "cancelled",
    "draining",
    "forbidden",
    "gone",
    "internal",
    "limit",
    "lost",
    "name_reserved",
    "name_taken",
    "not_found",
    "superseded",
    "timeout",
    "unauthorized",
    "unresponsive",
    "unsupported",
];
