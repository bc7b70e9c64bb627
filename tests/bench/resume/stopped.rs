//! A reader that stops: what its writer gets rid of before it has to wait, and where that lies then.

use std::{net::Ipv4Addr, path::Path, time::Duration};

use anyhow::{Result, ensure};
use browser_stream_client::Stream;
use harness::{Shim, Way};
use tokio::{
    io::AsyncWriteExt,
    time::{sleep, timeout},
};

use super::{
    load::CHUNK,
    pair::{self, Pair},
    wire,
};
use crate::proxy;

/// All in KiB, once nothing moves any more.
pub struct Stopped {
    /// What `write` took.
    pub written: f64,
    /// Of it, what the writer's own process still has.
    pub at_writer: f64,
    /// Between the two processes: the proxy, and the kernel's buffers before and behind it.
    pub under_way: f64,
    /// What the reader's process has, and its application did not ask for.
    pub at_reader: f64,
    /// By how much the proxy's resident set grew.
    pub proxy: f64,
}

/// Through a proxy of its own; the reader has read `before` bytes, so that windows have grown by then, and then reads no more.
pub fn stopped(bss: &Path, resume: bool, before: usize) -> Result<Stopped> {
    let proxy = proxy::start(bss, Ipv4Addr::LOCALHOST.into())?;
    pair::run(async {
        let (writers, readers) = (Shim::start(proxy.address, 0).await, Shim::start(proxy.address, 0).await);
        let mut pair = Pair::dial(writers.address(), readers.address(), "stopped").await?;
        let (mut near, mut far) = pair.open(resume).await?;
        wire::transfer(&mut near, &mut far, before).await?;
        let (left, came) = (wire::settled(&writers).await.0, wire::settled(&readers).await.1);
        let resident = proxy.resident_kib()?;
        let written = fill(&mut near).await?;
        sleep(SETTLE).await;
        let left = kib(writers.carried(Way::Up) - left);
        let came = kib(readers.carried(Way::Down) - came);
        let written = kib(written);
        let stopped = Stopped {
            written,
            // What is around the payload travels, too: a few hundred bytes per MiB.
            at_writer: (written - left).max(0.0),
            under_way: (left - came).max(0.0),
            at_reader: came.min(written),
            proxy: proxy.resident_kib()? - resident,
        };
        drop(far);
        Ok(stopped)
    })
}

/// Writes until nothing more is taken, and tells how much was.
async fn fill(stream: &mut Stream) -> Result<u64> {
    let chunk = vec![7; CHUNK];
    let mut written = 0;
    while let Ok(taken) = timeout(STILL, stream.write(&chunk)).await {
        written += taken? as u64;
        ensure!(written < ENDLESS, "nobody reads, and the writer never has to wait");
    }
    Ok(written)
}

fn kib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}

/// What is not taken for so long has to wait.
const STILL: Duration = Duration::from_millis(500);
const SETTLE: Duration = Duration::from_millis(300);
const ENDLESS: u64 = 256 * 1024 * 1024;
