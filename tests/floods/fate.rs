//! What became of an attacker.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    io::{self, ErrorKind},
    time::Duration,
};

use harness::{
    ACK, GO_AWAY, PING, RST,
    wire::{CLOSE, Came},
};

/// Everything that the proxy did about an attacker, over all its connections.
#[derive(Clone, Debug, Default)]
pub struct Fate {
    /// Connections that it had.
    pub connections: u64,
    /// Of these, ended by the proxy.
    pub ended: u64,
    /// Units sent (frames, heads, bytes: whatever the flood is made of), and the most on one connection before its goodbye.
    pub sent: u64,
    pub most: u64,
    /// The most bytes that lay in the kernel's buffers at the end of a connection: sent, but not taken.
    pub on_the_way: u64,
    /// How long all of it lasted.
    pub lasted: Duration,
    /// Codes of WebSocket closes.
    pub closes: BTreeMap<u16, u64>,
    /// Codes of GO_AWAYs.
    pub go_aways: BTreeMap<u32, u64>,
    /// Codes of resets of its streams.
    pub resets: BTreeMap<u32, u64>,
    /// Codes in replies to its opens.
    pub replies: BTreeMap<String, u64>,
    /// Status of HTTP answers.
    pub statuses: BTreeMap<u16, u64>,
    /// Pings of the mux that were answered.
    pub pongs: u64,
    /// Connections that could not be made at all.
    pub unreachable: u64,
}

impl Fate {
    /// Counts what came on a session.
    pub fn came(&mut self, came: &Came) {
        match *came {
            Came::Frame(header) if header.kind == GO_AWAY => count(&mut self.go_aways, header.length),
            Came::Frame(header) if header.kind == PING && header.flags & ACK != 0 => self.pongs += 1,
            Came::Frame(header) if header.flags & RST != 0 => count(&mut self.resets, header.length),
            // Replies are short and leave in one piece; one that is not is not counted.
            Came::Data(_, bytes) => {
                if let Some(code) = code(bytes) {
                    count(&mut self.replies, code);
                }
            }
            Came::Control(CLOSE, [high, low, ..]) => count(&mut self.closes, u16::from_be_bytes([*high, *low])),
            _ => {}
        }
    }

    /// How many units one peer may have had taken, of those that it was allowed to begin with and in each second since.
    pub fn allowed(&self, (burst, rate): (u64, u64)) -> u64 {
        burst + rate * (self.lasted.as_secs() + 1)
    }

    /// Whether the proxy said goodbye.
    pub fn told(&self) -> bool {
        !self.closes.is_empty() || !self.go_aways.is_empty()
    }

    /// Counts a connection that was refused or not made.
    pub fn refused(&mut self, error: &io::Error) {
        let status = (error.kind() == ErrorKind::PermissionDenied).then(|| status(error.to_string().as_bytes())).flatten();
        match status {
            Some(status) => count(&mut self.statuses, status),
            None => self.unreachable += 1,
        }
    }

    /// Counts an HTTP answer.
    pub fn answered(&mut self, head: &[u8]) {
        if let Some(status) = status(head) {
            count(&mut self.statuses, status);
        }
    }

    /// Adds what another of its connections met.
    pub fn add(&mut self, other: Self) {
        self.connections += other.connections;
        self.ended += other.ended;
        self.sent += other.sent;
        self.most = self.most.max(other.most);
        self.on_the_way = self.on_the_way.max(other.on_the_way);
        self.pongs += other.pongs;
        self.unreachable += other.unreachable;
        add(&mut self.closes, other.closes);
        add(&mut self.go_aways, other.go_aways);
        add(&mut self.resets, other.resets);
        add(&mut self.replies, other.replies);
        add(&mut self.statuses, other.statuses);
    }
}

impl Display for Fate {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "sent {}", self.sent)?;
        if self.connections != 1 {
            write!(f, " over {} connections", self.connections)?;
        }
        if self.ended > 0 {
            write!(f, ", ended {}", self.ended)?;
        }
        list(f, "HTTP", &self.statuses)?;
        list(f, "close", &self.closes)?;
        list(f, "GO_AWAY", &self.go_aways)?;
        list(f, "RST", &self.resets)?;
        list(f, "reply", &self.replies)?;
        if self.pongs > 0 {
            write!(f, ", {} PONGs", self.pongs)?;
        }
        if self.unreachable > 0 {
            write!(f, ", {} not let in", self.unreachable)?;
        }
        Ok(())
    }
}

fn list<K: Display>(f: &mut Formatter, what: &str, counts: &BTreeMap<K, u64>) -> fmt::Result {
    counts.iter().try_for_each(|(code, times)| write!(f, ", {what} {code} × {times}"))
}

pub fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    *counts.entry(key).or_default() += 1;
}

fn add<K: Ord>(counts: &mut BTreeMap<K, u64>, others: BTreeMap<K, u64>) {
    others.into_iter().for_each(|(key, times)| *counts.entry(key).or_default() += times);
}

/// The code in a reply that is an error.
fn code(reply: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(reply.get(2..)?).ok()?;
    let (_, behind) = text.split_once("\"code\":\"")?;
    Some(behind.split_once('"')?.0.to_owned())
}

fn status(head: &[u8]) -> Option<u16> {
    std::str::from_utf8(head.strip_prefix(b"HTTP/1.1 ")?.get(..3)?).ok()?.parse().ok()
}
