//! How a world moves: its clock, its macs, and everything until it comes to rest.

use std::time::{Duration, Instant};

use browser_stream_client::resume::{Endpoint, Kind, Record};
use bytes::BytesMut;

use crate::{
    network::{CLIENT, SERVER},
    world::{World, pattern},
};

impl World {
    pub fn answer_mac(&mut self, pick: usize) -> bool {
        if self.macs.is_empty() {
            return false;
        }
        let (side, request) = self.macs.remove(pick % self.macs.len());
        let now = self.now;
        if let Some(end) = self.ends[side].as_mut() {
            end.macs(request.carrier, &request.answer(), now);
            self.pump(side);
        }
        true
    }

    /// When anything is due.
    pub fn deadline(&self) -> Option<Instant> {
        let ends = self.ends.iter().flatten().filter_map(Endpoint::deadline);
        let newcomers = self.network.links.values().filter_map(|link| link.newcomer.as_ref()).map(|newcomer| newcomer.deadline());
        ends.chain(newcomers).min()
    }

    /// Time passes as a machine's does that sleeps: what became due comes at its end.
    pub fn sleep(&mut self, time: Duration) {
        self.now += time;
        self.tick();
    }

    fn tick(&mut self) {
        let now = self.now;
        for side in [CLIENT, SERVER] {
            if let Some(end) = self.ends[side].as_mut().filter(|end| end.deadline().is_some_and(|at| at <= now)) {
                end.tick(now);
            }
            self.pump(side);
        }
        let late = |link: &crate::network::Link| link.newcomer.as_ref().is_some_and(|newcomer| newcomer.deadline() <= now);
        let late: Vec<_> = self.network.links.iter().filter(|(_, link)| late(link)).map(|(&id, _)| id).collect();
        late.into_iter().for_each(|id| self.network.close(id, SERVER));
    }

    /// Time passes; everything happens when it is due, but nothing arrives.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.deadline().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            let before = (self.deadline(), self.now);
            self.tick();
            assert_ne!(before, (self.deadline(), self.now), "a deadline that a tick does not move");
        }
        self.now = end;
    }

    /// Everything that is on its way arrives, at once, at both ends; nobody reads.
    pub fn arrive(&mut self) -> bool {
        let mut moved = false;
        for id in self.network.links.keys().copied().collect::<Vec<_>>() {
            for side in [CLIENT, SERVER] {
                while self.deliver(id, side, usize::MAX) {
                    moved = true;
                }
            }
        }
        moved
    }

    /// Hands records to a side as if its peer had said them on that carrier.
    pub fn say(&mut self, side: usize, id: u64, records: &[Record]) {
        let mut out = BytesMut::new();
        for record in records {
            record.encode(&mut out);
            if let Record::Data { offset, length } = record {
                out.extend((*offset..*offset + u64::from(*length)).map(|at| pattern(1 - side, at)));
            }
        }
        let now = self.now;
        self.ends[side].as_mut().unwrap().received(id, out.freeze(), now);
        self.pump(side);
    }

    /// Whether a side still has a carrier.
    pub fn has(&self, side: usize, id: u64) -> bool {
        self.ends[side].as_ref().is_some_and(|end| end.carriers().any(|carrier| carrier == id))
    }

    /// Opens one more carrier, proven at both ends.
    pub fn proven(&mut self, kind: Kind) -> u64 {
        let id = self.join(kind);
        self.run();
        assert!(self.has(CLIENT, id) && self.has(SERVER, id));
        id
    }

    /// All carriers die, and both ends know.
    pub fn cut_all(&mut self) {
        for id in self.network.links.keys().copied().collect::<Vec<_>>() {
            self.network.cut(id, [0; 2], true);
        }
        self.arrive();
    }

    /// Everything that can happen without time happens, but reading.
    pub fn run(&mut self) {
        for _ in 0..10_000 {
            self.pump(CLIENT);
            self.pump(SERVER);
            if !(self.arrive() | self.answer_mac(0)) {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// The same, and the applications read everything.
    pub fn run_and_read(&mut self) {
        for _ in 0..10_000 {
            self.run();
            let read = self.read(CLIENT, u64::MAX) + self.read(SERVER, u64::MAX);
            self.consume(CLIENT);
            self.consume(SERVER);
            if read == 0 {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// The same over some time.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_and_read();
        while let Some(at) = self.deadline().filter(|&at| at <= end) {
            self.advance(at.saturating_duration_since(self.now));
            self.run_and_read();
        }
        self.now = end;
    }
}

/// What only some facts need.
impl World {
    /// The carrier that a side uses.
    pub fn carrier_of(&mut self, side: usize) -> u64 {
        self.ends[side].as_ref().unwrap().current().unwrap()
    }

    /// Both have finished: one thing after another arrives until the server knows that all is whole.
    pub fn until_server_is_clean(&mut self, id: u64) {
        while self.apps[SERVER].outcome.is_none() {
            assert!(self.deliver(id, SERVER, usize::MAX) || self.deliver(id, CLIENT, usize::MAX));
        }
    }

    /// All that is on its way to one side on one carrier arrives.
    pub fn arrive_at(&mut self, side: usize, id: u64) {
        while self.deliver(id, side, usize::MAX) {}
    }

    /// A new carrier is opened and proven, up to where `side` uses it; what it then says has not arrived.
    pub fn reconnect_without_delivery(&mut self, side: usize) {
        let old = self.network.upcoming();
        self.advance(Duration::from_secs(5));
        for _ in 0..20 {
            if self.ends[side].as_ref().is_some_and(|end| end.current().is_some_and(|current| current >= old)) {
                return;
            }
            let id = self.network.upcoming() - 1;
            if !self.answer_mac(0) && !self.deliver(id, SERVER, usize::MAX) {
                self.deliver(id, CLIENT, usize::MAX);
            }
        }
        panic!("no carrier came");
    }
}
