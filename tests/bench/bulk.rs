//! One-way loads: as many bytes as go through, on one stream or on many.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::{Result, ensure};

use crate::{
    endpoint::{INITIAL_WINDOW, Link, connect, hang_up},
    measure::{Process, SPAN, WARM_UP},
    server::Server,
    source::Source,
    way::Way,
    wire,
};

/// What went through, and what it took.
pub struct Flow {
    pub bytes: f64,
    pub seconds: f64,
    pub cpu_seconds: f64,
}

/// Pushes messages of `unit` bytes on `streams` streams of `window` bytes each, in turn; payload counts.
pub fn on_streams(relay: &Process, way: &Way, streams: u32, unit: usize, window: u32) -> Result<Flow> {
    between([relay, relay], &[relay], way, (streams, unit, window))
}

/// The same from a client at the first of two processes to a server at the second; the CPU time is that of all `measured`.
pub fn between([near, far]: [&Process; 2], measured: &[&Process], way: &Way, (streams, unit, window): (u32, usize, u32)) -> Result<Flow> {
    let server = Server::listen(far.address, way, window)?;
    let sink = server.link.socket()?;
    let bytes = Arc::new(AtomicU64::new(0));
    let counter = bytes.clone();
    // It answers the opens that the source waits for.
    let drink = thread::spawn(move || server.serve(&counter));
    let source = Source::connect(near.address, way, streams, unit, window.min(INITIAL_WINDOW))?;
    let sockets = [sink, source.link.socket()?];
    let ends = [drink, thread::spawn(move || source.pour())];
    let flow = measure(measured, &bytes);
    hang_up(&sockets);
    finish(flow, ends)
}

/// Pushes messages of `unit` bytes through a bare WebSocket relay, which knows no streams; payload counts.
pub fn in_messages(relay: &Process, unit: usize) -> Result<Flow> {
    let sink = Link::dial(relay.address, "/s")?.socket()?;
    let source = Link::dial(relay.address, "/c")?.socket()?;
    let mut message = Vec::new();
    wire::put_message(&mut message, &[], &vec![7; unit]);
    // What arrives has no mask.
    let payload = unit as f64 / (message.len() - 4) as f64;
    let flow = on_connection(relay, sink, source, &message)?;
    Ok(Flow { bytes: flow.bytes * payload, ..flow })
}

/// The same through a plain TCP relay, which knows no messages either.
pub fn in_bytes(relay: &Process, unit: usize) -> Result<Flow> {
    on_connection(relay, connect(relay.address)?, connect(relay.address)?, &vec![7; unit])
}

fn on_connection(relay: &Process, mut sink: TcpStream, mut source: TcpStream, message: &[u8]) -> Result<Flow> {
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
    let batch = message.repeat((BATCH / message.len()).max(1));
    let pour = move || -> Result<()> {
        loop {
            source.write_all(&batch)?;
        }
    };
    let ends = [thread::spawn(drink), thread::spawn(pour)];
    let flow = measure(&[relay], &bytes);
    hang_up(&sockets);
    finish(flow, ends)
}

fn measure(processes: &[&Process], bytes: &AtomicU64) -> Result<Flow> {
    let cpu_seconds = || processes.iter().map(|process| process.cpu_seconds()).sum::<Result<f64>>();
    thread::sleep(WARM_UP);
    let before = (cpu_seconds()?, bytes.load(Ordering::Relaxed), Instant::now());
    thread::sleep(SPAN);
    let seconds = before.2.elapsed().as_secs_f64();
    let bytes = (bytes.load(Ordering::Relaxed) - before.1) as f64;
    Ok(Flow { bytes, seconds, cpu_seconds: cpu_seconds()? - before.0 })
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
pub const BATCH: usize = 128 * 1024;
