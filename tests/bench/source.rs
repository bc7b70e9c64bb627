//! The sending client: on all of its streams in turn, as far as the credit of each goes.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Result, ensure};

use crate::{
    bulk::BATCH,
    endpoint::{INITIAL_WINDOW, Link, Out, Streams},
    way::{Incoming, Way},
    wire::{Event, Frame, SYN, WINDOW_UPDATE},
};

pub struct Source {
    pub link: Link,
    /// By stream: what it may still send.
    credit: Vec<u32>,
    /// Rounds of one message per stream, made once.
    batch: Vec<u8>,
    /// Bytes of one message as it travels.
    message: usize,
    unit: u32,
}

impl Source {
    /// Opens the streams, waits for the replies, and keeps at most `window` bytes of each initial window in flight.
    pub fn connect(address: SocketAddr, way: &Way, streams: u32, unit: usize, window: u32) -> Result<Self> {
        let mut link = way.connect(address)?;
        let open = way.open();
        let mut round = Out::default();
        for stream in 0..streams {
            link.out.data(id(stream), SYN, &open);
            round.data(id(stream), 0, &vec![7; unit]);
        }
        link.flush()?;
        let message = round.0.len() / streams as usize;
        let batch = round.0.repeat((BATCH / round.0.len()).max(1));
        let credit = vec![window - open.len() as u32; streams as usize];
        let mut source = Self { link, credit, batch, message, unit: unit as u32 };
        source.wait_for_replies(way)?;
        Ok(source)
    }

    fn wait_for_replies(&mut self, way: &Way) -> Result<()> {
        let streams = self.credit.len() as u32;
        let mut waiting: Streams<Incoming> = (0..streams).map(|stream| (id(stream), way.incoming())).collect();
        waiting.retain(|_, incoming| !incoming.asks());
        let mut refused = None;
        while !waiting.is_empty() {
            let credit = &mut self.credit;
            self.link.receive(|out, event| match event {
                Event::Data(id, bytes) => {
                    let Some(reply) = waiting.get_mut(&id) else { return };
                    reply.take(id, bytes, INITIAL_WINDOW / 2, out);
                    if let Some(text) = reply.head() {
                        refused = text.contains(r#""error""#).then(|| text.to_owned()).or(refused.take());
                        waiting.remove(&id);
                    }
                }
                Event::Frame(frame) => add(credit, frame),
            })?;
            ensure!(refused.is_none(), "an open was refused: {}", refused.unwrap_or_default());
        }
        Ok(())
    }

    /// Sends until the session ends.
    pub fn pour(mut self) -> Result<()> {
        let mut some = Vec::with_capacity(self.batch.len() + self.message);
        loop {
            let even = self.take_even();
            if even == 0 {
                self.take_some(&mut some);
            }
            self.link.write(if even == 0 { &some } else { &self.batch[..even] })?;
            if (even == 0 && some.is_empty()) || self.link.ready(Duration::ZERO)? {
                let credit = &mut self.credit;
                self.link.receive(|_, event| {
                    if let Event::Frame(frame) = event {
                        add(credit, frame);
                    }
                })?;
            }
        }
    }

    /// Takes the credit for whole rounds, and tells how much of the batch they are.
    fn take_even(&mut self) -> usize {
        let round = self.credit.len() * self.message;
        let least = self.credit.iter().min().copied().unwrap_or(0);
        let rounds = ((least / self.unit) as usize).min(self.batch.len() / round);
        self.credit.iter_mut().for_each(|credit| *credit -= rounds as u32 * self.unit);
        rounds * round
    }

    /// Puts a batch together when some streams have run out: the others go on, in turn as before.
    fn take_some(&mut self, some: &mut Vec<u8>) {
        some.clear();
        loop {
            let before = some.len();
            for (stream, credit) in self.credit.iter_mut().enumerate() {
                if *credit >= self.unit && some.len() < BATCH {
                    *credit -= self.unit;
                    some.extend_from_slice(&self.batch[stream * self.message..][..self.message]);
                }
            }
            if some.len() == before {
                return;
            }
        }
    }
}

fn id(stream: u32) -> u32 {
    2 * stream + 1
}

fn add(credit: &mut [u32], frame: Frame) {
    if frame.kind == WINDOW_UPDATE
        && let Some(credit) = credit.get_mut(frame.id as usize / 2)
    {
        *credit += frame.length;
    }
}
