//! The upgrade from HTTP, as far as the suite needs it: the proxy's own is axum's.

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Reads the request and accepts it; returns what the client sent behind it.
pub async fn accept(socket: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let end = loop {
        ensure!(bytes.len() < REQUEST_BYTES_MAX, "the request's head is too long");
        ensure!(socket.read_buf(&mut bytes).await? > 0, "the client left within its request");
        if let Some(end) = bytes.windows(END.len()).position(|window| window == END) {
            break end;
        }
    };
    let head = std::str::from_utf8(&bytes[..end]).context("the request's head")?;
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let key = fields.filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key")).map(|(_, value)| value.trim()).next();
    let accept = derive_accept_key(key.context("the request has no Sec-WebSocket-Key")?.as_bytes());
    let reply =
        format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n");
    socket.write_all(reply.as_bytes()).await?;
    Ok(bytes.split_off(end + END.len()))
}

const END: &[u8] = b"\r\n\r\n";
const REQUEST_BYTES_MAX: usize = 16 * 1024;
