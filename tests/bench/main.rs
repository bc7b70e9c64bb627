//! `make bench`: the proxy beside a plain TCP relay, interleaved, medians of five rounds.
//!
//! Arguments: `[PATTERN] [ROUNDS]`; only cases whose name contains PATTERN run, their baselines too if they match.

mod bulk;
mod echo;
mod endpoint;
mod figures;
mod measure;
mod relay;
mod server;
mod table;
mod wire;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{
    figures::{CASES, FIGURES, Relays},
    table::{Row, Samples},
};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().unwrap_or_default();
    if first == "relay" {
        let buffer = arguments.next().context("bench relay BUFFER")?;
        return relay::run(buffer.parse()?);
    }
    let rounds = arguments.next().map_or(Ok(ROUNDS), |text| text.parse()).context("rounds")?;

    let relays = Relays::start(&target().join("release/bss"))?;
    let mut samples = Samples::default();
    for round in 1..=rounds {
        for case in CASES.iter().filter(|case| case.name.contains(&first)) {
            eprintln!("round {round} of {rounds}: {}", case.name);
            (case.run)(&relays, &mut samples).context(case.name)?;
        }
    }
    let rows: Vec<Row> = FIGURES.iter().filter_map(|figure| figure.row(&samples)).collect();
    table::print(&rows);
    // What was asked for in part is shown, but the file always holds a whole run.
    if first.is_empty() { table::write(&rows, &target().join("bench.json")) } else { Ok(()) }
}

/// Where cargo builds: `CARGO_TARGET_DIR`, else the workspace's `target`.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new("target").to_owned(), PathBuf::from)
}

const ROUNDS: u32 = 5;
