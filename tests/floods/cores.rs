//! Who runs where: the proxy on the first core, the test on the second, the attacker there too and behind everybody.

use std::{fs, process::Command, sync::OnceLock};

/// The first two cores that this process may use; nothing where there is one, or no `taskset` to pin with.
fn cores() -> Option<(u32, u32)> {
    static CORES: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *CORES.get_or_init(|| {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.trim();
        let mut cores = list.split(',').flat_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            first.parse::<u32>().unwrap_or(1)..=last.parse::<u32>().unwrap_or(0)
        });
        let pair = (cores.next()?, cores.next()?);
        let works = |program: &str, args: &[&str]| Command::new(program).args(args).output().is_ok_and(|output| output.status.success());
        (works("taskset", &["-c", "0", "true"]) && works("chrt", &["-i", "0", "true"])).then_some(pair)
    })
}

/// A command that runs `program` on the proxy's core.
pub fn for_proxy(program: &str) -> Command {
    let Some((proxy, _)) = cores() else {
        println!("not pinned: this needs two cores, taskset and chrt");
        return Command::new(program);
    };
    let mut command = Command::new("taskset");
    command.args(["-c", &proxy.to_string(), program]);
    command
}

/// Puts this thread, and those that it will start, on the core that is not the proxy's.
pub fn beside_proxy() {
    if let Some((_, test)) = cores() {
        told("taskset", &["-c", "-p", &test.to_string(), &thread()]);
    }
}

/// Lets this thread run only while nobody else on its core wants to.
pub fn behind_everybody() {
    if cores().is_some() {
        told("chrt", &["-i", "-p", "0", &thread()]);
    }
}

fn told(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().expect("it ran before");
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// This thread's id in the system.
fn thread() -> String {
    let link = fs::read_link("/proc/thread-self").expect("Linux");
    link.file_name().expect("PID/task/ID").to_string_lossy().into_owned()
}
