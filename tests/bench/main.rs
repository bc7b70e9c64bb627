//! `make bench`: the proxy beside what it is compared with, interleaved, medians of five rounds (performance.md, "To reach").
//!
//! `bench [PATTERN] [ROUNDS]` runs the cases whose name contains PATTERN, or is it with `$` behind; baselines match by their own names.
//! `bench relay …` is a baseline, `bench shim …` a delay, `bench held …` what two ends of idle streams hold, each in a process of its own.

mod beside;
mod bulk;
mod cases;
mod clock;
mod cluster;
mod delay;
mod echo;
mod endpoint;
mod fanout;
mod figures;
mod measure;
mod memory;
mod proxy;
mod relay;
mod report;
mod resume;
mod room;
mod secure;
mod server;
mod shim;
mod slow;
mod source;
mod table;
mod way;
mod wire;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    cases::{CASES, Relays},
    figures::FIGURES,
    report::Report,
    table::Samples,
};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().unwrap_or_default();
    match first.as_str() {
        "relay" => relay::run(arguments),
        "shim" => shim::run(arguments),
        "held" => resume::run_idle(arguments),
        "far" => slow::run_far(&arguments.next().context("window")?),
        pattern => {
            let rounds = arguments.next().map_or(Ok(ROUNDS), |text| text.parse()).context("rounds")?;
            measure(pattern, rounds)
        }
    }
}

fn measure(pattern: &str, rounds: u32) -> Result<()> {
    allow_many_sockets()?;
    let relays = Relays::start(&target().join("release/bss"))?;
    let mut samples = Samples::default();
    let mut failures = Vec::new();
    for round in 1..=rounds {
        for case in CASES
            .iter()
            .chain(resume::CASES)
            .chain(fanout::CASES)
            .chain(room::CASES)
            .chain(cluster::CASES)
            .filter(|case| is_asked_for(case.name, pattern))
        {
            eprintln!("round {round} of {rounds}: {}", case.name);
            if let Err(error) = (case.run)(&relays, &mut samples) {
                failures.push(format!("{} in round {round}: {error:#}", case.name));
            }
        }
    }
    let rows = FIGURES
        .iter()
        .chain(resume::FIGURES)
        .chain(fanout::FIGURES)
        .chain(room::FIGURES)
        .chain(cluster::FIGURES)
        .filter_map(|figure| figure.row(&samples))
        .collect();
    let report = Report::new(rounds, rows, samples.missing());
    report.print();
    ensure!(failures.is_empty(), "not a whole run:\n{}", failures.join("\n"));
    // What was asked for in part is shown, but the files always hold a whole run.
    if pattern.is_empty() { report.write(&target()) } else { Ok(()) }
}

fn is_asked_for(case: &str, pattern: &str) -> bool {
    pattern.strip_suffix('$').map_or(case.contains(pattern), |name| case == name)
}

/// Thousands of idle sessions, here and in the proxy, which inherits this.
fn allow_many_sockets() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// Where cargo builds: `CARGO_TARGET_DIR`, else the workspace's `target`.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new("target").to_owned(), PathBuf::from)
}

const ROUNDS: u32 = 5;
