//! One stream at full speed whose writer's connection is cut again and again.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Result;
use harness::Shim;
use tokio::time::sleep;

use super::{
    load::Load,
    pair::{self, Pair},
};
use crate::measure::{SPAN, WARM_UP};

/// What the cuts left of it.
pub struct Cut {
    pub gib_per_second: f64,
    pub moves: f64,
    /// In one move.
    pub again_kib: f64,
}

/// Cut in the middle of each 2 s.
pub fn cut_every_2_s(proxy: SocketAddr, name: &str) -> Result<Cut> {
    pair::run(async {
        let (_pair, shim, load) = begin(proxy, name).await?;
        let (bytes, since) = (load.bytes(), Instant::now());
        for _ in 0..CUTS {
            sleep(PERIOD / 2).await;
            shim.cut();
            sleep(PERIOD / 2).await;
        }
        let gib_per_second = gib(load.bytes() - bytes) / since.elapsed().as_secs_f64();
        let [near, _far] = load.stop().await?;
        let moves = near.moves() as f64;
        Ok(Cut { gib_per_second, moves, again_kib: near.resent() as f64 / 1024.0 / moves })
    })
}

/// GiB/s of the same without a cut.
pub fn uncut(proxy: SocketAddr, name: &str) -> Result<f64> {
    pair::run(async {
        let (_pair, _shim, load) = begin(proxy, name).await?;
        let (bytes, since) = (load.bytes(), Instant::now());
        sleep(SPAN).await;
        let speed = gib(load.bytes() - bytes) / since.elapsed().as_secs_f64();
        load.stop().await?;
        Ok(speed)
    })
}

async fn begin(proxy: SocketAddr, name: &str) -> Result<(Pair, Shim, Load)> {
    let shim = Shim::start(proxy, 0).await;
    let mut pair = Pair::dial(shim.address(), proxy, name).await?;
    let (near, far) = pair.open(true).await?;
    let load = Load::start(near, far);
    sleep(WARM_UP).await;
    Ok((pair, shim, load))
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

const CUTS: u32 = 2;
const PERIOD: Duration = Duration::from_secs(2);
