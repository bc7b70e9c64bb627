//! What travels: yamux frames in masked WebSocket messages out, the same unmasked in (PROTOCOL.md sections 1 and 2).

use std::io;

pub const DATA: u8 = 0;
pub const WINDOW_UPDATE: u8 = 1;
pub const PING: u8 = 2;
pub const GO_AWAY: u8 = 3;

pub const SYN: u16 = 1;
pub const ACK: u16 = 2;
pub const FIN: u16 = 4;
pub const RST: u16 = 8;

/// A yamux header.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u16,
    pub id: u32,
    pub length: u32,
}

impl Frame {
    pub fn data(id: u32, flags: u16, payload: &[u8]) -> Self {
        let length = payload.len() as u32;
        Self { kind: DATA, flags, id, length }
    }

    fn bytes(&self) -> [u8; 12] {
        let [f0, f1] = self.flags.to_be_bytes();
        let [i0, i1, i2, i3] = self.id.to_be_bytes();
        let [l0, l1, l2, l3] = self.length.to_be_bytes();
        [0, self.kind, f0, f1, i0, i1, i2, i3, l0, l1, l2, l3]
    }

    fn parse(bytes: [u8; 12]) -> Self {
        let [_, kind, f0, f1, i0, i1, i2, i3, l0, l1, l2, l3] = bytes;
        Self {
            kind,
            flags: u16::from_be_bytes([f0, f1]),
            id: u32::from_be_bytes([i0, i1, i2, i3]),
            length: u32::from_be_bytes([l0, l1, l2, l3]),
        }
    }
}

/// Appends one frame as a masked WebSocket message of its own.
pub fn put(out: &mut Vec<u8>, frame: Frame, payload: &[u8]) {
    put_message(out, &frame.bytes(), payload);
}

/// Appends a masked WebSocket message.
pub fn put_message(out: &mut Vec<u8>, head: &[u8], payload: &[u8]) {
    let length = head.len() + payload.len();
    out.push(BINARY);
    if length < 126 {
        out.push(MASKED | length as u8);
    } else if let Ok(short) = u16::try_from(length) {
        out.push(MASKED | 126);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(MASKED | 127);
        out.extend_from_slice(&(length as u64).to_be_bytes());
    }
    out.extend_from_slice(&KEY);
    let body = out.len();
    out.extend_from_slice(head);
    out.extend_from_slice(payload);
    for four in out[body..].chunks_mut(KEY.len()) {
        four.iter_mut().zip(KEY).for_each(|(byte, key)| *byte ^= key);
    }
}

/// What a decoder finds: parts of payload as they arrive, then the frame that they belonged to.
#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    Data(u32, &'a [u8]),
    Frame(Frame),
}

/// Takes WebSocket messages and the frames in them apart, wherever a read ended.
#[derive(Default)]
pub struct Decoder {
    message: Vec<u8>,
    message_left: u64,
    header: [u8; 12],
    filled: usize,
    frame: Frame,
    payload_left: u32,
}

impl Decoder {
    pub fn decode(&mut self, mut input: &[u8], mut on: impl FnMut(Event)) -> io::Result<()> {
        while !input.is_empty() {
            if self.message_left == 0 {
                self.message.push(input[0]);
                input = &input[1..];
                if let Some(length) = message_length(&self.message)? {
                    self.message.clear();
                    self.message_left = length;
                }
                continue;
            }
            let length = input.len().min(self.message_left as usize);
            let (body, rest) = input.split_at(length);
            self.message_left -= length as u64;
            input = rest;
            self.frames(body, &mut on);
        }
        Ok(())
    }

    fn frames(&mut self, mut body: &[u8], on: &mut impl FnMut(Event)) {
        while !body.is_empty() {
            if self.payload_left > 0 {
                let (part, rest) = body.split_at(body.len().min(self.payload_left as usize));
                self.payload_left -= part.len() as u32;
                body = rest;
                on(Event::Data(self.frame.id, part));
            } else if let (0, Some((header, rest))) = (self.filled, body.split_first_chunk()) {
                body = rest;
                self.begin(*header);
            } else {
                let (part, rest) = body.split_at(body.len().min(12 - self.filled));
                self.header[self.filled..self.filled + part.len()].copy_from_slice(part);
                self.filled += part.len();
                body = rest;
                if self.filled < 12 {
                    return;
                }
                self.filled = 0;
                self.begin(self.header);
            }
            if self.payload_left == 0 {
                on(Event::Frame(self.frame));
            }
        }
    }

    fn begin(&mut self, header: [u8; 12]) {
        self.frame = Frame::parse(header);
        if self.frame.kind == DATA {
            self.payload_left = self.frame.length;
        }
    }
}

/// The length of the message that starts so, as soon as its header is whole.
fn message_length(head: &[u8]) -> io::Result<Option<u64>> {
    if !matches!(head[0] & 0x0f, 0 | 2) {
        return Err(io::Error::other(format!("the proxy sent WebSocket opcode {}", head[0] & 0x0f)));
    }
    let length = match *head {
        [_, short] if short < 126 => u64::from(short),
        [_, 126, a, b] => u64::from(u16::from_be_bytes([a, b])),
        [_, 127, a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => return Ok(None),
    };
    Ok(Some(length))
}

const BINARY: u8 = 0x82;
const MASKED: u8 = 0x80;
/// Any key but zero costs the proxy the same; a real client draws a new one each time.
const KEY: [u8; 4] = [0x3d, 0x8a, 0x51, 0xe6];

#[cfg(test)]
mod tests {
    use super::*;

    /// The message as the proxy would send it: no mask.
    fn unmasked(frame: Frame, payload: &[u8]) -> Vec<u8> {
        let mut message = vec![BINARY, (12 + payload.len()) as u8];
        message.extend_from_slice(&frame.bytes());
        message.extend_from_slice(payload);
        message
    }

    #[test]
    fn a_frame_is_read_wherever_the_reads_end() {
        let frame = Frame::data(7, SYN, b"hello");
        let message = unmasked(frame, b"hello");
        for cut in 0..message.len() {
            let (mut payload, mut frames) = (Vec::new(), Vec::new());
            let mut decoder = Decoder::default();
            for part in [&message[..cut], &message[cut..]] {
                decoder
                    .decode(part, |event| match event {
                        Event::Data(_, bytes) => payload.extend_from_slice(bytes),
                        Event::Frame(frame) => frames.push(frame),
                    })
                    .unwrap();
            }
            assert_eq!((payload.as_slice(), frames.as_slice()), (&b"hello"[..], &[frame][..]));
        }
    }

    #[test]
    fn a_message_is_masked_with_its_key() {
        let mut out = Vec::new();
        put(&mut out, Frame::data(1, 0, b"x"), b"x");
        assert_eq!(out[..2], [BINARY, MASKED | 13]);
        assert_eq!(out[2..6], KEY);
        assert_eq!(out[18], b'x' ^ KEY[0]);
    }

    #[test]
    fn a_close_is_an_error() {
        assert!(Decoder::default().decode(&[0x88, 0], |_| ()).is_err());
    }
}
