//! The figures of a run: what was measured, beside what, and whether that is enough.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::measure::median;

/// Every value of every round, by what it is, and what could not be measured.
#[derive(Default)]
pub struct Samples {
    values: BTreeMap<&'static str, Vec<f64>>,
    not_run: BTreeMap<&'static str, String>,
}

impl Samples {
    pub fn add(&mut self, key: &'static str, value: f64) {
        self.values.entry(key).or_default().push(value);
    }

    /// Says why there is no value.
    pub fn not_run(&mut self, key: &'static str, reason: String) {
        self.not_run.insert(key, reason);
    }

    /// What was not run, each with its reason.
    pub fn missing(&self) -> Vec<String> {
        self.not_run.iter().map(|(key, reason)| format!("{key}: {reason}")).collect()
    }

    fn of(&self, key: &str) -> Option<&[f64]> {
        self.values.get(key).map(Vec::as_slice)
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
    pub name: &'static str,
    pub unit: &'static str,
    pub ours: f64,
    pub baseline: Option<f64>,
    pub baseline_name: Option<&'static str>,
    pub ratio: Option<f64>,
    pub demand: Option<String>,
    pub stretch: Option<String>,
    /// `stretch`, `ok` or `LOW`; nothing where nothing is asked.
    pub verdict: Option<&'static str>,
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
            demand: demand.map(|demand| demand.bound.text(demand.at_least)),
            stretch: demand.and_then(|demand| Some(demand.bound.text(demand.stretch?))),
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
    fn text(self, value: f64) -> String {
        match self {
            Self::RatioMin => format!("≥ {value:.2}×"),
            Self::RatioMax => format!("≤ {value:.2}×"),
            Self::Min => format!("≥ {value}"),
            Self::Max => format!("≤ {value}"),
        }
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
