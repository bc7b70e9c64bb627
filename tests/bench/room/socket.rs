//! The same for socket.io 4: one namespace whose sockets hear what each of them emits.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use anyhow::{Result, ensure};

use super::{EVENT, Sends};
use crate::fanout::{Kind, sockets};

pub struct Member {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// What of a frame has come.
    input: Vec<u8>,
}

/// What stands around an event's text: an engine.io message, a socket.io event, its name.
const FRONT: &[u8] = br#"42["m",""#;
const BACK: &[u8] = br#""]"#;
/// Digits that say when it was sent.
const DIGITS: usize = 16;
const TEXT: u8 = 0x81;

impl Member {
    pub fn join(address: SocketAddr) -> Result<Self> {
        Ok(Self { socket: sockets::dial(address, Kind::SocketIo, "")?, buffer: vec![0; 256 * 1024], input: Vec::new() })
    }

    /// Writes a text frame, masked with zeros.
    fn text(&mut self, text: &[u8]) -> Result<()> {
        let length = u16::try_from(text.len())?;
        let mut frame =
            if length < 126 { vec![TEXT, 0x80 | length as u8] } else { [&[TEXT, 0x80 | 126][..], &length.to_be_bytes()].concat() };
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text);
        Ok(self.socket.write_all(&frame)?)
    }
}

impl Sends for Member {
    fn socket(&self) -> Result<TcpStream> {
        Ok(self.socket.try_clone()?)
    }

    fn send(&mut self, at: u64) -> Result<()> {
        let text = [FRONT, format!("{at:016x}").as_bytes(), &[b'x'; EVENT - DIGITS], BACK].concat();
        self.text(&text)
    }

    fn receive(&mut self, mut on: impl FnMut(u64)) -> Result<()> {
        let length = self.socket.read(&mut self.buffer)?;
        ensure!(length > 0, "the server closed a connection");
        self.input.extend_from_slice(&self.buffer[..length]);
        let (mut at, mut pings) = (0, 0);
        while let Some((text, end)) = frame(&self.input[at..]) {
            if text == b"2" {
                pings += 1;
            } else if let Some(digits) = text.strip_prefix(FRONT).and_then(|text| text.get(..DIGITS)) {
                on(u64::from_str_radix(std::str::from_utf8(digits)?, 16)?);
            }
            at += end;
        }
        self.input.drain(..at);
        (0..pings).try_for_each(|_| self.text(b"3"))
    }
}

/// The text of the first frame, and where that ends; the server masks nothing, and sends none longer than 64 KiB.
fn frame(input: &[u8]) -> Option<(&[u8], usize)> {
    let (start, length) = match *input.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes([*input.get(2)?, *input.get(3)?]))),
        length => (2, usize::from(length)),
    };
    Some((input.get(start..start + length)?, start + length))
}
