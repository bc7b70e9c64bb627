//! `bench shim LISTEN TARGET DELAY_MS`: passes TCP connections on, every byte so much later in each direction; the rate is not limited.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use futures::future::try_join;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc::{Sender, channel},
    time::{Instant, sleep_until},
};

/// Prints its address and passes connections on until it is killed.
pub fn run(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut next = || arguments.next().context("bench shim LISTEN TARGET DELAY_MS");
    let (listen, target) = (next()?, next()?.parse()?);
    let delay = Duration::from_millis(next()?.parse()?);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (near, _) = listener.accept().await?;
            // A connection that breaks is that load's business; it reports it itself.
            tokio::spawn(pass(near, target, delay));
        }
    })
}

async fn pass(near: TcpStream, target: SocketAddr, delay: Duration) -> Result<()> {
    let far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    try_join(late(from_near, to_far, delay), late(from_far, to_near, delay)).await?;
    Ok(())
}

/// Passes one direction on, its end included.
async fn late(from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) -> Result<()> {
    let (arrived, mut due) = channel(ON_THE_WAY_MAX);
    let reading = tokio::spawn(read(from, arrived, delay));
    while let Some((at, bytes)) = due.recv().await {
        sleep_until(at).await;
        to.write_all(&bytes).await?;
    }
    to.shutdown().await?;
    reading.await?
}

async fn read(mut from: OwnedReadHalf, arrived: Sender<(Instant, Bytes)>, delay: Duration) -> Result<()> {
    loop {
        let mut bytes = BytesMut::with_capacity(64 * 1024);
        if from.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        arrived.send((Instant::now() + delay, bytes.freeze())).await?;
    }
}

/// Reads that are on their way at once: far more than any window here, so that only the delay is felt.
const ON_THE_WAY_MAX: usize = 16 * 1024;
