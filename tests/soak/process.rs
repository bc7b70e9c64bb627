//! The proxy's process, as the crowd's has it.

use std::{net::SocketAddr, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::{args::PROXY, figures::Figures};

/// A running proxy. It ends when its input does: with this process, however that ends.
pub struct Process {
    pub address: SocketAddr,
    asking: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Process {
    pub async fn start() -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.arg(PROXY).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the proxy starts");
        let (asking, answers) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut answers = BufReader::new(answers).lines();
        let address = answers.next_line().await.expect("piped").expect("the proxy says where it listens");
        Self { address: address.parse().expect("an address"), asking, answers, _child: child }
    }

    /// What it holds now.
    pub async fn figures(&mut self) -> Figures {
        let asked = self.asking.write_all(b"\n").await;
        let answer = self.answers.next_line().await.ok().flatten();
        let answer = asked.ok().and(answer).expect("the proxy lives");
        serde_json::from_str(&answer).expect("figures")
    }
}
