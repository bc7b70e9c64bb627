//! Sessions over WebTransport, from outside. Needs the feature `webtransport`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{net::SocketAddr, time::Duration};

use browser_stream_server::{Config, Proxy, StreamRouter};
use data_encoding::BASE64;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use wtransport::{
    ClientConfig, Connection, Endpoint, RecvStream,
    endpoint::{ConnectOptions, endpoint_side::Client},
    error::ConnectingError,
    tls::Sha256Digest,
};

/// A ping of the mux, and its answer.
const PING: [u8; 12] = [0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
const PONG: [u8; 12] = [0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7];
const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy that serves WebTransport, too.
struct Served {
    proxy: Proxy,
    tcp: SocketAddr,
}

impl Served {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.webtransport = Some(0);
        change(&mut config);
        let proxy = Proxy::new(config, StreamRouter::new());
        let (listener, webtransport) = listen(&proxy).await;
        let tcp = listener.local_addr().expect("an address");
        let (pages, peers) = (proxy.clone(), proxy.clone());
        tokio::spawn(async move { pages.serve(listener).await });
        tokio::spawn(async move { peers.serve_webtransport(webtransport).await });
        Self { proxy, tcp }
    }

    /// What pages are told.
    async fn told(&self) -> serde_json::Value {
        let mut socket = TcpStream::connect(self.tcp).await.expect("a connection");
        let request = "POST /mux HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nbss-carrier: list\r\ncontent-length: 0\r\n\r\n";
        socket.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        timeout(PATIENCE, socket.read_to_string(&mut answer)).await.expect("in time").expect("text");
        serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
    }

    /// A session as a page of this origin asks for it, that takes the certificate whose hash it was told.
    async fn dial(&self, path: &str, origin: Option<&str>) -> Result<Connection, ConnectingError> {
        let told = self.told().await;
        let hash = BASE64.decode(told["webtransport"]["hashes"][0].as_str().expect("a hash").as_bytes()).expect("base64");
        let hash = Sha256Digest::new(hash.try_into().expect("a SHA-256"));
        let config = ClientConfig::builder().with_bind_default().with_server_certificate_hashes([hash]).build();
        let endpoint: Endpoint<Client> = Endpoint::client(config).expect("a port");
        let url = format!("https://127.0.0.1:{}{path}", told["webtransport"]["port"]);
        let mut options = ConnectOptions::builder(url);
        if let Some(origin) = origin {
            options = options.add_header("origin", origin);
        }
        timeout(PATIENCE, endpoint.connect(options.build())).await.expect("in time")
    }

    fn refusals(&self, name: &str) -> u64 {
        self.proxy.refusals().find(|&(found, _)| found == name).expect("a reason").1
    }
}

/// Sockets for both: UDP's port is TCP's, which somebody else may have.
async fn listen(proxy: &Proxy) -> (TcpListener, browser_stream_server::WebTransport) {
    for _ in 0..16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        if let Ok(Some(webtransport)) = proxy.listen_webtransport(&listener) {
            return (listener, webtransport);
        }
    }
    panic!("no port is free for both");
}

/// What comes until it ends so.
async fn until(receive: &mut RecvStream, end: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        let mut part = [0; 4096];
        let read = timeout(PATIENCE, receive.read(&mut part)).await.expect("in time").expect("no error").expect("more");
        bytes.extend_from_slice(&part[..read]);
    }
    bytes
}

#[tokio::test]
async fn a_session_over_webtransport_is_the_mux_on_a_stream_that_the_proxy_opens() {
    let served = Served::start(|_| {}).await;
    let told = served.told().await;
    assert_eq!(told["carriers"], serde_json::json!(["websocket", "http", "webtransport"]));
    assert_eq!(told["webtransport"]["port"], served.tcp.port());
    let connection = served.dial("/mux", None).await.expect("a session");
    let (mut send, mut receive) = timeout(PATIENCE, connection.accept_bi()).await.expect("in time").expect("a stream");
    assert_eq!(until(&mut receive, b"}").await[..], [1, 0, 0, 2, b'{', b'}'], "the hello");
    send.write_all(&PING).await.expect("sent");
    assert!(until(&mut receive, &PONG).await.ends_with(&[&[0, 0, 0, 12], &PONG[..]].concat()), "a record with the answer");
    assert_eq!(served.proxy.sessions().len(), 1);
    served.proxy.shutdown(Duration::ZERO).await;
    let close = until(&mut receive, b"}").await;
    assert!(String::from_utf8_lossy(&close).contains("1012"), "{close:?}");
}

#[tokio::test]
async fn threat_14_other_origins_hosts_and_paths_get_no_webtransport() {
    let served = Served::start(|config| config.allow_origin = vec!["https://app.example".parse().unwrap()]).await;
    let own = format!("http://127.0.0.1:{}", served.tcp.port());
    for origin in [own.as_str(), "https://app.example"] {
        assert!(served.dial("/mux", Some(origin)).await.is_ok(), "{origin}");
    }
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        let refused = served.dial("/mux", Some(origin)).await;
        assert!(matches!(refused, Err(ConnectingError::SessionRejected)), "{origin}");
    }
    assert!(matches!(served.dial("/other", Some(&own)).await, Err(ConnectingError::SessionRejected)));
    assert_eq!(served.refusals("gate"), 3);
}

#[tokio::test]
async fn sessions_over_webtransport_count_among_those_of_their_address_until_they_end() {
    let served = Served::start(|config| config.limits.sessions_per_address_max = 1).await;
    let first = served.dial("/mux", None).await.expect("a session");
    let stream = timeout(PATIENCE, first.accept_bi()).await.expect("in time").expect("a stream");
    assert!(matches!(served.dial("/mux", None).await, Err(ConnectingError::SessionRejected)));
    assert_eq!(served.refusals("sessions_per_address"), 1);
    drop((first, stream));
    timeout(PATIENCE, async {
        while served.dial("/mux", None).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("its place is free again");
}
