//! A publisher and a reader of a channel, each on one blocking socket.

use std::{
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};

use super::MESSAGE;
use crate::{
    endpoint::{INITIAL_WINDOW, Link},
    way::{Incoming, PATH, framed},
    wire::{self, Event, Frame, RST, SYN, WINDOW_UPDATE},
};

/// The only stream of each connection.
const STREAM: u32 = 1;
/// Credit that a reader has out, as a library's window has grown to.
const WINDOW: u32 = 1024 * 1024;
/// LAST, and the length of what follows.
const HEAD: [u8; 4] = [2, 0x80, 0x80, 4];
/// The record that says how many were left out.
const SKIPPED: u8 = 5;

pub struct Publisher {
    link: Link,
    credit: u32,
}

pub struct Reader {
    link: Link,
    /// What came right behind the reply.
    first: Vec<u8>,
}

/// Opens the stream and waits for the reply; the credit that came meanwhile, and what came behind the reply.
fn open(address: SocketAddr, open: &str, window: u32) -> Result<(Link, u32, Vec<u8>)> {
    let mut link = Link::dial(address, PATH)?;
    let open = framed(open);
    link.out.data(STREAM, SYN, &open);
    link.out.grant(STREAM, 0, window - INITIAL_WINDOW);
    link.flush()?;
    let (mut reply, mut credit, mut first) = (Incoming::default(), INITIAL_WINDOW - open.len() as u32, Vec::new());
    while reply.head().is_none() {
        link.receive(|out, event| match event {
            Event::Data(STREAM, bytes) => first.extend_from_slice(reply.take(STREAM, bytes, 0, out)),
            Event::Frame(frame) => credit += granted(frame),
            Event::Data(..) => {}
        })?;
    }
    let reply = reply.head().unwrap_or_default();
    ensure!(!reply.contains(r#""error""#), "refused: {reply}");
    Ok((link, credit, first))
}

fn granted(frame: Frame) -> u32 {
    let is_credit = frame.kind == WINDOW_UPDATE && frame.id == STREAM && frame.flags & RST == 0;
    if is_credit { frame.length } else { 0 }
}

impl Publisher {
    pub fn open(address: SocketAddr, name: &str, policy: &str) -> Result<Self> {
        let path = format!(r#"{{"path":"/channel/publish/{name}","channel":{{"policy":"{policy}"}}}}"#);
        let (link, credit, _) = open(address, &path, INITIAL_WINDOW)?;
        Ok(Self { link, credit })
    }

    pub fn socket(&self) -> Result<TcpStream> {
        self.link.socket()
    }

    /// Publishes as far as its credit goes, until the session ends.
    pub fn pour(mut self) -> Result<()> {
        let mut payload = HEAD.to_vec();
        payload.resize(HEAD.len() + MESSAGE, 7);
        let mut message = Vec::new();
        wire::put(&mut message, Frame::data(STREAM, 0, &payload), &payload);
        let costs = payload.len() as u32;
        loop {
            if self.credit >= costs {
                self.credit -= costs;
                self.link.write(&message)?;
            }
            if self.credit < costs || self.link.ready(Duration::ZERO)? {
                let credit = &mut self.credit;
                self.link.receive(|out, event| match event {
                    Event::Data(STREAM, news) => out.grant(STREAM, 0, news.len() as u32),
                    Event::Frame(frame) => *credit += granted(frame),
                    Event::Data(..) => {}
                })?;
            }
        }
    }
}

impl Reader {
    pub fn open(address: SocketAddr, name: &str) -> Result<Self> {
        let (link, _, first) = open(address, &format!(r#"{{"path":"/channel/subscribe/{name}"}}"#), WINDOW)?;
        Ok(Self { link, first })
    }

    pub fn socket(&self) -> Result<TcpStream> {
        self.link.socket()
    }

    /// Counts what comes until the session ends.
    pub fn drink(mut self, bytes: &AtomicU64) -> Result<()> {
        let mut owed = 0;
        loop {
            self.link.receive(|out, event| {
                if let Event::Data(STREAM, some) = event {
                    bytes.fetch_add(some.len() as u64, Ordering::Relaxed);
                    owed += some.len() as u32;
                    if owed >= WINDOW / 4 {
                        out.grant(STREAM, 0, std::mem::take(&mut owed));
                    }
                }
            })?;
        }
    }

    /// Reads on until it hears how many messages it missed.
    pub fn told(mut self) -> Result<f64> {
        let (mut records, mut owed, begun) = (Records::default(), 0, Instant::now());
        records.take(&self.first);
        while begun.elapsed() < TOLD_WITHIN {
            self.link.receive(|out, event| {
                if let Event::Data(STREAM, some) = event {
                    records.take(some);
                    owed += some.len() as u32;
                    if owed >= WINDOW / 4 {
                        out.grant(STREAM, 0, std::mem::take(&mut owed));
                    }
                }
            })?;
            if let Some(skipped) = records.skipped {
                return Ok(skipped as f64);
            }
        }
        bail!("the frozen reader was told nothing")
    }
}

/// Looks for SKIPPED among the records that come.
#[derive(Default)]
struct Records {
    head: Vec<u8>,
    body_left: u64,
    skipped: Option<u64>,
}

impl Records {
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.body_left > 0 {
                let here = bytes.len().min(usize::try_from(self.body_left).unwrap_or(usize::MAX));
                self.body_left -= here as u64;
                bytes = &bytes[here..];
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            let integers = self.integers();
            match (self.head[0], &integers[..]) {
                (1 | 2, &[_, length]) | (4, &[_, _, length]) => self.body_left = length,
                (3, &[_]) => {}
                (SKIPPED, &[_, messages]) => self.skipped = Some(messages),
                _ => continue,
            }
            self.head.clear();
        }
    }

    /// The whole integers behind the first byte.
    fn integers(&self) -> Vec<u64> {
        let (mut integers, mut value, mut shift) = (Vec::new(), 0, 0);
        for byte in &self.head[1..] {
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                integers.push(std::mem::take(&mut value));
                shift = 0;
            }
        }
        integers
    }
}

const TOLD_WITHIN: Duration = Duration::from_secs(5);
