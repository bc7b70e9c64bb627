//! What tests of the decoder share: one connection whose bytes are handed in, and the lines that come out.

use std::time::Duration;

use harness::wire::masked;

use crate::shell::trace::{
    budget::Budget,
    conversation::Conversation,
    line::{Line, Side},
    scribe::{Scribe, Shown},
};

pub const REQUEST: &[u8] = b"GET /mux?token=s3cret HTTP/1.1\r\nHost: h:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Authorization: Bearer s3cret\r\nSec-WebSocket-Protocol: bss.1, s3cret\r\n\r\n";
pub const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: bss.1\r\n\r\n";

/// One connection that is watched.
pub struct Watched {
    pub budget: Budget,
    pub shown: Shown,
    pub lines: Vec<Line>,
    conversation: Conversation,
}

impl Watched {
    /// One that was just opened.
    pub fn new(shown: Shown) -> Self {
        let (budget, mut lines) = (Budget::new(), Vec::new());
        let mut out = |line| lines.push(line);
        let mut scribe = Scribe { at: Duration::ZERO, connection: 1, side: Side::Peer, shown, budget: &budget, out: &mut out };
        let conversation = Conversation::new("a:1", "b:2", true, &mut scribe);
        Self { budget, shown, lines, conversation }
    }

    /// One that is a WebSocket by now; nothing of that is among its lines.
    pub fn upgraded(shown: Shown) -> Self {
        let mut watched = Self::new(shown);
        watched.says(Side::Peer, REQUEST);
        watched.says(Side::Proxy, ANSWER);
        watched.lines.clear();
        watched
    }

    fn scribing(&mut self, side: Side, act: impl FnOnce(&mut Conversation, &mut Scribe<'_>)) {
        let Self { budget, shown, lines, conversation } = self;
        let mut out = |line| lines.push(line);
        let mut scribe = Scribe { at: Duration::ZERO, connection: 1, side, shown: *shown, budget, out: &mut out };
        act(conversation, &mut scribe);
    }

    /// Bytes as they are.
    pub fn says(&mut self, side: Side, bytes: &[u8]) {
        self.scribing(side, |conversation, scribe| conversation.take(bytes, scribe));
    }

    /// So many bytes were not seen.
    pub fn misses(&mut self, side: Side, bytes: u64) {
        self.scribing(side, |conversation, scribe| conversation.skip(bytes, scribe));
    }

    /// Frames of the mux, as one message.
    pub fn sends(&mut self, side: Side, frames: &[u8]) {
        self.says(side, &message(side, frames));
    }

    /// The lines so far, without their columns for time and connection, which are forgotten then.
    pub fn told(&mut self) -> Vec<String> {
        self.lines.drain(..).map(|line| line.plain()[16..].to_owned()).collect()
    }
}

/// Frames of the mux as one binary message of that side.
pub fn message(side: Side, frames: &[u8]) -> Vec<u8> {
    websocket(side, 0x82, frames)
}

/// A WebSocket frame of that side.
pub fn websocket(side: Side, first: u8, payload: &[u8]) -> Vec<u8> {
    if side == Side::Peer {
        return masked(first, payload);
    }
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(short as u8),
        long @ 126..65_536 => {
            bytes.push(126);
            bytes.extend((long as u16).to_be_bytes());
        }
        longer => {
            bytes.push(127);
            bytes.extend((longer as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}
