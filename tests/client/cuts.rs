//! A transfer through a network that is cut all the while.

use std::{net::SocketAddr, time::Duration};

use browser_stream_client::Peer;
use harness::{Shim, Way};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::time::timeout;

use crate::{
    connect::resumable,
    sockets::proxy,
    talk::{hash, length, talk},
};

/// How often the network is cut.
const CUTS: u64 = 50;
/// What a cut may have sent again: a mebibyte of each direction is what its sender keeps as long as windows have not grown beyond that.
const AGAIN_MAX: u64 = 2 * 1024 * 1024;

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
    assert!(down.expect("no panic") == hash(2) && up.expect("no panic") == hash(1));
    let carried: u64 = cut.shims.iter().flat_map(|shim| [Way::Up, Way::Down].map(|way| shim.carried(way))).sum();
    let needed = 4 * length() as u64;
    let resent = carried.saturating_sub(needed);
    println!("{resent} bytes more than {needed} in {} connections", cut.shims.iter().map(Shim::connections).sum::<u64>());
    assert!(resent <= CUTS * AGAIN_MAX);
}
