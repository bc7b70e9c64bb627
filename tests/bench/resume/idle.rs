//! `bench held ADDRESS NAME KIND`: both ends of many streams, and what they hold of this process, which has nothing else in it.

use std::{
    net::SocketAddr,
    process::{self, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use browser_stream_client::Stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};

use super::pair::{self, Pair};
use crate::measure::resident_kib;

/// KiB of a stream that carried 64 bytes each way and is silent, at both ends together.
pub fn kib(proxy: SocketAddr, name: &str, resume: bool) -> Result<f64> {
    let kind = if resume { RESUMABLE } else { PLAIN };
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.args(["held", &proxy.to_string(), name, kind]).stderr(Stdio::inherit()).output()?;
    let printed = String::from_utf8(output.stdout)?;
    printed.trim().parse().with_context(|| format!("{command:?} printed {printed:?}"))
}

/// Prints that.
pub fn run(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut next = || arguments.next().context("bench held ADDRESS NAME resumable|plain");
    let (proxy, name, kind) = (next()?.parse()?, next()?, next()?);
    let resume = kind == RESUMABLE;
    ensure!(resume || kind == PLAIN, "{kind}: neither resumable nor plain");
    println!("{}", pair::run(measure(proxy, &name, resume))?);
    Ok(())
}

async fn measure(proxy: SocketAddr, name: &str, resume: bool) -> Result<f64> {
    let mut pair = Pair::dial(proxy, proxy, name).await?;
    // The first streams bring in the program's own pages.
    let mut streams = open(&mut pair, STREAMS_PER_CLIENT, resume).await?;
    sleep(SETTLE).await;
    let before = resident_kib(process::id())?;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(pair.change_client(proxy).await?);
        streams.extend(open(&mut pair, STREAMS_PER_CLIENT, resume).await?);
    }
    sleep(SETTLE).await;
    Ok((resident_kib(process::id())? - before) / (CLIENTS * STREAMS_PER_CLIENT) as f64)
}

async fn open(pair: &mut Pair, count: usize, resume: bool) -> Result<Vec<(Stream, Stream)>> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let (mut near, mut far) = pair.open(resume).await?;
        near.write_all(&MESSAGE).await?;
        far.read_exact(&mut [0; MESSAGE.len()]).await?;
        far.write_all(&MESSAGE).await?;
        near.read_exact(&mut [0; MESSAGE.len()]).await?;
        streams.push((near, far));
    }
    Ok(streams)
}

const RESUMABLE: &str = "resumable";
const PLAIN: &str = "plain";
const MESSAGE: [u8; 64] = [7; 64];
const CLIENTS: usize = 4;
const STREAMS_PER_CLIENT: usize = 500;
/// Longer than an acknowledgement waits, and until buffers that are given back when idle have been.
const SETTLE: Duration = Duration::from_millis(300);
