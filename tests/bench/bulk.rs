//! One-way loads: as many bytes as go through, on one stream or on many.

use std::{
    io::{Read, Write},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use anyhow::{Context, Result, ensure};

use crate::{
    endpoint::{INITIAL_WINDOW, Incoming, Link, Out, Streams, connect, framed, hang_up},
    measure::{Process, SPAN, WARM_UP},
    server::Server,
    wire::{Event, Frame, SYN, WINDOW_UPDATE},
};

/// What went through, and what it took.
pub struct Flow {
    pub bytes: f64,
    pub seconds: f64,
    pub cpu_seconds: f64,
}

/// Pushes messages of `unit` bytes through the proxy, on `streams` streams of `window` bytes each, in turn.
pub fn through_proxy(proxy: &Process, name: &str, streams: u32, unit: usize, window: u32) -> Result<Flow> {
    let server = Server::listen(proxy.address, name)?;
    let sink = server.link.socket()?;
    let bytes = Arc::new(AtomicU64::new(0));
    let counter = bytes.clone();
    // It answers the opens that the source waits for.
    let drink = thread::spawn(move || server.drink(window, &counter));
    let source = Source::connect(proxy.address, name, streams, unit, window)?;
    let sockets = [sink, source.link.socket()?];
    let ends = [drink, thread::spawn(move || source.pour())];
    let flow = measure(proxy, &bytes);
    hang_up(&sockets);
    finish(flow, ends)
}

/// The same through a plain TCP relay, which knows neither frames nor streams.
pub fn through_relay(relay: &Process, unit: usize) -> Result<Flow> {
    let mut sink = connect(relay.address)?;
    let mut source = connect(relay.address)?;
    let sockets = [sink.try_clone()?, source.try_clone()?];
    let bytes = Arc::new(AtomicU64::new(0));
    let counter = bytes.clone();
    let drink = move || -> Result<()> {
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let length = sink.read(&mut buffer)?;
            ensure!(length > 0, "the relay closed the connection");
            counter.fetch_add(length as u64, Ordering::Relaxed);
        }
    };
    let pour = move || -> Result<()> {
        let batch = vec![7; unit * (BATCH / unit).max(1)];
        loop {
            source.write_all(&batch)?;
        }
    };
    let ends = [thread::spawn(drink), thread::spawn(pour)];
    let flow = measure(relay, &bytes);
    hang_up(&sockets);
    finish(flow, ends)
}

/// The sending client of the proxy: whole rounds over its streams, as far as the credit of all of them goes.
struct Source {
    link: Link,
    credit: Streams<u32>,
    /// `rounds` rounds of one message per stream, made once.
    batch: Vec<u8>,
    rounds: usize,
    unit: u32,
}

impl Source {
    fn connect(address: SocketAddr, name: &str, streams: u32, unit: usize, window: u32) -> Result<Self> {
        let mut link = Link::dial(address)?;
        let open = framed(&format!(r#"{{"path":"/browser-server/connect/{name}"}}"#));
        // The part of the initial window that is not used keeps the bytes in flight at `window` per stream.
        let first = window.min(INITIAL_WINDOW) - open.len() as u32;
        let mut credit = Streams::default();
        let mut round = Out::default();
        for id in (0..streams).map(|stream| 2 * stream + 1) {
            link.out.data(id, SYN, &open);
            round.data(id, 0, &vec![7; unit]);
            credit.insert(id, first);
        }
        link.flush()?;
        let rounds = (BATCH / round.0.len()).max(1);
        let mut source = Self { link, credit, batch: round.0.repeat(rounds), rounds, unit: unit as u32 };
        source.wait_for_replies()?;
        Ok(source)
    }

    fn wait_for_replies(&mut self) -> Result<()> {
        let mut waiting: Streams<Incoming> = self.credit.keys().map(|id| (*id, Incoming::default())).collect();
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

    fn pour(mut self) -> Result<()> {
        let round = self.batch.len() / self.rounds;
        loop {
            let least = self.credit.values().min().context("no streams")?;
            let rounds = ((least / self.unit) as usize).min(self.rounds);
            if rounds == 0 {
                let credit = &mut self.credit;
                self.link.receive(|_, event| {
                    if let Event::Frame(frame) = event {
                        add(credit, frame);
                    }
                })?;
                continue;
            }
            self.link.write(&self.batch[..rounds * round])?;
            for credit in self.credit.values_mut() {
                *credit -= rounds as u32 * self.unit;
            }
        }
    }
}

fn add(credit: &mut Streams<u32>, frame: Frame) {
    if frame.kind == WINDOW_UPDATE
        && let Some(credit) = credit.get_mut(&frame.id)
    {
        *credit += frame.length;
    }
}

fn measure(process: &Process, bytes: &AtomicU64) -> Result<Flow> {
    thread::sleep(WARM_UP);
    let before = (process.cpu_seconds()?, bytes.load(Ordering::Relaxed), std::time::Instant::now());
    thread::sleep(SPAN);
    let seconds = before.2.elapsed().as_secs_f64();
    let bytes = (bytes.load(Ordering::Relaxed) - before.1) as f64;
    Ok(Flow { bytes, seconds, cpu_seconds: process.cpu_seconds()? - before.0 })
}

/// The flow, or why there was none: an end that broke down says so better than a count of zero.
fn finish(flow: Result<Flow>, ends: [thread::JoinHandle<Result<()>>; 2]) -> Result<Flow> {
    let flow = flow?;
    for end in ends {
        if let (true, Ok(Err(error))) = (flow.bytes == 0.0, end.join()) {
            return Err(error);
        }
    }
    ensure!(flow.bytes > 0.0, "nothing went through");
    Ok(flow)
}

/// Bytes that a source hands to its socket at once.
const BATCH: usize = 128 * 1024;
