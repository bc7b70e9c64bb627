//! One stream over a long way: the Rust client at both ends, 100 ms of round trip in a shim on the one side or on the other.

use std::{io, net::SocketAddr, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use browser_stream_client::{Listener, StreamClient, StreamServer};
use browser_stream_mux::WINDOW_MAX;
use futures::TryStreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use crate::measure::Process;

/// Whose connection to the proxy is the long one.
#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    Client,
    Server,
}

/// What went from the client to the server once windows have grown, in percent of 4 MiB per round trip.
pub fn share_of_window(proxy: &Process, name: &str, side: Side) -> Result<f64> {
    let shim = Process::start(Command::new(std::env::current_exe()?).args([
        "shim",
        "127.0.0.1:0",
        &proxy.address.to_string(),
        &(ROUND_TRIP / 2).as_millis().to_string(),
    ]))?;
    let through = |long: Side| if side == long { shim.address } else { proxy.address };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bytes_per_second = runtime.block_on(async {
        let listener = StreamServer::dial(mux(through(Side::Server))).await?.listen(name).await?;
        let client = StreamClient::dial(mux(through(Side::Client))).await?;
        let pour = async {
            let mut stream = client.connect(name).resume(false).await?;
            let chunk = vec![7; 64 * 1024];
            loop {
                stream.write_all(&chunk).await?;
            }
        };
        tokio::select! {
            poured = pour => poured,
            drunk = drink(listener) => drunk,
        }
    })?;
    Ok(100.0 * bytes_per_second * ROUND_TRIP.as_secs_f64() / f64::from(WINDOW_MAX))
}

fn mux(address: SocketAddr) -> String {
    format!("ws://{address}/mux")
}

/// Takes the next stream and tells the bytes per second on it after the warm-up.
async fn drink(mut listener: Listener) -> Result<f64> {
    let mut stream = listener.try_next().await?.context("the name was given up")?.accept();
    let mut buffer = vec![0; 256 * 1024];
    let started = Instant::now();
    let (mut since, mut bytes) = (None, 0);
    loop {
        let length = timeout(STALL_MAX, stream.read(&mut buffer)).await.context("nothing came")??;
        ensure!(length > 0, io::Error::from(io::ErrorKind::UnexpectedEof));
        bytes += length;
        match since {
            None if started.elapsed() < GROWTH => bytes = 0,
            None => since = Some(Instant::now()),
            Some(since) if since.elapsed() < MEASURED => {}
            Some(since) => return Ok(bytes as f64 / since.elapsed().as_secs_f64()),
        }
    }
}

/// There and back again.
const ROUND_TRIP: Duration = Duration::from_millis(100);
/// A window doubles four times until it is 4 MiB, each time after a round trip or two.
const GROWTH: Duration = Duration::from_millis(1500);
const MEASURED: Duration = Duration::from_millis(2000);
const STALL_MAX: Duration = Duration::from_secs(10);
