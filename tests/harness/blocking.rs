//! A peer on one blocking socket, from an address of its choice: cheap, and it says what no library would.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use crate::wire::{Came, Decoder, message};

/// Bytes that the kernel may hold for a peer, each way: little, so that what was sent is about what the proxy took, and a peer that
/// does not read is felt soon.
const KERNEL_BUFFER: usize = 64 * 1024;

/// The upgrade as far as its last header's end; one more line end sends it.
pub const UPGRADE: &str = "GET /mux HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Protocol: bss.1\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

/// A connection to the proxy, upgraded.
pub struct Blocking {
    pub socket: TcpStream,
    decoder: Decoder,
    input: Vec<u8>,
}

/// A TCP connection from this address. Closing it resets it: no port is left waiting.
pub fn tcp(to: SocketAddr, from: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.set_send_buffer_size(KERNEL_BUFFER)?;
    socket.set_recv_buffer_size(KERNEL_BUFFER)?;
    socket.set_linger(Some(Duration::ZERO))?;
    socket.set_tcp_nodelay(true)?;
    socket.connect_timeout(&to.into(), Duration::from_secs(5))?;
    Ok(socket.into())
}

impl Blocking {
    /// Dials and upgrades. A refusal is the error [`ErrorKind::PermissionDenied`] with the answer's head as its text.
    pub fn dial(to: SocketAddr, from: Ipv4Addr) -> io::Result<Self> {
        Self::dial_within(to, from, Duration::from_secs(30))
    }

    /// The same with so much patience for each read: the session's, too, until another is set.
    pub fn dial_within(to: SocketAddr, from: Ipv4Addr, patience: Duration) -> io::Result<Self> {
        let mut socket = tcp(to, from)?;
        socket.set_read_timeout(Some(patience))?;
        socket.write_all(UPGRADE.as_bytes())?;
        socket.write_all(b"\r\n")?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte)?;
            answer.push(byte[0]);
        }
        if !answer.starts_with(b"HTTP/1.1 101") {
            return Err(io::Error::new(ErrorKind::PermissionDenied, String::from_utf8_lossy(&answer).into_owned()));
        }
        Ok(Self { socket, decoder: Decoder::default(), input: vec![0; 64 * 1024] })
    }

    /// Sends frames of the mux as one message.
    pub fn send(&mut self, frames: &[u8]) -> io::Result<()> {
        self.socket.write_all(&message(frames))
    }

    /// Reads once, as long as the socket's timeout lets it, and tells what came; the connection's end is an error.
    pub fn receive(&mut self, on: impl FnMut(Came)) -> io::Result<()> {
        match self.socket.read(&mut self.input)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            length => {
                self.decoder.decode(&self.input[..length], on);
                Ok(())
            }
        }
    }
}

/// Whether a read or write only ran out of the time that it was given.
pub fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
