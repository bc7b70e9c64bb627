//! `bss seed`: files for a swarm, and pages whose images it serves.
//!
//! `args` is what one types, `page` puts contents' ids into a page, `shelf` has the files, `tracker` says so, `giving` serves one fetcher, at the `pace` of all.

mod args;
mod giving;
mod pace;
mod page;
mod shelf;
mod tracker;

use std::{collections::HashSet, io, sync::Arc, time::Duration};

use browser_stream_client::{Code, Connection, ListenError, swarm::PeerName};
use futures::StreamExt;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

pub use args::{HELP, Seed};

use self::{
    giving::{Desk, give},
    pace::Pace,
    shelf::Shelf,
    tracker::announce,
};
use super::{
    Failure, Proxy,
    standard::{print, say},
};

/// Files that are to be served, all of them hashed.
pub struct Seeding {
    shelf: Shelf,
    /// Bytes in a second.
    limit: Option<u64>,
}

/// Fetchers at once: each has two pieces in memory.
const FETCHERS_MAX: usize = 128;
/// So often it is told how much was served, where that is more than before.
const TELL: Duration = Duration::from_secs(10);
/// So often it is looked whether the files are still what they were.
const LOOK: Duration = Duration::from_secs(5);
/// For a few bytes to whoever is there.
const LAST_WORD: Duration = Duration::from_secs(1);

impl Seeding {
    /// Serves until it is interrupted, or nothing is left to serve.
    pub async fn run(self, proxy: &Proxy) -> Result<(), Failure> {
        print(&self.shelf.listed()).await?;
        let name = PeerName::random();
        let mut listener = proxy.server().listen(name.to_string()).await.map_err(|error| refused(&error))?;
        if proxy.voice.connection {
            say(&format!("{name}: serving"));
        }
        let desk = Arc::new(Desk::new(self.shelf, Pace::new(self.limit)));
        let mut fetchers = JoinSet::new();
        let mut served = Served::default();
        let (mut tells, mut looks) = (interval(TELL), interval(LOOK));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let tracked = announce(proxy.peer(), proxy.prefix(), name, &desk.shelf);
        tokio::pin!(tracked);
        loop {
            tokio::select! {
                client = listener.next() => match client {
                    Some(Ok(client)) if fetchers.len() < FETCHERS_MAX => {
                        served.came(&client);
                        let desk = desk.clone();
                        fetchers.spawn(async move { give(client.accept(), &desk).await });
                    }
                    Some(Ok(client)) => client.refuse(Code::Busy, "as many fetch here as may at once: try elsewhere, or later"),
                    Some(Err(error)) => return Err(refused(&error)),
                    None => std::future::pending().await,
                },
                failure = &mut tracked => return Err(failure),
                Some(_) = fetchers.join_next() => {}
                _ = tells.tick() => if proxy.voice.connection {
                    served.tell(desk.served());
                },
                _ = looks.tick() => desk.shelf.look().await,
                () = desk.shelf.emptied() => {
                    // Those who fetch hear so first.
                    sleep(LAST_WORD).await;
                    let error = io::Error::other("every file has changed since it was hashed: seed them again");
                    return Err(Failure::local("nothing is left to serve", &error));
                }
            }
        }
    }
}

/// Why there is no name to serve under: of a token that right may be missing.
fn refused(error: &ListenError) -> Failure {
    Failure::listen("seed", error).of_token("the token has to allow listen=swarm-*, and publish=swarm-* as well")
}

/// What was served, for whoever looks.
#[derive(Default)]
struct Served {
    /// The sessions of those who came.
    peers: HashSet<String>,
    told: u64,
}

/// So many are told apart.
const PEERS_MAX: usize = 100_000;

impl Served {
    fn came(&mut self, client: &Connection) {
        if let Some(peer) = client.peer().filter(|_| self.peers.len() < PEERS_MAX) {
            self.peers.insert(peer.session.clone());
        }
    }

    fn tell(&mut self, pieces: u64) {
        if std::mem::replace(&mut self.told, pieces) != pieces {
            let plural = |count: u64| if count == 1 { "" } else { "s" };
            let peers = self.peers.len() as u64;
            say(&format!("served {pieces} piece{} to {peers} peer{}", plural(pieces), plural(peers)));
        }
    }
}
