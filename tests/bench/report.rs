//! Where the figures of a run go: the terminal, `bench.json`, and `bench.md` for the README.

use std::{fmt::Write, fs, path::Path, process::Command, thread};

use anyhow::Result;
use serde::Serialize;

use crate::table::Row;

/// A run, and what it ran on.
#[derive(Serialize)]
pub struct Report {
    pub date: String,
    pub machine: String,
    pub rounds: u32,
    pub rows: Vec<Row>,
    /// Rows that could not be measured here, each with its reason.
    pub not_run: Vec<String>,
}

impl Report {
    pub fn new(rounds: u32, rows: Vec<Row>, not_run: Vec<String>) -> Self {
        Self { date: today(), machine: machine(), rounds, rows, not_run }
    }

    pub fn print(&self) {
        println!("{:49} {:>8} {:>8} {:>7}  {:8} {:7} {:7} baseline", "", "ours", "baseline", "ratio", "at least", "stretch", "");
        for row in &self.rows {
            println!(
                "{:49} {:>8} {:>8} {:>7}  {:8} {:7} {:7} {}",
                format!("{}, {}", row.name, row.unit),
                figure(Some(row.ours)),
                figure(row.baseline),
                ratio(row),
                row.demand.as_deref().unwrap_or_default(),
                row.stretch.as_deref().unwrap_or_default(),
                row.verdict.unwrap_or_default(),
                row.baseline_name.unwrap_or_default(),
            );
        }
        for reason in &self.not_run {
            println!("NOT RUN: {reason}");
        }
    }

    /// Writes both files into `folder`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("bench.json"), serde_json::to_string_pretty(self)? + "\n")?;
        Ok(fs::write(folder.join("bench.md"), self.markdown()?)?)
    }

    fn markdown(&self) -> Result<String> {
        let mut text = String::new();
        writeln!(text, "{}, {}; medians of {} interleaved rounds.\n", self.date, self.machine, self.rounds)?;
        writeln!(text, "| figure | ours | baseline | ratio | at least | stretch | |\n|---|---:|---:|---:|---:|---:|---|")?;
        for row in &self.rows {
            let baseline = row.baseline_name.map(|name| format!("{} ({name})", figure(row.baseline)));
            writeln!(
                text,
                "| {}, {} | {} | {} | {} | {} | {} | {} |",
                row.name,
                row.unit,
                figure(Some(row.ours)),
                baseline.unwrap_or_default(),
                ratio(row),
                row.demand.as_deref().unwrap_or_default(),
                row.stretch.as_deref().unwrap_or_default(),
                row.verdict.unwrap_or_default(),
            )?;
        }
        for reason in &self.not_run {
            writeln!(text, "\nNot run: {reason}.")?;
        }
        Ok(text)
    }
}

fn ratio(row: &Row) -> String {
    row.ratio.map(|ratio| format!("{ratio:.2}×")).unwrap_or_default()
}

/// Three digits that count.
fn figure(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.3}"),
    }
}

/// The day as the system tells it, in UTC.
fn today() -> String {
    let output = Command::new("date").args(["-u", "+%F"]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// Cores, processor and kernel.
fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores of {}, Linux {}", model.map_or("an unknown processor", |(_, name)| name), kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Bound, Figure, Samples};

    #[test]
    fn the_markdown_says_what_was_measured_and_what_was_not() {
        let mut samples = Samples::default();
        samples.add("ours", 3.0);
        samples.add("theirs", 2.0);
        let figure = Figure::new("speed", "GiB/s", "ours").beside("theirs", "TCP").asks(Bound::RatioMin, 1.2, Some(2.0));
        let text = Report::new(5, figure.row(&samples).into_iter().collect(), vec!["slow: it needs root".to_owned()]).markdown().unwrap();
        assert!(text.contains("| speed, GiB/s | 3.000 | 2.000 (TCP) | 1.50× | ≥ 1.20× | ≥ 2.00× | ok |"), "{text}");
        assert!(text.contains("Not run: slow: it needs root."), "{text}");
    }
}
