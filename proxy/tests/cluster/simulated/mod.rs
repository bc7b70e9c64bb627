//! The registry protocol in simulated networks (turmoil): real nodes, each a host with its own clock, and the table at another. Links are cut, one way and both,
//! held and let go, hosts crash and come back, by a seed: of that it is the same each time, though the ids of processes
//! are drawn anew. The model of the protocol alone, with clocks that go wrong, is in `src/cluster/tests`.

mod board;
mod distant;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use browser_stream_server::cluster::{Local, Node, Place, State, Tenure, Timing, Title, Why};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use turmoil::{Builder, Sim};
use uuid::Uuid;

use board::{Act, Board, Tally};
use distant::{Distant, TABLE};

const NODES: [&str; 3] = ["one", "two", "three"];
const NAMES: u64 = 4;
/// A step of the simulation; no message takes less.
const TICK: Duration = Duration::from_millis(10);
const SLOWEST: Duration = Duration::from_millis(150);
/// What a held link may let go at once.
const HELD_MAX: usize = 4096;
/// How long everything goes wrong.
const STORM: Duration = Duration::from_secs(150);
/// Nodes that were cut off are back, and what the dead left is free.
const CALM: Duration = Duration::from_secs(60);
/// A claim that nobody waits for any more.
const PATIENCE: Duration = Duration::from_secs(20);

fn timing() -> Timing {
    Timing { grace: Duration::from_secs(20), sweep: Duration::from_secs(5), ..Timing::default() }
}

fn place(name: u64) -> Place {
    Place { prefix: "/browser-server".into(), name: format!("name {name}").into() }
}

/// What one node does: it claims, gives up, tells, and says at each tick what it may serve.
struct Host {
    name: &'static str,
    board: Arc<Board>,
    rng: StdRng,
    node: Node,
    held: BTreeMap<Place, (Tenure, Uuid)>,
    asked: FuturesUnordered<BoxFuture<'static, Claimed>>,
    has_claimed_all: bool,
}

/// What became of a claim; nothing where nobody waited for that any more.
type Claimed = (Place, Title, Option<Result<Tenure, Why>>);

impl Host {
    async fn run(name: &'static str, seed: u64, timing: Timing, board: Arc<Board>) -> turmoil::Result {
        // Another life does other things.
        let rng = StdRng::seed_from_u64(seed ^ turmoil::sim_elapsed().map_or(0, |at| at.as_nanos() as u64));
        let node = Node::start(Arc::new(Distant), name, timing);
        let (held, asked) = (BTreeMap::new(), FuturesUnordered::new());
        let mut host = Self { name, board, rng, node, held, asked, has_claimed_all: false };
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut next = Instant::now();
        loop {
            tokio::select! {
                biased;
                Some(claimed) = host.asked.next() => host.heard(claimed),
                _ = ticks.tick() => host.looks(),
                () = sleep_until(next) => {
                    host.acts();
                    next = Instant::now() + Duration::from_millis(host.rng.random_range(20..1_500));
                }
            }
            // What came with this is seen before anything else happens.
            host.looks();
        }
    }

    fn looks(&mut self) {
        let before = self.held.len();
        self.held.retain(|_, (tenure, _)| tenure.lost().now_or_never().is_none());
        (self.held.len()..before).for_each(|_| self.board.lost());
        let served = self.held.iter().filter(|(_, (tenure, _))| tenure.is_valid());
        let served = served.map(|(place, (_, instance))| (place.clone(), *instance)).collect();
        let now = turmoil::sim_elapsed().expect("it is simulated");
        self.board.sees(self.name, now, TICK, served);
    }

    fn acts(&mut self) {
        match self.board.act() {
            Act::Storm => self.rages(),
            Act::Calm => self.held.clear(),
            Act::Last => {
                if self.name == NODES[0] && !std::mem::replace(&mut self.has_claimed_all, true) {
                    for name in 0..NAMES {
                        let stranger = Title { generation: None, ..self.server() };
                        self.claims(place(name), stranger);
                    }
                }
            }
        }
    }

    fn rages(&mut self) {
        let held: Vec<Place> = self.held.keys().cloned().collect();
        let one = held.get(self.rng.random_range(0..held.len().max(1)));
        match (self.rng.random_range(0..100), one) {
            (0..25, Some(place)) => drop(self.held.remove(place)),
            (25..45, Some(place)) => {
                let state = if self.rng.random_bool(0.5) { State::Up } else { State::Suspended };
                if let Some((tenure, _)) = self.held.get(place) {
                    tenure.tell(state);
                }
            }
            _ => {
                let fresh = (place(self.rng.random_range(0..NAMES)), self.server());
                let back = self.rng.random_bool(0.5).then(|| self.rng.random_range(0..8));
                let (place, title) = self.board.life(back, fresh);
                self.claims(place, title);
            }
        }
    }

