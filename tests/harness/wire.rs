//! What travels on a real socket: frames in masked WebSocket messages out, the proxy's messages taken apart on the way in.

/// The first byte of a message that is whole and binary.
pub const BINARY: u8 = 0x82;
/// The WebSocket opcode of a close.
pub const CLOSE: u8 = 0x8;

/// Any key but zero costs the proxy the same; a real client draws a new one each time.
const KEY: [u8; 4] = [0x5a, 0x17, 0xc3, 0x88];

/// A masked WebSocket frame; `first` is its first byte: whether it is the last of its message, reserved bits and opcode.
pub fn masked(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = masked_head(first, body.len() as u64);
    bytes.extend(body.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// The head of a masked frame, its key included, that promises so many bytes.
pub fn masked_head(first: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first];
    if length < 126 {
        head.push(0x80 | length as u8);
    } else if let Ok(short) = u16::try_from(length) {
        head.push(0x80 | 126);
        head.extend(short.to_be_bytes());
    } else {
        head.push(0x80 | 127);
        head.extend(length.to_be_bytes());
    }
    head.extend(KEY);
    head
}

/// The byte that stands for `byte` at this place of a masked frame's payload.
pub fn mask(byte: u8, at: usize) -> u8 {
    byte ^ KEY[at % KEY.len()]
}

/// Frames of the mux as one message.
pub fn message(frames: &[u8]) -> Vec<u8> {
    masked(BINARY, frames)
}

/// The JSON of an open, reply or note behind its length.
pub fn framed(json: &str) -> Vec<u8> {
    [&(json.len() as u16).to_be_bytes(), json.as_bytes()].concat()
}

/// The header of a frame that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: u8,
    pub flags: u16,
    pub stream: u32,
    pub length: u32,
}

impl Header {
    fn parse(bytes: [u8; 12]) -> Self {
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self { kind: bytes[1], flags: u16::from_be_bytes([bytes[2], bytes[3]]), stream: word(4), length: word(8) }
    }
}

/// What a decoder finds, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Came<'a> {
    /// A frame begins; the payload of a DATA frame follows in pieces.
    Frame(Header),
    /// A piece of a DATA frame's payload.
    Data(u32, &'a [u8]),
    /// A WebSocket control frame: its opcode and payload.
    Control(u8, &'a [u8]),
}

/// Takes the proxy's messages and the frames in them apart, wherever a read ended.
#[derive(Default)]
pub struct Decoder {
    pending: Vec<u8>,
    message_left: u64,
    header: Vec<u8>,
    stream: u32,
    payload_left: u32,
}

impl Decoder {
    /// Takes what was read and tells what is in it.
    pub fn decode(&mut self, input: &[u8], mut on: impl FnMut(Came)) {
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(input);
        let mut rest = &pending[..];
        while let Some(used) = self.step(rest, &mut on) {
            rest = &rest[used..];
        }
        let used = pending.len() - rest.len();
        pending.drain(..used);
        self.pending = pending;
    }

    /// Takes one part off the front and says how long it was; nothing where it is not there yet.
    fn step(&mut self, rest: &[u8], on: &mut impl FnMut(Came)) -> Option<usize> {
        if self.message_left == 0 {
            return self.head(rest, on);
        }
        let here = rest.len().min(usize::try_from(self.message_left).unwrap_or(usize::MAX));
        let used = if self.payload_left > 0 {
            let used = here.min(self.payload_left as usize);
            self.payload_left -= used as u32;
            if used > 0 {
                on(Came::Data(self.stream, &rest[..used]));
            }
            used
        } else {
            let used = here.min(12 - self.header.len());
            self.header.extend_from_slice(&rest[..used]);
            if let Ok(bytes) = <[u8; 12]>::try_from(&self.header[..]) {
                self.header.clear();
                let header = Header::parse(bytes);
                self.stream = header.stream;
                self.payload_left = if header.kind == crate::DATA { header.length } else { 0 };
                on(Came::Frame(header));
            }
            used
        };
        self.message_left -= used as u64;
        (used > 0).then_some(used)
    }

    /// A WebSocket frame's head, and the whole of a control frame.
    fn head(&mut self, rest: &[u8], on: &mut impl FnMut(Came)) -> Option<usize> {
        let (first, second) = (*rest.first()?, *rest.get(1)?);
        let (head, length) = match second {
            126 => (4, u64::from(u16::from_be_bytes(rest.get(2..4)?.try_into().ok()?))),
            127 => (10, u64::from_be_bytes(rest.get(2..10)?.try_into().ok()?)),
            short => (2, u64::from(short)),
        };
        if first & 0x08 == 0 {
            self.message_left = length;
            return Some(head);
        }
        let whole = head + length as usize;
        on(Came::Control(first & 0x0f, rest.get(head..whole)?));
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DATA, PING, frame};

    #[test]
    fn the_proxys_messages_are_taken_apart_wherever_the_reads_end() {
        let frames = [frame(DATA, 1, 7, 5, b"hello"), frame(PING, 2, 0, 9, b"")].concat();
        // The second frame's header lies in two messages, a close behind them.
        let (one, two) = frames.split_at(20);
        let bytes = [&[BINARY, 20][..], one, &[BINARY, two.len() as u8], two, &[0x88, 2, 3, 0xea]].concat();
        for cut in 0..bytes.len() {
            let (mut payload, mut headers, mut close) = (Vec::new(), Vec::new(), Vec::new());
            let mut decoder = Decoder::default();
            for part in [&bytes[..cut], &bytes[cut..]] {
                decoder.decode(part, |came| match came {
                    Came::Data(7, bytes) => payload.extend_from_slice(bytes),
                    Came::Data(stream, _) => panic!("bytes on stream {stream}"),
                    Came::Frame(header) => headers.push((header.kind, header.flags, header.length)),
                    Came::Control(CLOSE, body) => close.extend_from_slice(body),
                    Came::Control(opcode, _) => panic!("opcode {opcode}"),
                });
            }
            assert_eq!(payload, b"hello");
            assert_eq!(headers, [(DATA, 1, 5), (PING, 2, 9)]);
            assert_eq!(close, 1002u16.to_be_bytes());
        }
    }

    #[test]
    fn a_message_is_masked_with_its_key() {
        for length in [1usize, 125, 126, 65_535, 65_536] {
            let body = vec![0x42; length];
            let bytes = message(&body);
            let head = masked_head(BINARY, length as u64).len();
            assert_eq!(bytes.len(), head + length);
            assert!(bytes[head..].iter().enumerate().all(|(at, byte)| mask(*byte, at) == 0x42));
        }
    }
}
