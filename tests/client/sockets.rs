//! Over real sockets: the WebSocket, TLS, and a network that breaks.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use browser_stream_client::{Code, DialError, Peer, State, StreamClient, StreamError, StreamServer};
use browser_stream_server::{Config, StreamRouter, StreamServerProxy};
use futures::StreamExt;
use harness::{Port, Shim, Way, pattern, within};
use rustls::{ClientConfig, RootCertStore, ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::connect::{next, pair};

/// A proxy on a port of its own.
pub async fn proxy() -> SocketAddr {
    let names = StreamServerProxy::new("/browser-server");
    let proxy = browser_stream_server::Proxy::new(Config::default(), StreamRouter::new().mount(names));
    harness::serve(proxy.router()).await
}

/// Somebody who answers every request like this.
async fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _read = socket.read(&mut head).await;
            socket.write_all(answer.as_bytes()).await.expect("sent");
        }
    });
    format!("ws://{address}/mux")
}

#[tokio::test]
async fn a_client_and_a_server_meet_by_name_with_four_mebibytes_each_way() {
    let url = format!("http://{}/mux", proxy().await);
    let server = StreamServer::dial(&url).await.expect("the proxy is there");
    let client = StreamClient::dial(&url).await.expect("the proxy is there");
    let mut listener = server.listen("NAME").await.expect("the name is free");
    let (mine, theirs) = pair(client.peer(), &mut listener).await;
    let talk = |stream, seed: u64, expects: u64| async move {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let (sent, expected) = (pattern(seed, 4 << 20), pattern(expects, 4 << 20));
        let mut got = Vec::new();
        let writing = async {
            writer.write_all(&sent).await?;
            writer.shutdown().await
        };
        let (wrote, read) = tokio::join!(writing, reader.read_to_end(&mut got));
        wrote.and(read.map(|_| ())).expect("clean ends");
        assert!(got == expected);
    };
    within(async { tokio::join!(talk(mine, 1, 2), talk(theirs, 2, 1)) }).await;
}

#[tokio::test]
async fn a_cut_in_the_network_loses_streams_and_brings_the_name_back() {
    let address = proxy().await;
    let shim = Shim::start(address, 1).await;
    let server = StreamServer::dial(shim.mux()).await.expect("the proxy is there");
    let client = StreamClient::dial(format!("ws://{address}/mux")).await.expect("the proxy is there");
    let mut listener = server.listen("NAME").await.expect("the name is free");
    let (mut mine, mut theirs) = pair(client.peer(), &mut listener).await;
    let sent = pattern(3, 100_000);
    shim.cut_after(Way::Down, 50_000);
    mine.write_all(&sent).await.expect("taken");
    let mut got = Vec::new();
    while let Ok(Some(chunk)) = within(theirs.read_chunk()).await {
        got.extend_from_slice(&chunk);
    }
    assert_eq!(within(theirs.read_chunk()).await, Err(StreamError::Lost));
    assert_eq!(within(mine.read_chunk()).await, Err(StreamError::Lost));
    assert!(got.len() <= 50_000 && got == sent[..got.len()]);
    pair(client.peer(), &mut listener).await;
    assert_eq!(shim.connections(), 2);
}

#[tokio::test]
async fn no_proxy_is_an_error_that_says_what_is_wrong() {
    let held = Port::hold();
    let error = |url: String| async move { Peer::dial(url).await.err().expect("no proxy") };
    assert!(matches!(error(format!("ws://{}/mux", held.address())).await, DialError::Io(_)));
    assert!(matches!(error("mux".into()).await, DialError::Url(_)));
    let missing = error(format!("ws://{}/nothing", proxy().await)).await;
    assert!(matches!(missing, DialError::Refused { status: 404, .. }) && missing.code() == Code::NotFound);
    let unsecured = error(format!("wss://{}/mux", proxy().await)).await;
    assert!(unsecured.to_string().contains("does not speak TLS: dial it with ws://"), "{unsecured}");
    let foreign = Peer::dial(format!("ws://{}/mux", proxy().await));
    let foreign = foreign.header(http::header::ORIGIN, http::HeaderValue::from_static("https://elsewhere.example"));
    assert!(matches!(foreign.await.err(), Some(DialError::Refused { status: 403, .. })), "the header is sent");
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let dial = Peer::dial(format!("ws://{}/mux", silent.local_addr().expect("bound"))).timeout(Duration::from_millis(20));
    assert_eq!(dial.await.err().expect("nobody answers").code(), Code::Timeout);
}

