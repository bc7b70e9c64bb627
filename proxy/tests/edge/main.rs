//! The edge from outside: raw bytes over TCP against a proxy on a port of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod http2;
mod over_http;
mod served;
mod stun;
mod tls;
mod transport;

use std::time::Duration;

use browser_stream_server::{Config, Proxy, StreamRouter};
use futures::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use served::*;

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
    let served = served(|config| config.limits.establish_timeout = Duration::from_secs(2)).await;
    let slow = async |said: &str| {
        let mut socket = TcpStream::connect(served.address).await.expect("a connection");
        socket.write_all(said.as_bytes()).await.expect("sent");
        rest(&mut socket).await;
    };
    let heads = ["", "G", "GET /healthz HTTP/1.1\r\nhost: localhost\r\n", "GET /mux HTTP/1.1\r\nhost: localhost\r\nx: "];
    join_all(heads.map(slow)).await;
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
async fn threat_20_while_it_goes_down_it_says_so_and_a_live_session_goes_on_to_the_end() {
    let mut config = Config::default();
    config.limits.drain_timeout = Duration::from_secs(5);
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
    // It keeps its session.
    begin_stream(&mut socket).await;
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
    assert!(begun.elapsed() >= Duration::from_secs(5), "not before the end");
    drop(socket);
    timeout(PATIENCE, served.task).await.expect("serve returns").expect("no panic").expect("no error");
}

/// A stream whose open is not complete, and a ping, whose answer takes the stream's along.
async fn begin_stream(socket: &mut TcpStream) {
    let (stream, ping) = ([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 9], [0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7]);
    socket.write_all(&masked(0x82, &[&stream[..], &ping].concat())).await.expect("sent");
    until(socket, |bytes| bytes.len() >= 26).await;
}

#[tokio::test]
async fn a_shutdown_that_nobody_waits_for_goes_on() {
    let served = served(|_| {}).await;
    let (mut socket, _) = served.handshake("").await;
    begin_stream(&mut socket).await;
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
