//! A ping beside bulk when the reader sits behind 10 Mbit/s: a network namespace that exists as long as the process in it.
//!
//! The reader is this program again (`bench far`), under `unshare --net`, joined by a pair of virtual interfaces with a token bucket on either
//! end. Its process is all that holds the namespace, and it ends with its input: whatever happens here, nothing is left behind.

use std::{
    io::{BufRead, BufReader, Write, stdin},
    net::Ipv4Addr,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio, exit},
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{
    beside::Beside,
    clock::{Clock, Trips},
    endpoint::INITIAL_WINDOW,
    proxy,
    server::Server,
    way::Way,
};

/// The round trips of a ping beside so many streams that fill the slow link, through a proxy of its own; `Err` inside: why it cannot be measured here.
pub fn ping_beside_bulk(bss: &Path, bulk: u32) -> Result<Result<Trips, String>> {
    // A library lets 16 MiB of one session be under way.
    let window = (WINDOWS / bulk).clamp(INITIAL_WINDOW, WINDOW_MAX);
    let mut far = match Far::start(window) {
        Ok(far) => far,
        Err(error) => return Ok(Err(format!("it needs root, `unshare`, `ip` and `tc` ({error:#})"))),
    };
    let proxy = proxy::start(bss, far.near_address.into())?;
    far.say(&proxy.address.to_string())?;
    far.hear("listening")?;
    let mut beside = Beside::connect(&proxy, &Way::Name(NAME.to_owned()), window, bulk)?;
    Ok(Ok(beside.run(Clock::lasting(&proxy, FILL, SPAN))?))
}

/// The process in the namespace.
struct Far {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    near_address: Ipv4Addr,
}

impl Far {
    fn start(window: u32) -> Result<Self> {
        let mut command = Command::new("unshare");
        command
            .arg("--net")
            .arg(std::env::current_exe()?)
            .arg("far")
            .arg(window.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = command.spawn().context("unshare")?;
        let (input, output) = (child.stdin.take().context("its input")?, child.stdout.take().context("its output")?);
        // RFC 2544 keeps 198.18.0.0/15 for benchmarks; each run has four addresses of its own.
        let network = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + child.id() % 0x7fff * 4;
        let mut far = Self { child, input, output: BufReader::new(output), near_address: Ipv4Addr::from(network + 1) };
        far.hear("there")?;
        let (pid, name) = (far.child.id().to_string(), format!("bench{}", far.child.id()));
        run(&["ip", "link", "add", &name, "type", "veth", "peer", "name", FAR_NAME, "netns", &pid])?;
        bring_up(&name, far.near_address)?;
        far.say(&Ipv4Addr::from(network + 2).to_string())?;
        far.hear("up")?;
        Ok(far)
    }

    fn say(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.input, "{line}")?)
    }

    fn hear(&mut self, line: &str) -> Result<()> {
        let mut heard = String::new();
        self.output.read_line(&mut heard)?;
        ensure!(heard.trim_end() == line, "the namespace could not be made");
        Ok(())
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        // The interfaces go with the namespace, that with its process; gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `bench far WINDOW`: the reader; its input says its address, then the proxy's.
pub fn run_far(window: &str) -> Result<()> {
    let mut lines = BufReader::new(stdin()).lines();
    println!("there");
    bring_up(FAR_NAME, lines.next().context("no address")??.parse()?)?;
    println!("up");
    let proxy = lines.next().context("no proxy")??.parse()?;
    // Whoever started it has ended when its input ends.
    thread::spawn(move || {
        let _ = lines.next();
        exit(0);
    });
    let server = Server::listen(proxy, &Way::Name(NAME.to_owned()), window.parse().context("window")?)?;
    println!("listening");
    server.serve(&Arc::default())
}

/// An address and the slow link: 10 Mbit/s, a queue of at most 50 ms.
fn bring_up(name: &str, address: Ipv4Addr) -> Result<()> {
    run(&["ip", "address", "add", &format!("{address}/30"), "dev", name])?;
    run(&["ip", "link", "set", name, "up"])?;
    run(&["tc", "qdisc", "add", "dev", name, "root", "tbf", "rate", "10mbit", "burst", "16kb", "latency", "50ms"])
}

fn run(command: &[&str]) -> Result<()> {
    let output = Command::new(command[0]).args(&command[1..]).stdin(Stdio::null()).output().with_context(|| command.join(" "))?;
    ensure!(output.status.success(), "{}: {}", command.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

const NAME: &str = "slow";
const FAR_NAME: &str = "far";
/// What a library's window grows to: all of it would stand before a ping that waits its turn.
const WINDOW_MAX: u32 = 4 * 1024 * 1024;
/// And what the windows of a session grow to, beyond the first.
const WINDOWS: u32 = 16 * 1024 * 1024;
/// Until every queue on the way is as full as it gets.
const FILL: Duration = Duration::from_secs(3);
const SPAN: Duration = Duration::from_secs(5);
