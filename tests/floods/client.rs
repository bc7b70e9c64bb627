//! A peer that connects to names on one blocking socket, and keeps to the credit that it is given.

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr},
    sync::OnceLock,
};

use harness::{
    ACK, DATA, PING, RST, SYN, WINDOW_UPDATE,
    blocking::Blocking,
    frame,
    wire::{Came, framed},
};

use crate::server::Manner;

/// What both sides of a new stream may send (yamux).
pub const FIRST_WINDOW: u32 = 256 * 1024;

/// The open of a claim.
pub fn control_open(name: &str) -> String {
    format!(r#"{{"path":"/browser-server/listen/{name}"}}"#)
}

pub struct Client {
    pub peer: Blocking,
    next: u32,
    credit: HashMap<u32, u32>,
    sent: HashMap<u32, u64>,
}

impl Client {
    pub fn dial(to: SocketAddr, from: Ipv4Addr) -> io::Result<Self> {
        Ok(Self { peer: Blocking::dial(to, from)?, next: 1, credit: HashMap::new(), sent: HashMap::new() })
    }

    /// Connects to a name; a refusal is an error.
    pub fn connect(&mut self, name: &str, manner: Manner) -> io::Result<u32> {
        let id = self.next;
        self.next += 2;
        let open = framed(&format!(r#"{{"path":"/browser-server/connect/{name}","meta":"{}"}}"#, manner.word()));
        self.credit.insert(id, FIRST_WINDOW - open.len() as u32);
        self.peer.send(&frame(DATA, SYN, id, open.len() as u32, &open))?;
        let mut reply = Vec::new();
        while !reply.ends_with(b"}") {
            self.receive(|stream, bytes| {
                if stream == id {
                    reply.extend_from_slice(bytes);
                }
            })?;
        }
        let reply = String::from_utf8_lossy(&reply);
        if reply.contains("error") { Err(io::Error::other(reply.into_owned())) } else { Ok(id) }
    }

    /// Reads once: keeps the credit that came, answers pings, and tells of bytes. A stream that is reset is an error.
    pub fn receive(&mut self, mut on: impl FnMut(u32, &[u8])) -> io::Result<()> {
        let (credit, mut pongs, mut reset) = (&mut self.credit, Vec::new(), None);
        self.peer.receive(|came| match came {
            Came::Data(stream, bytes) => on(stream, bytes),
            Came::Frame(header) if header.flags & RST != 0 => reset = Some(header),
            Came::Frame(header) if header.kind == WINDOW_UPDATE => *credit.entry(header.stream).or_default() += header.length,
            Came::Frame(header) if header.kind == PING && header.flags & SYN != 0 => pongs.extend(frame(PING, ACK, 0, header.length, b"")),
            _ => {}
        })?;
        if let Some(header) = reset {
            return Err(io::Error::new(ErrorKind::ConnectionReset, format!("stream {} was reset {}", header.stream, header.length)));
        }
        if pongs.is_empty() { Ok(()) } else { self.peer.send(&pongs) }
    }

    /// How much may be sent on a stream.
    pub fn credit(&self, stream: u32) -> u32 {
        self.credit.get(&stream).copied().unwrap_or_default()
    }

    /// Sends as many bytes as there is credit for, at most `most`; how many. The byte at each place follows from the place.
    pub fn push(&mut self, stream: u32, most: u32) -> io::Result<u32> {
        let length = self.credit(stream).min(most).min(LONGEST);
        if length > 0 {
            let at = self.sent.entry(stream).or_default();
            let bytes = &places()[(*at % PERIOD) as usize..][..length as usize];
            *at += u64::from(length);
            self.spend(stream, length);
            self.peer.send(&frame(DATA, 0, stream, length, bytes))?;
        }
        Ok(length)
    }

    /// Takes credit that is used in another way than by [`push`](Self::push).
    pub fn spend(&mut self, stream: u32, bytes: u32) {
        *self.credit.entry(stream).or_default() -= bytes;
    }
}

/// Bytes of a stream from place `at` on, as [`Client::push`] sends them.
pub fn check(mut at: u64, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let length = bytes.len().min(LONGEST as usize);
        let (part, rest) = bytes.split_at(length);
        assert!(part == &places()[(at % PERIOD) as usize..][..length], "a byte behind place {at} was lost, doubled or moved");
        (at, bytes) = (at + length as u64, rest);
    }
}

/// A prime, so that no frame or buffer has its length.
const PERIOD: u64 = 251;
const LONGEST: u32 = 64 * 1024;

/// The bytes of a stream for two runs on end.
fn places() -> &'static [u8] {
    static PLACES: OnceLock<Vec<u8>> = OnceLock::new();
    PLACES.get_or_init(|| (0..PERIOD + u64::from(LONGEST)).map(|at| (at % PERIOD) as u8).collect())
}
