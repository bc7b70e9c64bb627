//! What a move costs: how long nothing comes, and what is said again.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use browser_stream_client::Stream;
use harness::Shim;
use tokio::{
    io::AsyncWriteExt,
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use super::pair::{self, Pair};
use crate::measure::median;

/// Of one move, in the middle of several.
pub struct Cost {
    /// Round trips until the server reads the first byte that came over the new connection.
    pub to_server: f64,
    /// Round trips until the client does.
    pub to_client: f64,
    /// Bytes that both ends said again.
    pub again_bytes: f64,
}

/// What one end saw last.
#[derive(Clone, Copy)]
struct Seen {
    /// Of so many moves something has been read.
    moves: u64,
    at: Instant,
    resent: u64,
}

/// Cuts the client's connection, which is long, while both ends say a little all the time.
pub fn cost(proxy: SocketAddr, name: &str) -> Result<Cost> {
    pair::run(async {
        let shim = Shim::start(proxy, 0).await;
        shim.delay(ROUND_TRIP / 2);
        let mut pair = Pair::dial(shim.address(), proxy, name).await?;
        let (near, far) = pair.open(true).await?;
        let mut talks = JoinSet::new();
        let mut ends = [near, far].map(|end| {
            let (seen, sees) = watch::channel(Seen { moves: 0, at: Instant::now(), resent: 0 });
            talks.spawn(talk(end, seen));
            sees
        });
        let mut waits = [Vec::new(), Vec::new()];
        for moves in 1..=MOVES {
            sleep(REST).await;
            let cut = Instant::now();
            shim.cut();
            for (end, waits) in ends.iter_mut().zip(&mut waits) {
                let seen = *timeout(MOVE_MAX, end.wait_for(|seen| seen.moves >= moves)).await??;
                waits.push((seen.at - cut).as_secs_f64() / ROUND_TRIP.as_secs_f64());
            }
        }
        let resent: u64 = ends.iter().map(|end| end.borrow().resent).sum();
        let [to_client, to_server] = waits.map(|waits| median(&waits));
        Ok(Cost { to_server, to_client, again_bytes: resent as f64 / MOVES as f64 })
    })
}

/// Says something every millisecond, and tells when something was read behind a move.
async fn talk(mut stream: Stream, seen: watch::Sender<Seen>) -> Result<()> {
    let mut ticks = interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => stream.write_all(&MESSAGE).await?,
            chunk = stream.read_chunk() => {
                chunk?;
                let (moves, resent) = (stream.moves(), stream.resent());
                if seen.borrow().moves < moves {
                    seen.send_replace(Seen { moves, at: Instant::now(), resent });
                }
            }
        }
    }
}

const MESSAGE: [u8; 64] = [7; 64];
/// There and back again.
const ROUND_TRIP: Duration = Duration::from_millis(40);
const MOVES: u64 = 5;
/// Several round trips and acknowledgements.
const REST: Duration = Duration::from_millis(250);
const MOVE_MAX: Duration = Duration::from_secs(5);
