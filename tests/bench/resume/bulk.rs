//! One stream at full speed.

use std::{process, time::Instant};

use anyhow::Result;
use tokio::time::sleep;

use super::{
    load::Load,
    pair::{self, Pair},
};
use crate::{
    bulk::Flow,
    measure::{self, Process, SPAN, WARM_UP},
};

/// Which stream.
#[derive(Clone, Copy)]
pub enum Kind {
    Plain,
    Resumable,
    /// And resumable.
    Sealed,
}

/// From the client to the server; the CPU time is that of both and of the proxy.
pub fn flow(proxy: &Process, name: &str, kind: Kind) -> Result<Flow> {
    pair::run(async {
        let mut pair = match kind {
            Kind::Sealed => Pair::dial_sealed(proxy.address, name).await?,
            Kind::Resumable | Kind::Plain => Pair::dial(proxy.address, proxy.address, name).await?,
        };
        let (near, far) = pair.open(!matches!(kind, Kind::Plain)).await?;
        let load = Load::start(near, far);
        sleep(WARM_UP).await;
        let (before, bytes, since) = (cpu_seconds(proxy)?, load.bytes(), Instant::now());
        sleep(SPAN).await;
        let seconds = since.elapsed().as_secs_f64();
        let flow = Flow { bytes: (load.bytes() - bytes) as f64, seconds, cpu_seconds: cpu_seconds(proxy)? - before };
        load.stop().await?;
        Ok(flow)
    })
}

/// Of the proxy and of this process, which has both clients in it.
pub fn cpu_seconds(proxy: &Process) -> Result<f64> {
    Ok(proxy.cpu_seconds()? + measure::cpu_seconds(process::id())?)
}
