//! A peer of the proxy on one blocking socket, as cheap as can be: what it costs is not the proxy's doing.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{AddressFamily, SocketType},
};

use crate::wire::{self, ACK, Decoder, Event, Frame, GO_AWAY, PING, SYN, WINDOW_UPDATE};

/// What both sides of a new stream may send (yamux).
pub const INITIAL_WINDOW: u32 = 256 * 1024;

/// A session with the proxy, or with whatever stands in its place.
pub struct Link {
    socket: TcpStream,
    decoder: Decoder,
    input: Vec<u8>,
    pub out: Out,
}

/// What is to be written next.
#[derive(Default)]
pub struct Out(pub Vec<u8>);

impl Out {
    pub fn data(&mut self, id: u32, flags: u16, payload: &[u8]) {
        wire::put(&mut self.0, Frame::data(id, flags, payload), payload);
    }

    pub fn grant(&mut self, id: u32, flags: u16, length: u32) {
        self.control(WINDOW_UPDATE, flags, id, length);
    }

    pub fn ping(&mut self, token: u32) {
        self.control(PING, SYN, 0, token);
    }

    fn control(&mut self, kind: u8, flags: u16, id: u32, length: u32) {
        wire::put(&mut self.0, Frame { kind, flags, id, length }, &[]);
    }
}

impl Link {
    /// Dials, upgrades at `path` and is ready for the first frame.
    pub fn dial(address: SocketAddr, path: &str) -> Result<Self> {
        Self::upgrade(connect(address)?, address, path)
    }

    /// The same on a connection that there is already.
    pub fn upgrade(mut socket: TcpStream, address: SocketAddr, path: &str) -> Result<Self> {
        write!(
            socket,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: bss.1\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).context("the answer to the upgrade")?;
            answer.push(byte[0]);
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        ensure!(answer.starts_with("HTTP/1.1 101"), "the relay refused the upgrade: {answer}");
        Ok(Self { socket, decoder: Decoder::default(), input: vec![0; 256 * 1024], out: Out::default() })
    }

    /// Another hold on the socket, to end the session with.
    pub fn socket(&self) -> Result<TcpStream> {
        Ok(self.socket.try_clone()?)
    }

    pub fn flush(&mut self) -> Result<()> {
        if !self.out.0.is_empty() {
            self.socket.write_all(&self.out.0)?;
            self.out.0.clear();
        }
        Ok(())
    }

    /// Writes messages that were made before.
    pub fn write(&mut self, messages: &[u8]) -> Result<()> {
        Ok(self.socket.write_all(messages)?)
    }

    /// Whether something can be received, now or within `time`.
    pub fn ready(&self, time: Duration) -> Result<bool> {
        let time = Timespec { tv_sec: time.as_secs().try_into()?, tv_nsec: time.subsec_nanos().into() };
        Ok(poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&time))? > 0)
    }

    /// Waits for the next bytes and reports what is in them; pings are answered here. Writes what was put out meanwhile.
    pub fn receive(&mut self, mut on: impl FnMut(&mut Out, Event)) -> Result<()> {
        let length = self.socket.read(&mut self.input).context("the relay said nothing")?;
        ensure!(length > 0, "the relay closed the session");
        let out = &mut self.out;
        let mut ended = None;
        self.decoder.decode(&self.input[..length], |event| match event {
            Event::Frame(Frame { kind: PING, flags, length, .. }) if flags & SYN != 0 => out.control(PING, ACK, 0, length),
            Event::Frame(frame @ Frame { kind: GO_AWAY, .. }) => ended = Some(frame.length),
            event => on(out, event),
        })?;
        if let Some(code) = ended {
            bail!("the relay went away, code {code}");
        }
        self.flush()
    }
}

pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    prepared(TcpStream::connect(address)?)
}

/// Connects from an address of its own, as another machine would.
pub fn connect_from(from: Ipv4Addr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    rustix::net::bind(&socket, &SocketAddr::from((from, 0)))?;
    rustix::net::connect(&socket, &address)?;
    prepared(socket.into())
}

fn prepared(socket: TcpStream) -> io::Result<TcpStream> {
    socket.set_nodelay(true)?;
    // A load that stands still is a failure to report, not to wait for.
    socket.set_read_timeout(Some(STALL_MAX))?;
    socket.set_write_timeout(Some(STALL_MAX))?;
    Ok(socket)
}

/// Ends sessions, whoever is waiting on them.
pub fn hang_up(sockets: &[TcpStream]) {
    for socket in sockets {
        // Gone already is as good.
        let _ = socket.shutdown(Shutdown::Both);
    }
}

/// Streams by id; hashing them well is not what is measured.
pub type Streams<T> = HashMap<u32, T, BuildHasherDefault<IdHasher>>;

#[derive(Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

const STALL_MAX: Duration = Duration::from_secs(10);
