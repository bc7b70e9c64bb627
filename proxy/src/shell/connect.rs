//! `bss connect`: netcat to a name.

use std::io::{IsTerminal, stdin};

use clap::Args;
use tokio::io::{AsyncRead, empty};

use super::{
    Failure, Proxy,
    args::Reach,
    pipe::{Broken, Pipe},
    progress::Progress,
};

/// What `bss connect` is told.
#[derive(Debug, Args)]
pub struct Connect {
    /// The name to connect to
    name: String,
    #[command(flatten)]
    reach: Reach,
    /// Only send: drop what comes, and end when the far side has all of stdin
    #[arg(long, conflicts_with = "recv_only")]
    send_only: bool,
    /// Only receive: do not read stdin
    #[arg(long)]
    recv_only: bool,
    /// Nothing: the end of stdin ends our side in any case; for who is used to netcat
    #[arg(short = 'N', hide = true)]
    _netcat: bool,
}

impl Connect {
    pub async fn run(self, proxy: &Proxy) -> Result<(), Failure> {
        let name = &self.name;
        proxy.warn_of_pins(&self.reach, name);
        let stream = self.reach.open(&proxy.client(), name).await.map_err(|error| Failure::connect(name, &error))?;
        let input: Box<dyn AsyncRead + Send + Unpin> = if self.recv_only { Box::new(empty()) } else { Box::new(tokio::io::stdin()) };
        let output = (!self.send_only).then(tokio::io::stdout);
        // Who types and reads in one place wants no third voice there.
        let is_typed = stdin().is_terminal() && !self.recv_only && std::io::stdout().is_terminal();
        let mut progress = Progress::new(proxy.voice, !is_typed, name);
        let carried = Pipe::new(stream, input, output).run(Some(&mut progress)).await;
        carried.map(drop).map_err(|broken| broken.failure(name))
    }
}

impl Broken {
    /// What that means for who wanted all of it.
    pub fn failure(self, name: &str) -> Failure {
        match self {
            Self::Stream(error) => Failure::stream(name, error),
            Self::Input(error) => Failure::local("stdin", &error),
            Self::Output(error) => Failure::output(&error),
        }
    }
}
