//! What to compare with, each in a process of its own: `bench relay THREADS tcp BUFFER | websocket | yamux BUFFER | tls BUFFER FOLDER`, and
//! `bench relay THREADS wrap TARGET FOLDER`, which speaks TLS for what does not.
//!
//! Each prints its address and relays until it is killed. THREADS is `all` (one per core, as the proxy runs) or `one`.

mod socket;
mod tcp;
mod websocket;
mod yamux;

use std::path::Path;

use anyhow::{Context, Result, bail};
use tokio::{net::TcpListener, runtime::Builder};

use crate::secure;

/// Runs the relay that the command line names.
pub fn run(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut next =
        || arguments.next().context("bench relay all|one tcp BUFFER | websocket | yamux BUFFER | tls BUFFER FOLDER | wrap TARGET FOLDER");
    let mut builder = if next()? == "one" { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        match next()?.as_str() {
            "tcp" => tcp::run(listener, next()?.parse()?).await,
            "websocket" => websocket::run(listener).await,
            "yamux" => yamux::run(listener, next()?.parse()?).await,
            "tls" => secure::relay(listener, next()?.parse()?, Path::new(&next()?)).await,
            "wrap" => secure::wrap(listener, &next()?, Path::new(&next()?)).await,
            kind => bail!("no such relay: {kind}"),
        }
    })
}
