//! Sessions over WebTransport, from outside. Needs the feature `webtransport`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use browser_stream_server::{Config, Opening, Proxy, StreamRouter, tls::Identity};
use data_encoding::BASE64;
use harness::{Peer, note};
use rustls::{RootCertStore, crypto::ring, pki_types::CertificateDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex, join},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinHandle,
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
    peers: JoinHandle<()>,
}

impl Served {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.webtransport = Some(0);
        change(&mut config);
        Self::of(Proxy::new(config, StreamRouter::new())).await
    }

    async fn of(proxy: Proxy) -> Self {
        let (listener, webtransport) = listen(&proxy).await;
        let tcp = listener.local_addr().expect("an address");
        let (pages, peers) = (proxy.clone(), proxy.clone());
        tokio::spawn(async move { pages.serve(listener).await });
        let peers = tokio::spawn(async move { peers.serve_webtransport(webtransport).await });
        Self { proxy, tcp, peers }
    }

    /// What pages are told.
    async fn told(&self) -> serde_json::Value {
        let socket = TcpStream::connect(self.tcp).await.expect("a connection");
        let answer = answer(socket, "POST /mux HTTP/1.1\r\nhost: localhost\r\nbss-carrier: list\r\ncontent-length: 0\r\n").await;
        serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
    }

    /// The same as a page of theirs has it, whose host is `localhost`.
    async fn policy(&self) -> String {
        let socket = TcpStream::connect(self.tcp).await.expect("a connection");
        let answer = answer(socket, &format!("GET / HTTP/1.1\r\nhost: localhost:{}\r\n", self.tcp.port())).await;
        let line = answer.lines().find_map(|line| line.strip_prefix("content-security-policy: "));
        line.unwrap_or_else(|| panic!("a policy in {answer}")).to_owned()
    }

    /// A session as a page of this origin asks for it, that takes the certificate whose hash it was told.
    async fn dial(&self, path: &str, origin: Option<&str>) -> Result<Connection, ConnectingError> {
        dial(&self.told().await, path, origin).await
    }

    fn refusals(&self, name: &str) -> u64 {
        self.proxy.refusals().find(|&(found, _)| found == name).expect("a reason").1
    }
}

