//! `bench shim LISTEN TARGET DELAY_MS`: passes TCP connections on, every byte so much later in each direction; the rate is not limited.

use std::time::Duration;

use anyhow::{Context, Result};
use harness::Shim;
use tokio::net::TcpListener;

/// Prints its address and passes connections on until it is killed.
pub fn run(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut next = || arguments.next().context("bench shim LISTEN TARGET DELAY_MS");
    let (listen, target) = (next()?, next()?.parse()?);
    let delay = Duration::from_millis(next()?.parse()?);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let shim = Shim::over(TcpListener::bind(listen).await?, target, 0);
        shim.delay(delay);
        println!("{}", shim.address());
        std::future::pending().await
    })
}
