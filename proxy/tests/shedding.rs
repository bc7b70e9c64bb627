//! What there is no room for is told so and told when to come back; what lives goes on; and the room comes back by itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use browser_stream_server::{Config, Proxy, StreamRouter};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, sleep, timeout},
};

/// A proxy in this process.
async fn served(change: impl FnOnce(&mut Config)) -> (Proxy, SocketAddr) {
    let mut config = Config::default();
    change(&mut config);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let proxy = Proxy::new(config, StreamRouter::new());
    tokio::spawn({
        let proxy = proxy.clone();
        async move { proxy.serve(listener).await }
    });
    (proxy, address)
}

/// The program `bss`, allowed so many file descriptors; killed with the test.
struct Narrow {
    child: Child,
    address: SocketAddr,
}

impl Narrow {
    fn new(descriptors: u32) -> Self {
        let line = format!("ulimit -n {descriptors}; exec \"$0\" --bind 127.0.0.1:0");
        let mut command = Command::new("sh");
        command.args(["-c", &line, env!("CARGO_BIN_EXE_bss")]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.env_remove("BSS_CONFIG").spawn().expect("sh runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("browser-stream-server is at http://").and_then(|rest| rest.strip_suffix('/'));
        let address = address.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("no address in {line:?}"));
        Self { child, address }
    }
}

impl Drop for Narrow {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request from this address of the machine; the socket, and the answer with the body that its head announces.
async fn ask_from(from: [u8; 4], to: SocketAddr, path: &str, headers: &str) -> (TcpStream, String) {
    try_ask_from(from, to, path, headers).await.expect("an answer")
}

/// The same where the proxy may have no room to answer, and closes.
async fn try_ask_from(from: [u8; 4], to: SocketAddr, path: &str, headers: &str) -> io::Result<(TcpStream, String)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    let mut socket = socket.connect(to).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while !is_whole(&answer) {
        if timeout(PATIENCE, socket.read_buf(&mut answer)).await.expect("an answer in time")? == 0 {
            let came = String::from_utf8_lossy(&answer).into_owned();
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("closed after {came:?}")));
        }
    }
    Ok((socket, String::from_utf8_lossy(&answer).into_owned()))
}

fn is_whole(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return false };
    body.len() >= header(head, "content-length").unwrap_or(0)
}

/// A header whose value is a number.
fn header(head: &str, name: &str) -> Option<usize> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok())
}

async fn ask(to: SocketAddr, path: &str) -> String {
    ask_from([127, 0, 0, 1], to, path, "connection: close\r\n").await.1
}

async fn handshake(to: SocketAddr) -> (TcpStream, String) {
    ask_from([127, 0, 0, 1], to, "/mux", HANDSHAKE).await
}

