//! A proxy that serves on a port of its own, and raw bytes to and from it.

use std::{net::SocketAddr, time::Duration};

use browser_stream_server::{Config, Proxy, StreamRouter};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};

/// A proxy that serves, and stops with the test.
pub struct Served {
    pub proxy: Proxy,
    pub address: SocketAddr,
    pub task: JoinHandle<std::io::Result<()>>,
}

pub async fn served(change: impl FnOnce(&mut Config)) -> Served {
    let mut config = config();
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

/// The default, but for one thing: what ends in time does not end because nobody asked anything.
pub fn config() -> Config {
    let mut config = Config::default();
    config.limits.establish_timeout = 2 * PATIENCE;
    config
}

/// What comes until the peer closes, which it must do in time.
pub async fn rest(socket: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset counts as an end: what came before it is what matters.
    let _ = timeout(PATIENCE, socket.read_to_end(&mut bytes)).await.expect("the proxy closes");
    bytes
}

/// Bytes until `enough` says so.
pub async fn until(socket: &mut (impl AsyncRead + Unpin), enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !enough(&bytes) {
        let read = timeout(PATIENCE, socket.read_buf(&mut bytes)).await.expect("an answer in time").expect("no error");
        assert_ne!(read, 0, "closed after {:?}", String::from_utf8_lossy(&bytes));
    }
    bytes
}

impl Served {
    /// A request on a connection of its own, with these header lines instead of the usual `Host`; the whole answer as text.
    pub async fn ask(&self, line: &str, headers: &str) -> String {
        let mut socket = TcpStream::connect(self.address).await.expect("a connection");
        let request = format!("{line} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.expect("sent");
        String::from_utf8_lossy(&rest(&mut socket).await).into_owned()
    }

    /// A WebSocket handshake; the socket behind the answer's head, and the head.
    pub async fn handshake(&self, headers: &str) -> (TcpStream, String) {
        let mut socket = TcpStream::connect(self.address).await.expect("a connection");
        let request = format!("GET /mux HTTP/1.1\r\nhost: localhost\r\n{HANDSHAKE}{headers}\r\n");
        socket.write_all(request.as_bytes()).await.expect("sent");
        let head = until(&mut socket, |bytes| bytes.ends_with(b"\r\n\r\n")).await;
        (socket, String::from_utf8(head).expect("text"))
    }

    /// How often the proxy refused for this reason.
    pub fn refusals(&self, name: &str) -> u64 {
        self.proxy.refusals().find(|&(found, _)| found == name).expect("a reason").1
    }

    /// Sends these bytes over a WebSocket; the code with which the proxy closes.
    pub async fn close_code(&self, bytes: &[u8]) -> u16 {
        let (mut socket, head) = self.handshake("").await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        // It may close before it took all.
        let _ = socket.write_all(bytes).await;
        let said = rest(&mut socket).await;
        close_code(&said)
    }
}

/// The code in the last frame, a close frame; pings and mux frames may stand before it.
pub fn close_code(mut frames: &[u8]) -> u16 {
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
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
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

pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status in {answer:?}"))
}

/// What is slow here is a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
pub const HANDSHAKE: &str =
    "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
pub const ROUTES: [&str; 7] = ["/mux", "/healthz", "/readyz", "/", "/browser-stream-server.js", "/examples/echo/", "/nowhere"];
