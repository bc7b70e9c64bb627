//! The proxy under attack: a process of its own, and what it uses.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use crate::cores;

/// A running `bss`, killed when dropped.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
}

/// How a flood wants its proxy.
#[derive(Clone, Default)]
pub struct Settings {
    /// Keys of the `[limits]` table. One that this `bss` does not have yet is left out, and what it would bound is asserted all the same.
    pub limits: Vec<(&'static str, u64)>,
    /// How many descriptors it may have open.
    pub descriptors: Option<u32>,
}

impl Process {
    pub fn start(settings: &Settings) -> Self {
        let program = program();
        let mut command = cores::for_proxy(&program.to_string_lossy());
        if let Some(descriptors) = settings.descriptors {
            let whole: Vec<_> = [command.get_program()].into_iter().chain(command.get_args()).map(ToOwned::to_owned).collect();
            command = Command::new("prlimit");
            command.arg(format!("--nofile={descriptors}")).args(whole);
        }
        command.args(["serve", "--bind", "127.0.0.1:0"]);
        for (name, _) in env::vars().filter(|(name, _)| name.starts_with("BSS_")) {
            command.env_remove(name);
        }
        let file = Config::write(&settings.limits);
        command.arg("--config").arg(&file.0);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("bss starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("bss prints its address");
        let address = line.trim().trim_end_matches('/').rsplit('/').next().and_then(|address| address.parse().ok());
        Self { child, address: address.unwrap_or_else(|| panic!("no address in what bss printed: {line:?}")) }
    }

    /// Resident memory now, in bytes.
    pub fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most that it was since it started, in bytes.
    pub fn highest(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Open descriptors.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("the proxy lives").count()
    }

    /// How long its threads were on a core, in seconds.
    pub fn cpu(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the proxy lives");
        let ran = |task: fs::DirEntry| fs::read_to_string(task.path().join("schedstat")).ok()?.split(' ').next()?.parse::<f64>().ok();
        tasks.flatten().filter_map(ran).sum::<f64>() / 1e9
    }

    fn status(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the proxy lives");
        let value = status.lines().find_map(|line| line.strip_prefix(key)).expect("Linux tells it");
        value.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A configuration file of this run, gone when dropped: it is read when the proxy starts.
struct Config(PathBuf);

impl Config {
    fn write(limits: &[(&'static str, u64)]) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("floods-{}.toml", std::process::id()));
        let mut file = fs::File::create(&path).expect("written");
        writeln!(file, "[limits]").expect("written");
        for (key, value) in limits {
            if known().contains(&format!("\n{key} = ")) {
                writeln!(file, "{key} = {value}").expect("written");
            } else {
                println!("this bss has no setting `{key}`");
            }
        }
        Self(path)
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// All settings of this `bss`, as it prints them.
fn known() -> &'static str {
    static KNOWN: OnceLock<String> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let output = Command::new(program()).arg("--print-config").output().expect("bss runs");
        String::from_utf8(output.stdout).expect("text")
    })
}

/// The release build of `bss`: `$BSS`, or the one beside this test's own profile.
fn program() -> PathBuf {
    let beside = || Some(env::current_exe().ok()?.ancestors().nth(3)?.join("release/bss"));
    let program = env::var_os("BSS").map(PathBuf::from).or_else(beside).expect("a target folder");
    assert!(program.is_file(), "no {}: build it with `make proxy`, or run `make test-floods`", program.display());
    program
}