/// The same by what it was told before.
async fn dial(told: &serde_json::Value, path: &str, origin: Option<&str>) -> Result<Connection, ConnectingError> {
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

/// A peer of a session, and how the proxy closes that.
async fn peer(connection: &Connection) -> (Peer, JoinHandle<String>) {
    let (send, receive) = timeout(PATIENCE, connection.accept_bi()).await.expect("in time").expect("a stream");
    let (near, far) = duplex(64 * 1024);
    (Peer::over(join(near, send)), tokio::spawn(records(receive, far)))
}

/// Takes the mux out of its records; resolves with the last of them.
async fn records(mut receive: RecvStream, mut mux: impl AsyncWrite + Unpin) -> String {
    loop {
        let mut head = [0; 4];
        receive.read_exact(&mut head).await.expect("a record");
        let [kind, high, middle, low] = head;
        let mut body = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
        receive.read_exact(&mut body).await.expect("a whole record");
        match kind {
            0 => mux.write_all(&body).await.expect("the peer lives"),
            2 => return String::from_utf8(body).expect("text"),
            _ => {}
        }
    }
}

/// The whole answer to a request of these lines.
async fn answer(mut socket: impl AsyncRead + AsyncWrite + Unpin, lines: &str) -> String {
    socket.write_all(format!("{lines}connection: close\r\n\r\n").as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("in time").expect("no error");
    String::from_utf8_lossy(&answer).into_owned()
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
    assert!(served.policy().await.contains(&format!("connect-src 'self' https://localhost:{} ", served.tcp.port())));
    served.proxy.shutdown(Duration::ZERO).await;
    let close = until(&mut receive, b"}").await;
    assert!(String::from_utf8_lossy(&close).contains("1012"), "{close:?}");
    timeout(PATIENCE, served.peers).await.expect("it ends in time").expect("no panic");
}

#[tokio::test]
async fn threat_20_sessions_over_webtransport_are_told_to_go_and_their_streams_go_on() {
    let mut config = Config::default();
    config.webtransport = Some(0);
    let router = StreamRouter::new().route("/echo", |opening: Opening| async {
        let mut stream = opening.accept();
        while let Ok(Some(chunk)) = stream.read_chunk().await {
            if stream.write_chunk(chunk).await.is_err() {
                return;
            }
        }
        stream.finish();
    });
    let served = Served::of(Proxy::new(config, router)).await;
    let told = served.told().await;
    let connections = [dial(&told, "/mux", None).await.expect("a session"), dial(&told, "/mux", None).await.expect("a session")];
    let ((idle, idle_end), (busy, busy_end)) = (peer(&connections[0]).await, peer(&connections[1]).await);
    let (_, mut told_idle) = idle.ask("/session", serde_json::json!({})).await.expect("a session stream");
    let (_, mut told_busy) = busy.ask("/session", serde_json::json!({})).await.expect("a session stream");
    let (_, mut stream) = busy.ask("/echo", serde_json::json!({})).await.expect("a stream");
    let shutdown = tokio::spawn({
        let proxy = served.proxy.clone();
        async move { proxy.shutdown(Duration::from_secs(600)).await }
    });
    for told in [&mut told_idle, &mut told_busy] {
        assert_eq!(note(told).await.expect("a note")["note"], "drain");
    }
    let end = timeout(PATIENCE, idle_end).await.expect("one without streams goes at once").expect("no panic");
    assert!(end.contains("1012"), "{end}");
    assert!(matches!(dial(&told, "/mux", None).await, Err(ConnectingError::SessionRejected)), "nobody comes in");
    stream.write_chunk("still here".into()).await.expect("it goes on");
    assert_eq!(timeout(PATIENCE, stream.read_chunk()).await.expect("in time").expect("no error").expect("more"), "still here");
    assert!(!busy_end.is_finished() && !shutdown.is_finished());
    stream.finish();
    assert_eq!(timeout(PATIENCE, stream.read_chunk()).await.expect("in time"), Ok(None), "a clean end");
    let end = timeout(PATIENCE, busy_end).await.expect("and then it goes").expect("no panic");
    assert!(end.contains("1012"), "{end}");
    timeout(PATIENCE, async { tokio::join!(shutdown, served.peers) }).await.expect("long before the deadline").0.expect("no panic");
}

#[tokio::test]
async fn a_peer_over_webtransport_of_which_nothing_comes_is_given_up_in_time() {
    let served = Served::start(|config| {
        (config.limits.ping_interval, config.limits.silence_max) = (Duration::from_millis(100), Duration::from_millis(500));
    })
    .await;
    let connection = served.dial("/mux", None).await.expect("a session");
    let (_send, mut receive) = timeout(PATIENCE, connection.accept_bi()).await.expect("in time").expect("a stream");
    // QUIC answers below, and the mux does not: the connection is there, and nobody at its end.
    let close = timeout(PATIENCE, until(&mut receive, b"}")).await.expect("in time");
    assert_eq!(close[..6], [1, 0, 0, 2, b'{', b'}']);
    let close = until(&mut receive, b"}").await;
    assert!(String::from_utf8_lossy(&close).contains("\"code\""), "{close:?}");
    timeout(PATIENCE, async {
        while !served.proxy.sessions().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("its session is over");
}

/// A certificate for this machine in two files, and a client that believes no other.
fn certificate(files: [&Path; 2]) -> rustls::ClientConfig {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    for (file, text) in files.into_iter().zip([made.cert.pem(), made.signing_key.serialize_pem()]) {
        std::fs::write(file, text).expect("written");
    }
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(made.cert)).expect("it is one");
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).expect("a version");
    let mut tls = builder.with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    // Who comes back is shown no certificate.
    tls.resumption = rustls::client::Resumption::disabled();
    tls
}

#[tokio::test]
async fn a_certificate_that_was_renewed_is_shown_from_then_on_and_cuts_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = [folder.path().join("cert.pem"), folder.path().join("key.pem")];
    let files = [files[0].as_path(), files[1].as_path()];
    let old = certificate(files);
    let identity = Identity::of_files(files[0], files[1]).expect("an identity");
    let mut config = Config::default();
    config.webtransport = Some(0);
    let served = Served::of(Proxy::with_tls(config, StreamRouter::new(), identity.clone())).await;
    let url = format!("https://127.0.0.1:{}/mux", served.tcp.port());
    let dial = async |tls: &rustls::ClientConfig| {
        let config = ClientConfig::builder().with_bind_default().with_custom_tls(tls.clone()).build();
        let endpoint: Endpoint<Client> = Endpoint::client(config).expect("a port");
        timeout(PATIENCE, endpoint.connect(&url)).await.expect("in time")
    };
    let session = dial(&old).await.expect("a session");
    let (mut send, mut receive) = timeout(PATIENCE, session.accept_bi()).await.expect("in time").expect("a stream");
    let new = certificate(files);
    assert!(dial(&new).await.is_err(), "nobody has read it");
    identity.reload().expect("read again");
    assert!(dial(&new).await.is_ok());
    assert!(dial(&old).await.is_err(), "it is shown no more");
    send.write_all(&PING).await.expect("sent");
    assert!(until(&mut receive, &PONG).await.ends_with(&PONG), "who was there goes on");
}

#[tokio::test]
async fn threat_15_a_handshake_over_udp_that_does_not_end_is_given_up_in_time() {
    let served = Served::start(|config| {
        config.limits.establish_timeout = Duration::from_millis(400);
        config.limits.connections_per_address_max = 1;
    })
    .await;
    // What the proxy answers never arrives.
    let deaf = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let dumb = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let (url, proxy) = (format!("https://127.0.0.1:{}/mux", deaf.local_addr().expect("an address").port()), served.tcp);
    tokio::spawn(async move {
        let mut packet = [0; 2048];
        while let Ok(length) = deaf.recv(&mut packet).await {
            let _ = dumb.send_to(&packet[..length], proxy).await;
        }
    });
    let config = ClientConfig::builder().with_bind_default().with_native_certs().build();
    let endpoint: Endpoint<Client> = Endpoint::client(config).expect("a port");
    let _asking = tokio::spawn(async move { endpoint.connect(url).await.map(drop) });
    let counted = async |reason: &str| {
        while served.refusals(reason) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, counted("establish_timeout")).await.expect("it is given up");
    // By now its place is another's; while it was there, there was none.
    assert!(timeout(PATIENCE, async { while served.dial("/mux", None).await.is_err() {} }).await.is_ok());
}

/// Passes packets of a client to a proxy, and back only those that ask it to show that it is where it says, which are counted: no handshake ends.
async fn half_deaf(proxy: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let front = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let back = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = front.local_addr().expect("an address");
    let retries = Arc::new(AtomicUsize::new(0));
    let told = retries.clone();
    tokio::spawn(async move {
        let (mut there, mut here, mut client) = ([0; 2048], [0; 2048], proxy);
        loop {
            tokio::select! {
                Ok((length, from)) = front.recv_from(&mut there) => {
                    client = from;
                    let _ = back.send_to(&there[..length], proxy).await;
                }
                // A Retry (RFC 9000 section 17.2.5).
                Ok(length) = back.recv(&mut here), if client != proxy => if here[0] & 0xf0 == 0xf0 {
                    told.fetch_add(1, Ordering::Relaxed);
                    let _ = front.send_to(&here[..length], client).await;
                },
                else => return,
            }
        }
    });
    (address, retries)
}

#[tokio::test]
async fn threat_15_so_many_handshakes_over_udp_are_under_way_and_no_more_and_half_of_them_of_who_shows_where_it_is() {
    let served = Served::start(|config| {
        (config.limits.establish_timeout, config.limits.silence_max) = (Duration::from_secs(600), Duration::from_secs(600));
        config.limits.connections_per_address_max = 1000;
    })
    .await;
    let (front, retries) = half_deaf(served.tcp).await;
    let config = ClientConfig::builder().with_bind_default().with_server_certificate_hashes([Sha256Digest::new([0; 32])]);
    let config = config.max_idle_timeout(Some(Duration::from_secs(600))).expect("a time").build();
    let endpoint: Arc<Endpoint<Client>> = Arc::new(Endpoint::client(config).expect("a port"));
    let (mut asking, mut asked) = (tokio::task::JoinSet::new(), 0);
    let refused = async {
        while served.refusals("connections") == 0 {
            // Not all at once, or the sockets drop what they have no room for; a few may get lost all the same.
            if asked < 512 {
                let (endpoint, url) = (endpoint.clone(), format!("https://127.0.0.1:{}/mux", front.port()));
                asking.spawn(async move { endpoint.connect(url).await.map(drop) });
                asked += 1;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(6 * PATIENCE, refused).await.expect("one too many is refused");
    let shown = retries.load(Ordering::Relaxed);
    assert!(asked > 256 && shown >= 128, "{asked} came, {shown} were asked where they are");
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
