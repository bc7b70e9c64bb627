//! The figures of a run: what was measured, beside what, and whether that is enough.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Result;
use serde::Serialize;

use crate::measure::median;

/// Every value of every round, by what it is.
#[derive(Default)]
pub struct Samples(BTreeMap<&'static str, Vec<f64>>);

impl Samples {
    pub fn add(&mut self, key: &'static str, value: f64) {
        self.0.entry(key).or_default().push(value);
    }

    fn of(&self, key: &str) -> Option<&[f64]> {
        self.0.get(key).map(Vec::as_slice)
    }
}

/// One row of the table: which samples, and what is asked of them.
pub struct Figure {
    pub name: &'static str,
    pub unit: &'static str,
    pub key: &'static str,
    pub baseline: Option<(&'static str, &'static str)>,
    pub demand: Option<Demand>,
}

/// What performance.md asks for at least.
#[derive(Clone, Copy)]
pub enum Demand {
    /// Ours divided by the baseline is no less.
    RatioMin(f64),
    /// Ours divided by the baseline is no more.
    RatioMax(f64),
    /// Ours is no more.
    Max(f64),
}

#[derive(Serialize)]
pub struct Row {
    name: &'static str,
    unit: &'static str,
    ours: f64,
    baseline: Option<f64>,
    baseline_name: Option<&'static str>,
    ratio: Option<f64>,
    demand: Option<String>,
    ok: Option<bool>,
}

impl Figure {
    /// The medians; the ratio is that of rounds, since two halves of one round drift together. `None` when it was not measured.
    pub fn row(&self, samples: &Samples) -> Option<Row> {
        let ours = samples.of(self.key)?;
        let baseline = self.baseline.and_then(|(key, name)| Some((samples.of(key)?, name)));
        let ratio = baseline.map(|(values, _)| {
            let ratios: Vec<f64> = ours.iter().zip(values).map(|(ours, baseline)| ours / baseline).collect();
            median(&ratios)
        });
        let (demand, ok) = match self.demand {
            None => (None, None),
            Some(Demand::RatioMin(least)) => (Some(format!("≥ {least:.2}×")), ratio.map(|ratio| ratio >= least)),
            Some(Demand::RatioMax(most)) => (Some(format!("≤ {most:.2}×")), ratio.map(|ratio| ratio <= most)),
            Some(Demand::Max(most)) => (Some(format!("≤ {most} {}", self.unit)), Some(median(ours) <= most)),
        };
        Some(Row {
            name: self.name,
            unit: self.unit,
            ours: median(ours),
            baseline: baseline.map(|(values, _)| median(values)),
            baseline_name: baseline.map(|(_, name)| name),
            ratio,
            demand,
            ok,
        })
    }
}

pub fn print(rows: &[Row]) {
    println!("{:40} {:>10} {:>10} {:>7}  {:12} {:4} baseline", "", "ours", "baseline", "ratio", "demand", "");
    for row in rows {
        println!(
            "{:40} {:>10} {:>10} {:>7}  {:12} {:4} {}",
            format!("{}, {}", row.name, row.unit),
            figure(Some(row.ours)),
            figure(row.baseline),
            row.ratio.map(|ratio| format!("{ratio:.2}×")).unwrap_or_default(),
            row.demand.as_deref().unwrap_or_default(),
            match row.ok {
                Some(true) => "ok",
                Some(false) => "LOW",
                None => "",
            },
            row.baseline_name.unwrap_or_default(),
        );
    }
}

pub fn write(rows: &[Row], path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(path, serde_json::to_string_pretty(rows)? + "\n")?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_compares_round_by_round() {
        let mut samples = Samples::default();
        for (ours, baseline) in [(1.0, 1.0), (4.0, 2.0), (9.0, 3.0)] {
            samples.add("ours", ours);
            samples.add("theirs", baseline);
        }
        let figure =
            Figure { name: "speed", unit: "GiB/s", key: "ours", baseline: Some(("theirs", "TCP")), demand: Some(Demand::RatioMin(2.5)) };
        let row = figure.row(&samples).unwrap();
        assert_eq!((row.ours, row.baseline, row.ratio, row.ok), (4.0, Some(2.0), Some(2.0), Some(false)));
    }
}
