//! `make bench`: the proxy beside what it is compared with, interleaved, medians of five rounds (performance.md, "To reach").
//!
//! `bench [PATTERN] [ROUNDS]` runs the cases whose name contains PATTERN; baselines match by their own names.
//! `bench relay …` is a baseline, in a process of its own.

mod beside;
mod bulk;
mod cases;
mod clock;
mod echo;
mod endpoint;
mod figures;
mod measure;
mod relay;
mod server;
mod source;
mod table;
mod way;
mod wire;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{
    cases::{CASES, Relays},
    figures::FIGURES,
    table::{Row, Samples},
};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().unwrap_or_default();
    match first.as_str() {
        "relay" => relay::run(arguments),
        pattern => {
            let rounds = arguments.next().map_or(Ok(ROUNDS), |text| text.parse()).context("rounds")?;
            measure(pattern, rounds)
        }
    }
}

fn measure(pattern: &str, rounds: u32) -> Result<()> {
    let relays = Relays::start(&target().join("release/bss"))?;
    let mut samples = Samples::default();
    for round in 1..=rounds {
        for case in CASES.iter().filter(|case| case.name.contains(pattern)) {
            eprintln!("round {round} of {rounds}: {}", case.name);
            (case.run)(&relays, &mut samples).context(case.name)?;
        }
    }
    let rows: Vec<Row> = FIGURES.iter().filter_map(|figure| figure.row(&samples)).collect();
    table::print(&rows);
    // What was asked for in part is shown, but the file always holds a whole run.
    if pattern.is_empty() { table::write(&rows, &target().join("bench.json")) } else { Ok(()) }
}

/// Where cargo builds: `CARGO_TARGET_DIR`, else the workspace's `target`.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new("target").to_owned(), PathBuf::from)
}

const ROUNDS: u32 = 5;
