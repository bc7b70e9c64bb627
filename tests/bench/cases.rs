//! The processes of a run, and which loads run against them in each round.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::Result;

use crate::{
    beside, bulk,
    delay::{self, Side},
    echo,
    endpoint::INITIAL_WINDOW,
    measure::Process,
    memory, proxy, secure, slow,
    table::Samples,
    way::Way,
};

/// The processes of a run; every round uses the same ones.
pub struct Relays {
    /// The program itself: some cases need a fresh process.
    pub bss: PathBuf,
    pub proxy: Process,
    tcp_256: Process,
    tcp_8: Process,
    websocket: Process,
    /// Each size of copies is best at something: large ones in bulk, tokio's default where streams come and go.
    yamux_64: Process,
    yamux_8: Process,
    /// On a thread for each core. All other baselines have one, as those had that the demands come from.
    yamux_all: Process,
    names: AtomicU32,
}

impl Relays {
    /// Starts the proxy `bss`, and this program again as each of the baselines.
    pub fn start(bss: &Path) -> Result<Self> {
        let myself = std::env::current_exe()?;
        let relay = |kind: &[&str]| Process::start(Command::new(&myself).arg("relay").args(kind));
        Ok(Self {
            bss: bss.to_owned(),
            proxy: proxy::start(bss, Ipv4Addr::LOCALHOST.into())?,
            tcp_256: relay(&["one", "tcp", "262144"])?,
            tcp_8: relay(&["one", "tcp", "8192"])?,
            websocket: relay(&["one", "websocket"])?,
            yamux_64: relay(&["one", "yamux", "65536"])?,
            yamux_8: relay(&["one", "yamux", "8192"])?,
            yamux_all: relay(&["all", "yamux", "65536"])?,
            names: AtomicU32::new(0),
        })
    }

