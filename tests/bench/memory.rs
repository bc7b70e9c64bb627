//! What the proxy keeps in memory: resident set of a fresh process, after minus before, divided by what was added.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::Result;

use crate::{
    echo::Client,
    endpoint::{INITIAL_WINDOW, Link, connect_from, hang_up},
    proxy,
    server::Server,
    source::Source,
    way::{PATH, Way},
    wire::{self, Event, SYN},
};

/// KiB of a session that was upgraded, answered one ping, and is silent. Addresses differ: each may hold so many sessions only.
pub fn idle_session(bss: &Path) -> Result<f64> {
    let proxy = proxy::start(bss, LOOPBACK.into())?;
    let mut sessions = vec![pinged(proxy.address, 0)?];
    thread::sleep(SETTLE);
    let before = proxy.resident_kib()?;
    for index in 0..SESSIONS {
        sessions.push(pinged(proxy.address, index)?);
    }
    thread::sleep(SETTLE);
    Ok((proxy.resident_kib()? - before) / f64::from(SESSIONS))
}

fn pinged(address: SocketAddr, index: u32) -> Result<Link> {
    let from = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 1, 1)) + index / SESSIONS_PER_ADDRESS);
    let mut link = Link::upgrade(connect_from(from, address)?, address, PATH)?;
    link.out.ping(index);
    link.flush()?;
    let mut answered = false;
    while !answered {
        link.receive(|_, event| answered |= matches!(event, Event::Frame(frame) if frame.kind == wire::PING && frame.flags & SYN == 0))?;
    }
    Ok(link)
}

/// KiB of a stream between two sessions that carried 64 bytes each way, and is silent. Of many clients, since each may open so many only.
pub fn idle_stream(bss: &Path) -> Result<f64> {
    let proxy = proxy::start(bss, LOOPBACK.into())?;
    let way = Way::Name("idle".to_owned());
    let server = Server::listen(proxy.address, &way, INITIAL_WINDOW)?;
    let sink = server.link.socket()?;
    let echo = thread::spawn(move || server.serve(&Arc::default()));
    let mut clients = (0..CLIENTS).map(|_| Client::connect(proxy.address, &way)).collect::<Result<Vec<_>>>()?;
    // The first streams bring in the program's own pages and the buffers of all that are opened at once: those are no stream's.
    clients.iter_mut().try_for_each(|client| client.open_and_echo(STREAMS_AT_ONCE, STREAMS_AT_ONCE))?;
    let before = proxy.resident_kib()?;
    clients.iter_mut().try_for_each(|client| client.open_and_echo(STREAMS / CLIENTS, STREAMS_AT_ONCE))?;
    thread::sleep(SETTLE);
    let after = proxy.resident_kib()?;
    hang_up(&[sink]);
    // It ends with an error by design: its session was hung up.
    let _ = echo.join();
    Ok((after - before) / f64::from(STREAMS))
}

/// A server that answers 100 opens and then reads nothing, while the client sends all that its windows allow: growth ÷ Σ windows.
/// What the kernel's own buffers took of it is not the proxy's memory, and is not in it.
pub fn stalled_streams(bss: &Path) -> Result<f64> {
    let proxy = proxy::start(bss, LOOPBACK.into())?;
    let way = Way::Name("stalled".to_owned());
    let server = Server::listen(proxy.address, &way, INITIAL_WINDOW)?;
    let before = proxy.resident_kib()?;
    let met = thread::spawn(move || server.meet(STALLED as usize));
    let source = Source::connect(proxy.address, &way, STALLED, 16 * 1024, INITIAL_WINDOW)?;
    let sockets = [source.link.socket()?];
    let pour = thread::spawn(move || source.pour());
    let held = met.join().map_err(|_| anyhow::anyhow!("the server panicked"))??;
    thread::sleep(FILL);
    let after = proxy.resident_kib()?;
    hang_up(&sockets);
    drop(held);
    // It ends with an error by design: its session was hung up.
    let _ = pour.join();
    Ok((after - before) * 1024.0 / f64::from(STALLED * INITIAL_WINDOW))
}

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
const SESSIONS: u32 = 2000;
const SESSIONS_PER_ADDRESS: u32 = 200;
const CLIENTS: u32 = 16;
const STREAMS: u32 = 10_000;
const STREAMS_AT_ONCE: u32 = 128;
const STALLED: u32 = 100;
/// Buffers that are given back when idle have been by then.
const SETTLE: Duration = Duration::from_millis(500);
/// Longer than it takes to send Σ windows, shorter than the proxy waits for a reader that takes nothing.
const FILL: Duration = Duration::from_millis(2500);
