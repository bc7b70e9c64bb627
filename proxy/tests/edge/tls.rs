//! The edge over TLS of the proxy's own.

use std::{sync::Arc, time::Duration};

use browser_stream_server::{Config, Proxy, StreamRouter, tls::Identity};
use futures::future::join_all;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tempfile::{TempDir, tempdir};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::served::{HANDSHAKE, PATIENCE, Served, close_code, config, masked, rest, status, until};

/// A proxy that speaks TLS, and a client that trusts it and nobody else.
pub struct Secure {
    pub served: Served,
    trusting: Arc<ClientConfig>,
    _folder: TempDir,
}

pub async fn secure(change: impl FnOnce(&mut Config)) -> Secure {
    let folder = tempdir().expect("a folder");
    let identity = Identity::self_signed(folder.path(), &["box".into()]).expect("an identity");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(identity.certificate().expect("a file")).expect("a certificate")).expect("it is one");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let mut trusting = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
    trusting.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut config = config();
    change(&mut config);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let proxy = Proxy::with_tls(config, StreamRouter::new(), identity);
    assert_eq!(proxy.url(&listener).expect("a URL"), format!("https://{address}/"));
    let task = tokio::spawn({
        let proxy = proxy.clone();
        async move { proxy.serve(listener).await }
    });
    Secure { served: Served { proxy, address, task }, trusting: Arc::new(trusting), _folder: folder }
}

impl Secure {
    pub async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.served.address).await.expect("a connection")
    }

    /// A connection to it, called by this name.
    async fn connect(&self, name: &'static str) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name).expect("a name");
        TlsConnector::from(self.trusting.clone()).connect(name, self.tcp().await).await
    }

    /// The same, by one that offers these protocols.
    pub async fn connect_as(&self, name: &'static str, protocols: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut trusting = ClientConfig::clone(&self.trusting);
        trusting.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from(name).expect("a name");
        TlsConnector::from(Arc::new(trusting)).connect(name, self.tcp().await).await
    }

    async fn ask(&self, line: &str, headers: &str) -> String {
        let mut socket = self.connect("localhost").await.expect("TLS");
        socket.write_all(format!("{line} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n").as_bytes()).await.expect("sent");
        String::from_utf8_lossy(&rest(&mut socket).await).into_owned()
    }

    pub async fn handshake(&self, headers: &str) -> (TlsStream<TcpStream>, String) {
        let mut socket = self.connect("127.0.0.1").await.expect("TLS");
        let request = format!("GET /mux HTTP/1.1\r\nhost: localhost\r\n{HANDSHAKE}{headers}\r\n");
        socket.write_all(request.as_bytes()).await.expect("sent");
        let head = until(&mut socket, |bytes| bytes.windows(4).any(|end| end == b"\r\n\r\n")).await;
        (socket, String::from_utf8(head).expect("text"))
    }
}

