//! Which loads run in a round, and which rows come of them (performance.md, "To reach").

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result};

use crate::{
    bulk, echo,
    measure::Process,
    table::{Demand, Figure, Samples},
};

/// The processes of a run; every round uses the same ones.
pub struct Relays {
    proxy: Process,
    tcp_256: Process,
    tcp_8: Process,
    names: AtomicU32,
}

impl Relays {
    /// Starts the proxy `bss`, and this program again as the TCP relays.
    pub fn start(bss: &Path) -> Result<Self> {
        let myself = std::env::current_exe()?;
        let tcp = |buffer: usize| Process::start(Command::new(&myself).args(["relay", &buffer.to_string()]));
        let proxy = Process::start(Command::new(bss).args(["serve", "--bind", "127.0.0.1:0"]).env("RUST_LOG", "warn"))
            .context("the proxy did not start: run `make bench`, which builds it first")?;
        Ok(Self { proxy, tcp_256: tcp(256 * 1024)?, tcp_8: tcp(8 * 1024)?, names: AtomicU32::new(0) })
    }

    /// A name that no case claimed before: the last one's claim may still be on its way out.
    fn name(&self) -> String {
        format!("bench-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }
}

/// One load: it runs for a moment and adds what it measured.
pub struct Case {
    pub name: &'static str,
    pub run: fn(&Relays, &mut Samples) -> Result<()>,
}

pub const CASES: &[Case] = &[
    Case { name: "bulk", run: bulk_through_proxy },
    Case { name: "bulk tcp 256", run: bulk_through_tcp_256 },
    Case { name: "bulk tcp 8", run: bulk_through_tcp_8 },
    Case { name: "small", run: small },
    Case { name: "ping", run: ping },
    Case { name: "ping tcp", run: ping_tcp },
    Case { name: "ping 100", run: ping_100 },
    Case { name: "churn", run: churn },
];

pub const FIGURES: &[Figure] = &[
    Figure {
        name: "one stream, 16 KiB frames",
        unit: "GiB/s",
        key: "bulk",
        baseline: Some(("bulk tcp 256", "TCP relay, 256 KiB buffers")),
        demand: Some(Demand::RatioMin(0.8)),
    },
    Figure {
        name: "one stream, 16 KiB frames",
        unit: "GiB/s",
        key: "bulk",
        baseline: Some(("bulk tcp 8", "TCP relay, 8 KiB buffers")),
        demand: Some(Demand::RatioMin(1.8)),
    },
    Figure {
        name: "CPU of the relay",
        unit: "s/GiB",
        key: "bulk cpu",
        baseline: Some(("bulk tcp 256 cpu", "TCP relay, 256 KiB buffers")),
        demand: Some(Demand::RatioMax(1.3)),
    },
    Figure {
        name: "CPU of the relay",
        unit: "s/GiB",
        key: "bulk cpu",
        baseline: Some(("bulk tcp 8 cpu", "TCP relay, 8 KiB buffers")),
        demand: None,
    },
    Figure { name: "64 B messages, 100 streams", unit: "M/s", key: "small", baseline: None, demand: None },
    Figure { name: "ping-pong, p50", unit: "µs", key: "ping", baseline: Some(("ping tcp", "TCP relay, 256 KiB buffers")), demand: None },
    Figure { name: "100 streams ping-pong, p50", unit: "µs", key: "ping 100", baseline: None, demand: Some(Demand::Max(150.0)) },
    Figure { name: "CPU of one of these round trips", unit: "µs", key: "ping 100 cpu", baseline: None, demand: Some(Demand::Max(0.8)) },
    Figure { name: "open + echo + close, 32 at once", unit: "k/s", key: "churn", baseline: None, demand: None },
    Figure { name: "CPU of one of these", unit: "µs", key: "churn cpu", baseline: None, demand: None },
];

fn bulk_through_proxy(relays: &Relays, samples: &mut Samples) -> Result<()> {
    // The window that a library grows to on the way; a stock peer's is usually as big.
    let flow = bulk::through_proxy(&relays.proxy, &relays.name(), 1, 16 * 1024, 1024 * 1024)?;
    add_flow(samples, "bulk", "bulk cpu", &flow);
    Ok(())
}

fn bulk_through_tcp_256(relays: &Relays, samples: &mut Samples) -> Result<()> {
    let flow = bulk::through_relay(&relays.tcp_256, 16 * 1024)?;
    add_flow(samples, "bulk tcp 256", "bulk tcp 256 cpu", &flow);
    Ok(())
}

fn bulk_through_tcp_8(relays: &Relays, samples: &mut Samples) -> Result<()> {
    let flow = bulk::through_relay(&relays.tcp_8, 16 * 1024)?;
    add_flow(samples, "bulk tcp 8", "bulk tcp 8 cpu", &flow);
    Ok(())
}

fn small(relays: &Relays, samples: &mut Samples) -> Result<()> {
    let flow = bulk::through_proxy(&relays.proxy, &relays.name(), 100, 64, 64 * 1024)?;
    samples.add("small", flow.bytes / 64.0 / flow.seconds / 1e6);
    Ok(())
}

fn ping(relays: &Relays, samples: &mut Samples) -> Result<()> {
    samples.add("ping", echo::ping_through_proxy(&relays.proxy, &relays.name(), 1)?.p50_us);
    Ok(())
}

fn ping_tcp(relays: &Relays, samples: &mut Samples) -> Result<()> {
    samples.add("ping tcp", echo::ping_through_relay(&relays.tcp_256)?.p50_us);
    Ok(())
}

fn ping_100(relays: &Relays, samples: &mut Samples) -> Result<()> {
    let trips = echo::ping_through_proxy(&relays.proxy, &relays.name(), 100)?;
    samples.add("ping 100", trips.p50_us);
    samples.add("ping 100 cpu", trips.cpu_us);
    Ok(())
}

fn churn(relays: &Relays, samples: &mut Samples) -> Result<()> {
    let trips = echo::open_echo_close(&relays.proxy, &relays.name(), 32)?;
    samples.add("churn", trips.per_second / 1e3);
    samples.add("churn cpu", trips.cpu_us);
    Ok(())
}

fn add_flow(samples: &mut Samples, speed: &'static str, cpu: &'static str, flow: &bulk::Flow) {
    let gib = flow.bytes / f64::from(1 << 30);
    samples.add(speed, gib / flow.seconds);
    samples.add(cpu, flow.cpu_seconds / gib);
}
