//! A room of 200, each of whom sends 20 events of 200 bytes in a second: ours beside socket.io 4, the same load from one thread.

mod figures;
mod member;
mod socket;

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use figures::FIGURES;

use crate::{cases::Case, fanout::Kind, measure::Process, table::Samples};

pub const CASES: &[Case] = &[
    Case {
        name: "room",
        run: |relays, samples| {
            let server = Kind::Channel.start(&relays.bss)?;
            let members = (0..MEMBERS).map(|_| member::Member::join(server.address)).collect::<Result<_>>()?;
            run(samples, &server, members, ["room", "room p50", "room p99", "room cpu"])
        },
    },
    Case {
        name: "room socket.io",
        run: |relays, samples| {
            let server = Kind::SocketIo.start(&relays.bss)?;
            let members = (0..MEMBERS).map(|_| socket::Member::join(server.address)).collect::<Result<_>>()?;
            run(samples, &server, members, ["room socket.io", "room socket.io p50", "room socket.io p99", "room socket.io cpu"])
        },
    },
];

/// One who sends and hears what the others send. An event says when it was sent.
trait Sends {
    fn socket(&self) -> Result<TcpStream>;
    fn send(&mut self, at: u64) -> Result<()>;
    /// Takes what has come, which is something, and tells of each event when that was sent.
    fn receive(&mut self, on: impl FnMut(u64)) -> Result<()>;
}

/// What was delivered in the measured span.
#[derive(Default)]
struct Heard {
    events: u64,
    /// How many took so many tenths of a millisecond.
    took: Vec<u64>,
}

impl Heard {
    fn add(&mut self, nanoseconds: u64) {
        let at = usize::try_from(nanoseconds / TENTH_MS).unwrap_or(usize::MAX).min(TENTHS_MAX);
        self.took.resize(self.took.len().max(at + 1), 0);
        self.took[at] += 1;
        self.events += 1;
    }

    /// Milliseconds that so large a part of them took at most.
    fn percentile(&self, part: f64) -> f64 {
        let mut left = (self.events as f64 * part) as u64;
        for (at, &count) in self.took.iter().enumerate() {
            if count > left {
                return (at + 1) as f64 / 10.0;
            }
            left -= count;
        }
        self.took.len() as f64 / 10.0
    }
}

/// Lets everybody send for a while, and measures the end of that.
fn run<M: Sends>(samples: &mut Samples, server: &Process, mut members: Vec<M>, keys: [&'static str; 4]) -> Result<()> {
    let sockets = members.iter().map(M::socket).collect::<Result<Vec<_>>>()?;
    let (begun, mut sent, mut heard, mut measuring) = (Instant::now(), 0_u64, Heard::default(), None);
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let mut fds: Vec<PollFd> = sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
    loop {
        let now = begun.elapsed();
        if measuring.is_none() && now >= WARM_UP {
            measuring = Some((now, server.cpu_seconds()?));
            heard = Heard::default();
        }
        if now >= WARM_UP + SPAN {
            break;
        }
        // All members in turn, at even distances; whoever is late sends at once, and says when it should have.
        let due = EVERY * u32::try_from(sent)?;
        if due <= now {
            let member = usize::try_from(sent)? % MEMBERS;
            members[member].send(nanoseconds(due))?;
            sent += 1;
        }
        let wait = (EVERY * u32::try_from(sent)?).saturating_sub(begun.elapsed());
        if poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() }))? == 0 {
            continue;
        }
        for (fd, member) in fds.iter().zip(&mut members).filter(|(fd, _)| !fd.revents().is_empty()) {
            ensure!(fd.revents().contains(PollFlags::IN), "the server closed a connection");
            member.receive(|at| heard.add(nanoseconds(begun.elapsed()).saturating_sub(at)))?;
        }
    }
    let (since, cpu) = measuring.unwrap_or_default();
    let seconds = (begun.elapsed() - since).as_secs_f64();
    ensure!(heard.events > 0, "nothing was delivered");
    let [speed, p50, p99, used] = keys;
    samples.add(speed, heard.events as f64 / seconds);
    samples.add(p50, heard.percentile(0.5));
    samples.add(p99, heard.percentile(0.99));
    samples.add(used, (server.cpu_seconds()? - cpu) / seconds);
    Ok(())
}

const MEMBERS: usize = 200;
/// Bytes of an event's arguments.
const EVENT: usize = 200;
/// Between two events of whomever: 20 a second of each.
const EVERY: Duration = Duration::from_micros(1_000_000 / (20 * MEMBERS as u64));
const WARM_UP: Duration = Duration::from_secs(2);
const SPAN: Duration = Duration::from_secs(10);
const TENTH_MS: u64 = 100_000;
/// What takes longer counts as a minute.
const TENTHS_MAX: usize = 600_000;
