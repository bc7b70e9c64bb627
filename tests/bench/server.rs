//! The serving peer: claims a name, accepts every client, then drinks or echoes.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Result, ensure};

use crate::{
    endpoint::{INITIAL_WINDOW, Incoming, Link, Streams, framed, is_end},
    wire::{ACK, Event, FIN, SYN},
};

pub struct Server {
    pub link: Link,
}

impl Server {
    /// Claims `name`; the claim ends with the session.
    pub fn listen(address: SocketAddr, name: &str) -> Result<Self> {
        let mut link = Link::dial(address)?;
        link.out.data(CONTROL, SYN, &framed(&format!(r#"{{"path":"/browser-server/listen/{name}"}}"#)));
        link.flush()?;
        let mut reply = Incoming::default();
        while reply.head().is_none() {
            link.receive(|out, event| {
                if let Event::Data(CONTROL, bytes) = event {
                    reply.take(CONTROL, bytes, INITIAL_WINDOW / 2, out);
                }
            })?;
        }
        let reply = reply.head().unwrap_or_default();
        ensure!(!reply.contains(r#""error""#), "the claim was refused: {reply}");
        Ok(Self { link })
    }

    /// Takes every byte and counts it, with `window` bytes of credit out per stream, until the session ends.
    pub fn drink(mut self, window: u32, bytes: &Arc<AtomicU64>) -> Result<()> {
        let mut streams: Streams<Incoming> = Streams::default();
        loop {
            let mut got = 0;
            self.link.receive(|out, event| match event {
                Event::Data(id, part) => {
                    let stream = streams.entry(id).or_default();
                    let replied = stream.head().is_some();
                    got += stream.take(id, part, window / 2, out).len();
                    if !replied && stream.head().is_some() {
                        out.grant(id, ACK, window.saturating_sub(INITIAL_WINDOW));
                        out.data(id, 0, &framed("{}"));
                    }
                }
                Event::Frame(frame) if is_end(&frame) => {
                    streams.remove(&frame.id);
                }
                Event::Frame(_) => {}
            })?;
            bytes.fetch_add(got as u64, Ordering::Relaxed);
        }
    }

    /// Sends back every byte, and each finish, until the session ends.
    pub fn echo(mut self) -> Result<()> {
        let mut streams: Streams<Incoming> = Streams::default();
        loop {
            self.link.receive(|out, event| match event {
                Event::Data(id, part) => {
                    let stream = streams.entry(id).or_default();
                    let replied = stream.head().is_some();
                    let rest = stream.take(id, part, INITIAL_WINDOW / 2, out);
                    if !replied && stream.head().is_some() {
                        out.grant(id, ACK, 0);
                        out.data(id, 0, &framed("{}"));
                    }
                    if !rest.is_empty() {
                        out.data(id, 0, rest);
                    }
                }
                Event::Frame(frame) if is_end(&frame) => {
                    if streams.remove(&frame.id).is_some() && frame.flags & FIN != 0 {
                        out.data(frame.id, FIN, &[]);
                    }
                }
                Event::Frame(_) => {}
            })?;
        }
    }
}

/// The stream of the claim: the first that a peer opens.
const CONTROL: u32 = 1;
