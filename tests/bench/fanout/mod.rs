//! One sends, fifty read: ours beside a plain `ws` broadcast and socket.io 4, and the same with one reader that has stopped reading.

mod channel;
mod figures;
pub mod sockets;

use std::{
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

pub use figures::FIGURES;

use crate::{
    cases::{Case, Relays},
    endpoint::hang_up,
    measure::{Process, SPAN, WARM_UP},
    proxy,
    table::Samples,
};

/// Each stands beside its baselines, as all cases do; a process of its own, for what it keeps is measured, too.
pub const CASES: &[Case] = &[
    Case { name: "fan-out", run: |relays, samples| run(relays, samples, Kind::Channel, "fan-out", "fan-out cpu") },
    Case { name: "fan-out ws", run: |relays, samples| run(relays, samples, Kind::Ws, "fan-out ws", "fan-out ws cpu") },
    Case {
        name: "fan-out socket.io",
        run: |relays, samples| run(relays, samples, Kind::SocketIo, "fan-out socket.io", "fan-out socket.io cpu"),
    },
    Case { name: "frozen", run: |relays, samples| frozen(relays, samples, Kind::Channel, ["frozen", "frozen memory", "frozen told"]) },
    Case {
        name: "frozen ws",
        run: |relays, samples| frozen(relays, samples, Kind::Ws, ["frozen ws", "frozen ws memory", "frozen ws told"]),
    },
    Case {
        name: "frozen socket.io",
        run: |relays, samples| {
            frozen(relays, samples, Kind::SocketIo, ["frozen socket.io", "frozen socket.io memory", "frozen socket.io told"])
        },
    },
];

/// Who sends one to many.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Channel,
    Ws,
    SocketIo,
}

/// Both ends of a load, which run until their sockets are closed.
#[derive(Default)]
struct Load {
    sockets: Vec<TcpStream>,
    ends: Vec<JoinHandle<()>>,
    /// Bytes of messages that readers got.
    bytes: Arc<AtomicU64>,
}

impl Kind {
    /// Starts the server.
    pub fn start(self, bss: &Path) -> Result<Process> {
        let server = |kind: &str| {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/fanout/server.mjs");
            Process::start(Command::new("node").arg(script).arg(kind)).context("it needs Node and `npm ci` in tests")
        };
        match self {
            Self::Channel => proxy::start(bss, std::net::Ipv4Addr::LOCALHOST.into()),
            Self::Ws => server("ws"),
            Self::SocketIo => server("socket.io"),
        }
    }

    /// So many readers, and one who sends as fast as it is let.
    fn load(self, address: SocketAddr, readers: usize, policy: &str) -> Result<Load> {
        if self == Self::Channel {
            return Load::of_channel([address, address], NAME, readers, policy);
        }
        let mut load = Load::default();
        for _ in 0..readers {
            let (reader, bytes) = (sockets::dial(address, self, "/reader")?, load.bytes.clone());
            load.add(reader.try_clone()?, move || sockets::drink(reader, &bytes));
        }
        let sender = sockets::dial(address, self, "/sender")?;
        load.add(sender.try_clone()?, move || sockets::pour(sender, self));
        Ok(load)
    }
}

impl Load {
    /// A channel whose publisher is at the first of these addresses, and whose readers are at the second.
    fn of_channel([from, to]: [SocketAddr; 2], name: &str, readers: usize, policy: &str) -> Result<Self> {
        let (mut load, publisher) = (Self::default(), channel::Publisher::open(from, name, policy)?);
        for _ in 0..readers {
            let (reader, bytes) = (channel::Reader::open(to, name)?, load.bytes.clone());
            load.add(reader.socket()?, move || reader.drink(&bytes));
        }
        load.add(publisher.socket()?, move || publisher.pour());
        Ok(load)
    }

    fn add(&mut self, socket: TcpStream, end: impl FnOnce() -> Result<()> + Send + 'static) {
        self.sockets.push(socket);
        // It ends with an error by design: its connection is closed under it.
        self.ends.push(thread::spawn(move || drop(end())));
    }

    /// MiB delivered in a second, and the time that these were on a CPU for each GiB delivered.
    fn measure(self, servers: &[&Process]) -> Result<(f64, f64)> {
        let on_cpu = || servers.iter().map(|server| server.cpu_seconds()).sum::<Result<f64>>();
        thread::sleep(WARM_UP);
        let (cpu_before, before, begun) = (on_cpu()?, self.bytes.load(Ordering::Relaxed), Instant::now());
        thread::sleep(SPAN);
        let bytes = (self.bytes.load(Ordering::Relaxed) - before) as f64;
        let (seconds, cpu_seconds) = (begun.elapsed().as_secs_f64(), on_cpu()? - cpu_before);
        self.end();
        ensure!(bytes > 0.0, "nothing was delivered");
        Ok((bytes / MIB / seconds, cpu_seconds / (bytes / MIB / 1024.0)))
    }

    fn end(self) {
        hang_up(&self.sockets);
        for end in self.ends {
            // A panic of a load shows in what it measured: nothing.
            let _ = end.join();
        }
    }
}

/// MiB delivered in a second, and the time that the server was on a CPU for each GiB delivered.
fn run(relays: &Relays, samples: &mut Samples, kind: Kind, speed: &'static str, cpu: &'static str) -> Result<()> {
    let server = kind.start(&relays.bss)?;
    let (delivered, costs) = kind.load(server.address, READERS, "wait")?.measure(&[&server])?;
    samples.add(speed, delivered);
    samples.add(cpu, costs);
    Ok(())
}

/// The same for a channel whose publisher is at the first of these, and all of whose readers are at the second; both are looked at.
pub fn between([from, to]: [&Process; 2], name: &str, servers: &[&Process]) -> Result<(f64, f64)> {
    Load::of_channel([from.address, to.address], name, READERS, "wait")?.measure(servers)
}

/// One reader's socket is not read: what the others get, what the server grows by, and how many messages that reader is told it missed when it reads again.
fn frozen(relays: &Relays, samples: &mut Samples, kind: Kind, [speed, memory, told]: [&'static str; 3]) -> Result<()> {
    let server = kind.start(&relays.bss)?;
    let load = kind.load(server.address, READERS - 1, "drop")?;
    thread::sleep(WARM_UP);
    let frozen = match kind {
        Kind::Channel => Ok(channel::Reader::open(server.address, NAME)?),
        _ => Err(sockets::dial(server.address, kind, "/reader")?),
    };
    let (kib_before, before, begun) = (server.resident_kib()?, load.bytes.load(Ordering::Relaxed), Instant::now());
    thread::sleep(FROZEN);
    let bytes = (load.bytes.load(Ordering::Relaxed) - before) as f64;
    let (seconds, kib) = (begun.elapsed().as_secs_f64(), server.resident_kib()? - kib_before);
    samples.add(speed, bytes / MIB / seconds);
    samples.add(memory, kib.max(0.0) / 1024.0);
    // The others have no word for it: what they kept, that reader gets.
    samples.add(told, frozen.map_or(Ok(0.0), channel::Reader::told)?);
    load.end();
    ensure!(bytes > 0.0, "nothing was delivered");
    Ok(())
}

const NAME: &str = "bench";
const READERS: usize = 50;
/// Bytes of a message.
const MESSAGE: usize = 64 * 1024;
const FROZEN: Duration = Duration::from_secs(2);
const MIB: f64 = 1024.0 * 1024.0;
