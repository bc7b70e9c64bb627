//! One direction of a WebSocket (RFC 6455): its frames, unmasked. Where messages begin and end means nothing to the mux.

use super::{
    frames::Frames,
    line::{Facts, Kind, Side},
    scribe::Scribe,
    streams::Streams,
};

/// Takes one side's WebSocket frames apart, and hands what is in them on.
#[derive(Debug, Default)]
pub struct WebSocket {
    head: Vec<u8>,
    frame: Option<Frame>,
    /// A message whose last fragment has not come; whether it is binary.
    message: Option<bool>,
    frames: Frames,
    is_lost: bool,
}

/// A frame that is coming.
#[derive(Debug)]
struct Frame {
    opcode: u8,
    is_binary: bool,
    left: u64,
    key: [u8; 4],
    /// How many bytes of it were unmasked.
    at: usize,
    /// The payload of a control frame, which is short.
    control: Vec<u8>,
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// The most bytes of a control frame.
const CONTROL_MAX: u64 = 125;

impl WebSocket {
    /// Takes all of these bytes.
    pub fn take(&mut self, mut bytes: &[u8], streams: &mut Streams, scribe: &mut Scribe<'_>) {
        while !bytes.is_empty() && !self.is_lost {
            if self.frame.is_some() {
                self.payload(&mut bytes, streams, scribe);
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            if self.head.len() == head_length(&self.head) {
                let head = std::mem::take(&mut self.head);
                self.begin(&head, scribe);
                if self.is_lost {
                    streams.missed();
                }
                self.end_if_whole(scribe);
            }
        }
    }

    /// So many bytes are missing: whether what follows can be understood all the same.
    pub fn skip(&mut self, bytes: u64, streams: &mut Streams, scribe: &mut Scribe<'_>) -> bool {
        let passed = match &mut self.frame {
            Some(frame) if !self.is_lost && frame.left >= bytes && frame.opcode <= BINARY => {
                frame.left -= bytes;
                frame.at = frame.at.wrapping_add(bytes as usize);
                self.frames.skip(bytes, streams, scribe)
            }
            _ => false,
        };
        streams.missed();
        self.is_lost |= !passed;
        self.end_if_whole(scribe);
        passed
    }

    fn payload(&mut self, bytes: &mut &[u8], streams: &mut Streams, scribe: &mut Scribe<'_>) {
        let Some(frame) = &mut self.frame else { return };
        let mut clear = [0; 4096];
        let length = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len()).min(clear.len());
        let (now, rest) = bytes.split_at(length);
        *bytes = rest;
        let clear = &mut clear[..length];
        for (index, (clear, byte)) in clear.iter_mut().zip(now).enumerate() {
            *clear = byte ^ frame.key[(frame.at + index) % 4];
        }
        frame.at = (frame.at + length) % 4;
        frame.left -= length as u64;
        if frame.opcode >= CLOSE {
            frame.control.extend_from_slice(clear);
        } else if frame.is_binary {
            self.frames.take(clear, streams, scribe);
        }
        self.end_if_whole(scribe);
    }

    fn end_if_whole(&mut self, scribe: &mut Scribe<'_>) {
        if self.frame.as_ref().is_some_and(|frame| frame.left == 0)
            && let Some(Frame { opcode, control, .. }) = self.frame.take()
            && opcode >= CLOSE
        {
            told(opcode, &control, scribe);
        }
    }

    /// A frame's head is there.
    fn begin(&mut self, head: &[u8], scribe: &mut Scribe<'_>) {
        let head = Head::read(head);
        if head.is_masked != (scribe.side == Side::Peer) {
            let why = if head.is_masked { "the proxy masks its frames" } else { "the peer does not mask its frames" };
            scribe.violation(None, "1002", why);
        }
        if let Some(why) = head.lost() {
            scribe.violation(None, "1002", why);
            scribe.limit(None, "nothing that follows in this direction can be told apart");
            self.is_lost = true;
            return;
        }
        let Head { is_last, opcode, left, key, .. } = head;
        let is_control = opcode >= CLOSE;
        if is_control && !is_last {
            scribe.violation(None, "1002", "a control frame in fragments");
        }
        let mut is_binary = false;
        if !is_control {
            match (opcode, self.message) {
                (CONTINUATION, None) => scribe.violation(None, "1002", "a fragment of no message"),
                (TEXT | BINARY, Some(_)) => scribe.violation(None, "1002", "a message within another"),
                (TEXT, None) => scribe.violation(None, "1003", "a text message"),
                _ => {}
            }
            is_binary = if opcode == CONTINUATION { self.message.unwrap_or(false) } else { opcode == BINARY };
            self.message = (!is_last).then_some(is_binary);
        }
        self.frame = Some(Frame { opcode, is_binary, left, key, at: 0, control: Vec::new() });
    }
}

/// What a frame's head says.
struct Head {
    is_last: bool,
    reserved: u8,
    opcode: u8,
    is_masked: bool,
    left: u64,
    key: [u8; 4],
}

impl Head {
    /// Reads a whole one.
    fn read(head: &[u8]) -> Self {
        let (first, second) = (head[0], head[1]);
        let left = match second & 0x7f {
            126 | 127 => head[2..head_length(head) - key_length(second)].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
            short => u64::from(short),
        };
        let key = head[head.len() - key_length(second)..].try_into().unwrap_or_default();
        Self { is_last: first & 0x80 != 0, reserved: first & 0x70, opcode: first & 0x0f, is_masked: second & 0x80 != 0, left, key }
    }

    /// Why nobody knows where the next frame begins, or what is in this one.
    fn lost(&self) -> Option<&'static str> {
        if self.reserved != 0 {
            Some("a frame with bits that nothing was agreed on for")
        } else if !matches!(self.opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG) {
            Some("a frame of an unknown kind")
        } else if self.left >> 63 != 0 {
            Some("a frame of more than 2^63 bytes")
        } else if self.opcode >= CLOSE && self.left > CONTROL_MAX {
            Some("a control frame of more than 125 bytes")
        } else {
            None
        }
    }
}

/// How long the head is that begins so.
fn head_length(head: &[u8]) -> usize {
    let Some(second) = head.get(1) else { return 2 };
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + key_length(*second)
}

fn key_length(second: u8) -> usize {
    if second & 0x80 == 0 { 0 } else { 4 }
}

/// Tells a control frame. What a ping carries is its sender's business.
fn told(opcode: u8, payload: &[u8], scribe: &mut Scribe<'_>) {
    let facts = Facts::new().text("type", ["close", "ping", "pong"][usize::from(opcode - CLOSE)]);
    let facts = match (opcode, payload) {
        (CLOSE, [high, low, reason @ ..]) => {
            let facts = facts.number("code", u64::from(u16::from_be_bytes([*high, *low])));
            if reason.is_empty() { facts } else { facts.text("reason", &String::from_utf8_lossy(reason)) }
        }
        _ => facts.number("length", payload.len() as u64),
    };
    scribe.connection(Kind::Websocket, facts);
}