    /// A server with a lease, or without.
    fn server(&mut self) -> Title {
        let instance = Uuid::from_u128(self.rng.random());
        let generation = self.rng.random_bool(0.7).then(|| self.rng.random());
        Title { instance, attempt: 0, generation, sub: None }
    }

    fn claims(&mut self, place: Place, title: Title) {
        let node = self.node.clone();
        let claim = async move {
            let claimed = timeout(PATIENCE, node.claim(&place, title.clone(), false)).await.ok();
            (place, title, claimed)
        };
        self.asked.push(claim.boxed());
    }

    fn heard(&mut self, (place, title, claimed): Claimed) {
        let Some(Ok(tenure)) = claimed else { return self.board.refused() };
        self.board.granted(&place, &title, tenure.fencing_token());
        // Who comes back takes the place of what it was.
        self.held.insert(place, (tenure, title.instance));
    }
}

/// What goes wrong, and what of that is to be mended.
struct Weather<'a> {
    sim: Sim<'a>,
    board: Arc<Board>,
    rng: StdRng,
    down: BTreeSet<&'static str>,
}

impl Weather<'_> {
    fn changes(&mut self) {
        let node = NODES[self.rng.random_range(0..NODES.len())];
        match self.rng.random_range(0..100) {
            0..15 => self.sim.partition(node, TABLE),
            15..25 => self.sim.partition_oneway(node, TABLE),
            25..35 => self.sim.partition_oneway(TABLE, node),
            35..50 => self.sim.hold(node, TABLE),
            50..85 => self.mends(node),
            85..92 => self.crashes(node),
            92..95 => self.crashes(TABLE),
            _ => self.rises(),
        }
    }

    fn crashes(&mut self, host: &'static str) {
        if self.down.insert(host) {
            self.sim.crash(host);
            self.board.crashed(host);
        }
    }

    fn rises(&mut self) {
        for host in std::mem::take(&mut self.down) {
            self.sim.bounce(host);
        }
    }

    fn mends(&self, node: &str) {
        self.sim.release(node, TABLE);
        self.sim.repair(node, TABLE);
    }

    /// Goes on for so long, and calls `happens` now and then.
    fn goes_on(&mut self, span: Duration, mut happens: impl FnMut(&mut Self)) {
        let end = self.sim.elapsed() + span;
        let mut next = self.sim.elapsed();
        while self.sim.elapsed() < end {
            self.sim.step().expect("no host fails");
            if self.sim.elapsed() >= next {
                happens(self);
                next = self.sim.elapsed() + Duration::from_millis(self.rng.random_range(100..4_000));
            }
        }
    }
}

/// A storm, then calm, and at last one host takes every name.
fn story(seed: u64, timing: Timing) -> Arc<Board> {
    let sim = Builder::new()
        .rng_seed(seed)
        .tick_duration(TICK)
        .min_message_latency(TICK)
        .max_message_latency(SLOWEST)
        .tcp_capacity(HELD_MAX)
        .simulation_duration(STORM + 3 * CALM)
        .build();
    let (board, table) = (Arc::new(Board::new()), Local::new());
    let mut weather = Weather { sim, board: board.clone(), rng: StdRng::seed_from_u64(seed), down: BTreeSet::new() };
    weather.sim.host(TABLE, move || distant::keep(table.clone()));
    for (number, name) in NODES.into_iter().enumerate() {
        let board = board.clone();
        weather.sim.host(name, move || Host::run(name, seed * 10 + number as u64, timing, board.clone()));
    }
    weather.goes_on(STORM, Weather::changes);
    weather.rises();
    NODES.into_iter().for_each(|node| weather.mends(node));
    board.begin(Act::Calm);
    weather.goes_on(CALM, |_| {});
    board.begin(Act::Last);
    weather.goes_on(CALM, |_| {});
    board
}

#[test]
fn nodes_in_a_network_that_fails_never_serve_one_name_for_two_and_have_every_name_again_when_it_works() {
    let usual = if std::env::var_os("LONG").is_some() { 40 } else { 4 };
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(usual);
    let mut all = Tally::default();
    for seed in 0..seeds {
        let board = story(seed, timing());
        assert_eq!(board.wrong(), Vec::<String>::new(), "seed {seed}");
        assert_eq!(board.names(NODES[0]), NAMES as usize, "seed {seed}: a name is not to be had");
        all += board.tally();
    }
    println!("{all:?}");
    let Tally { granted, refused, moved, lost, serving } = all;
    assert!(granted > 0 && refused > 0 && moved > 0 && lost > 0 && serving > 0, "nothing happened: {all:?}");
}

/// What the simulation is worth.
#[test]
fn of_nodes_that_are_written_off_before_they_stop_it_finds_two_with_one_name() {
    let hasty = Timing { lease: timing().own / 2, grace: Duration::ZERO, ..timing() };
    let is_found = (0..8).any(|seed| story(seed, hasty).wrong().iter().any(|wrong| wrong.contains("served by")));
    assert!(is_found, "nobody noticed");
}