    /// A name that no case claimed before: the last one's claim may still be on its way out.
    pub fn name(&self) -> String {
        format!("bench-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    pub fn way(&self) -> Way {
        Way::Name(self.name())
    }
}

/// One load: it runs for a moment and adds what it measured.
pub struct Case {
    pub name: &'static str,
    pub run: fn(&Relays, &mut Samples) -> Result<()>,
}

/// Ours stands beside its baselines: what a round compares is measured within seconds.
pub const CASES: &[Case] = &[
    Case { name: "bulk", run: |relays, samples| bulk_on(samples, "bulk", "bulk cpu", &relays.proxy, &relays.way()) },
    Case { name: "bulk tcp 256", run: |relays, samples| bulk_in_bytes(samples, "bulk tcp 256", "bulk tcp 256 cpu", &relays.tcp_256) },
    Case { name: "bulk tcp 8", run: |relays, samples| bulk_in_bytes(samples, "bulk tcp 8", "bulk tcp 8 cpu", &relays.tcp_8) },
    Case { name: "bulk websocket", run: bulk_websocket },
    Case { name: "bulk yamux", run: |relays, samples| bulk_on(samples, "bulk yamux", "bulk yamux cpu", &relays.yamux_64, &Way::Bare) },
    Case {
        name: "bulk yamux all",
        run: |relays, samples| bulk_on(samples, "bulk yamux all", "bulk yamux all cpu", &relays.yamux_all, &Way::Bare),
    },
    Case { name: "bulk tls", run: bulk_tls },
    Case { name: "small", run: |relays, samples| small_on(samples, "small", "small cpu", &relays.proxy, &relays.way()) },
    Case { name: "small websocket", run: small_websocket },
    Case { name: "small yamux", run: |relays, samples| small_on(samples, "small yamux", "small yamux cpu", &relays.yamux_8, &Way::Bare) },
    Case { name: "ping", run: |relays, samples| ping(samples, "ping", &relays.proxy, &relays.way()) },
    Case { name: "ping tcp", run: ping_tcp },
    Case { name: "ping 100", run: |relays, samples| ping_100(samples, "ping 100", "ping 100 cpu", &relays.proxy, &relays.way()) },
    Case {
        name: "ping 100 yamux",
        run: |relays, samples| ping_100(samples, "ping 100 yamux", "ping 100 yamux cpu", &relays.yamux_8, &Way::Bare),
    },
    Case { name: "beside", run: |relays, samples| ping_beside(samples, "beside", &relays.proxy, &relays.way()) },
    Case { name: "beside yamux", run: |relays, samples| ping_beside(samples, "beside yamux", &relays.yamux_8, &Way::Bare) },
    Case {
        name: "crowd alone",
        run: |relays, samples| crowd(samples, ["crowd alone", "crowd alone p99", "crowd alone bulk"], &relays.proxy, &relays.way(), 0),
    },
    Case {
        name: "crowd",
        run: |relays, samples| crowd(samples, ["crowd", "crowd p99", "crowd bulk"], &relays.proxy, &relays.way(), CROWD),
    },
    Case { name: "crowd apart", run: crowd_apart },
    Case { name: "crowd paced", run: crowd_paced },
    Case {
        name: "crowd yamux",
        run: |relays, samples| crowd(samples, ["crowd yamux", "crowd yamux p99", "crowd yamux bulk"], &relays.yamux_8, &Way::Bare, CROWD),
    },
    Case { name: "churn", run: |relays, samples| churn(samples, "churn", "churn cpu", &relays.proxy, &relays.way()) },
    Case { name: "churn yamux", run: |relays, samples| churn(samples, "churn yamux", "churn yamux cpu", &relays.yamux_8, &Way::Bare) },
    Case { name: "idle sessions", run: |relays, samples| add(samples, "idle session", memory::idle_session(&relays.bss)) },
    Case { name: "idle streams", run: |relays, samples| add(samples, "idle stream", memory::idle_stream(&relays.bss)) },
    Case { name: "stalled streams", run: |relays, samples| add(samples, "stalled", memory::stalled_streams(&relays.bss)) },
    Case { name: "delay of the client", run: |relays, samples| delayed(relays, samples, "delay client", Side::Client) },
    Case { name: "delay of the server", run: |relays, samples| delayed(relays, samples, "delay server", Side::Server) },
    Case { name: "slow link", run: |relays, samples| slow_link(relays, samples, "slow link", 1) },
    Case { name: "slow link crowd", run: |relays, samples| slow_link(relays, samples, "slow link crowd", 99) },
];

fn bulk_on(samples: &mut Samples, speed: &'static str, cpu: &'static str, relay: &Process, way: &Way) -> Result<()> {
    // The window that a library grows to on the way; a stock peer's is usually as big.
    add_flow(samples, speed, cpu, &bulk::on_streams(relay, way, 1, LARGE, 1024 * 1024)?);
    Ok(())
}

fn bulk_in_bytes(samples: &mut Samples, speed: &'static str, cpu: &'static str, relay: &Process) -> Result<()> {
    add_flow(samples, speed, cpu, &bulk::in_bytes(relay, LARGE)?);
    Ok(())
}

fn bulk_websocket(relays: &Relays, samples: &mut Samples) -> Result<()> {
    add_flow(samples, "bulk websocket", "bulk websocket cpu", &bulk::in_messages(&relays.websocket, LARGE)?);
    Ok(())
}

fn bulk_tls(relays: &Relays, samples: &mut Samples) -> Result<()> {
    let [ours, relay] = secure::bulk(&relays.bss, &relays.way())?;
    add_flow(samples, "bulk tls", "bulk tls cpu", &ours);
    add_flow(samples, "bulk tls relay", "bulk tls relay cpu", &relay);
    Ok(())
}

fn small_on(samples: &mut Samples, speed: &'static str, cpu: &'static str, relay: &Process, way: &Way) -> Result<()> {
    add_messages(samples, speed, cpu, &bulk::on_streams(relay, way, 100, SMALL, INITIAL_WINDOW)?);
    Ok(())
}

fn small_websocket(relays: &Relays, samples: &mut Samples) -> Result<()> {
    add_messages(samples, "small websocket", "small websocket cpu", &bulk::in_messages(&relays.websocket, SMALL)?);
    Ok(())
}

fn ping(samples: &mut Samples, key: &'static str, relay: &Process, way: &Way) -> Result<()> {
    samples.add(key, echo::ping_on_streams(relay, way, 1)?.p50_us);
    Ok(())
}

fn ping_tcp(relays: &Relays, samples: &mut Samples) -> Result<()> {
    samples.add("ping tcp", echo::ping_in_bytes(&relays.tcp_256)?.p50_us);
    Ok(())
}

fn ping_100(samples: &mut Samples, p50: &'static str, cpu: &'static str, relay: &Process, way: &Way) -> Result<()> {
    let trips = echo::ping_on_streams(relay, way, 100)?;
    samples.add(p50, trips.p50_us);
    samples.add(cpu, trips.cpu_us);
    Ok(())
}

fn ping_beside(samples: &mut Samples, key: &'static str, relay: &Process, way: &Way) -> Result<()> {
    samples.add(key, beside::ping_beside_bulk(relay, way, 1)?.trips.p99_us / 1e3);
    Ok(())
}

fn crowd(samples: &mut Samples, keys: [&'static str; 3], relay: &Process, way: &Way, bulk: u32) -> Result<()> {
    add_together(samples, keys, &beside::ping_beside_bulk(relay, way, bulk)?);
    Ok(())
}

fn add_together(samples: &mut Samples, keys: [&'static str; 3], beside::Together { trips, bulk }: &beside::Together) {
    samples.add(keys[0], trips.p50_us / 1e3);
    samples.add(keys[1], trips.p99_us / 1e3);
    samples.add(keys[2], bulk / f64::from(1 << 30));
}

fn crowd_apart(relays: &Relays, samples: &mut Samples) -> Result<()> {
    let together = beside::ping_apart_from_bulk(&relays.proxy, [&relays.way(), &relays.way()], CROWD)?;
    add_together(samples, ["crowd apart", "crowd apart p99", "crowd apart bulk"], &together);
    Ok(())
}

fn crowd_paced(relays: &Relays, samples: &mut Samples) -> Result<()> {
    let together = beside::ping_beside_paced(&relays.proxy, &relays.way(), CROWD, PACE)?;
    add_together(samples, ["crowd paced", "crowd paced p99", "crowd paced bulk"], &together);
    Ok(())
}

fn churn(samples: &mut Samples, speed: &'static str, cpu: &'static str, relay: &Process, way: &Way) -> Result<()> {
    let trips = echo::open_echo_close(relay, way, 32)?;
    samples.add(speed, trips.per_second / 1e3);
    samples.add(cpu, trips.cpu_us);
    Ok(())
}

fn delayed(relays: &Relays, samples: &mut Samples, key: &'static str, side: Side) -> Result<()> {
    add(samples, key, delay::share_of_window(&relays.proxy, &relays.name(), side))
}

fn slow_link(relays: &Relays, samples: &mut Samples, key: &'static str, bulk: u32) -> Result<()> {
    match slow::ping_beside_bulk(&relays.bss, bulk)? {
        Ok(trips) => samples.add(key, trips.p99_us / 1e3),
        Err(reason) => samples.not_run("ping beside bulk at 10 Mbit/s", reason),
    }
    Ok(())
}

fn add(samples: &mut Samples, key: &'static str, value: Result<f64>) -> Result<()> {
    samples.add(key, value?);
    Ok(())
}

fn add_flow(samples: &mut Samples, speed: &'static str, cpu: &'static str, flow: &bulk::Flow) {
    let gib = flow.bytes / f64::from(1 << 30);
    samples.add(speed, gib / flow.seconds);
    samples.add(cpu, flow.cpu_seconds / gib);
}

fn add_messages(samples: &mut Samples, speed: &'static str, cpu: &'static str, flow: &bulk::Flow) {
    let messages = flow.bytes / SMALL as f64;
    samples.add(speed, messages / flow.seconds / 1e6);
    samples.add(cpu, flow.cpu_seconds * 1e6 / messages);
}

const LARGE: usize = 16 * 1024;
const SMALL: usize = 64;
/// Bulk streams beside the one that says little.
const CROWD: u32 = 99;

/// Bytes a second that leave the processors time: about a sixth of what they can move.
const PACE: f64 = 256.0 * 1024.0 * 1024.0;
