//! The networks between the crowd and the proxy, and their weather.

use std::{net::SocketAddr, time::Duration};

use harness::{Shim, Way};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::scene::{Tally, pause};

/// Networks, each with a weather of its own: what one of them does happens to all who are behind it, and to nobody else.
const NETWORKS: u64 = 4;

/// Sets up the networks.
pub async fn networks(proxy: SocketAddr, seed: u64) -> Vec<Shim> {
    let mut networks = Vec::new();
    for number in 0..NETWORKS {
        networks.push(Shim::start(proxy, seed ^ number).await);
    }
    networks
}

/// Makes the weather of one network until it is over; then the sky is clear.
pub async fn weather(network: Shim, mut random: StdRng, over: CancellationToken, tally: &'static Tally) {
    while !over.is_cancelled() {
        sleep(pause(&mut random, 100..1500)).await;
        let way = if random.random() { Way::Up } else { Way::Down };
        match random.random_range(0..10) {
            0 | 1 => {
                network.cut();
                tally.cuts.add(1);
            }
            2 | 3 => {
                network.cut_after(way, random.random_range(0..400_000));
                tally.cuts.add(1);
            }
            4 => {
                network.stall(way);
                sleep(pause(&mut random, 50..STALL_MAX)).await;
                network.resume();
            }
            5 => {
                // What is under way may be lost with what stalls it.
                network.stall(way);
                sleep(pause(&mut random, 50..STALL_MAX)).await;
                network.cut();
                network.resume();
                tally.cuts.add(1);
            }
            6 => network.slice(random.random_range(1..40)),
            7 => network.slice(random.random_range(100..5000)),
            8 => network.delay(pause(&mut random, 1..30)),
            _ => {
                network.slice(usize::MAX);
                network.delay(Duration::ZERO);
            }
        }
    }
    network.resume();
    network.slice(usize::MAX);
    network.delay(Duration::ZERO);
}

/// A generator of its own for somebody.
pub fn random(seed: u64, number: u64) -> StdRng {
    StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number)
}

/// The longest stall, in milliseconds.
const STALL_MAX: u64 = 1500;
