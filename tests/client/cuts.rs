//! A transfer through a network that is cut all the while.

use std::{net::SocketAddr, time::Duration};

use browser_stream_client::Peer;
use harness::{Shim, Way};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::time::timeout;

use crate::{
    connect::resumable,
    sockets::proxy,
    talk::{AGAIN_MAX, hash, length, talk},
};

/// How often the network is cut.
const CUTS: u64 = 50;

/// Peers of one proxy, each behind a shim.
struct Cut {
    shims: [Shim; 2],
    server: Peer,
    client: Peer,
}

impl Cut {
    async fn new(address: SocketAddr, seed: u64) -> Self {
        let shims = [Shim::start(address, seed).await, Shim::start(address, seed + 1).await];
        let dial = async |shim: &Shim| Peer::dial(shim.mux()).await.expect("the proxy is there");
        let (server, client) = (dial(&shims[0]).await, dial(&shims[1]).await);
        Self { shims, server, client }
    }

    /// Cuts one side's connection again and again, each time behind a random number of bytes of one direction.
    async fn harass(&self, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        let share = length() as u64 / CUTS;
        for _ in 0..CUTS {
            let shim = &self.shims[random.random_range(0..2)];
            let way = if random.random() { Way::Up } else { Way::Down };
            let before = shim.connections();
            shim.cut_after(way, random.random_range(1..share));
            harness::until(|| shim.connections() > before).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_13_a_transfer_that_is_cut_fifty_times_arrives_whole_and_once() {
    let seed = rand::random();
    println!("seed {seed}");
    let cut = Cut::new(proxy().await, seed).await;
    let mut listener = cut.server.server().listen("NAME").await.expect("the name is free");
    let (mine, theirs) = resumable(&cut.client, &mut listener).await;
    let (mine, theirs) = (tokio::spawn(talk(mine, 1)), tokio::spawn(talk(theirs, 2)));
    let harassed = timeout(Duration::from_secs(300), cut.harass(seed));
    let (harassed, down, up) = tokio::join!(harassed, mine, theirs);
    assert!(harassed.is_ok(), "every cut was made and survived");
    let (down, up) = (down.expect("no panic"), up.expect("no panic"));
    assert!(down.hash == hash(2) && up.hash == hash(1));
    let (moves, resent) = (down.moves.max(up.moves), down.resent + up.resent);
    let carried: u64 = cut.shims.iter().flat_map(|shim| [Way::Up, Way::Down].map(|way| shim.carried(way))).sum();
    let more = carried.saturating_sub(4 * length() as u64);
    println!(
        "{resent} bytes again, {more} more on the way, in {moves} moves and {} connections",
        cut.shims.iter().map(Shim::connections).sum::<u64>()
    );
    assert!(moves > 0 && moves <= CUTS && resent.max(more) <= CUTS * AGAIN_MAX);
}
