//! The edge from outside: raw bytes over TCP against a proxy on a port of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{net::SocketAddr, time::Duration};

use browser_stream_server::{Config, Proxy, StreamRouter};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};

/// A proxy that serves, and stops with the test.
struct Served {
    proxy: Proxy,
    address: SocketAddr,
    task: JoinHandle<std::io::Result<()>>,
}

async fn served(change: impl FnOnce(&mut Config)) -> Served {
    let mut config = Config::default();
    change(&mut config);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let proxy = Proxy::new(config, StreamRouter::new());
    let task = tokio::spawn({
        let proxy = proxy.clone();
        async move { proxy.serve(listener).await }
    });
    Served { proxy, address, task }
}

/// What comes until the peer closes, which it must do within five seconds.
async fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset counts as an end: what came before it is what matters.
    let _ = timeout(PATIENCE, socket.read_to_end(&mut bytes)).await.expect("the proxy closes");
    bytes
}

/// Bytes until `enough` says so.
async fn until(socket: &mut TcpStream, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !enough(&bytes) {
        let read = timeout(PATIENCE, socket.read_buf(&mut bytes)).await.expect("an answer in time").expect("no error");
        assert_ne!(read, 0, "closed after {:?}", String::from_utf8_lossy(&bytes));
    }
    bytes
}

impl Served {
    /// A request on a connection of its own, with these header lines instead of the usual `Host`; the whole answer as text.
    async fn ask(&self, line: &str, headers: &str) -> String {
        let mut socket = TcpStream::connect(self.address).await.expect("a connection");
        let request = format!("{line} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.expect("sent");
        String::from_utf8_lossy(&rest(&mut socket).await).into_owned()
    }

    /// A WebSocket handshake; the socket behind the answer's head, and the head.
    async fn handshake(&self, headers: &str) -> (TcpStream, String) {
        let mut socket = TcpStream::connect(self.address).await.expect("a connection");
        let request = format!("GET /mux HTTP/1.1\r\nhost: localhost\r\n{HANDSHAKE}{headers}\r\n");
        socket.write_all(request.as_bytes()).await.expect("sent");
        let head = until(&mut socket, |bytes| bytes.ends_with(b"\r\n\r\n")).await;
        (socket, String::from_utf8(head).expect("text"))
    }

    /// How often the proxy refused for this reason.
    fn refusals(&self, name: &str) -> u64 {
        self.proxy.refusals().find(|&(found, _)| found == name).expect("a reason").1
    }

    /// Sends these bytes over a WebSocket; the code with which the proxy closes.
    async fn close_code(&self, bytes: &[u8]) -> u16 {
        let (mut socket, head) = self.handshake("").await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        // It may close before it took all.
        let _ = socket.write_all(bytes).await;
        let said = rest(&mut socket).await;
        close_code(&said)
    }
}

/// The code in the last frame, a close frame; pings and mux frames may stand before it.
fn close_code(mut frames: &[u8]) -> u16 {
    while let [first, length, payload @ ..] = frames {
        assert!(*length < 126, "a short frame");
        if *first == 0x88 {
            return u16::from_be_bytes([payload[0], payload[1]]);
        }
        frames = &payload[usize::from(*length)..];
    }
    panic!("no close frame");
}

/// A frame as a client sends it: masked, with zeros, so that the payload reads as it is.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status in {answer:?}"))
}

const PATIENCE: Duration = Duration::from_secs(5);
const HANDSHAKE: &str =
    "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const ROUTES: [&str; 7] = ["/mux", "/healthz", "/readyz", "/", "/browser-stream-server.js", "/examples/echo/", "/nowhere"];

