//! Nodes of a cluster, in one process and with a real NATS server between them. `make test-cluster` brings that, and names it in `NATS_SERVER`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod abroad;
mod channels;
mod lives;
mod names;
mod nats;
mod processes;
mod races;
mod rooms;
mod simulated;
mod swarm;
mod together;

use std::{sync::Arc, time::Duration};

use browser_stream_server::cluster::{Nats, Node, Place, Tenure, Timing, Title, Why};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Short, and long enough for a machine that has other things to do.
fn timing() -> Timing {
    let milliseconds = Duration::from_millis;
    Timing {
        own: milliseconds(4_000),
        lease: milliseconds(5_000),
        renew: milliseconds(800),
        retry: milliseconds(100),
        claim: milliseconds(8_000),
        grace: milliseconds(2_000),
        sweep: milliseconds(500),
    }
}

/// A node whose table is there.
async fn node(url: &str, timing: Timing) -> Node {
    let node = Node::start(Arc::new(Nats::new(url, "test")), "127.0.0.1:1", timing);
    until("the node is in", || node.is_in()).await;
    node
}

fn place(name: &str) -> Place {
    Place { prefix: "/browser-server".into(), name: name.into() }
}

/// Who has no lease.
fn stranger() -> Title {
    Title { instance: Uuid::new_v4(), attempt: 0, generation: None, sub: None }
}

async fn claim(node: &Node, name: &str) -> Result<Tenure, Why> {
    node.claim(&place(name), stranger(), false).await
}

/// Waits until it holds, and says what that is if it does not.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// What is slow here is a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
