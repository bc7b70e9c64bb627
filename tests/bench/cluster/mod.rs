//! Two nodes of a cluster with a NATS server, each a process of its own: what a stream costs that goes from one to the other, a channel that is read there, and a name that all of them know.

mod claims;
mod known;
mod nodes;

use anyhow::Result;

use self::nodes::Nodes;
use crate::{
    bulk::{self, Flow},
    cases::{Case, Relays},
    fanout,
    table::{Figure, Samples},
};

/// Nodes are started for each round, and both halves of a comparison run on the same.
pub const CASES: &[Case] = &[Case { name: "cluster", run }];

pub const FIGURES: &[Figure] = &[
    // Payload per second of one client's stream of 16 KiB frames with a window of 1 MiB, to a server at the other node, over their link (TLS).
    Figure::new("one stream between two nodes, 16 KiB frames", "GiB/s", "cluster bulk").beside("cluster bulk local", LOCAL),
    Figure::new("CPU of both nodes", "s/GiB", "cluster bulk cpu").beside("cluster bulk local cpu", LOCAL),
    // Payload per second that 50 readers at the other node got together, of messages of 64 KiB that one peer publishes as fast as they let it; they come over the link once.
    Figure::new("fan-out to 50 readers at another node, 64 KiB", "MiB/s", "cluster fan-out").beside("cluster fan-out local", LOCAL),
    Figure::new("CPU of both nodes, delivered", "s/GiB", "cluster fan-out cpu").beside("cluster fan-out local cpu", LOCAL),
    // Names that 16 sessions claim and give back as fast as they can, one at a time each: two writes to NATS for each, its file synchronized for every one.
    Figure::new("names claimed and released", "1/s", "cluster claims").beside("cluster claims alone", ALONE),
    // What the resident set of a node grows by for each of 7,680 names, with leases, that sessions have at the other.
    Figure::new("memory of a name that another node has", "B", "cluster name"),
];

fn run(relays: &Relays, samples: &mut Samples) -> Result<()> {
    let nodes = match Nodes::start(&relays.bss)? {
        Ok(nodes) => nodes,
        Err(why) => {
            samples.not_run("between two nodes of a cluster", why);
            return Ok(());
        }
    };
    let [near, far] = nodes.both();
    let way = relays.way();
    let flow = bulk::between([near, near], &[near, far], &way, LOAD)?;
    add(samples, "cluster bulk local", "cluster bulk local cpu", &flow);
    let way = relays.way();
    let flow = bulk::between([near, far], &[near, far], &way, LOAD)?;
    add(samples, "cluster bulk", "cluster bulk cpu", &flow);
    let (delivered, costs) = fanout::between([near, near], &relays.name(), &[near, far])?;
    samples.add("cluster fan-out local", delivered);
    samples.add("cluster fan-out local cpu", costs);
    let (delivered, costs) = fanout::between([near, far], &relays.name(), &[near, far])?;
    samples.add("cluster fan-out", delivered);
    samples.add("cluster fan-out cpu", costs);
    samples.add("cluster claims", claims::per_second(near.address, &relays.name())?);
    samples.add("cluster claims alone", claims::per_second(relays.proxy.address, &relays.name())?);
    samples.add("cluster name", known::bytes_each(nodes.both(), &relays.name())?);
    Ok(())
}

fn add(samples: &mut Samples, speed: &'static str, cpu: &'static str, flow: &Flow) {
    let gib = flow.bytes / f64::from(1 << 30);
    samples.add(speed, gib / flow.seconds);
    samples.add(cpu, flow.cpu_seconds / gib);
}

/// One stream, as in `bulk`.
const LOAD: (u32, usize, u32) = (1, 16 * 1024, 1024 * 1024);
const LOCAL: &str = "all peers at one of these nodes";
const ALONE: &str = "at a proxy that is alone";
