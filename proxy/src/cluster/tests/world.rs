//! A cluster in one thread: nodes with clocks of their own, a table, servers that come and go, and a network that does what networks do.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use uuid::Uuid;

use super::history::{Noted, Process};
use crate::cluster::{Change, Core, Event, Hold, Outcome, Place, Share, State, Time, Timing, Title, Why, Write, table::Table};

/// A cluster, from its beginning.
pub(super) struct World {
    pub rng: StdRng,
    pub now: Time,
    pub table: Table,
    pub nodes: Vec<Node>,
    pub servers: Vec<Server>,
    pub history: Vec<(Time, Noted)>,
    pub tally: Tally,
    timing: Timing,
    queue: BinaryHeap<Reverse<(Time, u64)>>,
    what: BTreeMap<u64, What>,
    numbers: u64,
    processes: usize,
    /// Nothing goes wrong from now on.
    pub is_calm: bool,
}

/// What came about, so that a test knows that it tested something.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub granted: usize,
    pub moved: usize,
    pub lost: usize,
    pub unavailable: usize,
}

/// A node: a process, and the next when that was killed.
pub(super) struct Node {
    pub process: Process,
    pub core: Core,
    /// What it calls now, of what is.
    rate: f64,
    begun: Time,
    /// Nothing passes between it and the table.
    is_cut: bool,
    /// It does nothing, and does not know.
    is_frozen: bool,
    deferred: Vec<What>,
    feed: VecDeque<Change>,
    /// It hears of changes; else it begins anew.
    hears: bool,
    /// Its alarm: the number of what it waits for.
    alarm: u64,
    pub has: BTreeMap<Place, (usize, Hold)>,
    asked: BTreeMap<u64, (Place, usize)>,
    serves_until: Option<Time>,
}

/// One life of a server.
pub(super) struct Server {
    pub place: Place,
    pub title: Title,
    /// It shares the name with others that do: whether it would.
    pub share: Option<bool>,
    /// It has the name there.
    pub at: Option<usize>,
    /// It had the name at some time.
    pub had: bool,
    /// It gave it up itself.
    pub released: bool,
}

enum What {
    Arrives(usize, Process, u64, Write),
    Answered(usize, Process, u64, Outcome),
    Feeds(usize, Process),
    /// Unless it was set to another time since.
    Wakes(usize, Process, u64),
}

