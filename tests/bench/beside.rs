//! A ping-pong beside bulk streams of the same two sessions.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use browser_stream_mux::Drain;

use crate::{
    clock::{Clock, Trips},
    echo::MESSAGE,
    endpoint::{INITIAL_WINDOW, Link, hang_up},
    measure::Process,
    server::Server,
    way::{Incoming, Way, is_end},
    wire::{self, Event, Frame, PING as PING_FRAME, SYN, WINDOW_UPDATE},
};

/// One thread sends all, so that a ping waits for at most one message of `UNIT` bytes here; each of the bulk streams has the initial window.
pub fn ping_beside_bulk(relay: &Process, way: &Way, bulk: u32) -> Result<Together> {
    ping_beside(relay, way, bulk, f64::INFINITY)
}

/// The same, and all bulk streams together move so many bytes a second at most: what the round robin makes of the ping where nobody waits for a processor.
pub fn ping_beside_paced(relay: &Process, way: &Way, bulk: u32, pace: f64) -> Result<Together> {
    ping_beside(relay, way, bulk, pace)
}

fn ping_beside(relay: &Process, way: &Way, bulk: u32, pace: f64) -> Result<Together> {
    let server = Server::listen(relay.address, way, INITIAL_WINDOW)?;
    let sink = server.link.socket()?;
    let drink = thread::spawn(move || server.serve(&Arc::default()));
    let mut beside = Beside::connect(relay, way, INITIAL_WINDOW, bulk)?;
    beside.pace = pace;
    let sockets = [sink, beside.link.socket()?];
    let started = Instant::now();
    let trips = beside.run(Clock::new(relay));
    let bulk = beside.drain.sent() as f64 / started.elapsed().as_secs_f64();
    hang_up(&sockets);
    // It ends with an error by design: its session was hung up.
    let _ = drink.join();
    Ok(Together { trips: trips?, bulk })
}

/// The same, but the ping has two sessions of its own: what the machine alone makes of it, whose processors the bulk streams keep busy.
pub fn ping_apart_from_bulk(relay: &Process, ways: [&Way; 2], bulk: u32) -> Result<Together> {
    thread::scope(|scope| {
        let busy = scope.spawn(|| ping_beside_bulk(relay, ways[0], bulk));
        let alone = ping_beside_bulk(relay, ways[1], 0)?;
        let busy = busy.join().map_err(|_| anyhow::anyhow!("the bulk streams' thread panicked"))??;
        Ok(Together { trips: alone.trips, bulk: busy.bulk })
    })
}

/// What the ping took, and what the bulk streams moved meanwhile.
pub struct Together {
    pub trips: Trips,
    /// Bytes a second.
    pub bulk: f64,
}

/// The client of all these streams.
pub struct Beside {
    pub link: Link,
    bulk: Vec<Bulk>,
    /// Whose turn it is.
    turn: usize,
    /// The most bytes of bulk in a second, and since when.
    pace: f64,
    begun: Instant,
    /// What is on its way is bounded as it is by our libraries.
    drain: Drain,
    pong: Incoming,
    got: usize,
    since: Instant,
}

/// One of the bulk streams.
struct Bulk {
    message: Vec<u8>,
    credit: u32,
    reply: Incoming,
}

impl Beside {
    /// Opens the bulk streams, then that of the ping; the peer grants `window` on each and is waited for, so that none of it is the open's time.
    pub fn connect(relay: &Process, way: &Way, window: u32, bulk: u32) -> Result<Self> {
        let mut link = way.connect(relay.address)?;
        let open = way.open();
        let payload = vec![7; UNIT as usize];
        let credit = window.min(INITIAL_WINDOW) - open.len() as u32;
        let mut streams = Vec::new();
        for stream in 1..=bulk {
            link.out.data(id(stream), SYN, &open);
            let mut message = Vec::new();
            wire::put(&mut message, Frame::data(id(stream), 0, &payload), &payload);
            streams.push(Bulk { message, credit, reply: way.incoming() });
        }
        link.out.data(PING, SYN, &[open.as_slice(), &MESSAGE].concat());
        link.flush()?;
        Ok(Self {
            link,
            bulk: streams,
            turn: 0,
            pace: f64::INFINITY,
            begun: Instant::now(),
            drain: Drain::default(),
            pong: way.incoming(),
            got: 0,
            since: Instant::now(),
        })
    }

    /// Sends bulk as credit allows and the next ping when the last came back, until the clock has run out.
    pub fn run(&mut self, mut clock: Clock) -> Result<Trips> {
        while clock.runs()? {
            let patience = match self.send()? {
                true => Duration::ZERO,
                false if self.pace.is_finite() => Duration::from_micros(100),
                false => Duration::from_millis(100),
            };
            if self.link.ready(patience)? {
                self.receive(&mut clock)?;
            }
        }
        clock.trips()
    }

    /// Sends a message on the next bulk stream that has credit for one, if there is any.
    fn send(&mut self) -> Result<bool> {
        if let Some(token) = self.drain.ping(Instant::now) {
            self.link.out.ping(token);
            self.link.flush()?;
        }
        if !self.drain.is_open() || self.drain.sent() as f64 > self.pace * self.begun.elapsed().as_secs_f64() {
            return Ok(false);
        }
        let streams = self.bulk.len();
        let mut turns = (self.turn..self.turn + streams).map(|turn| turn % streams);
        let Some(next) = turns.find(|turn| self.bulk[*turn].credit >= UNIT) else { return Ok(false) };
        self.turn = next + 1;
        self.bulk[next].credit -= UNIT;
        self.link.write(&self.bulk[next].message)?;
        self.drain.add(UNIT.into());
        Ok(true)
    }

    fn receive(&mut self, clock: &mut Clock) -> Result<()> {
        let Self { link, bulk, drain, pong, got, since, .. } = self;
        let mut ended = None;
        link.receive(|out, event| match event {
            Event::Data(PING, bytes) => {
                *got += pong.take(PING, bytes, INITIAL_WINDOW / 2, out).len();
                if *got >= MESSAGE.len() {
                    *got -= MESSAGE.len();
                    clock.arrived(*since);
                    out.data(PING, 0, &MESSAGE);
                    *since = Instant::now();
                }
            }
            Event::Data(id, bytes) => {
                if let Some(stream) = bulk.get_mut(index(id)) {
                    stream.reply.take(id, bytes, INITIAL_WINDOW / 2, out);
                }
            }
            Event::Frame(Frame { kind: PING_FRAME, length, .. }) => {
                drain.pong(length, Instant::now());
            }
            Event::Frame(frame) => {
                if frame.kind == WINDOW_UPDATE
                    && let Some(stream) = bulk.get_mut(index(frame.id))
                {
                    stream.credit += frame.length;
                }
                if is_end(frame.flags) {
                    ended = Some(frame.id);
                }
            }
        })?;
        let reply = |id| bulk.get(index(id)).map_or(&*pong, |stream| &stream.reply).head().unwrap_or_default();
        ensure!(ended.is_none(), "a stream was ended: {}", ended.map(reply).unwrap_or_default());
        Ok(())
    }
}

/// The stream of the ping has the first id, bulk streams those behind it.
fn id(bulk: u32) -> u32 {
    2 * bulk + 1
}

/// Which bulk stream that is; of the ping's stream, and of the session, none.
fn index(id: u32) -> usize {
    (id as usize / 2).wrapping_sub(1)
}

const PING: u32 = 1;
const UNIT: u32 = 16 * 1024;
