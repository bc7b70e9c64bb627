//! What a resumable stream costs beside a plain one: the same client, the same proxy, the same run (`proxy/RESUME.md`, section 10).
//!
//! `pair` makes the streams and `load` fills them; `bulk`, `cut`, `wire`, `idle`, `stopped`, `moving` and `trickle` measure one thing each.

mod bulk;
mod cut;
mod figures;
mod idle;
mod load;
mod moving;
mod pair;
mod stopped;
mod trickle;
mod wire;

use anyhow::Result;

pub use figures::FIGURES;
pub use idle::run as run_idle;

use bulk::Kind;

use crate::{
    cases::{Case, Relays},
    table::Samples,
};

/// Each stands beside its baseline, as all cases do.
pub const CASES: &[Case] = &[
    Case { name: "resume bulk", run: |relays, samples| bulk(relays, samples, "resume bulk", "resume bulk cpu", Kind::Resumable) },
    Case { name: "seal bulk", run: |relays, samples| bulk(relays, samples, "seal bulk", "seal bulk cpu", Kind::Sealed) },
    Case {
        name: "resume bulk plain",
        run: |relays, samples| bulk(relays, samples, "resume bulk plain", "resume bulk plain cpu", Kind::Plain),
    },
    Case { name: "resume cut", run: cut },
    Case { name: "resume uncut", run: uncut },
    Case { name: "resume wire", run: |relays, samples| wire(relays, samples, "resume wire up", "resume wire down", true) },
    Case {
        name: "resume wire plain",
        run: |relays, samples| wire(relays, samples, "resume wire plain up", "resume wire plain down", false),
    },
    Case { name: "resume idle", run: |relays, samples| idle(relays, samples, "resume idle", true) },
    Case { name: "resume idle plain", run: |relays, samples| idle(relays, samples, "resume idle plain", false) },
    Case { name: "stopped", run: |relays, samples| stopped(relays, samples, &STOPPED, true, 0) },
    Case { name: "stopped plain", run: |relays, samples| stopped(relays, samples, &STOPPED_PLAIN, false, 0) },
    Case { name: "stopped grown", run: |relays, samples| stopped(relays, samples, &STOPPED_GROWN, true, GROWN) },
    Case { name: "stopped grown plain", run: |relays, samples| stopped(relays, samples, &STOPPED_GROWN_PLAIN, false, GROWN) },
    Case { name: "resume move", run: moving },
    Case { name: "resume acks", run: |relays, samples| acks(relays, samples, "resume acks", "resume acks bytes", true) },
    Case { name: "resume acks plain", run: |relays, samples| acks(relays, samples, "resume acks plain", "resume acks plain bytes", false) },
    Case { name: "resume trickle", run: |relays, samples| trickle(relays, samples, "resume trickle", true) },
    Case { name: "resume trickle plain", run: |relays, samples| trickle(relays, samples, "resume trickle plain", false) },
];

fn bulk(relays: &Relays, samples: &mut Samples, speed: &'static str, cpu: &'static str, kind: Kind) -> Result<()> {
    let flow = bulk::flow(&relays.proxy, &relays.name(), kind)?;
    let gib = flow.bytes / f64::from(1 << 30);
    samples.add(speed, gib / flow.seconds);
    samples.add(cpu, flow.cpu_seconds / gib);
    Ok(())
}

fn cut(relays: &Relays, samples: &mut Samples) -> Result<()> {
    let cut = cut::cut_every_2_s(relays.proxy.address, &relays.name())?;
    samples.add("resume cut", cut.gib_per_second);
    samples.add("resume cut moves", cut.moves);
    samples.add("resume cut again", cut.again_kib);
    Ok(())
}

fn uncut(relays: &Relays, samples: &mut Samples) -> Result<()> {
    samples.add("resume uncut", cut::uncut(relays.proxy.address, &relays.name())?);
    Ok(())
}

fn wire(relays: &Relays, samples: &mut Samples, up: &'static str, down: &'static str, resume: bool) -> Result<()> {
    let overhead = wire::overhead(relays.proxy.address, &relays.name(), resume)?;
    samples.add(up, overhead.up);
    samples.add(down, overhead.down);
    Ok(())
}

fn idle(relays: &Relays, samples: &mut Samples, key: &'static str, resume: bool) -> Result<()> {
    samples.add(key, idle::kib(relays.proxy.address, &relays.name(), resume)?);
    Ok(())
}

/// Where the bytes lie: written in all, then at the writer, under way, at the reader; and what the proxy grew by.
fn stopped(relays: &Relays, samples: &mut Samples, keys: &[&'static str; 5], resume: bool, before: usize) -> Result<()> {
    let stopped = stopped::stopped(&relays.bss, resume, before)?;
    let values = [stopped.written, stopped.at_writer, stopped.under_way, stopped.at_reader, stopped.proxy];
    keys.iter().zip(values).for_each(|(key, value)| samples.add(key, value));
    Ok(())
}

fn moving(relays: &Relays, samples: &mut Samples) -> Result<()> {
    let cost = moving::cost(relays.proxy.address, &relays.name())?;
    samples.add("resume move server", cost.to_server);
    samples.add("resume move client", cost.to_client);
    samples.add("resume move again", cost.again_bytes);
    Ok(())
}

fn acks(relays: &Relays, samples: &mut Samples, count: &'static str, bytes: &'static str, resume: bool) -> Result<()> {
    let acks = trickle::acks(relays.proxy.address, &relays.name(), resume)?;
    samples.add(count, acks.per_second);
    samples.add(bytes, acks.bytes_per_second);
    Ok(())
}

fn trickle(relays: &Relays, samples: &mut Samples, key: &'static str, resume: bool) -> Result<()> {
    samples.add(key, trickle::cpu_us(&relays.proxy, &relays.name(), resume)?);
    Ok(())
}

const STOPPED: [&str; 5] = ["stopped", "stopped at writer", "stopped under way", "stopped at reader", "stopped proxy"];
const STOPPED_PLAIN: [&str; 5] =
    ["stopped plain", "stopped plain at writer", "stopped plain under way", "stopped plain at reader", "stopped plain proxy"];
const STOPPED_GROWN: [&str; 5] =
    ["stopped grown", "stopped grown at writer", "stopped grown under way", "stopped grown at reader", "stopped grown proxy"];
const STOPPED_GROWN_PLAIN: [&str; 5] = [
    "stopped grown plain",
    "stopped grown plain at writer",
    "stopped grown plain under way",
    "stopped grown plain at reader",
    "stopped grown plain proxy",
];
/// Read before the reader stops: windows have grown by then as far as they do.
const GROWN: usize = 64 * 1024 * 1024;
