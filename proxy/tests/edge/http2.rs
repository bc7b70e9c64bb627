//! Pages over HTTP/2, and what such a connection may cost.

use std::time::Duration;

use browser_stream_server::Config;
use bytes::Bytes;
use futures::future::join_all;
use h2::client::SendRequest;
use http::{Request, StatusCode, Version};
use tokio::{io::AsyncWriteExt, time::timeout};

use crate::{
    over_http::{PING, PONG, Records},
    served::{PATIENCE, rest},
    tls::{Secure, secure},
};

/// A connection that both agreed to be HTTP/2.
struct Peer {
    requests: SendRequest<Bytes>,
    /// It has ended.
    ended: tokio::task::JoinHandle<()>,
}

impl Peer {
    async fn of(secure: &Secure) -> Self {
        let socket = secure.connect_as("localhost", &[b"h2"]).await.expect("TLS");
        assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (requests, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
        // An error, too, is an end.
        let ended = tokio::spawn(async move { drop(connection.await) });
        Self { requests, ended }
    }

    /// A request without a body; the status and the text of its answer.
    async fn ask(&self, method: &str, url: &str, headers: &[(&str, &str)]) -> Result<(StatusCode, String), h2::Error> {
        let mut request = Request::builder().version(Version::HTTP_2).method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut requests = self.requests.clone().ready().await?;
        let (answer, _) = requests.send_request(request.body(()).expect("a request"), true)?;
        let answer = timeout(PATIENCE, answer).await.expect("an answer in time")?;
        let status = answer.status();
        let (mut body, mut bytes) = (answer.into_body(), Vec::new());
        while let Some(part) = timeout(PATIENCE, body.data()).await.expect("more in time") {
            let part = part?;
            body.flow_control().release_capacity(part.len())?;
            bytes.extend_from_slice(&part);
        }
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    async fn status(&self, url: &str, headers: &[(&str, &str)]) -> u16 {
        self.ask("GET", url, headers).await.expect("an answer").0.as_u16()
    }

    async fn ended(self) {
        timeout(PATIENCE, self.ended).await.expect("it ends in time").expect("no panic");
    }
}

#[tokio::test]
async fn pages_come_over_http_2_to_who_offers_it_many_at_once_and_the_websocket_stays_on_1_1() {
    let secure = secure(|_| {}).await;
    let peer = Peer::of(&secure).await;
    let pages = ["/", "/browser-stream-server.js", "/healthz", "/examples/echo/", "/nowhere"];
    let all = pages.map(|path| format!("https://localhost:8443{path}"));
    let all = join_all(all.iter().map(|url| peer.ask("GET", url, &[("origin", "https://localhost:8443")]))).await;
    let all: Vec<_> = all.into_iter().map(|answer| answer.expect("an answer")).collect();
    assert_eq!(all.iter().map(|(status, _)| status.as_u16()).collect::<Vec<_>>(), [200, 200, 200, 200, 404]);
    assert!(all[1].1.contains("MuxDemux"), "the library, all of it");
    let (status, text) = peer.ask("GET", "https://localhost/mux", &[]).await.expect("an answer");
    assert_eq!((status.as_u16(), text.split(':').next()), (426, Some("bad_request")));
    // RFC 8441 is not offered, and what makes a WebSocket of HTTP/1.1 is malformed here.
    assert!(peer.ask("GET", "https://localhost/mux", &[("upgrade", "websocket"), ("connection", "upgrade")]).await.is_err());
    let socket = secure.connect_as("localhost", &[b"h2", b"http/1.1"]).await.expect("TLS");
    assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "who can do both has HTTP/2");
    let (_, head) = secure.handshake("").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
}

#[tokio::test]
async fn threat_14_the_gate_stands_before_http_2_as_well() {
    let secure = secure(|_| {}).await;
    let peer = Peer::of(&secure).await;
    for (url, headers, answer) in [
        ("https://box:8443/healthz", &[][..], 200),
        ("https://box/", &[("origin", "https://box")], 200),
        ("https://box/", &[("host", "box"), ("origin", "https://box")], 200),
        ("https://evil.example/", &[], 421),
        ("https://evil.example/healthz", &[("origin", "https://evil.example")], 421),
        ("https://localhost/", &[("origin", "https://evil.example")], 403),
        ("https://localhost/", &[("origin", "http://localhost")], 403),
        ("https://localhost/", &[("origin", "null")], 403),
        // What contradicts itself is neither of both.
        ("https://localhost/", &[("host", "evil.example")], 400),
        ("https://evil.example/", &[("host", "localhost")], 400),
    ] {
        assert_eq!(peer.status(url, headers).await, answer, "{url} {headers:?}");
    }
    assert_eq!(
        peer.ask("CONNECT", "localhost:22", &[]).await.map(|(status, _)| status.is_success()).ok(),
        Some(false),
        "it connects nobody to anything"
    );
    assert!(secure.served.refusals("gate") >= 7);
}

#[tokio::test]
async fn threat_15_a_peer_of_http_2_that_asks_nothing_or_no_more_is_closed() {
    let secure = secure(|config| config.limits.establish_timeout = Duration::from_secs(2)).await;
    // Nothing; the preface and half a head; and a head that goes on and on (RFC 9113 sections 3.4 and 6.10).
    let half = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0], &[0, 0, 9, 1, 4, 0, 0, 0, 1, 0x82]].concat();
    let open = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0], &[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82]].concat();
    let silent = async |said: &[u8]| {
        let mut socket = secure.connect_as("localhost", &[b"h2"]).await.expect("TLS");
        socket.write_all(said).await.expect("sent");
        rest(&mut socket).await;
    };
    join_all([&[][..], &half, &open].map(silent)).await;
    assert_eq!(secure.served.refusals("establish_timeout"), 3);
    let peer = Peer::of(&secure).await;
    assert_eq!(peer.status("https://localhost/healthz", &[]).await, 200);
    peer.ended().await;
    assert_eq!(secure.served.refusals("establish_timeout"), 3, "it had asked");
}

