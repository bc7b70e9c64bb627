//! What all in a round share: the way to the proxy, the end of the round, and the tally.

use std::{
    collections::HashSet,
    fmt::{self, Display, Formatter},
    net::SocketAddr,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use browser_stream_client::{Dial, Peer};
use harness::Shim;
use rand::{Rng, rngs::StdRng};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{exchange::Errand, figures::mib, network::networks};

/// A round, as one of its crowd knows it. Clones are the same.
#[derive(Clone)]
pub struct Scene {
    pub proxy: SocketAddr,
    pub networks: Arc<[Shim]>,
    /// Names whose servers stay until their clients have everything. Nobody claims one of them but its server: what is said to a client in the moment between
    /// a claim and its owner's hearing of the lease is lost with a connection that is cut right then.
    kept: Arc<Mutex<Vec<String>>>,
    /// The errands of clients that were answered with an error, although perhaps a server took them up: the proxy lost it before it heard so.
    unanswered: watch::Sender<HashSet<u64>>,
    /// It is time to leave.
    pub over: CancellationToken,
    pub tally: &'static Tally,
}

impl Scene {
    /// The networks, and nobody there.
    pub async fn new(proxy: SocketAddr, seed: u64) -> Self {
        let networks = networks(proxy, seed).await.into();
        // There is one for as long as the program runs.
        let over = CancellationToken::new();
        Self { proxy, networks, kept: Arc::default(), unanswered: watch::Sender::default(), over, tally: Box::leak(Box::default()) }
    }

    /// A connection over one network or another, or none.
    pub fn dial(&self, random: &mut StdRng) -> Dial {
        self.tally.peers.add(1);
        let dial = match self.networks.get(random.random_range(0..=self.networks.len())) {
            Some(network) => Peer::dial(network.mux()),
            None => Peer::dial(format!("ws://{}/mux", self.proxy)),
        };
        dial.grace(GRACE)
    }

    /// The names of those servers.
    pub fn all_kept(&self) -> MutexGuard<'_, Vec<String>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of a server that stays, where there is one.
    pub fn kept(&self, random: &mut StdRng) -> Option<String> {
        let kept = self.all_kept();
        kept.get(random.random_range(0..kept.len().max(1))).cloned()
    }

    /// The client of this errand has no stream.
    pub fn is_unanswered(&self, errand: &Errand) {
        self.unanswered.send_if_modified(|all| all.insert(errand.seed));
    }

    /// Resolves when its client has none.
    pub async fn unanswered(&self, errand: &Errand) {
        // The scene outlives all who wait.
        let _ = self.unanswered.subscribe().wait_for(|all| all.contains(&errand.seed)).await;
    }

    /// Resolves when whoever was cut has had the time to come back after the end of all weather.
    pub async fn cleared(&self) {
        self.over.cancelled().await;
        tokio::time::sleep(BACK_AGAIN).await;
    }

    /// Waits so long, or until the round is over, which it says.
    pub async fn rest(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.over.cancelled() => true,
            () = tokio::time::sleep(time) => false,
        }
    }
}

/// A connection is there again within 5 s of a clear sky, and a stream on it within as long.
const BACK_AGAIN: Duration = Duration::from_secs(20);
/// How long an end of a stream waits for the other, where that may never come back: a round does not end before.
const GRACE: Duration = Duration::from_secs(15);
/// The same where both stay: longer than anybody is away, also on a machine that has little time for this.
pub const KEPT_GRACE: Duration = Duration::from_secs(90);

/// Goes as a program does that ends well: both ends know how everything ended, and the names are free.
pub async fn leave(peer: Peer) {
    peer.settled().await;
    peer.close().await;
}

/// So many milliseconds, at random.
pub fn pause(random: &mut StdRng, milliseconds: Range<u64>) -> Duration {
    Duration::from_millis(random.random_range(milliseconds))
}

/// What the crowd did, over all rounds.
#[derive(Debug, Default)]
pub struct Tally {
    pub lives: Count,
    /// Peers that dialled, whatever came of it.
    pub peers: Count,
    /// Names that were got.
    pub claims: Count,
    /// Streams that came whole over whatever happened.
    pub whole: Count,
    /// Streams that somebody left, or that ended with somebody's connection.
    pub broken: Count,
    /// How often streams went on over another connection.
    pub moves: Count,
    /// Bytes of streams that were compared.
    pub bytes: Count,
    /// Messages of channels that were compared.
    pub messages: Count,
    /// Events of rooms that were compared.
    pub events: Count,
    pub answers: Count,
    /// Messages and events that were left out for somebody, and said so.
    pub left_out: Count,
    pub looks: Count,
    pub cuts: Count,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let Self { lives, peers, claims, whole, broken, moves, bytes, messages, events, answers, left_out, looks, cuts } = self;
        write!(
            f,
            "{} lives of {} peers, {} claims, {} streams whole ({} moves) and {} broken, {} MiB, {} messages, {} events, {} answers, {} left out, {} looked on, {} cuts",
            lives.get(),
            peers.get(),
            claims.get(),
            whole.get(),
            moves.get(),
            broken.get(),
            mib(bytes.get()),
            messages.get(),
            events.get(),
            answers.get(),
            left_out.get(),
            looks.get(),
            cuts.get(),
        )
    }
}
