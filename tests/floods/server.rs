//! A peer that serves a name on one blocking socket: each client says how it wants to be served.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use harness::{
    ACK, DATA, FIN, PING, RST, SYN, WINDOW_UPDATE,
    blocking::{Blocking, is_timeout},
    frame,
    wire::{Came, framed},
};

use crate::client::{check, control_open};

/// How a client is served; it says so in the `meta` of its open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Every byte comes back.
    Echo,
    /// Every byte is taken and counted, and credit given back.
    Drink,
    /// Bytes are taken, but credit comes back in drops: one for each run of echoed bytes.
    Sip,
    /// Bytes are taken and no credit ever comes back.
    Nothing,
}

impl Manner {
    pub fn word(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Drink => "drink",
            Self::Sip => "sip",
            Self::Nothing => "nothing",
        }
    }

    fn of(open: &str) -> Option<Self> {
        let said = |manner: &Self| open.contains(&format!("\"meta\":\"{}\"", manner.word()));
        [Self::Echo, Self::Drink, Self::Sip, Self::Nothing].into_iter().find(said)
    }
}

/// Serves a name until its session ends or `over` is set.
pub struct Server {
    peer: Blocking,
    streams: HashMap<u32, Incoming>,
    /// Bytes taken on streams that are not echoed.
    pub drunk: Arc<AtomicU64>,
}

#[derive(Default)]
struct Incoming {
    head: Vec<u8>,
    manner: Option<Manner>,
    got: u64,
    /// Taken, and no credit given for it yet.
    owed: u32,
}

/// Credit is given back in runs of this many bytes.
const RUN: u32 = 64 * 1024;
/// The drop that a sipping reader gives back.
const DROP: u32 = 512;

impl Server {
    /// Claims the name.
    pub fn claim(to: SocketAddr, from: Ipv4Addr, name: &str) -> io::Result<Self> {
        let mut peer = Blocking::dial(to, from)?;
        let open = framed(&control_open(name));
        peer.send(&frame(DATA, SYN, 1, open.len() as u32, &open))?;
        let mut reply = Vec::new();
        while !reply.ends_with(b"}") {
            peer.receive(|came| {
                if let Came::Data(1, bytes) = came {
                    reply.extend_from_slice(bytes);
                }
            })?;
        }
        let reply = String::from_utf8_lossy(&reply);
        assert!(!reply.contains("error"), "the claim was refused: {reply}");
        peer.socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        Ok(Self { peer, streams: HashMap::new(), drunk: Arc::default() })
    }

    /// Serves; an error where the session ended first.
    pub fn serve(mut self, over: &AtomicBool) -> io::Result<()> {
        let mut out = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let Self { peer, streams, drunk } = &mut self;
            match peer.receive(|came| take(streams, drunk, &came, &mut out)) {
                Err(error) if !is_timeout(&error) => return Err(error),
                _ => {}
            }
            if !out.is_empty() {
                self.peer.send(&out)?;
                out.clear();
            }
        }
        Ok(())
    }

    /// Accepts so many clients, fewer where `over` is set, then reads nothing more: the connection is given back to be held.
    pub fn accept_and_freeze(mut self, clients: usize, over: &AtomicBool) -> io::Result<Blocking> {
        let mut out = Vec::new();
        while !over.load(Ordering::Relaxed) && self.streams.values().filter(|stream| stream.manner.is_some()).count() < clients {
            let Self { peer, streams, drunk } = &mut self;
            match peer.receive(|came| take(streams, drunk, &came, &mut out)) {
                Err(error) if !is_timeout(&error) => return Err(error),
                _ => {}
            }
            if !out.is_empty() {
                self.peer.send(&std::mem::take(&mut out))?;
            }
        }
        Ok(self.peer)
    }
}

/// What came, and what is said to it.
fn take(streams: &mut HashMap<u32, Incoming>, drunk: &AtomicU64, came: &Came, out: &mut Vec<u8>) {
    match *came {
        Came::Frame(header) if header.kind == PING && header.flags & SYN != 0 => out.extend(frame(PING, ACK, 0, header.length, b"")),
        Came::Frame(header) if header.flags & (FIN | RST) != 0 => drop(streams.remove(&header.stream)),
        // The claim's own stream has nothing to say here.
        Came::Data(1, _) => {}
        Came::Data(id, mut bytes) => {
            let stream = streams.entry(id).or_default();
            stream.owed += bytes.len() as u32;
            if stream.manner.is_none() {
                bytes = open(stream, id, bytes, out);
            }
            let Some(manner) = stream.manner else { return };
            if manner == Manner::Echo {
                if !bytes.is_empty() {
                    out.extend(frame(DATA, 0, id, bytes.len() as u32, bytes));
                }
            } else {
                check(stream.got, bytes);
                drunk.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
            stream.got += bytes.len() as u64;
            if matches!(manner, Manner::Echo | Manner::Drink) && stream.owed >= RUN {
                out.extend(frame(WINDOW_UPDATE, 0, id, std::mem::take(&mut stream.owed), b""));
            }
            if manner == Manner::Echo {
                drip(streams, out);
            }
        }
        _ => {}
    }
}

/// Takes the open at the head of a stream and answers it; what is behind it comes back.
fn open<'a>(stream: &mut Incoming, id: u32, bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let before = stream.head.len();
    stream.head.extend_from_slice(bytes);
    let Some((length, rest)) = stream.head.split_first_chunk::<2>() else { return &[] };
    let Some(body) = rest.get(..usize::from(u16::from_be_bytes(*length))) else { return &[] };
    let behind = 2 + body.len() - before;
    stream.manner = Manner::of(&String::from_utf8_lossy(body));
    assert!(stream.manner.is_some(), "a client that says nothing of how it wants to be served");
    let reply = framed("{}");
    out.extend(frame(WINDOW_UPDATE, ACK, id, 0, b""));
    out.extend(frame(DATA, 0, id, reply.len() as u32, &reply));
    &bytes[behind..]
}

/// Every sipping stream gets a drop of credit back.
fn drip(streams: &mut HashMap<u32, Incoming>, out: &mut Vec<u8>) {
    for (id, stream) in streams.iter_mut().filter(|(_, stream)| stream.manner == Some(Manner::Sip) && stream.owed >= DROP) {
        stream.owed -= DROP;
        out.extend(frame(WINDOW_UPDATE, 0, *id, DROP, b""));
    }
}
