//! What a client sends: legal messages, and pieces that need not be.

use arbitrary::Arbitrary;
use browser_stream_server::websocket::{Control, Kind, Messages};

use crate::told::Log;

/// A message in one fragment or more, each perhaps followed by a control frame.
#[derive(Arbitrary, Debug)]
pub struct Message {
    text: bool,
    first: Fragment,
    rest: Vec<Fragment>,
}

#[derive(Arbitrary, Debug)]
struct Fragment {
    payload: Payload,
    key: [u8; 4],
    control: Option<(bool, [u8; 4], Vec<u8>)>,
}

/// Any bytes, or many: lengths of 16 and 64 bits need more than a fuzzer likes to invent.
#[derive(Arbitrary, Debug)]
enum Payload {
    Bytes(Vec<u8>),
    Medium(u8),
    /// Rarely: it takes a while.
    Long(u8, bool, bool, bool),
}

/// What may come behind the messages.
#[derive(Arbitrary, Debug)]
pub enum Piece {
    Bytes(Vec<u8>),
    /// A frame that is legal but for its first byte.
    Frame(u8, [u8; 4], Vec<u8>),
    /// A head that announces any length, in any of the three ways.
    Announced(u8, Announced, [u8; 4]),
    Close([u8; 4], u16, String),
}

#[derive(Arbitrary, Debug)]
pub enum Announced {
    Short(u8),
    Medium(u16),
    Long(u64),
}

impl Message {
    /// Appends its frames, and what must be told of them.
    pub fn write(&self, bytes: &mut Vec<u8>, expected: &mut Log) {
        let (kind, mut opcode) = if self.text { (Kind::Text, 1) } else { (Kind::Binary, 2) };
        let begun = expected.begin(kind);
        assert_eq!(begun, Ok(()));
        for (left, fragment) in (0..=self.rest.len()).rev().zip(std::iter::once(&self.first).chain(&self.rest)) {
            let payload = fragment.payload.bytes();
            let last = if left == 0 { FINAL } else { 0 };
            frame(bytes, last | opcode, fragment.key, &payload);
            opcode = 0;
            if !payload.is_empty() {
                expected.payload(0, &payload);
            }
            if left == 0 {
                assert_eq!(expected.end(), Ok(()));
            }
            if let Some((is_ping, key, payload)) = &fragment.control {
                let payload = &payload[..payload.len().min(125)];
                frame(bytes, if *is_ping { FINAL | 9 } else { FINAL | 10 }, *key, payload);
                expected.control(if *is_ping { Control::Ping(payload) } else { Control::Pong(payload) });
            }
        }
    }
}

impl Payload {
    fn bytes(&self) -> Vec<u8> {
        let pattern = |length: usize| (0..length).map(|at| (at % 251) as u8).collect();
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Medium(more) => pattern(120 + usize::from(*more)),
            Self::Long(more, true, true, true) => pattern(65_500 + usize::from(*more)),
            Self::Long(more, ..) => pattern((*more).into()),
        }
    }
}

impl Piece {
    pub fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Bytes(more) => bytes.extend_from_slice(more),
            Self::Frame(first, key, payload) => frame(bytes, *first, *key, payload),
            Self::Announced(first, length, key) => {
                bytes.push(*first);
                match length {
                    Announced::Short(length) => bytes.push(*length),
                    Announced::Medium(length) => {
                        bytes.push(MASKED | 126);
                        bytes.extend_from_slice(&length.to_be_bytes());
                    }
                    Announced::Long(length) => {
                        bytes.push(MASKED | 127);
                        bytes.extend_from_slice(&length.to_be_bytes());
                    }
                }
                bytes.extend_from_slice(key);
            }
            Self::Close(key, code, reason) => {
                let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
                frame(bytes, FINAL | 8, *key, &payload);
            }
        }
    }
}

/// A frame of the proxy's, as a client would send it.
pub fn masked(sent: &[u8]) -> Vec<u8> {
    assert!(sent[1] <= 125 && sent.len() == 2 + usize::from(sent[1]));
    let mut bytes = Vec::new();
    frame(&mut bytes, sent[0], [1, 2, 3, 4], &sent[2..]);
    bytes
}

/// Appends a masked frame, written without the proxy's code.
fn frame(bytes: &mut Vec<u8>, first: u8, key: [u8; 4], payload: &[u8]) {
    bytes.push(first);
    match payload.len() {
        length @ 0..=125 => bytes.push(MASKED | length as u8),
        length @ 126..=65_535 => {
            bytes.push(MASKED | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(MASKED | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&key);
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
