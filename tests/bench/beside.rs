//! A ping-pong beside a bulk stream of the same two sessions.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    clock::{Clock, Trips},
    echo::MESSAGE,
    endpoint::{INITIAL_WINDOW, Link, hang_up},
    measure::Process,
    server::Server,
    way::{Incoming, Way, is_end},
    wire::{self, Event, Frame, SYN, WINDOW_UPDATE},
};

/// One thread sends both, so that a ping waits for at most one message of `UNIT` bytes here; the bulk stream has the initial window.
pub fn ping_beside_bulk(relay: &Process, way: &Way) -> Result<Trips> {
    let server = Server::listen(relay.address, way, INITIAL_WINDOW)?;
    let sink = server.link.socket()?;
    let drink = thread::spawn(move || server.serve(&Arc::default()));
    let mut both = Both::connect(relay, way, INITIAL_WINDOW)?;
    let sockets = [sink, both.link.socket()?];
    let trips = both.run(Clock::new(relay));
    hang_up(&sockets);
    // It ends with an error by design: its session was hung up.
    let _ = drink.join();
    trips
}

/// The client of both streams.
pub struct Both {
    pub link: Link,
    message: Vec<u8>,
    credit: u32,
    reply: Incoming,
    pong: Incoming,
    got: usize,
    since: Instant,
}

impl Both {
    /// Opens both streams; the peer grants `window` on each and is waited for, so that none of it is the open's time.
    pub fn connect(relay: &Process, way: &Way, window: u32) -> Result<Self> {
        let mut link = way.connect(relay.address)?;
        let open = way.open();
        link.out.data(BULK, SYN, &open);
        link.out.data(PING, SYN, &[open.as_slice(), &MESSAGE].concat());
        link.flush()?;
        let mut message = Vec::new();
        let payload = vec![7; UNIT as usize];
        wire::put(&mut message, Frame::data(BULK, 0, &payload), &payload);
        let credit = window.min(INITIAL_WINDOW) - open.len() as u32;
        Ok(Self { link, message, credit, reply: way.incoming(), pong: way.incoming(), got: 0, since: Instant::now() })
    }

    /// Sends bulk as credit allows and the next ping when the last came back, until the clock has run out.
    pub fn run(&mut self, mut clock: Clock) -> Result<Trips> {
        while clock.runs()? {
            let mut patience = Duration::from_millis(100);
            if self.credit >= UNIT {
                self.credit -= UNIT;
                self.link.write(&self.message)?;
                patience = Duration::ZERO;
            }
            if self.link.ready(patience)? {
                self.receive(&mut clock)?;
            }
        }
        clock.trips()
    }

    fn receive(&mut self, clock: &mut Clock) -> Result<()> {
        let Self { link, credit, reply, pong, got, since, .. } = self;
        let mut ended = false;
        link.receive(|out, event| match event {
            Event::Data(BULK, bytes) => {
                reply.take(BULK, bytes, INITIAL_WINDOW / 2, out);
            }
            Event::Data(PING, bytes) => {
                *got += pong.take(PING, bytes, INITIAL_WINDOW / 2, out).len();
                if *got >= MESSAGE.len() {
                    *got -= MESSAGE.len();
                    clock.arrived(*since);
                    out.data(PING, 0, &MESSAGE);
                    *since = Instant::now();
                }
            }
            Event::Data(..) => {}
            Event::Frame(frame) => {
                if frame.kind == WINDOW_UPDATE && frame.id == BULK {
                    *credit += frame.length;
                }
                ended |= is_end(frame.flags);
            }
        })?;
        ensure!(!ended, "a stream was ended: {}", reply.head().or(pong.head()).unwrap_or_default());
        Ok(())
    }
}

const BULK: u32 = 1;
const PING: u32 = 3;
const UNIT: u32 = 16 * 1024;
