//! A NATS server of a test's own.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use harness::Port;
use tempfile::{TempDir, tempdir};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

/// A server with JetStream, killed with the test.
pub struct Server {
    child: Child,
    folder: TempDir,
    /// Nobody else's while it is down, either.
    port: Port,
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(&["--jetstream"]).await
    }

    /// One with these flags more, or none.
    pub async fn start_with(args: &[&str]) -> Self {
        let (folder, port) = (tempdir().expect("a folder"), Port::hold());
        Self { child: run(port.address(), &folder, args).await, folder, port }
    }

    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// Kills it, and starts it again where it was.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.again().await;
    }

    /// Kills it.
    pub async fn stop(&mut self) {
        self.child.kill().await.expect("killed");
    }

    /// Forgets what it had on disk, while it does not run.
    pub fn forget(&mut self) {
        self.folder = tempdir().expect("a folder");
    }

    /// Starts it again where it was, with what it had on disk.
    pub async fn again(&mut self) {
        self.child = run(self.address(), &self.folder, &["--jetstream"]).await;
    }
}

async fn run(address: SocketAddr, folder: &TempDir, args: &[&str]) -> Child {
    let program = std::env::var_os("NATS_SERVER").expect("NATS_SERVER names the program: run make test-cluster");
    let mut command = Command::new(program);
    command.args(["--addr", "127.0.0.1", "--port", &address.port().to_string()]).arg("--store_dir").arg(folder.path()).args(args);
    let mut child = command.kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let up = async {
        while TcpStream::connect(address).await.is_err() {
            assert_eq!(child.try_wait().expect("a child"), None, "NATS has ended");
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(super::PATIENCE, up).await.expect("NATS listens");
    child
}
