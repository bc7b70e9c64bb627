//! What to compare with, each in a process of its own: `bench relay tcp BUFFER`, `bench relay websocket`, `bench relay yamux BUFFER`.
//!
//! Each prints its address and relays until it is killed. They run on the runtime that the proxy runs on: tokio's, one thread per core.

mod socket;
mod tcp;
mod websocket;
mod yamux;

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;

/// Runs the relay that the command line names.
pub fn run(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let kind = arguments.next().context("bench relay tcp BUFFER | websocket | yamux BUFFER")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let mut buffer = || anyhow::Ok(arguments.next().context("BUFFER: bytes per direction")?.parse()?);
        match kind.as_str() {
            "tcp" => tcp::run(listener, buffer()?).await,
            "websocket" => websocket::run(listener).await,
            "yamux" => yamux::run(listener, buffer()?).await,
            _ => bail!("no such relay: {kind}"),
        }
    })
}
