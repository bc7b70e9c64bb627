//! A stock peer for the interop tests: the `yamux` crate over a WebSocket, as a server or as a client of a name.
//!
//! `yamux-peer URL serve NAME` claims the name and echoes every stream until its finish, then finishes.
//! `yamux-peer URL connect NAME --bytes N --streams K` sends N seeded bytes on each of K streams while it reads the echo.

mod echo;
mod session;
mod socket;

use anyhow::{Context, Result, bail};

/// What the command line asks for.
enum Role {
    Serve,
    Connect { bytes: usize, streams: usize },
}

fn arguments() -> Result<(String, String, Role)> {
    let mut words = std::env::args().skip(1);
    let mut next = |what: &str| words.next().with_context(|| format!("no {what}: yamux-peer URL serve|connect NAME …"));
    let (url, verb, name) = (next("URL")?, next("role")?, next("NAME")?);
    let mut connect = (1 << 20, 1);
    while let Some(flag) = words.next() {
        let value: usize = words.next().context("a flag without a value")?.parse()?;
        match flag.as_str() {
            "--bytes" => connect.0 = value,
            "--streams" => connect.1 = value,
            _ => bail!("unknown flag {flag}"),
        }
    }
    let role = match verb.as_str() {
        "serve" => Role::Serve,
        "connect" => Role::Connect { bytes: connect.0, streams: connect.1 },
        _ => bail!("neither serve nor connect: {verb}"),
    };
    Ok((url, name, role))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (url, name, role) = arguments()?;
    let (session, mut running) = session::dial(&url).await?;
    let work = async {
        match role {
            Role::Serve => echo::serve(&session, &name).await,
            Role::Connect { bytes, streams } => echo::connect(&session, &name, bytes, streams).await,
        }
    };
    tokio::select! {
        done = work => done,
        ended = &mut running => bail!("the session ended: {ended:?}"),
    }
}