#[tokio::test]
async fn health_is_a_short_ok() {
    let served = served(|_| {}).await;
    let answer = served.ask("GET /healthz", "host: localhost\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
}

#[tokio::test]
async fn threat_14_a_page_of_another_origin_gets_no_route() {
    let served = served(|config| config.allow_origin = vec!["https://app.example".parse().unwrap()]).await;
    let host = format!("host: {}\r\n", served.address);
    for route in ROUTES {
        for method in ["GET", "POST", "OPTIONS"] {
            let line = format!("{method} {route}");
            for origin in ["http://evil.example", "null", "http://localhost:1"] {
                let answer = served.ask(&line, &format!("{host}{HANDSHAKE}origin: {origin}\r\n")).await;
                assert_eq!(status(&answer), 403, "{line} from {origin}");
                assert!(answer.contains("\r\n\r\nforbidden_origin: "), "{answer}");
                assert!(!answer.contains("access-control-"), "{answer}");
            }
        }
        if route != "/mux" {
            for origin in [format!("http://{}", served.address), "https://app.example".to_owned()] {
                let answer = served.ask(&format!("GET {route}"), &format!("{host}origin: {origin}\r\n")).await;
                assert!([200, 404].contains(&status(&answer)), "{route} from {origin}: {answer}");
            }
        }
    }
    assert!(served.proxy.sessions().is_empty());
    assert_eq!(served.refusals("gate"), ROUTES.len() as u64 * 9);
    let (_socket, head) = served.handshake("origin: https://app.example\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
}

#[tokio::test]
async fn threat_14_a_rebound_name_gets_no_route() {
    let served = served(|_| {}).await;
    for route in ROUTES {
        let line = format!("GET {route}");
        let rebound = format!("host: evil.example:{0}\r\norigin: http://evil.example:{0}\r\n", served.address.port());
        let answer = served.ask(&line, &rebound).await;
        assert_eq!(status(&answer), 421, "{route}");
        assert!(answer.contains("\r\n\r\nforbidden_host: "), "{answer}");
        assert_eq!(status(&served.ask(&line, "").await), 400, "{route} without a host");
        assert_eq!(status(&served.ask(&line, "host: localhost\r\nhost: localhost\r\n").await), 400, "{route} with two");
    }
}

#[tokio::test]
async fn threat_14_the_websocket_in_another_programs_router_is_guarded_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = axum::Router::new().route("/mux", browser_stream_server::mux(StreamRouter::new()));
    let proxy = Proxy::new(Config::default(), StreamRouter::new());
    let task = tokio::spawn(async move { axum::serve(listener, app).await });
    let served = Served { proxy, address, task };
    let (_socket, head) = served.handshake("origin: http://localhost\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    for method in ["GET", "POST"] {
        let answer = served.ask(&format!("{method} /mux"), "host: localhost\r\norigin: http://evil.example\r\n").await;
        assert_eq!(status(&answer), 403, "{answer}");
        assert_eq!(status(&served.ask(&format!("{method} /mux"), "host: evil.example\r\n").await), 421);
    }
    served.task.abort();
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_read_the_library_and_nothing_else() {
    let served = served(|config| config.allow_origin = vec!["https://app.example".parse().unwrap()]).await;
    let page = "host: localhost\r\norigin: https://app.example\r\n";
    let library = served.ask("GET /browser-stream-server.js", page).await;
    assert!(library.contains("access-control-allow-origin: https://app.example\r\n"), "{library}");
    assert!(library.contains("vary: origin\r\n"), "{library}");
    for other in ["GET /", "GET /healthz", "GET /examples/echo/main.js"] {
        let answer = served.ask(other, page).await;
        assert!(!answer.contains("access-control-allow-origin"), "{answer}");
    }
}

#[tokio::test]
async fn files_are_read_and_nothing_else() {
    let served = served(|_| {}).await;
    for route in ["/", "/browser-stream-server.js"] {
        assert_eq!(status(&served.ask(&format!("POST {route}"), "host: localhost\r\ncontent-length: 0\r\n").await), 405);
        let got = served.ask(&format!("GET {route}"), "host: localhost\r\n").await;
        let headers = served.ask(&format!("HEAD {route}"), "host: localhost\r\n").await;
        assert_eq!(status(&got), status(&headers));
        assert!(headers.ends_with("\r\n\r\n"), "{headers}");
    }
    let nothing = served.ask("GET /no-such-thing", "host: localhost\r\n").await;
    assert!(status(&nothing) == 404 && nothing.contains("\r\n\r\nnot_found: "), "{nothing}");
    let outside = served.ask("GET /../Cargo.toml", "host: localhost\r\n").await;
    assert!(status(&outside) == 404, "{outside}");
}

#[tokio::test]
async fn a_handshake_takes_our_subprotocol_or_none_and_refuses_others() {
    let served = served(|_| {}).await;
    let (_socket, head) = served.handshake("sec-websocket-protocol: chat, bss.1\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101") && head.contains("sec-websocket-protocol: bss.1\r\n"), "{head}");
    let (_socket, head) = served.handshake("").await;
    assert!(head.starts_with("HTTP/1.1 101") && !head.contains("sec-websocket-protocol"), "{head}");
    let only_others = format!("host: localhost\r\n{HANDSHAKE}sec-websocket-protocol: bss.2\r\n");
    let answer = served.ask("GET /mux", &only_others.replace("connection: upgrade", "connection: upgrade, close")).await;
    assert_eq!(status(&answer), 400, "{answer}");
    assert!(answer.contains("\r\n\r\nunsupported: "), "{answer}");
    let plain = served.ask("GET /mux", "host: localhost\r\n").await;
    assert_eq!(status(&plain), 426, "{plain}");
}

#[tokio::test]
async fn threat_15_a_slow_head_is_closed_in_time() {
    let served = served(|config| config.limits.establish_timeout = Duration::from_millis(200)).await;
    for said in ["", "G", "GET /healthz HTTP/1.1\r\nhost: localhost\r\n", "GET /mux HTTP/1.1\r\nhost: localhost\r\nx: "] {
        let mut socket = TcpStream::connect(served.address).await.expect("a connection");
        socket.write_all(said.as_bytes()).await.expect("sent");
        rest(&mut socket).await;
    }
    assert_eq!(served.refusals("establish_timeout"), 4);
    // Between two requests the same clock runs.
    let mut socket = TcpStream::connect(served.address).await.expect("a connection");
    socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sent");
    assert!(rest(&mut socket).await.ends_with(b"ok\n"));
    assert_eq!(served.refusals("establish_timeout"), 4, "who was served was not refused");
}

#[tokio::test]
async fn threat_15_a_dribbled_head_gains_no_time() {
    let served = served(|config| config.limits.establish_timeout = Duration::from_millis(300)).await;
    let (mut reading, mut writing) = TcpStream::connect(served.address).await.expect("a connection").into_split();
    writing.write_all(b"GET / HTTP/1.1\r\nx: ").await.expect("sent");
    let dribble = tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        while writing.write_all(b"x").await.is_ok() {
            beat.tick().await;
        }
    });
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, reading.read_to_end(&mut answer)).await.expect("the proxy closes");
    timeout(PATIENCE, dribble).await.expect("the proxy is gone").expect("no panic");
}

