//! The same load for servers of messages: `ws`, and socket.io 4 over its WebSocket.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result, ensure};

use super::{Kind, MESSAGE};
use crate::{endpoint::connect, wire};

/// A text frame, masked with a key of zeros: these are few.
const TEXT: u8 = 0x81;

/// Connects, and says what the server wants to hear first.
pub fn dial(address: SocketAddr, kind: Kind, path: &str) -> Result<TcpStream> {
    let mut socket = connect(address)?;
    let path = if kind == Kind::SocketIo { "/socket.io/?EIO=4&transport=websocket" } else { path };
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )?;
    let answer = until(&mut socket, b"\r\n\r\n")?;
    ensure!(answer.starts_with(b"HTTP/1.1 101"), "refused: {}", String::from_utf8_lossy(&answer));
    if kind == Kind::SocketIo {
        // engine.io says hello, the client joins the default namespace, socket.io says with which id.
        until(&mut socket, b"}")?;
        text(&mut socket, "40")?;
        until(&mut socket, b"}")?;
    }
    Ok(socket)
}

fn until(socket: &mut TcpStream, end: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        let mut byte = [0];
        socket.read_exact(&mut byte).context("the server's first words")?;
        bytes.push(byte[0]);
    }
    Ok(bytes)
}

fn text(socket: &mut TcpStream, text: &str) -> Result<()> {
    Ok(socket.write_all(&text_frame(text))?)
}

fn text_frame(text: &str) -> Vec<u8> {
    [&[TEXT, 0x80 | text.len() as u8, 0, 0, 0, 0], text.as_bytes()].concat()
}

/// Counts what comes until the connection ends; heads of messages, a thousandth of it, count as well.
pub fn drink(mut socket: TcpStream, bytes: &AtomicU64) -> Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let length = socket.read(&mut buffer)?;
        ensure!(length > 0, "the server closed the connection");
        bytes.fetch_add(length as u64, Ordering::Relaxed);
    }
}

/// Sends message after message, as fast as the server reads.
pub fn pour(mut socket: TcpStream, kind: Kind) -> Result<()> {
    let mut message = if kind == Kind::SocketIo { text_frame(r#"451-["m",{"_placeholder":true,"num":0}]"#) } else { Vec::new() };
    wire::put_message(&mut message, &[], &vec![7; MESSAGE]);
    loop {
        socket.write_all(&message)?;
    }
}
