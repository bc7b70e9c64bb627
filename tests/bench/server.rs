//! The serving peer: takes every stream, then drinks or echoes what is on it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Result;

use crate::{
    endpoint::{INITIAL_WINDOW, Link, Out, Streams},
    way::{Incoming, Way, is_end},
    wire::{ACK, Event, FIN, SYN},
};

/// A stream whose payload starts with this byte is echoed, any other is drunk and counted.
pub const ECHO: u8 = 9;

/// A session that streams are given to.
pub struct Server {
    pub link: Link,
    streams: Taken,
}

struct Taken {
    way: Way,
    /// Credit that is out per stream.
    window: u32,
    live: Streams<Stream>,
    answered: usize,
    drunk: u64,
}

struct Stream {
    incoming: Incoming,
    /// Known with the first byte of payload.
    echoes: Option<bool>,
}

impl Server {
    /// Waits for streams, with `window` bytes of credit out on each.
    pub fn listen(address: SocketAddr, way: &Way, window: u32) -> Result<Self> {
        let streams = Taken { way: way.clone(), window, live: Streams::default(), answered: 0, drunk: 0 };
        Ok(Self { link: way.listen(address)?, streams })
    }

    /// Serves until the session ends; adds to `bytes` what was drunk.
    pub fn serve(mut self, bytes: &Arc<AtomicU64>) -> Result<()> {
        loop {
            self.turn()?;
            bytes.fetch_add(std::mem::take(&mut self.streams.drunk), Ordering::Relaxed);
        }
    }

    /// Serves until it has answered so many streams, then stops reading: the session goes on, nothing is taken off its socket.
    pub fn meet(mut self, streams: usize) -> Result<Link> {
        while self.streams.answered < streams {
            self.turn()?;
        }
        Ok(self.link)
    }

    fn turn(&mut self) -> Result<()> {
        let streams = &mut self.streams;
        self.link.receive(|out, event| match event {
            Event::Data(id, bytes) => streams.data(id, bytes, out),
            Event::Frame(frame) => {
                // A stream may begin with an empty frame.
                if frame.flags & SYN != 0 && frame.id != 0 {
                    streams.data(frame.id, &[], out);
                }
                if is_end(frame.flags) && streams.live.remove(&frame.id).is_some() && frame.flags & FIN != 0 {
                    out.data(frame.id, FIN, &[]);
                }
            }
        })
    }
}

impl Taken {
    fn data(&mut self, id: u32, bytes: &[u8], out: &mut Out) {
        let stream = self.live.entry(id).or_insert_with(|| Stream { incoming: self.way.incoming(), echoes: None });
        let rest = stream.incoming.take(id, bytes, self.window / 2, out);
        if stream.incoming.asks() {
            self.answered += 1;
            out.grant(id, ACK, self.window.saturating_sub(INITIAL_WINDOW));
            let reply = self.way.reply();
            if !reply.is_empty() {
                out.data(id, 0, &reply);
            }
        }
        if let Some(first) = rest.first() {
            if *stream.echoes.get_or_insert(*first == ECHO) {
                out.data(id, 0, rest);
            } else {
                self.drunk += rest.len() as u64;
            }
        }
    }
}