#[tokio::test]
async fn threat_15_a_giant_head_is_refused() {
    let served = served(|_| {}).await;
    let long = format!("host: localhost\r\nx: {}\r\n", "x".repeat(64 * 1024));
    let mut socket = TcpStream::connect(served.address).await.expect("a connection");
    let _ = socket.write_all(format!("GET /healthz HTTP/1.1\r\n{long}").as_bytes()).await;
    let answer = until(&mut socket, |bytes| bytes.ends_with(b"\r\n\r\n")).await;
    assert_eq!(status(&String::from_utf8_lossy(&answer)), 431);
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    assert_eq!(status(&served.ask("GET /healthz", &format!("host: localhost\r\n{many}")).await), 431);
    let fair = format!("host: localhost\r\ncookie: {}\r\n", "x".repeat(8 * 1024));
    assert_eq!(status(&served.ask("GET /healthz", &fair).await), 200);
    assert_eq!(served.refusals("header_too_large"), 2);
}

#[tokio::test]
async fn threat_16_a_text_message_closes_1003() {
    let served = served(|_| {}).await;
    assert_eq!(served.close_code(&masked(0x81, b"hello")).await, 1003);
    assert_eq!(served.close_code(&[masked(0x01, b"he"), masked(0x80, b"llo")].concat()).await, 1003);
    assert_eq!((served.refusals("text"), served.refusals("transport")), (2, 0));
}

#[tokio::test]
async fn threat_16_what_is_no_websocket_closes_1002() {
    let served = served(|_| {}).await;
    for (what, bytes) in [
        ("unmasked", vec![0x82, 1, 0]),
        ("reserved bit", masked(0xc2, &[0])),
        ("opcode", masked(0x83, &[0])),
        ("long ping", {
            let mut frame = vec![0x89, 0x80 | 126, 0, 126];
            frame.extend_from_slice(&[0; 130]);
            frame
        }),
        ("fragmented ping", masked(0x09, b"ping")),
        ("continuation of nothing", masked(0x80, &[0])),
    ] {
        assert_eq!(served.close_code(&bytes).await, 1002, "{what}");
    }
    assert_eq!(served.refusals("transport"), 6);
}

#[tokio::test]
async fn threat_16_a_close_reason_that_is_not_utf8_closes_1007() {
    let served = served(|_| {}).await;
    assert_eq!(served.close_code(&masked(0x88, b"\x03\xe8fine")).await, 1000);
    assert_eq!(served.refusals("transport"), 0);
    assert_eq!(served.close_code(&masked(0x88, b"\x03\xe8\xff")).await, 1007);
    assert_eq!(served.refusals("transport"), 1);
}

