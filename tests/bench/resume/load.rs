//! Bytes that go from one end of a stream to the other, as many as go through.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::{Result, ensure};
use browser_stream_client::Stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// A stream that is kept full.
pub struct Load {
    bytes: Arc<AtomicU64>,
    stop: CancellationToken,
    ends: [JoinHandle<Result<Stream>>; 2],
}

impl Load {
    /// Writes at one end and reads at the other, each in a task of its own.
    pub fn start(mut from: Stream, mut to: Stream) -> Self {
        let (bytes, stop) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
        let (poured, drunk, counter) = (stop.clone(), stop.clone(), Arc::clone(&bytes));
        let pour = tokio::spawn(async move {
            match poured.run_until_cancelled(pour(&mut from)).await {
                Some(Err(error)) => Err(error),
                _ => Ok(from),
            }
        });
        let drink = tokio::spawn(async move {
            match drunk.run_until_cancelled(drink(&mut to, &counter)).await {
                Some(Err(error)) => Err(error),
                _ => Ok(to),
            }
        });
        Self { bytes, stop, ends: [pour, drink] }
    }

    /// What was read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Both ends again, if they lived until now.
    pub async fn stop(self) -> Result<[Stream; 2]> {
        self.stop.cancel();
        let [pour, drink] = self.ends;
        Ok([pour.await??, drink.await??])
    }
}

async fn pour(stream: &mut Stream) -> Result<()> {
    let chunk = vec![7; CHUNK];
    loop {
        stream.write_all(&chunk).await?;
    }
}

async fn drink(stream: &mut Stream, bytes: &AtomicU64) -> Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = stream.read(&mut buffer).await?;
        ensure!(length > 0, "the stream finished");
        bytes.fetch_add(length as u64, Ordering::Relaxed);
    }
}

/// What is written or read at once.
pub const CHUNK: usize = 64 * 1024;
