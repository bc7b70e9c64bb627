//! The program under measurement, with those limits out of the way that would stop a load before it is measured.

use std::{fs, net::IpAddr, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::measure::Process;

/// Starts `bss` on a free port of this address, as users run it: on a thread for each core.
pub fn start(bss: &Path, address: IpAddr) -> Result<Process> {
    start_with(bss, address, &[])
}

/// The same with more on its command line.
pub fn start_with(bss: &Path, address: IpAddr, more: &[&str]) -> Result<Process> {
    let file = std::env::temp_dir().join(format!("bench-{}.toml", std::process::id()));
    fs::write(&file, raised(bss)?)?;
    let mut command = Command::new(bss);
    command.args(["serve", "--bind", &format!("{address}:0"), "--config"]).arg(&file).args(more).env("RUST_LOG", "warn");
    if !address.is_loopback() {
        command.arg("--open");
    }
    let process = Process::start(&mut command);
    fs::remove_file(&file)?;
    process
}

/// The limits to raise, as far as this proxy has them.
fn raised(bss: &Path) -> Result<String> {
    let printed = Command::new(bss).arg("--print-config").output().context(NOT_BUILT)?;
    ensure!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let known = String::from_utf8(printed.stdout)?;
    let has = |key: &str| known.lines().any(|line| line.split('=').next().is_some_and(|word| word.trim() == key));
    let lines: String = RAISED.iter().filter(|(key, _)| has(key)).map(|(key, value)| format!("{key} = {value}\n")).collect();
    Ok(format!("[limits]\n{lines}"))
}

/// A peer opens streams as fast as it can here. All other limits are the defaults.
const RAISED: &[(&str, u32)] = &[("opens_per_second", 1_000_000), ("opens_burst", 1_000_000)];
const NOT_BUILT: &str = "the proxy did not start: run `make bench`, which builds it first";
