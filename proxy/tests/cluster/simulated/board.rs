//! What the hosts of a story have at each moment, and whether that may be.

use std::{
    collections::{BTreeMap, HashMap},
    ops::AddAssign,
    time::Duration,
};

use browser_stream_server::cluster::{Place, Title};
use parking_lot::Mutex;
use uuid::Uuid;

/// What all hosts do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// They claim and give up at random.
    Storm,
    /// They give up everything.
    Calm,
    /// The first host claims every name.
    Last,
}

/// Where all hosts note what they may serve, at every tick of the simulation.
pub struct Board {
    state: Mutex<State>,
}

struct State {
    act: Act,
    /// When each host was looked at, and the names that it might serve then, each for a life of a server.
    hosts: HashMap<&'static str, (Duration, BTreeMap<Place, Uuid>)>,
    /// Lives of servers, of which each may come back at any host.
    lives: Vec<(Place, Title)>,
    /// The highest fencing token that was granted of each name.
    tokens: BTreeMap<Place, u64>,
    tally: Tally,
    wrong: Vec<String>,
}

/// What came about, so that a test knows that it tested something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub granted: usize,
    pub refused: usize,
    pub moved: usize,
    pub lost: usize,
    /// Looks at which somebody might serve something.
    pub serving: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.granted += other.granted;
        self.refused += other.refused;
        self.moved += other.moved;
        self.lost += other.lost;
        self.serving += other.serving;
    }
}

impl Board {
    pub fn new() -> Self {
        let state = State {
            act: Act::Storm,
            hosts: HashMap::new(),
            lives: Vec::new(),
            tokens: BTreeMap::new(),
            tally: Tally::default(),
            wrong: Vec::new(),
        };
        Self { state: Mutex::new(state) }
    }

    pub fn act(&self) -> Act {
        self.state.lock().act
    }

    pub fn begin(&self, act: Act) {
        self.state.lock().act = act;
    }

    pub fn tally(&self) -> Tally {
        self.state.lock().tally
    }

    /// What went against the promise of a cluster.
    pub fn wrong(&self) -> Vec<String> {
        self.state.lock().wrong.clone()
    }

    /// The names that host might serve when it was last looked at.
    pub fn names(&self, host: &str) -> usize {
        self.state.lock().hosts.get(host).map_or(0, |(_, names)| names.len())
    }

    /// A server that never claimed, or one that comes back: the one of that number, from the newest.
    pub fn life(&self, back: Option<usize>, fresh: (Place, Title)) -> (Place, Title) {
        let mut state = self.state.lock();
        let known = state.lives.len();
        if let Some(at) = back.and_then(|back| known.checked_sub(back + 1))
            && let Some((place, title)) = state.lives.get_mut(at)
        {
            title.attempt += 1;
            return (place.clone(), title.clone());
        }
        state.lives.push(fresh.clone());
        fresh
    }

    pub fn granted(&self, place: &Place, title: &Title, token: u64) {
        let mut state = self.state.lock();
        state.tally.granted += 1;
        state.tally.moved += usize::from(title.attempt > 0);
        let newest = state.tokens.entry(place.clone()).or_default();
        let before = std::mem::replace(newest, token.max(*newest));
        if token < before {
            state.wrong.push(format!("{}: granted by {token} after {before}", place.name));
        }
    }

    pub fn refused(&self) {
        self.state.lock().tally.refused += 1;
    }

    pub fn lost(&self) {
        self.state.lock().tally.lost += 1;
    }

    /// A host says what it may serve at this moment. No answer of the table comes within `tick`: what two say within one they have at the same time.
    pub fn sees(&self, host: &'static str, now: Duration, tick: Duration, names: BTreeMap<Place, Uuid>) {
        let mut state = self.state.lock();
        state.tally.serving += usize::from(!names.is_empty());
        let others = state.hosts.iter().filter(|(other, (at, _))| **other != host && *at + tick > now);
        let both = |other: &str, theirs: &BTreeMap<Place, Uuid>| {
            let (place, _) = names.iter().find(|(place, instance)| theirs.get(place).is_some_and(|other| other != *instance))?;
            Some(format!("{}: served by {host} and {other} at {now:?}", place.name))
        };
        let wrong: Vec<String> = others.filter_map(|(other, (_, theirs))| both(other, theirs)).collect();
        state.wrong.extend(wrong);
        state.hosts.insert(host, (now, names));
    }

    /// A host was crashed: it serves nothing.
    pub fn crashed(&self, host: &str) {
        self.state.lock().hosts.remove(host);
    }
}
