//! Running `bss`, and what came of it.

use std::{future::Future, net::SocketAddr, process::Stdio, time::Duration};

use harness::Port;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// `bss` with these arguments and none of the settings of the machine's own environment. It is killed with the test.
pub fn bss(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bss"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BSS_")) {
        command.env_remove(name);
    }
    command.args(args).kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What must happen, within bounds that only a broken program reaches.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(120), future).await.expect("it happens within two minutes")
}

/// A running program.
pub struct Program(pub Child);

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Program {
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("bss starts"))
    }

    pub fn stdin(&mut self) -> ChildStdin {
        self.0.stdin.take().expect("piped")
    }

    pub fn stdout(&mut self) -> ChildStdout {
        self.0.stdout.take().expect("piped")
    }

    /// The next line of stdout, read byte by byte: what is behind it stays.
    pub async fn line(&mut self) -> String {
        let stdout = self.0.stdout.as_mut().expect("piped");
        let mut line = Vec::new();
        while let Ok(byte) = within(stdout.read_u8()).await {
            if byte == b'\n' {
                break;
            }
            line.push(byte);
        }
        String::from_utf8(line).expect("text")
    }

    /// The next line of stderr.
    pub async fn said(&mut self) -> String {
        let mut line = String::new();
        within(BufReader::with_capacity(1, self.0.stderr.as_mut().expect("piped")).read_line(&mut line)).await.expect("text");
        line.trim_end().to_owned()
    }

    pub fn signal(&self, signal: Signal) {
        let id = self.0.id().expect("it runs");
        kill_process(Pid::from_raw(id as i32).expect("an id"), signal).expect("it runs");
    }

    pub async fn ended(self) -> Ended {
        let output = within(self.0.wait_with_output()).await.expect("it ends");
        let stderr = String::from_utf8(output.stderr).expect("text");
        Ended { code: output.status.code(), stdout: output.stdout, stderr }
    }
}

impl Ended {
    /// It went well, and said nothing beside what it printed.
    pub fn stdout(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}", String::from_utf8_lossy(&self.stdout));
        String::from_utf8(self.stdout).expect("text")
    }

    /// It failed with this status, and said why in one line that begins so.
    pub fn failed(&self, code: i32, begins: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.starts_with(&format!("bss: {begins}")) && self.stderr.lines().count() == 1, "{self:?}");
    }
}

/// A proxy in a process of its own.
pub struct Proxy {
    pub program: Program,
    pub address: SocketAddr,
}

impl Proxy {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    pub async fn with(args: &[&str]) -> Self {
        Self::serve("127.0.0.1:0", args).await
    }

    /// One where another will be when it is gone.
    pub async fn at(port: &Port) -> Self {
        Self::serve(&port.address().to_string(), &[]).await
    }

    async fn serve(bind: &str, args: &[&str]) -> Self {
        let mut command = bss(&["serve", "--bind", bind]);
        let mut program = Program::start(command.args(args).stderr(Stdio::null()));
        let line = program.line().await;
        let address = line.trim_end_matches('/').rsplit('/').next().and_then(|address| address.parse().ok());
        Self { program, address: address.unwrap_or_else(|| panic!("no address in {line:?}")) }
    }

    /// `bss` as a peer of it.
    pub fn bss(&self, args: &[&str]) -> Command {
        let mut command = bss(args);
        command.env("BSS_URL", self.address.to_string());
        command
    }

    pub fn start_peer(&self, args: &[&str]) -> Program {
        Program::start(&mut self.bss(args))
    }

    /// A server that has its name by now.
    pub async fn listen(&self, args: &[&str]) -> Program {
        serving(&mut self.bss(args)).await
    }

    /// Runs it to its end, with this on stdin.
    pub async fn run(&self, args: &[&str], stdin: &[u8]) -> Ended {
        run(&mut self.bss(args), stdin).await
    }
}

/// Starts `bss listen` and waits until it has its name.
pub async fn serving(command: &mut Command) -> Program {
    let mut program = Program::start(command.arg("--verbose"));
    let said = program.said().await;
    assert!(said.ends_with(": serving"), "{said}");
    program
}

/// Runs it to its end, with this on stdin.
pub async fn run(command: &mut Command, stdin: &[u8]) -> Ended {
    let mut program = Program::start(command.stdin(Stdio::piped()));
    let mut writer = program.stdin();
    let bytes = stdin.to_vec();
    let writing = tokio::spawn(async move {
        // Who ends before it has read all is judged by how it ends.
        let _ = writer.write_all(&bytes).await;
    });
    let ended = program.ended().await;
    writing.abort();
    ended
}

/// Waits until it is true, looking now and then.
pub async fn until(mut what: impl FnMut() -> bool) {
    within(async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
