//! When a load that waits for answers is measured, and what its round trips took.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::measure::{Process, SPAN, WARM_UP, percentile};

/// How often, how long each took, and what it took of the process.
pub struct Trips {
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub cpu_us: f64,
}

/// Warms up, then takes the time of each trip for a span.
pub struct Clock<'a> {
    process: &'a Process,
    warm_up: Duration,
    span: Duration,
    started: Instant,
    measuring: Option<(Instant, f64)>,
    trips_us: Vec<f64>,
}

impl<'a> Clock<'a> {
    pub fn new(process: &'a Process) -> Self {
        Self::lasting(process, WARM_UP, SPAN)
    }

    pub fn lasting(process: &'a Process, warm_up: Duration, span: Duration) -> Self {
        Self { process, warm_up, span, started: Instant::now(), measuring: None, trips_us: Vec::new() }
    }

    /// Whether the load goes on; the measured span begins by itself.
    pub fn runs(&mut self) -> Result<bool> {
        match self.measuring {
            None if self.started.elapsed() < self.warm_up => Ok(true),
            None => {
                self.trips_us.clear();
                self.measuring = Some((Instant::now(), self.process.cpu_seconds()?));
                Ok(true)
            }
            Some((since, _)) => Ok(since.elapsed() < self.span),
        }
    }

    /// An answer came to what was sent at `since`.
    pub fn arrived(&mut self, since: Instant) {
        self.trips_us.push(since.elapsed().as_secs_f64() * 1e6);
    }

    pub fn trips(mut self) -> Result<Trips> {
        let count = self.trips_us.len() as f64;
        ensure!(count > 0.0, "nothing came back");
        let (since, cpu) = self.measuring.unwrap_or((self.started, 0.0));
        Ok(Trips {
            per_second: count / since.elapsed().as_secs_f64(),
            cpu_us: (self.process.cpu_seconds()? - cpu) * 1e6 / count,
            p50_us: percentile(&mut self.trips_us, 0.5),
            p99_us: percentile(&mut self.trips_us, 0.99),
        })
    }
}