/// Asks until the answer has this status, which it must within the patience.
async fn until_status(to: SocketAddr, path: &str, expected: u16) {
    let end = Instant::now() + PATIENCE;
    loop {
        // As long as it closes connections without an answer it is not there yet, either.
        let answer = try_ask_from([127, 0, 0, 1], to, path, "connection: close\r\n").await.map(|(_, answer)| answer);
        if answer.as_ref().is_ok_and(|answer| status(answer) == expected) {
            return;
        }
        assert!(Instant::now() < end, "{path} stays {answer:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Sends a WebSocket ping; the answer shows that the session behind the socket is served.
async fn pings(socket: &mut TcpStream) {
    socket.write_all(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']).await.expect("sent");
    let mut pong = [0; 4];
    timeout(PATIENCE, socket.read_exact(&mut pong)).await.expect("an answer in time").expect("no error");
    assert_eq!(pong, [0x8a, 2, b'h', b'i']);
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status in {answer:?}"))
}

/// Seconds after which to come back.
fn retry_after(answer: &str) -> Option<usize> {
    header(answer, "retry-after")
}

fn refusals(proxy: &Proxy, name: &str) -> u64 {
    proxy.refusals().find(|&(found, _)| found == name).unwrap_or_else(|| panic!("no {name}")).1
}

const PATIENCE: Duration = Duration::from_secs(10);
const HANDSHAKE: &str =
    "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn threat_19_without_descriptors_new_ones_are_shed_and_live_ones_go_on() {
    let bss = Narrow::new(64);
    assert_eq!(status(&ask(bss.address, "/readyz").await), 200);
    let mut live = Vec::new();
    let refused = loop {
        let (socket, head) = handshake(bss.address).await;
        match status(&head) {
            101 => live.push(socket),
            _ => break head,
        }
        assert!(live.len() < 64, "more sessions than descriptors");
    };
    assert_eq!(status(&refused), 503);
    assert!(refused.contains("\r\n\r\nlimit: ") && retry_after(&refused).is_some(), "{refused}");
    assert!(live.len() >= 8, "{} sessions", live.len());
    for _ in 0..100 {
        let answer = ask(bss.address, "/readyz").await;
        assert!(status(&answer) == 503 && retry_after(&answer).is_some(), "{answer}");
    }
    assert_eq!(status(&ask(bss.address, "/").await), 503);
    assert_eq!(status(&ask(bss.address, "/healthz").await), 200, "the process is well");
    for socket in &mut live {
        pings(socket).await;
    }
    live.truncate(live.len() / 2);
    until_status(bss.address, "/readyz", 200).await;
    assert_eq!(status(&handshake(bss.address).await.1), 101);
    for socket in &mut live {
        pings(socket).await;
    }
}

#[tokio::test]
async fn threat_19_idle_connections_do_not_stop_the_shedding() {
    let bss = Narrow::new(64);
    // As many as there are descriptors and slots to shed: they say nothing, and cannot hold a slot for long.
    let mut idle = Vec::new();
    for _ in 0..96 {
        idle.push(TcpStream::connect(bss.address).await.expect("a connection"));
    }
    until_status(bss.address, "/readyz", 503).await;
    drop(idle);
    until_status(bss.address, "/readyz", 200).await;
}

#[tokio::test]
async fn threat_19_one_connection_too_many_is_told_to_come_back() {
    let (proxy, address) = served(|config| config.limits.connections_max = 2).await;
    let (socket, head) = handshake(address).await;
    assert_eq!(status(&head), 101);
    let (mut other, head) = handshake(address).await;
    assert_eq!(status(&head), 101);
    for path in ["/", "/mux", "/readyz", "/nowhere"] {
        let answer = ask(address, path).await;
        assert!(status(&answer) == 503 && retry_after(&answer).is_some() && answer.contains("connections_max"), "{path}: {answer}");
    }
    assert_eq!(status(&ask(address, "/healthz").await), 200);
    assert_eq!(refusals(&proxy, "connections"), 5);
    drop(socket);
    until_status(address, "/readyz", 200).await;
    pings(&mut other).await;
}

#[tokio::test]
async fn threat_15_idle_connections_from_one_address_keep_nobody_else_out() {
    let (proxy, address) = served(|config| {
        config.limits.connections_max = 8;
        config.limits.connections_per_address_max = 4;
        // None of the idle ones is closed for that.
        config.limits.establish_timeout = Duration::from_secs(60);
    })
    .await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(TcpStream::connect(address).await.expect("a connection"));
    }
    let (_socket, answer) = handshake(address).await;
    assert!(status(&answer) == 429 && retry_after(&answer).is_some() && answer.contains("connections_per_address_max"), "{answer}");
    assert_eq!(status(&ask(address, "/healthz").await), 200, "the process is well");
    assert_eq!(refusals(&proxy, "connections_per_address"), 2);
    let mut sessions = Vec::new();
    let come = async {
        // Not one of them asks anything, and 16 are answered at once, a second each: to wait for all takes twice as long as there is.
        for _ in 0..400 {
            idle.push(TcpStream::connect(address).await.expect("a connection"));
        }
        for _ in 0..4 {
            let (socket, head) = ask_from([127, 0, 0, 2], address, "/mux", HANDSHAKE).await;
            assert_eq!(status(&head), 101);
            sessions.push(socket);
        }
    };
    timeout(PATIENCE, come).await.expect("nobody waits for the idle ones");
    assert_eq!((refusals(&proxy, "connections_per_address"), refusals(&proxy, "connections")), (402, 0));
    drop(idle);
    until_status(address, "/readyz", 200).await;
}

#[tokio::test]
async fn a_session_is_no_longer_one_of_its_addresss_connections() {
    let (_proxy, address) = served(|config| config.limits.connections_per_address_max = 1).await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        let (mut socket, head) = handshake(address).await;
        assert_eq!(status(&head), 101);
        // Its HTTP connection has ended when the session speaks.
        pings(&mut socket).await;
        sessions.push(socket);
    }
}

#[tokio::test]
async fn threat_19_draining_is_told_by_readiness() {
    let proxy = Proxy::new(Config::default(), StreamRouter::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    // In a program whose server goes on when the proxy goes down.
    let router = proxy.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    assert_eq!(status(&ask(address, "/readyz").await), 200);
    proxy.shutdown(Duration::ZERO).await;
    for path in ["/readyz", "/mux"] {
        let (_socket, answer) = ask_from([127, 0, 0, 1], address, path, HANDSHAKE).await;
        assert!(status(&answer) == 503 && answer.contains("\r\n\r\ndraining: ") && retry_after(&answer).is_some(), "{answer}");
    }
    assert_eq!(refusals(&proxy, "draining"), 1);
}

#[tokio::test]
async fn an_upgrade_that_is_no_handshake_is_counted() {
    let (proxy, address) = served(|_| ()).await;
    assert_eq!(status(&ask(address, "/mux").await), 426);
    let foreign = format!("{HANDSHAKE}sec-websocket-protocol: soap\r\n");
    assert_eq!(status(&ask_from([127, 0, 0, 1], address, "/mux", &foreign).await.1), 400);
    assert_eq!(refusals(&proxy, "handshake"), 2);
    assert_eq!(status(&ask(address, "/readyz").await), 200);
    assert_eq!(refusals(&proxy, "handshake"), 2, "another request is none");
}

#[tokio::test]
async fn one_address_has_so_many_sessions_and_others_have_their_own() {
    let (proxy, address) = served(|config| config.limits.sessions_per_address_max = 3).await;
    let mut live = Vec::new();
    for _ in 0..3 {
        let (socket, head) = handshake(address).await;
        assert_eq!(status(&head), 101);
        live.push(socket);
    }
    let (_refused, answer) = handshake(address).await;
    assert_eq!(status(&answer), 429);
    assert!(answer.contains("\r\n\r\nlimit: ") && retry_after(&answer).is_some(), "{answer}");
    assert_eq!(refusals(&proxy, "sessions_per_address"), 1);
    assert_eq!(status(&ask(address, "/readyz").await), 200, "a request is no session");
    assert_eq!(status(&ask_from([127, 0, 0, 2], address, "/mux", HANDSHAKE).await.1), 101);
    live.pop();
    let end = Instant::now() + PATIENCE;
    while status(&handshake(address).await.1) != 101 {
        assert!(Instant::now() < end, "the place stays taken");
        sleep(Duration::from_millis(10)).await;
    }
    for socket in &mut live {
        pings(socket).await;
    }
}

#[tokio::test]
async fn threat_18_sessions_through_a_trusted_proxy_count_for_whom_it_names_and_nobody_else_is_believed() {
    let (proxy, address) = served(|config| {
        config.limits.sessions_per_address_max = 1;
        config.limits.connections_per_address_max = 2;
        config.trusted_proxies = vec!["127.0.0.2".parse().expect("a network")];
    })
    .await;
    let mut live = Vec::new();
    for _ in 0..5 {
        let (kept, answer) = ask_from([127, 0, 0, 2], address, "/healthz", "").await;
        assert_eq!(status(&answer), 200);
        live.push(kept);
    }
    for _ in 0..5 {
        let (socket, head) = ask_from([127, 0, 0, 2], address, "/mux", HANDSHAKE).await;
        assert_eq!(status(&head), 101);
        live.push(socket);
    }
    live.push(handshake(address).await.0);
    let forged = format!("{HANDSHAKE}x-forwarded-for: 127.0.0.2\r\n");
    assert_eq!(status(&ask_from([127, 0, 0, 1], address, "/mux", &forged).await.1), 429);
    assert_eq!(refusals(&proxy, "sessions_per_address"), 1);
    for (named, comes_to) in [("192.0.2.1", 101), ("192.0.2.1", 429), ("192.0.2.7, 192.0.2.1", 429), ("192.0.2.1, 192.0.2.7", 101)] {
        let named = format!("{HANDSHAKE}x-forwarded-for: {named}\r\n");
        let (socket, head) = ask_from([127, 0, 0, 2], address, "/mux", &named).await;
        assert_eq!(status(&head), comes_to, "{named}");
        live.push(socket);
    }
    assert_eq!(refusals(&proxy, "sessions_per_address"), 3);
}
