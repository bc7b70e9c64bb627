//! Two nodes and their NATS server.

use std::{
    env, fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{endpoint::connect, measure::Process, proxy};

/// Killed when dropped, the nodes before their NATS server.
pub struct Nodes {
    near: Process,
    far: Process,
    _nats: Nats,
}

impl Nodes {
    /// Starts them, and waits until both take claims; else what is missing for that.
    pub fn start(bss: &Path) -> Result<std::result::Result<Self, String>> {
        let help = Command::new(bss).args(["serve", "--help"]).output()?;
        if !String::from_utf8_lossy(&help.stdout).contains("--cluster-secret") {
            return Ok(Err("this bss was built without the feature `cluster`".to_owned()));
        }
        let program = match program() {
            Ok(program) => program,
            Err(error) => return Ok(Err(format!("no NATS server: {error:#}"))),
        };
        let nats = Nats::start(&program)?;
        let (near, far) = (node(bss, &nats)?, node(bss, &nats)?);
        Ok(Ok(Self { near, far, _nats: nats }))
    }

    pub fn both(&self) -> [&Process; 2] {
        [&self.near, &self.far]
    }
}

/// A NATS server with JetStream on a free port.
struct Nats {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Nats {
    fn start(program: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let settings = folder.path().join("nats.conf");
        let store = folder.path().join("nats");
        // As a cluster needs it: what was acknowledged is on the disk.
        fs::write(&settings, format!("listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: {store:?}, sync_interval: always }}\n"))?;
        let mut command = Command::new(program);
        command.arg("--config").arg(&settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let nats = Self { child: command.spawn().with_context(|| program.to_owned())?, folder, port };
        until("NATS to listen", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())?;
        Ok(nats)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn node(bss: &Path, nats: &Nats) -> Result<Process> {
    let secret = nats.folder.path().join("secret");
    fs::write(&secret, "a secret that is as long as it has to be")?;
    let (url, secret) = (format!("nats://127.0.0.1:{}", nats.port), secret.to_string_lossy());
    let more = ["--cluster", &url, "--cluster-listen", "127.0.0.1:0", "--cluster-secret", &secret];
    let node = proxy::start_with(bss, Ipv4Addr::LOCALHOST.into(), &more)?;
    until("a node to be ready", || is_ready(&node).unwrap_or(false))?;
    Ok(node)
}

/// Whether it takes claims.
fn is_ready(node: &Process) -> Result<bool> {
    let mut socket = connect(node.address)?;
    write!(socket, "GET /readyz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", node.address)?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}

/// As the tests find it.
fn program() -> Result<String> {
    if let Ok(said) = env::var("NATS_SERVER") {
        return Ok(said);
    }
    let installed = Command::new("sh").arg("tests/install-nats.sh").stderr(Stdio::inherit()).output()?;
    ensure!(installed.status.success(), "tests/install-nats.sh failed");
    Ok(String::from_utf8(installed.stdout)?.trim().to_owned())
}

fn until(what: &str, holds: impl Fn() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !holds() {
        ensure!(begun.elapsed() < START_MAX, "not in time: {what}");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

const START_MAX: Duration = Duration::from_secs(20);
