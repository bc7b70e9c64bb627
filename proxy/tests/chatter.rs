//! What a WebSocket says below the mux costs its peer as much as frames of the mux that move nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{net::SocketAddr, time::Duration};

use browser_stream_server::{Config, Proxy, StreamRouter};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(10);
const BURST: usize = 200;

/// A proxy that lets a peer send so many frames that bring nothing at once, and half as many in a second.
async fn served() -> (Proxy, SocketAddr) {
    let mut config = Config::default();
    (config.limits.misc_frames_burst, config.limits.misc_frames_per_second) = (BURST, BURST / 2);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let proxy = Proxy::new(config, StreamRouter::new());
    tokio::spawn({
        let proxy = proxy.clone();
        async move { proxy.serve(listener).await }
    });
    (proxy, address)
}

async fn session(to: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(to).await.expect("a connection");
    socket.write_all(HANDSHAKE.as_bytes()).await.expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, socket.read_u8()).await.expect("an answer in time").expect("no error"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    socket
}

/// A client's frame, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

/// Waits until the session has taken all that was sent before; what it said to that.
async fn answered(socket: &mut TcpStream) -> Vec<u8> {
    socket.write_all(&frame(PING, b"mark")).await.expect("sent");
    let mut said = Vec::new();
    while !said.ends_with(b"mark") {
        said.push(timeout(PATIENCE, socket.read_u8()).await.expect("an answer in time").expect("no error"));
    }
    said
}

fn refused(proxy: &Proxy, kind: &str) -> u64 {
    proxy.refusals().find(|(name, _)| *name == kind).expect("a kind of refusal").1
}

#[tokio::test]
async fn threat_16_websocket_frames_that_bring_nothing_are_free_then_slow_and_at_last_the_end_of_their_session() {
    for (what, first, bytes) in [
        ("pings", Vec::new(), frame(PING, b"")),
        ("long pings", Vec::new(), frame(PING, &[7; 125])),
        ("pongs", Vec::new(), frame(PONG, b"unasked")),
        ("empty messages", Vec::new(), frame(BINARY, b"")),
        ("empty fragments", frame(BEGIN, b""), frame(MORE, b"")),
    ] {
        let (proxy, address) = served().await;
        let mut socket = session(address).await;
        socket.write_all(&[first, bytes.repeat(BURST / 2)].concat()).await.expect("sent");
        answered(&mut socket).await;
        assert_eq!(refused(&proxy, "transport_rate_slowed"), 0, "{what}: within the burst");
        socket.write_all(&bytes.repeat(2 * BURST)).await.expect("sent");
        answered(&mut socket).await;
        assert!(refused(&proxy, "transport_rate_slowed") > 0, "{what}: slowed");
        assert_eq!(refused(&proxy, "transport_rate_cut"), 0, "{what}: not cut yet");
        // Where the proxy has cut by now, the rest finds nobody.
        let _ = socket.write_all(&bytes.repeat(12 * BURST)).await;
        let mut said = Vec::new();
        timeout(PATIENCE, socket.read_to_end(&mut said)).await.expect("cut in time").expect("an orderly end");
        let close = [&[0x88, 2 + REASON.len() as u8, 0x03, 0xf0], REASON].concat();
        assert!(said.ends_with(&close), "{what}: 1008: {said:?}");
        assert_eq!((refused(&proxy, "transport_rate_cut"), refused(&proxy, "misc_rate_cut")), (1, 0), "{what}");
    }
}

#[tokio::test]
async fn each_websocket_ping_is_answered_or_counted() {
    let (proxy, address) = served().await;
    let mut socket = session(address).await;
    socket.write_all(&frame(PING, b"").repeat(100)).await.expect("sent");
    let said = answered(&mut socket).await;
    // The mux asks for signs of life in a message of its own.
    let pongs = said.windows(2).filter(|pair| *pair == [0x8a, 0]).count() as u64;
    let dropped = refused(&proxy, "pongs_dropped");
    assert_eq!(pongs + dropped, 100, "{pongs} answered");
    assert!(pongs > 0 && dropped > 0, "those of one read are answered in part: {pongs}");
}

const BINARY: u8 = 0x82;
const BEGIN: u8 = 0x02;
const MORE: u8 = 0x00;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

const REASON: &[u8] = b"limit: too many frames that move nothing";

const HANDSHAKE: &str = "GET /mux HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
