//! The processes under measurement, what they use, and medians.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

/// Caches, windows and the allocator settle before anything counts.
pub const WARM_UP: Duration = Duration::from_millis(300);
/// How long each case is measured in each round.
pub const SPAN: Duration = Duration::from_millis(1000);

/// A relay in a process of its own; killed when dropped.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
}

impl Process {
    /// Starts it and waits for the line on which it prints its address, alone or in a URL.
    pub fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| format!("{command:?}"))?;
        let mut line = String::new();
        let output = child.stdout.take().context("its output")?;
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().trim_end_matches('/').rsplit(['/', ' ']).next().unwrap_or_default();
        let address = address.parse().with_context(|| format!("no address in what {command:?} printed: {line:?}"))?;
        Ok(Self { child, address })
    }

    /// The time that its threads were on a CPU.
    pub fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.child.id())
    }

    /// Its resident set.
    pub fn resident_kib(&self) -> Result<f64> {
        resident_kib(self.child.id())
    }
}

/// The time that the threads of this process were on a CPU, those of them that live.
pub fn cpu_seconds(process: u32) -> Result<f64> {
    let tasks = format!("/proc/{process}/task");
    let mut nanoseconds = 0;
    for task in fs::read_dir(&tasks).context("CPU time is read from /proc: bench runs on Linux")? {
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else {
            continue; // The thread has ended since.
        };
        nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    ensure!(nanoseconds > 0, "this kernel keeps no schedstat");
    Ok(nanoseconds as f64 / 1e9)
}

/// The resident set of this process.
pub fn resident_kib(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn median(values: &[f64]) -> f64 {
    percentile(&mut values.to_vec(), 0.5)
}

pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_stands_in_the_middle() {
        assert_eq!(median(&[9.0, 1.0, 5.0]), 5.0);
        assert!(median(&[]).is_nan());
    }
}
