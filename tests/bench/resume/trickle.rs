//! Streams that carry one small message every 10 ms: what the timer of acknowledgements costs.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use browser_stream_client::Stream;
use harness::{Shim, Way};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::{interval, sleep},
};

use super::{
    bulk::cpu_seconds,
    pair::{self, Pair},
};
use crate::measure::{Process, SPAN, WARM_UP};

/// What comes back to the one who writes.
pub struct Acks {
    pub per_second: f64,
    pub bytes_per_second: f64,
}

/// On the connection of a client that has one such stream.
pub fn acks(proxy: SocketAddr, name: &str, resume: bool) -> Result<Acks> {
    pair::run(async {
        let shim = Shim::start(proxy, 0).await;
        let mut pair = Pair::dial(shim.address(), proxy, name).await?;
        let (near, far) = pair.open(resume).await?;
        let mut ends = JoinSet::new();
        let read = Arc::default();
        trickle(&mut ends, near, far, &read);
        sleep(WARM_UP).await;
        let passed = || (shim.pieces(Way::Down), shim.carried(Way::Down));
        let (before, since) = (passed(), Instant::now());
        sleep(SPAN).await;
        let (after, seconds) = (passed(), since.elapsed().as_secs_f64());
        ensure!(read.load(Ordering::Relaxed) > 0, "nothing came");
        let per_second = |count: u64| count as f64 / seconds;
        Ok(Acks { per_second: per_second(after.0 - before.0), bytes_per_second: per_second(after.1 - before.1) })
    })
}

/// CPU time of both clients and the proxy for one message, of a hundred such streams.
pub fn cpu_us(proxy: &Process, name: &str, resume: bool) -> Result<f64> {
    pair::run(async {
        let mut pair = Pair::dial(proxy.address, proxy.address, name).await?;
        let mut ends = JoinSet::new();
        let read = Arc::default();
        for _ in 0..STREAMS {
            let (near, far) = pair.open(resume).await?;
            trickle(&mut ends, near, far, &read);
        }
        sleep(WARM_UP).await;
        let before = (cpu_seconds(proxy)?, read.load(Ordering::Relaxed));
        sleep(SPAN).await;
        let messages = (read.load(Ordering::Relaxed) - before.1) as f64 / MESSAGE.len() as f64;
        ensure!(messages > 0.0, "nothing came");
        Ok((cpu_seconds(proxy)? - before.0) * 1e6 / messages)
    })
}

/// Both ends of one, each in a task of its own; what is read is counted.
fn trickle(ends: &mut JoinSet<Result<()>>, mut near: Stream, mut far: Stream, read: &Arc<AtomicU64>) {
    ends.spawn(async move {
        let mut ticks = interval(PAUSE);
        loop {
            ticks.tick().await;
            near.write_all(&MESSAGE).await?;
        }
    });
    let read = Arc::clone(read);
    ends.spawn(async move {
        let mut buffer = [0; 16 * MESSAGE.len()];
        loop {
            read.fetch_add(far.read(&mut buffer).await? as u64, Ordering::Relaxed);
        }
    });
}

const MESSAGE: [u8; 64] = [7; 64];
const PAUSE: Duration = Duration::from_millis(10);
const STREAMS: usize = 100;
