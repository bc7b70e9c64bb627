//! Loads that wait for answers: ping-pong on streams that stay, and open, echo, close.

use std::{
    io::{Read, Write},
    net::SocketAddr,
    sync::Arc,
    thread,
    time::Instant,
};

use anyhow::{Result, ensure};

use crate::{
    clock::{Clock, Trips},
    endpoint::{INITIAL_WINDOW, Link, Out, Streams, connect, hang_up},
    measure::Process,
    server::{ECHO, Server},
    way::{Incoming, Way, is_end},
    wire::{Event, FIN, SYN},
};

/// 64-byte ping-pongs, one after the other on each of `streams` streams.
pub fn ping_on_streams(relay: &Process, way: &Way, streams: u32) -> Result<Trips> {
    with_echo(relay, way, |mut client| {
        for _ in 0..streams {
            client.open();
        }
        let mut clock = Clock::new(relay);
        while clock.runs()? {
            client.link.flush()?;
            let flights = &mut client.flights;
            client.link.receive(|out, event| {
                if let Event::Data(id, bytes) = event
                    && let Some(flight) = flights.get_mut(&id)
                {
                    flight.got += flight.incoming.take(id, bytes, INITIAL_WINDOW / 2, out).len();
                    if flight.got >= MESSAGE.len() {
                        flight.got -= MESSAGE.len();
                        clock.arrived(flight.since);
                        out.data(id, 0, &MESSAGE);
                        flight.since = Instant::now();
                    }
                }
            })?;
        }
        clock.trips()
    })
}

/// Opens a stream, sends 64 bytes, takes them back and closes it; `at_once` streams are under way. What one read leads to, the opens that follow ended
/// streams among it, is one write.
pub fn open_echo_close(relay: &Process, way: &Way, at_once: u32) -> Result<Trips> {
    with_echo(relay, way, |mut client| {
        for _ in 0..at_once {
            client.open();
        }
        client.link.flush()?;
        let mut clock = Clock::new(relay);
        while clock.runs()? {
            let Client { link, opener, flights } = &mut client;
            let mut refused = None;
            link.receive(|out, event| match event {
                Event::Data(id, bytes) => {
                    let Some(flight) = flights.get_mut(&id) else { return };
                    flight.got += flight.incoming.take(id, bytes, INITIAL_WINDOW / 2, out).len();
                    if flight.got == MESSAGE.len() {
                        out.data(id, FIN, &[]);
                    }
                }
                Event::Frame(frame) if is_end(frame.flags) => {
                    if let Some(flight) = flights.remove(&frame.id) {
                        if flight.got != MESSAGE.len() {
                            refused = Some(flight.incoming.head().unwrap_or_default().to_owned());
                        }
                        clock.arrived(flight.since);
                        opener.open(out, flights);
                    }
                }
                Event::Frame(_) => {}
            })?;
            ensure!(refused.is_none(), "a stream ended before its echo: {}", refused.unwrap_or_default());
        }
        clock.trips()
    })
}

/// 64-byte ping-pongs on one connection through a plain TCP relay.
pub fn ping_in_bytes(relay: &Process) -> Result<Trips> {
    let mut server = connect(relay.address)?;
    let mut client = connect(relay.address)?;
    let sockets = [server.try_clone()?, client.try_clone()?];
    let echo = thread::spawn(move || -> Result<()> {
        let mut message = MESSAGE;
        loop {
            server.read_exact(&mut message)?;
            server.write_all(&message)?;
        }
    });
    let mut clock = Clock::new(relay);
    let mut message = MESSAGE;
    while clock.runs()? {
        let since = Instant::now();
        client.write_all(&message)?;
        client.read_exact(&mut message)?;
        clock.arrived(since);
    }
    hang_up(&sockets);
    let trips = clock.trips();
    // It ends with an error by design: its connection was hung up.
    let _ = echo.join();
    trips
}

/// Runs `load` against an echo server of its own.
fn with_echo(relay: &Process, way: &Way, load: impl FnOnce(Client) -> Result<Trips>) -> Result<Trips> {
    let server = Server::listen(relay.address, way, INITIAL_WINDOW)?;
    let client = Client::connect(relay.address, way)?;
    let sockets = [server.link.socket()?, client.link.socket()?];
    let echo = thread::spawn(move || server.serve(&Arc::default()));
    let trips = load(client);
    hang_up(&sockets);
    // It ends with an error by design: its session was hung up.
    let _ = echo.join();
    trips
}

/// The client of an echo server, and what is under way on its streams.
pub struct Client {
    link: Link,
    opener: Opener,
    flights: Streams<Flight>,
}

/// What a client opens its streams with.
struct Opener {
    way: Way,
    open: Vec<u8>,
    next: u32,
}

/// One stream and the message that is under way on it.
struct Flight {
    incoming: Incoming,
    since: Instant,
    got: usize,
}

impl Client {
    pub fn connect(address: SocketAddr, way: &Way) -> Result<Self> {
        // The first message leaves right behind the open.
        let open = [way.open(), MESSAGE.to_vec()].concat();
        let opener = Opener { way: way.clone(), open, next: 1 };
        Ok(Self { link: way.connect(address)?, opener, flights: Streams::default() })
    }

    /// Opens so many streams, at most `at_once` of them without their echo, and leaves them open.
    pub fn open_and_echo(&mut self, streams: u32, at_once: u32) -> Result<()> {
        let (mut opened, mut echoed) = (0, 0);
        while echoed < streams {
            while opened < streams && opened < echoed + at_once {
                self.open();
                opened += 1;
            }
            self.link.flush()?;
            let flights = &mut self.flights;
            let mut ended = false;
            self.link.receive(|out, event| match event {
                Event::Data(id, bytes) => {
                    let Some(flight) = flights.get_mut(&id) else { return };
                    flight.got += flight.incoming.take(id, bytes, INITIAL_WINDOW / 2, out).len();
                    echoed += u32::from(flight.got == MESSAGE.len());
                }
                Event::Frame(frame) => ended |= is_end(frame.flags),
            })?;
            ensure!(!ended, "a stream was ended, {echoed} of {streams} were echoed");
        }
        Ok(())
    }

    fn open(&mut self) {
        self.opener.open(&mut self.link.out, &mut self.flights);
    }
}

impl Opener {
    fn open(&mut self, out: &mut Out, flights: &mut Streams<Flight>) {
        out.data(self.next, SYN, &self.open);
        let flight = Flight { incoming: self.way.incoming(), since: Instant::now(), got: 0 };
        flights.insert(self.next, flight);
        self.next += 2;
    }
}

pub const MESSAGE: [u8; 64] = [ECHO; 64];
