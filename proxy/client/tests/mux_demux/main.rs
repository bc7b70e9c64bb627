//! A mux over a pipe in memory, on a paused clock: every call of it, and how it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod calls;
mod ends;
mod programs;

use std::time::Duration;

use browser_stream_client::{Incoming, MuxDemux, Role, Stream};
use futures::StreamExt;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, duplex},
    time::timeout,
};

/// A mux at each end of a narrow pipe, with what comes in there.
fn pair() -> [(MuxDemux, Incoming); 2] {
    let (near, far) = duplex(1000);
    [MuxDemux::over(near, Role::Client), MuxDemux::over(far, Role::Server)]
}

/// A stream between the two, at both of its ends.
async fn stream(mux: &MuxDemux, incoming: &mut Incoming) -> (Stream, Stream) {
    let (near, far) = tokio::join!(mux.create_stream(&"x"), next(incoming));
    (near.unwrap(), far.0)
}

async fn next(incoming: &mut Incoming) -> (Stream, Value) {
    soon(incoming.next()).await.unwrap()
}

/// All that comes until the finish.
async fn text(stream: &mut Stream) -> String {
    let mut text = String::new();
    soon(stream.read_to_string(&mut text)).await.unwrap();
    text
}

/// A bound on what waits for a condition. The clock is paused: it moves only when nobody has anything to do, so a hang fails at once.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(20), future).await.expect("took too long")
}

fn noise(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| ((at * 31 + seed) ^ (at >> 8)) as u8).collect()
}
