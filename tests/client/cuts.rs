//! A transfer through a network that is cut all the while.

use std::{net::SocketAddr, time::Duration};

use browser_stream_client::{Peer, seal::Keys};
use harness::{Shim, Way, pattern};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};
use tokio::{io::AsyncWriteExt, sync::watch, time::timeout};

use crate::{
    connect::resumable,
    seal,
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

    /// Cuts one side's connection again and again, each time behind a random number of bytes of one of these directions, in which so many go in all.
    async fn harass(&self, seed: u64, cuts: u64, length: usize, ways: &[(usize, Way)]) {
        let mut random = StdRng::seed_from_u64(seed);
        let share = length as u64 / cuts;
        for _ in 0..cuts {
            let (shim, way) = ways[random.random_range(0..ways.len())];
            let shim = &self.shims[shim];
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
    let harassed =
        timeout(Duration::from_secs(300), cut.harass(seed, CUTS, length(), &[(0, Way::Up), (0, Way::Down), (1, Way::Up), (1, Way::Down)]));
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_sealed_mebibytes_that_are_cut_twenty_times_arrive_whole_and_once_in_a_move_each() {
    const LENGTH: usize = 64 * 1024 * 1024;
    const SEALED_CUTS: u64 = 20;
    /// A quarter of what there is for each: more is written until a move is known.
    const BETWEEN_MAX: u64 = LENGTH as u64 / SEALED_CUTS / 4;
    let seed = rand::random();
    println!("seed {seed}");
    let (cut, keys) = (Cut::new(proxy().await, seed).await, Keys::generate());
    let mut listener = cut.server.server().listen("NAME").sealed(&keys).await.expect("the name is free");
    let (mut mine, mut theirs) = seal::opened(cut.client.client().connect(keys.address("NAME")), &mut listener).await;
    let sent = pattern(seed, LENGTH);
    let hash: [u8; 32] = Sha256::digest(&sent).into();
    let (moves, moved) = watch::channel(0);
    let sending = tokio::spawn(async move {
        for chunk in sent.chunks(64 * 1024) {
            mine.write_all(chunk).await.expect("taken");
            moves.send_replace(mine.moves());
        }
        mine.sent().await.expect("all is there");
        mine.moves()
    });
    let receiving = tokio::spawn(async move {
        let (mut hash, mut length) = (Sha256::new(), 0);
        while let Some(bytes) = theirs.read_chunk().await.expect("it goes on") {
            hash.update(&bytes);
            length += bytes.len();
        }
        theirs.finish();
        (<[u8; 32]>::from(hash.finalize()), length)
    });
    // Each cut waits until the stream has moved behind the one before: none falls into another's move.
    let harassing = timeout(Duration::from_secs(300), async {
        let mut random = StdRng::seed_from_u64(seed);
        for cuts in 1..=SEALED_CUTS {
            let (shim, way) = [(1, Way::Up), (0, Way::Down)][random.random_range(0..2)];
            cut.shims[shim].cut_after(way, random.random_range(1..BETWEEN_MAX));
            moved.clone().wait_for(|moves| *moves >= cuts).await.expect("it is being sent");
        }
    });
    let (harassed, moves, received) = tokio::join!(harassing, sending, receiving);
    assert!(harassed.is_ok(), "every cut was made and survived");
    let (got, length) = received.expect("no panic");
    assert!(length == LENGTH && got == hash);
    let (moves, connections) = (moves.expect("no panic"), cut.shims.iter().map(Shim::connections).sum::<u64>());
    println!("{moves} moves, {connections} connections");
    // A busy machine's session may be given up beside those that are cut: each that follows one is worth a move, and nothing else is.
    assert!((SEALED_CUTS..=connections - 2).contains(&moves), "{moves} moves, {connections} connections");
}