#[tokio::test]
async fn over_tls_pages_and_the_websocket_are_there_by_http_1_1_for_each_name_of_the_certificate() {
    let secure = secure(|_| {}).await;
    for name in ["localhost", "127.0.0.1", "::1", "box"] {
        let socket = secure.connect(name).await.expect(name);
        assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
    let error = secure.connect("other").await.expect_err("another name").to_string();
    assert!(error.contains("certificate"), "{error}");
    let page = secure.ask("GET /", "host: box:8443\r\norigin: https://box:8443\r\n").await;
    assert_eq!(status(&page), 200, "{page}");
    let (mut socket, head) = secure.handshake("origin: https://localhost\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    // Many records of TLS, and more than one read of the proxy's.
    let payload = vec![7; 120];
    let pings = masked(0x89, &payload).repeat(2000);
    socket.write_all(&pings).await.expect("sent");
    socket.write_all(&masked(0x89, b"the last")).await.expect("sent");
    until(&mut socket, |bytes| bytes.ends_with(b"the last")).await;
    socket.write_all(&masked(0x88, &1000_u16.to_be_bytes())).await.expect("sent");
    assert_eq!(close_code(&rest(&mut socket).await), 1000);
}

#[tokio::test]
async fn threat_15_a_slow_handshake_of_tls_is_closed_in_the_time_that_a_peer_has_for_its_first_request() {
    let patience = Duration::from_secs(2);
    let secure = secure(|config| config.limits.establish_timeout = patience).await;
    let silent = async |said: &[u8]| {
        let mut socket = secure.tcp().await;
        socket.write_all(said).await.expect("sent");
        rest(&mut socket).await;
    };
    // Nothing, the head of a record, and of a longer one than ever comes.
    join_all([&[][..], &[22], &[22, 3, 1, 2, 0, 1, 0]].map(silent)).await;
    // The handshake is done and then nothing is asked: the same clock runs on.
    let socket = secure.tcp().await;
    tokio::time::sleep(patience / 2).await;
    let name = ServerName::try_from("localhost").expect("a name");
    let mut tls = TlsConnector::from(secure.trusting.clone()).connect(name, socket).await.expect("TLS");
    let since = std::time::Instant::now();
    tls.write_all(b"GET /healthz HTTP/1.1\r\n").await.expect("sent");
    rest(&mut tls).await;
    assert!(since.elapsed() < patience, "{:?}: the handshake gave no new time", since.elapsed());
    assert_eq!((secure.served.refusals("establish_timeout"), secure.served.refusals("tls")), (4, 0));
}

#[tokio::test]
async fn who_comes_without_tls_is_sent_to_the_same_address_over_it() {
    let secure = secure(|_| {}).await;
    let answer = secure.served.ask("GET /examples/echo/?a=b", "host: box:8443\r\n").await;
    assert_eq!(status(&answer), 308, "{answer}");
    assert!(answer.contains("location: https://box:8443/examples/echo/?a=b\r\n") && answer.contains("bad_request: "), "{answer}");
    assert_eq!(status(&secure.served.ask("GET /", "host: evil.example\r\n").await), 421, "not to a host that is not ours");
    let answer = secure
        .served
        .ask("GET /mux", &format!("host: localhost\r\n{}", HANDSHAKE.replace("upgrade\r\nupg", "upgrade, close\r\nupg")))
        .await;
    assert_eq!(status(&answer), 308, "no WebSocket either: {answer}");
    let mut socket = secure.tcp().await;
    socket.write_all(&[22, 3, 1, 0, 4, 99, 0, 0, 0]).await.expect("sent");
    rest(&mut socket).await;
    assert_eq!(secure.served.refusals("tls"), 1, "what is no handshake");
    assert!(secure.served.proxy.sessions().is_empty());
}

#[tokio::test]
async fn threat_14_over_tls_a_page_without_it_gets_nothing() {
    let secure = secure(|_| {}).await;
    for (headers, answer) in [
        ("host: box\r\norigin: http://box\r\n", 403),
        ("host: localhost:80\r\norigin: http://localhost\r\n", 403),
        ("host: evil.example\r\norigin: https://evil.example\r\n", 421),
        ("host: localhost\r\norigin: https://localhost\r\n", 200),
    ] {
        assert_eq!(status(&secure.ask("GET /healthz", headers).await), answer, "{headers}");
    }
}

#[tokio::test]
async fn threat_18_the_limits_of_an_address_hold_over_tls() {
    let secure = secure(|config| {
        config.limits.sessions_per_address_max = 1;
        config.limits.connections_per_address_max = 2;
    })
    .await;
    let (_first, head) = secure.handshake("").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let (_second, head) = secure.handshake("").await;
    assert!(head.starts_with("HTTP/1.1 429"), "{head}");
    let _idle = secure.tcp().await;
    let answer = secure.ask("GET /", "host: localhost\r\n").await;
    assert_eq!(status(&answer), 429, "{answer}");
    assert!(secure.served.refusals("connections_per_address") >= 1);
}

#[tokio::test]
async fn threat_20_going_down_is_told_over_tls_too() {
    let secure = secure(|_| {}).await;
    let (mut socket, _) = secure.handshake("").await;
    let shaking = secure.tcp().await;
    let down = tokio::spawn({
        let proxy = secure.served.proxy.clone();
        async move { proxy.shutdown(Duration::ZERO).await }
    });
    assert_eq!(close_code(&rest(&mut socket).await), 1012);
    drop(socket);
    // One in the middle of its handshake holds nothing up.
    timeout(PATIENCE, down).await.expect("bounded").expect("no panic");
    timeout(PATIENCE, secure.served.task).await.expect("serve returns").expect("no panic").expect("no error");
    drop(shaking);
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn threat_17_beyond_this_machine_what_is_shown_for_metrics_goes_over_tls_and_on_it_needs_none() {
    for (bind, scheme) in [("0.0.0.0:0", "https"), ("127.0.0.1:0", "http")] {
        let secure = secure(|config| config.admin = Some(bind.parse().expect("an address"))).await;
        let proxy = secure.served.proxy.clone();
        let listener = proxy.listen_admin().await.expect("a port").expect("it is set");
        let port = listener.local_addr().expect("an address").port();
        assert_eq!(
            proxy.admin_url(&listener).expect("a URL"),
            format!("{scheme}://{}/metrics", listener.local_addr().expect("an address"))
        );
        tokio::spawn(async move { proxy.serve_admin(listener).await });
        let asked = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let tcp = async || TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        let mut plain = tcp().await;
        plain.write_all(asked).await.expect("sent");
        let plain = String::from_utf8_lossy(&rest(&mut plain).await).into_owned();
        if scheme == "http" {
            assert_eq!(status(&plain), 200, "{plain}");
            continue;
        }
        assert_eq!(status(&plain), 308, "{plain}");
        let name = ServerName::try_from("localhost").expect("a name");
        let mut tls = TlsConnector::from(secure.trusting.clone()).connect(name, tcp().await).await.expect("TLS");
        tls.write_all(asked).await.expect("sent");
        let answer = String::from_utf8_lossy(&rest(&mut tls).await).into_owned();
        assert!(status(&answer) == 200 && answer.contains("bss_sessions "), "{answer}");
    }
}