#[tokio::test]
async fn threat_15_a_giant_head_over_http_2_is_431_and_endless_ones_end_the_connection() {
    let secure = secure(|_| {}).await;
    let peer = Peer::of(&secure).await;
    let giant = "x".repeat(17 * 1024);
    assert_eq!(peer.status("https://localhost/healthz", &[("cookie", &giant)]).await, 431);
    assert_eq!(peer.status("https://localhost/healthz", &[]).await, 200, "the others on it go on");
    // CONTINUATION without end, each a small header that is never the last.
    let mut socket = secure.connect_as("localhost", &[b"h2"]).await.expect("TLS");
    let mut said = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0], &[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82]].concat();
    let part = [&[0, 0x40, 0, 9, 0, 0, 0, 0, 1][..], &[0x82; 0x4000]].concat();
    for _ in 0..64 {
        said.extend_from_slice(&part);
    }
    // It may close before it took all.
    let _ = socket.write_all(&said).await;
    rest(&mut socket).await;
}

#[tokio::test]
async fn threat_09_requests_that_are_taken_back_at_once_cost_nobody_else_anything() {
    let secure = secure(|_| {}).await;
    let (flood, other) = (Peer::of(&secure).await, Peer::of(&secure).await);
    let mut requests = flood.requests.clone();
    for _ in 0..5000 {
        // Told to go, as a rule: then it is over.
        let Ok(ready) = requests.ready().await else { break };
        requests = ready;
        let request = Request::get("https://localhost/").body(()).expect("a request");
        let Ok((_, mut stream)) = requests.send_request(request, false) else { break };
        stream.send_reset(h2::Reason::CANCEL);
    }
    assert_eq!(other.status("https://localhost/healthz", &[]).await, 200);
}

#[tokio::test]
async fn who_asks_whether_new_sessions_are_welcome_asks_on_a_connection_of_its_own_each_time() {
    let secure = secure(|_| {}).await;
    let peer = Peer::of(&secure).await;
    assert_eq!(peer.status("https://localhost/readyz", &[]).await, 200);
    peer.ended().await;
}

#[tokio::test]
async fn threat_19_one_that_there_is_no_room_for_is_told_so_over_http_2_and_goes() {
    let secure = secure(|config: &mut Config| config.limits.connections_per_address_max = 1).await;
    let _first = secure.tcp().await;
    let peer = Peer::of(&secure).await;
    assert_eq!(peer.status("https://localhost/", &[]).await, 429);
    peer.ended().await;
}

#[tokio::test]
async fn threat_20_going_down_closes_connections_of_http_2() {
    let secure = secure(|_| {}).await;
    let peer = Peer::of(&secure).await;
    assert_eq!(peer.status("https://localhost/healthz", &[]).await, 200);
    timeout(PATIENCE, secure.served.proxy.shutdown(Duration::ZERO)).await.expect("bounded");
    peer.ended().await;
}

#[tokio::test]
async fn a_session_over_http_shares_its_connection_and_outlives_the_patience_with_who_asks_nothing() {
    let secure = secure(|config| config.limits.establish_timeout = Duration::from_secs(2)).await;
    let peer = Peer::of(&secure).await;
    let mut requests = peer.requests.clone().ready().await.expect("room");
    let request = Request::builder().method("POST").uri("https://localhost/mux").header("bss-carrier", "down");
    let (answer, _) = requests.send_request(request.body(()).expect("a request"), true).expect("sent");
    let mut down = timeout(PATIENCE, answer).await.expect("in time").expect("an answer").into_body();
    let mut records = Records::default();
    while records.hello().is_none() {
        records.push(&down.data().await.expect("more").expect("no error"));
    }
    let connection = records.hello().expect("it came");
    // Three times as long as a connection is kept that asks nothing.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let request = Request::builder().method("POST").uri("https://localhost/mux").header("bss-carrier", "up");
    let request = request.header("bss-connection", connection).header("bss-number", "0");
    let (answer, mut body) = requests.send_request(request.body(()).expect("a request"), false).expect("sent");
    body.send_data(Bytes::from_static(&PING), true).expect("sent");
    assert_eq!(timeout(PATIENCE, answer).await.expect("in time").expect("an answer").status(), StatusCode::NO_CONTENT);
    while !records.bytes().ends_with(&PONG) {
        records.push(&timeout(PATIENCE, down.data()).await.expect("in time").expect("more").expect("no error"));
    }
}
