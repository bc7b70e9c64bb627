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
#[derive(Clone, Copy)]
pub struct Figure {
    name: &'static str,
    unit: &'static str,
    key: &'static str,
    baseline: Option<(&'static str, &'static str)>,
    demand: Option<Demand>,
}

/// What performance.md asks for: at least so much, and what would be better still.
#[derive(Clone, Copy)]
pub struct Demand {
    bound: Bound,
    at_least: f64,
    stretch: Option<f64>,
}

/// Which number is compared, and which way.
#[derive(Clone, Copy)]
pub enum Bound {
    /// Ours divided by the baseline is no less.
    RatioMin,
    /// Ours divided by the baseline is no more.
    RatioMax,
    /// Ours is no less.
    Min,
    /// Ours is no more.
    Max,
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
    stretch: Option<String>,
    /// `stretch`, `ok` or `LOW`; nothing where nothing is asked.
    verdict: Option<&'static str>,
}

impl Figure {
    pub const fn new(name: &'static str, unit: &'static str, key: &'static str) -> Self {
        Self { name, unit, key, baseline: None, demand: None }
    }

    /// Compared with the samples of `key`, which the table calls `name`.
    pub const fn beside(self, key: &'static str, name: &'static str) -> Self {
        Self { baseline: Some((key, name)), ..self }
    }

    pub const fn asks(self, bound: Bound, at_least: f64, stretch: Option<f64>) -> Self {
        Self { demand: Some(Demand { bound, at_least, stretch }), ..self }
    }

    /// The medians; the ratio is that of rounds, since two halves of one round drift together. `None` when it was not measured.
    pub fn row(&self, samples: &Samples) -> Option<Row> {
        let values = samples.of(self.key)?;
        let baseline = self.baseline.and_then(|(key, name)| Some((samples.of(key)?, name)));
        let ratio = baseline.map(|(others, _)| {
            let ratios: Vec<f64> = values.iter().zip(others).map(|(ours, baseline)| ours / baseline).collect();
            median(&ratios)
        });
        let ours = median(values);
        let demand = self.demand.as_ref();
        Some(Row {
            name: self.name,
            unit: self.unit,
            ours,
            baseline: baseline.map(|(values, _)| median(values)),
            baseline_name: baseline.map(|(_, name)| name),
            ratio,
            demand: demand.map(|demand| demand.bound.text(demand.at_least, self.unit)),
            stretch: demand.and_then(|demand| Some(demand.bound.text(demand.stretch?, self.unit))),
            verdict: demand.and_then(|demand| demand.verdict(ours, ratio)),
        })
    }
}

impl Demand {
    fn verdict(&self, ours: f64, ratio: Option<f64>) -> Option<&'static str> {
        let met = |value: f64| {
            Some(match self.bound {
                Bound::RatioMin => ratio? >= value,
                Bound::RatioMax => ratio? <= value,
                Bound::Min => ours >= value,
                Bound::Max => ours <= value,
            })
        };
        Some(match (met(self.at_least)?, self.stretch.and_then(met)) {
            (true, Some(true)) => "stretch",
            (true, _) => "ok",
            (false, _) => "LOW",
        })
    }
}

impl Bound {
    fn text(self, value: f64, unit: &str) -> String {
        match self {
            Self::RatioMin => format!("≥ {value:.2}×"),
            Self::RatioMax => format!("≤ {value:.2}×"),
            Self::Min => format!("≥ {value} {unit}"),
            Self::Max => format!("≤ {value} {unit}"),
        }
    }
}

pub fn print(rows: &[Row]) {
    println!("{:40} {:>10} {:>10} {:>7}  {:11} {:11} {:7} baseline", "", "ours", "baseline", "ratio", "at least", "stretch", "");
    for row in rows {
        println!(
            "{:40} {:>10} {:>10} {:>7}  {:11} {:11} {:7} {}",
            format!("{}, {}", row.name, row.unit),
            figure(Some(row.ours)),
            figure(row.baseline),
            row.ratio.map(|ratio| format!("{ratio:.2}×")).unwrap_or_default(),
            row.demand.as_deref().unwrap_or_default(),
            row.stretch.as_deref().unwrap_or_default(),
            row.verdict.unwrap_or_default(),
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
        let figure = Figure::new("speed", "GiB/s", "ours").beside("theirs", "TCP").asks(Bound::RatioMin, 2.5, None);
        let row = figure.row(&samples).unwrap();
        assert_eq!((row.ours, row.baseline, row.ratio, row.verdict), (4.0, Some(2.0), Some(2.0), Some("LOW")));
    }

    #[test]
    fn a_verdict_names_the_best_that_was_reached() {
        for (ours, verdict) in [(3.0, "LOW"), (2.0, "ok"), (1.0, "stretch")] {
            let mut samples = Samples::default();
            samples.add("ours", ours);
            let row = Figure::new("time", "ms", "ours").asks(Bound::Max, 2.0, Some(1.0)).row(&samples).unwrap();
            assert_eq!(row.verdict, Some(verdict));
        }
    }
}