#[tokio::test]
async fn a_refusal_tells_its_status_its_text_and_when_to_come_back() {
    let url = answering("HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\ncontent-length: 14\r\n\r\ndraining: soon").await;
    let error = Peer::dial(url).await.err().expect("refused");
    assert_eq!(error.code(), Code::Draining);
    let DialError::Refused { status: 503, message, retry_after: Some(delay) } = error else { panic!("{error}") };
    assert_eq!((message.as_str(), delay.as_secs()), ("draining: soon", 7));
}

#[tokio::test]
async fn threat_20_a_delay_that_the_answer_names_is_kept_and_a_refusal_for_good_ends_it() {
    let address = proxy().await;
    for (answer, is_final) in [
        ("HTTP/1.1 503 Service Unavailable\r\nretry-after: 200\r\ncontent-length: 0\r\n\r\n", false),
        ("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n", true),
    ] {
        let door = Door::to(address).await;
        let peer = Peer::dial(door.mux()).await.expect("the proxy is there");
        let mut states = peer.states();
        // The session is known to work.
        peer.client().connect("NAME").wait(Duration::ZERO).await.expect_err("nobody serves it");
        door.answer(answer);
        let end = loop {
            match within(states.next()).await.expect("it is told") {
                State::Waiting { delay, .. } => break Some(delay.as_secs()),
                State::Closed(error) => break assert_final(error),
                _ => {}
            }
        };
        assert_eq!(end, if is_final { None } else { Some(200) });
    }
}

fn assert_final(error: Option<DialError>) -> Option<u64> {
    assert_eq!(error.expect("a reason").code(), Code::Unauthorized);
    None
}

/// A way to the proxy until it is told to answer something by itself, which also cuts what there is.
struct Door {
    address: SocketAddr,
    answer: Arc<tokio::sync::watch::Sender<Option<&'static str>>>,
}

impl Door {
    async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let answer = Arc::new(tokio::sync::watch::Sender::new(None));
        let door = Self { address, answer: answer.clone() };
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut answers = answer.subscribe();
                tokio::spawn(async move {
                    let now: Option<&str> = *answers.borrow_and_update();
                    if let Some(answer) = now {
                        let _read = near.read(&mut [0; 4096]).await;
                        return near.write_all(answer.as_bytes()).await;
                    }
                    let mut far = TcpStream::connect(target).await?;
                    tokio::select! {
                        _ = answers.changed() => Ok(()),
                        done = copy_bidirectional(&mut near, &mut far) => done.map(|_| ()),
                    }
                });
            }
        });
        door
    }

    fn mux(&self) -> String {
        format!("ws://{}/mux", self.address)
    }

    fn answer(&self, answer: &'static str) {
        self.answer.send_replace(Some(answer));
    }
}

/// TLS in front of a proxy: its port, and a client's configuration that trusts it.
async fn tls(target: SocketAddr) -> (u16, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).expect("they fit");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(server));
        while let Ok((near, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(
                async move { copy_bidirectional(&mut acceptor.accept(near).await?, &mut TcpStream::connect(target).await?).await },
            );
        }
    });
    (port, Arc::new(client))
}

#[tokio::test]
async fn tls_carries_a_session_if_the_certificate_is_trusted() {
    let (port, config) = tls(proxy().await).await;
    let url = format!("wss://localhost:{port}/mux");
    let peer = Peer::dial(&url).tls(config).await.expect("trusted");
    let mut listener = peer.server().listen("NAME").await.expect("the name is free");
    let (mine, theirs) = tokio::join!(peer.client().connect("NAME").into_future(), async { next(&mut listener).await.accept() });
    assert_eq!(mine.expect("accepted").id(), theirs.id());
    let error = Peer::dial(&url).await.err().expect("nobody vouches for it");
    assert!(error.to_string().contains("certificate"), "{error}");
}
