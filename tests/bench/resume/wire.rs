//! What passes on a connection beyond a stream's payload.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use browser_stream_client::Stream;
use harness::{Shim, Way};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};

use super::{
    load::CHUNK,
    pair::{self, Pair},
};

/// Bytes per MiB of payload that the client writes: with it, and on the way back.
pub struct Overhead {
    pub up: f64,
    pub down: f64,
}

/// On the client's connection, frames and all, once the stream is open and its windows have grown.
pub fn overhead(proxy: SocketAddr, name: &str, resume: bool) -> Result<Overhead> {
    pair::run(async {
        let shim = Shim::start(proxy, 0).await;
        let mut pair = Pair::dial(shim.address(), proxy, name).await?;
        let (mut near, mut far) = pair.open(resume).await?;
        transfer(&mut near, &mut far, MIB * WARM_UP_MIB).await?;
        let before = settled(&shim).await;
        transfer(&mut near, &mut far, MIB * MEASURED_MIB).await?;
        let after = settled(&shim).await;
        let per_mib = |bytes: u64| bytes as f64 / MEASURED_MIB as f64;
        Ok(Overhead { up: per_mib(after.0 - before.0) - MIB as f64, down: per_mib(after.1 - before.1) })
    })
}

/// Writes so much at one end, and reads it at the other.
pub async fn transfer(from: &mut Stream, to: &mut Stream, bytes: usize) -> Result<()> {
    let write = async {
        let chunk = vec![7; CHUNK];
        for _ in 0..bytes / CHUNK {
            from.write_all(&chunk).await?;
        }
        anyhow::Ok(())
    };
    let read = async {
        let mut buffer = vec![0; CHUNK];
        for _ in 0..bytes / CHUNK {
            to.read_exact(&mut buffer).await?;
        }
        Ok(())
    };
    tokio::try_join!(write, read)?;
    Ok(())
}

/// What passed each way, once nothing passes any more.
pub async fn settled(shim: &Shim) -> (u64, u64) {
    let passed = || (shim.carried(Way::Up), shim.carried(Way::Down));
    let mut last = passed();
    loop {
        sleep(SILENCE).await;
        let now = passed();
        if now == last {
            return now;
        }
        last = now;
    }
}

const MIB: usize = 1024 * 1024;
const WARM_UP_MIB: usize = 8;
const MEASURED_MIB: usize = 32;
/// Longer than an acknowledgement waits.
const SILENCE: Duration = Duration::from_millis(100);
