//! Loads that wait for answers: ping-pong on streams that stay, and open, echo, close.

use std::{
    io::{Read, Write},
    net::SocketAddr,
    thread,
    time::Instant,
};

use anyhow::{Result, ensure};

use crate::{
    endpoint::{INITIAL_WINDOW, Incoming, Link, Streams, connect, framed, hang_up, is_end},
    measure::{Process, SPAN, WARM_UP, percentile},
    server::Server,
    wire::{Event, FIN, SYN},
};

/// How often, how long each took, and what it took of the process.
pub struct Trips {
    pub per_second: f64,
    pub p50_us: f64,
    pub cpu_us: f64,
}

/// 64-byte ping-pongs, one after the other on each of `streams` streams.
pub fn ping_through_proxy(proxy: &Process, name: &str, streams: u32) -> Result<Trips> {
    with_echo(proxy, name, |mut client| {
        for _ in 0..streams {
            client.open()?;
        }
        let mut clock = Clock::new(proxy);
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

/// Opens a stream, sends 64 bytes, takes them back and closes it; `at_once` streams are under way.
pub fn open_echo_close(proxy: &Process, name: &str, at_once: u32) -> Result<Trips> {
    with_echo(proxy, name, |mut client| {
        for _ in 0..at_once {
            client.open()?;
        }
        let mut clock = Clock::new(proxy);
        while clock.runs()? {
            client.link.flush()?;
            let flights = &mut client.flights;
            let mut closed = 0;
            client.link.receive(|out, event| match event {
                Event::Data(id, bytes) => {
                    let Some(flight) = flights.get_mut(&id) else { return };
                    flight.got += flight.incoming.take(id, bytes, INITIAL_WINDOW / 2, out).len();
                    if flight.got == MESSAGE.len() {
                        out.data(id, FIN, &[]);
                    }
                }
                Event::Frame(frame) if is_end(&frame) => {
                    if let Some(flight) = flights.remove(&frame.id) {
                        clock.arrived(flight.since);
                        closed += 1;
                    }
                }
                Event::Frame(_) => {}
            })?;
            for _ in 0..closed {
                client.open()?;
            }
        }
        clock.trips()
    })
}

/// 64-byte ping-pongs on one connection through a plain TCP relay.
pub fn ping_through_relay(relay: &Process) -> Result<Trips> {
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
fn with_echo(proxy: &Process, name: &str, load: impl FnOnce(Client) -> Result<Trips>) -> Result<Trips> {
    let server = Server::listen(proxy.address, name)?;
    let client = Client::dial(proxy.address, name)?;
    let sockets = [server.link.socket()?, client.link.socket()?];
    let echo = thread::spawn(move || server.echo());
    let trips = load(client);
    hang_up(&sockets);
    // It ends with an error by design: its session was hung up.
    let _ = echo.join();
    trips
}

struct Client {
    link: Link,
    open: Vec<u8>,
    next: u32,
    flights: Streams<Flight>,
}

/// One stream and the message that is under way on it.
struct Flight {
    incoming: Incoming,
    since: Instant,
    got: usize,
}

impl Client {
    fn dial(address: SocketAddr, name: &str) -> Result<Self> {
        let mut open = framed(&format!(r#"{{"path":"/browser-server/connect/{name}"}}"#));
        // The first message leaves right behind the open.
        open.extend_from_slice(&MESSAGE);
        Ok(Self { link: Link::dial(address)?, open, next: 1, flights: Streams::default() })
    }

    fn open(&mut self) -> Result<()> {
        self.link.out.data(self.next, SYN, &self.open);
        let flight = Flight { incoming: Incoming::default(), since: Instant::now(), got: 0 };
        self.flights.insert(self.next, flight);
        self.next += 2;
        Ok(())
    }
}

/// Warms up, then takes the time of each trip for a span.
struct Clock<'a> {
    process: &'a Process,
    started: Instant,
    measuring: Option<(Instant, f64)>,
    trips_us: Vec<f64>,
}

impl<'a> Clock<'a> {
    fn new(process: &'a Process) -> Self {
        Self { process, started: Instant::now(), measuring: None, trips_us: Vec::new() }
    }

    fn runs(&mut self) -> Result<bool> {
        match self.measuring {
            None if self.started.elapsed() < WARM_UP => Ok(true),
            None => {
                self.trips_us.clear();
                self.measuring = Some((Instant::now(), self.process.cpu_seconds()?));
                Ok(true)
            }
            Some((since, _)) => Ok(since.elapsed() < SPAN),
        }
    }

    fn arrived(&mut self, since: Instant) {
        self.trips_us.push(since.elapsed().as_secs_f64() * 1e6);
    }

    fn trips(mut self) -> Result<Trips> {
        let count = self.trips_us.len() as f64;
        ensure!(count > 0.0, "nothing came back");
        let (since, cpu) = self.measuring.unwrap_or((self.started, 0.0));
        Ok(Trips {
            per_second: count / since.elapsed().as_secs_f64(),
            cpu_us: (self.process.cpu_seconds()? - cpu) * 1e6 / count,
            p50_us: percentile(&mut self.trips_us, 0.5),
        })
    }
}

const MESSAGE: [u8; 64] = [7; 64];