impl World {
    pub fn new(seed: u64, nodes: usize, timing: Timing) -> Self {
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            now: Time::ZERO,
            table: Table::default(),
            nodes: Vec::new(),
            servers: Vec::new(),
            history: Vec::new(),
            tally: Tally::default(),
            timing,
            queue: BinaryHeap::new(),
            what: BTreeMap::new(),
            numbers: 0,
            processes: 0,
            is_calm: false,
        };
        for at in 0..nodes {
            let node = world.start();
            world.nodes.push(node);
            world.settle(at);
        }
        world
    }

    /// A process that knows nothing yet. No clock goes faster than another by more than a tenth.
    fn start(&mut self) -> Node {
        self.processes += 1;
        Node {
            process: self.processes,
            core: Core::new(Uuid::from_u128(self.processes as u128), "node", self.timing),
            rate: self.rng.random_range(0.95..1.05),
            begun: self.now,
            is_cut: false,
            is_frozen: false,
            deferred: Vec::new(),
            feed: VecDeque::new(),
            hears: false,
            alarm: 0,
            has: BTreeMap::new(),
            asked: BTreeMap::new(),
            serves_until: None,
        }
    }

    /// What its clock says.
    fn clock(&self, at: usize) -> Time {
        (self.now - self.nodes[at].begun).mul_f64(self.nodes[at].rate)
    }

    fn later(&mut self, after: Time, what: What) {
        self.numbers += 1;
        self.queue.push(Reverse((self.now + after, self.numbers)));
        self.what.insert(self.numbers, what);
    }

    /// A way that is short, mostly.
    fn way(&mut self) -> Time {
        let most = if self.is_calm || self.rng.random_bool(0.9) { 20 } else { 3_000 };
        Time::from_millis(self.rng.random_range(1..=most))
    }

    /// Goes on until then.
    pub fn run(&mut self, until: Time) {
        while let Some(Reverse((at, number))) = self.queue.peek().copied()
            && at <= until
        {
            self.queue.pop();
            self.now = at;
            if let Some(what) = self.what.remove(&number) {
                self.happens(what);
            }
        }
        self.now = until;
    }

    fn happens(&mut self, what: What) {
        let (at, process) = match &what {
            What::Arrives(at, process, number, write) => return self.arrives((*at, *process), *number, write.clone()),
            What::Answered(at, process, ..) | What::Feeds(at, process) | What::Wakes(at, process, _) => (*at, *process),
        };
        if self.nodes[at].process != process {
            return;
        }
        if self.nodes[at].is_frozen {
            self.nodes[at].deferred.push(what);
            return;
        }
        let clock = self.clock(at);
        let node = &mut self.nodes[at];
        match what {
            What::Answered(_, _, number, outcome) => node.core.answered(clock, number, outcome),
            What::Feeds(..) => self.feeds(at, clock),
            What::Wakes(_, _, alarm) if alarm == node.alarm => node.core.tick(clock),
            _ => return,
        }
        self.settle(at);
    }

    /// A write comes to the table, maybe from a process that is no more.
    fn arrives(&mut self, (at, process): (usize, Process), number: u64, write: Write) {
        let (outcome, told) = self.table.write(write);
        if let Some(change) = told {
            for at in 0..self.nodes.len() {
                if self.nodes[at].hears {
                    self.nodes[at].feed.push_back(change.clone());
                    // Told twice, at times.
                    if !self.is_calm && self.rng.random_bool(0.1) {
                        self.nodes[at].feed.push_back(change.clone());
                    }
                    let (way, process) = (self.way(), self.nodes[at].process);
                    self.later(way, What::Feeds(at, process));
                }
            }
        }
        if !self.nodes[at].is_cut && (self.is_calm || !self.rng.random_bool(0.05)) {
            let way = self.way();
            self.later(way, What::Answered(at, process, number, outcome));
        }
    }

    /// Hears what the table has told, in its order.
    fn feeds(&mut self, at: usize, clock: Time) {
        let node = &mut self.nodes[at];
        if node.is_cut {
            return;
        }
        if !std::mem::replace(&mut node.hears, true) {
            node.feed = self.table.told().into();
        }
        for _ in 0..self.rng.random_range(1..4) {
            let Some(change) = node.feed.pop_front() else { break };
            node.core.changed(clock, change);
        }
        if !node.feed.is_empty() {
            let (way, process) = (self.way(), self.nodes[at].process);
            self.later(way, What::Feeds(at, process));
        }
    }

    /// Carries out what a node wants, notes what it has, and sees that it is woken.
    pub fn settle(&mut self, at: usize) {
        let clock = self.clock(at);
        let process = self.nodes[at].process;
        while let Some(event) = self.nodes[at].core.next_event() {
            self.hears(at, event);
        }
        while let Some((number, write)) = self.nodes[at].core.next_write() {
            self.later(Time::from_secs(2), What::Answered(at, process, number, Outcome::Unknown));
            let is_lost = self.nodes[at].is_cut || (!self.is_calm && self.rng.random_bool(0.05));
            // What is lost may still come, long after anybody waits for it.
            let way = if !is_lost {
                self.way()
            } else if self.rng.random_bool(0.5) {
                Time::from_millis(self.rng.random_range(0..40_000))
            } else {
                continue;
            };
            self.later(way, What::Arrives(at, process, number, write));
        }
        let node = &self.nodes[at];
        let until = node.core.serves_until().map(|until| self.now + until.saturating_sub(clock).div_f64(node.rate));
        if node.core.serves_until() != node.serves_until {
            self.history.push((self.now, Noted::Serves(process, until.unwrap_or(self.now))));
            self.nodes[at].serves_until = self.nodes[at].core.serves_until();
        }
        let deadline = self.nodes[at].core.deadline();
        if deadline < Time::MAX {
            let after = deadline.saturating_sub(clock).div_f64(self.nodes[at].rate) + Time::from_micros(1);
            self.numbers += 1;
            self.nodes[at].alarm = self.numbers;
            self.later(after, What::Wakes(at, process, self.numbers));
        }
        if !self.nodes[at].hears && !self.nodes[at].is_cut {
            let way = self.way();
            self.later(way, What::Feeds(at, process));
        }
    }

    fn hears(&mut self, at: usize, event: Event) {
        match event {
            Event::Granted { claim, hold } => {
                let node = &mut self.nodes[at];
                let Some((place, server)) = node.asked.remove(&claim) else { return };
                node.has.insert(place.clone(), (server, hold));
                self.tally.granted += 1;
                (self.servers[server].had, self.servers[server].released) = (true, false);
                let former = self.servers[server].at.replace(at);
                self.tally.moved += usize::from(former.is_some_and(|former| former != at));
                // Who share a name have it as one: that of the terms by which they do.
                let terms = self.nodes[at].core.terms(&place).map(|terms| terms.parse().expect("as it was claimed"));
                let instance = terms.unwrap_or(self.servers[server].title.instance);
                self.history.push((self.now, Noted::Up(self.nodes[at].process, place, instance)));
            }
            Event::Refused { claim, why } => {
                self.nodes[at].asked.remove(&claim);
                self.tally.unavailable += usize::from(why == Why::Unavailable);
            }
            Event::Lost { place, hold, .. } => {
                let is_that = self.nodes[at].has.get(&place).is_some_and(|(_, held)| *held == hold);
                if is_that {
                    self.nodes[at].has.remove(&place);
                    self.tally.lost += 1;
                    self.history.push((self.now, Noted::Down(self.nodes[at].process, place)));
                }
            }
            Event::Changed(_) | Event::Stranger(_) | Event::Unwelcome(_) => {}
        }
    }

    /// A server asks for its name at a node.
    pub fn claims(&mut self, at: usize, server: usize) {
        let clock = self.clock(at);
        let Server { place, title, share, .. } = &mut self.servers[server];
        title.attempt += 1;
        let share = share.map(|is_open| Share { terms: title.instance.to_string().into(), is_open, also: Vec::new() });
        let core = &mut self.nodes[at].core;
        let claim = match share {
            None => core.claim(clock, place, title.clone(), false),
            Some(share) => core.share(clock, place, title.clone(), share),
        };
        self.nodes[at].asked.insert(claim, (place.clone(), server));
        self.settle(at);
    }

    /// It gives up what it has there.
    pub fn releases(&mut self, at: usize, place: &Place) {
        let Some((server, hold)) = self.nodes[at].has.remove(place) else { return };
        self.history.push((self.now, Noted::Down(self.nodes[at].process, place.clone())));
        (self.servers[server].at, self.servers[server].released) = (None, true);
        let clock = self.clock(at);
        self.nodes[at].core.release(clock, place, hold);
        self.settle(at);
    }

    /// Its session is gone, or back.
    pub fn tells(&mut self, at: usize, place: &Place, state: State) {
        let Some((_, hold)) = self.nodes[at].has.get(place).copied() else { return };
        let clock = self.clock(at);
        self.nodes[at].core.tell(clock, place, hold, state);
        self.settle(at);
    }

    /// Nothing passes between a node and the table any more, or all does again.
    pub fn cut(&mut self, at: usize, is_cut: bool) {
        self.nodes[at].is_cut = is_cut;
        if is_cut && self.rng.random_bool(0.5) {
            (self.nodes[at].hears, self.nodes[at].feed) = (false, VecDeque::new());
        }
        let process = self.nodes[at].process;
        self.later(Time::ZERO, What::Feeds(at, process));
    }

    /// Everything that was written is forgotten, and all hear of it.
    pub fn wipe(&mut self) {
        self.table = Table::default();
        for at in 0..self.nodes.len() {
            (self.nodes[at].hears, self.nodes[at].feed) = (false, VecDeque::new());
            self.cut(at, false);
        }
    }

    pub fn freeze(&mut self, at: usize, is_frozen: bool) {
        self.nodes[at].is_frozen = is_frozen;
        if !is_frozen {
            for what in std::mem::take(&mut self.nodes[at].deferred) {
                self.later(Time::ZERO, what);
            }
        }
    }

    /// Kills a process, and starts another.
    pub fn kill(&mut self, at: usize) {
        self.history.push((self.now, Noted::Ended(self.nodes[at].process)));
        for server in &mut self.servers {
            server.at = server.at.filter(|node| *node != at);
        }
        self.nodes[at] = self.start();
        self.settle(at);
    }
}