#[tokio::test]
async fn threat_16_a_message_of_any_length_is_taken_as_it_arrives_and_a_cut_behind_it_is_told() {
    let served = served(|_| {}).await;
    // A message of 4 EiB, it says: it begins with a ping of the mux, which is answered before the rest has come.
    let (mut socket, _) = served.handshake("").await;
    let mut frame = masked(0x82, &[]);
    frame.splice(1..2, [0x80 | 127].into_iter().chain((1_u64 << 62).to_be_bytes()));
    frame.extend_from_slice(&[0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7]);
    socket.write_all(&frame).await.expect("sent");
    let pong = until(&mut socket, |bytes| bytes.len() >= 14).await;
    assert_eq!(pong, [0x82, 12, 0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7]);
    // What follows is no frame, and a mebibyte of it is unread when the proxy closes.
    socket.write_all(&vec![0xff; 1024 * 1024]).await.expect("sent");
    assert_eq!(close_code(&rest(&mut socket).await), 1002);
}

#[tokio::test]
async fn a_ping_is_answered_and_a_close_too() {
    let served = served(|_| {}).await;
    let (mut socket, _) = served.handshake("").await;
    socket.write_all(&masked(0x89, b"are you there")).await.expect("sent");
    let pong = until(&mut socket, |bytes| bytes.len() >= 15).await;
    assert_eq!(pong, [&[0x8a, 13][..], b"are you there"].concat());
    socket.write_all(&masked(0x88, &1000_u16.to_be_bytes())).await.expect("sent");
    assert_eq!(close_code(&rest(&mut socket).await), 1000);
}

#[tokio::test]
async fn threat_20_while_it_goes_down_it_says_so_and_a_live_session_goes_on_to_the_end() {
    let mut config = Config::default();
    config.limits.drain_timeout = Duration::from_millis(1500);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let proxy = Proxy::new(config, StreamRouter::new());
    let (signal, signalled) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn({
        let proxy = proxy.clone();
        async move { proxy.serve_until(listener, async { signalled.await.expect("a signal") }).await }
    });
    let served = Served { proxy, address, task };
    let (mut socket, _) = served.handshake("").await;
    // A stream whose open is not complete: it keeps its session.
    socket.write_all(&masked(0x82, &[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 9])).await.expect("sent");
    until(&mut socket, |bytes| bytes.len() >= 14).await;
    let begun = std::time::Instant::now();
    signal.send(()).expect("it waits for the signal");
    let ready = async || served.ask("GET /readyz", "host: localhost\r\n").await;
    timeout(PATIENCE, async { while !ready().await.contains("draining") {} }).await.expect("it is told");
    assert!(ready().await.starts_with("HTTP/1.1 503"));
    let upgrade = "host: localhost\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let refused = served.ask("GET /mux", &format!("connection: upgrade\r\n{upgrade}")).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after") && refused.contains("draining"), "{refused}");
    assert!(served.ask("GET /healthz", "host: localhost\r\n").await.starts_with("HTTP/1.1 200"));
    assert_eq!(served.proxy.sessions().len(), 1);
    assert_eq!(close_code(&rest(&mut socket).await), 1012);
    assert!(begun.elapsed() >= Duration::from_millis(1500), "not before the end");
    drop(socket);
    timeout(PATIENCE, served.task).await.expect("serve returns").expect("no panic").expect("no error");
}

#[tokio::test]
async fn a_shutdown_that_nobody_waits_for_goes_on() {
    let served = served(|_| {}).await;
    let (mut socket, _) = served.handshake("").await;
    socket.write_all(&masked(0x82, &[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 9])).await.expect("sent");
    until(&mut socket, |bytes| bytes.len() >= 14).await;
    assert!(timeout(Duration::from_millis(20), served.proxy.shutdown(Duration::from_millis(200))).await.is_err());
    assert_eq!(close_code(&rest(&mut socket).await), 1012, "though the future was dropped");
    drop(socket);
    timeout(PATIENCE, served.proxy.shutdown(Duration::from_secs(60))).await.expect("nothing is left to wait for");
    timeout(PATIENCE, served.task).await.expect("serve returns").expect("no panic").expect("no error");
}

#[tokio::test]
async fn going_down_closes_sessions_with_1012_and_takes_no_more() {
    let served = served(|_| {}).await;
    let (mut socket, _) = served.handshake("").await;
    let mut idle = TcpStream::connect(served.address).await.expect("a connection");
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sent");
    until(&mut idle, |bytes| bytes.ends_with(b"ok\n")).await;
    let down = tokio::spawn({
        let proxy = served.proxy.clone();
        async move { proxy.shutdown(Duration::ZERO).await }
    });
    assert_eq!(close_code(&rest(&mut socket).await), 1012);
    assert_eq!(rest(&mut idle).await, b"");
    drop((socket, idle));
    timeout(PATIENCE, down).await.expect("bounded").expect("no panic");
    timeout(PATIENCE, served.task).await.expect("serve returns").expect("no panic").expect("no error");
    assert!(TcpStream::connect(served.address).await.is_err(), "the port is free again");
}
