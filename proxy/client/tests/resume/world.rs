//! The two ends of one stream with everything that a shell does for them, on a clock that only moves when told.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use browser_stream_client::resume::{
    Action, Birth, Born, Budget, Close, Endpoint, Identity, Joined, Kind, Limits, MacRequest, Newcomer, Nonce, Outcome, Reason, Record,
    Registry, Secret, StreamId, Unproven,
};
use bytes::{Bytes, BytesMut};

use crate::network::{CLIENT, Item, Network, SERVER};

/// What an application did and saw.
#[derive(Debug, Default)]
pub struct App {
    pub written: u64,
    pub finished: bool,
    pub read: u64,
    pub unconsumed: u64,
    pub read_to_end: bool,
    pub outcome: Option<Outcome>,
    pub current: Option<u64>,
    /// How often it took a carrier.
    pub takes: u64,
}

pub struct World {
    pub now: Instant,
    pub limits: Arc<Limits>,
    pub identity: Arc<Identity>,
    pub budgets: [Budget; 2],
    pub ends: [Option<Endpoint>; 2],
    pub apps: [App; 2],
    pub network: Network,
    pub registry: Registry<()>,
    pub unproven: Unproven,
    pub macs: Vec<(usize, MacRequest)>,
    /// Carriers can be opened.
    pub up: bool,
    /// New streams are refused with this.
    pub refusal: Option<Reason>,
    /// Streams that the server's application was told of.
    pub accepted: u32,
    pub opens: u32,
}

/// How long a patient client waits for the reply to its open: an open that then is still on its way finds a server that remembers.
pub const PATIENCE: Duration = Duration::from_secs(100);

/// The byte at `at` of what `side` writes: any slip, swap or doubling shows.
pub fn pattern(side: usize, at: u64) -> u8 {
    let mixed = (at ^ ((side as u64) << 39)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

pub fn identity() -> Arc<Identity> {
    Arc::new(Identity { id: StreamId([7; 16]), secret: Secret([9; 32]), name: "NAME".into(), letters: None })
}

impl World {
    pub fn new(limits: Limits) -> Self {
        Self::with_patience(limits, Duration::from_secs(17))
    }

    /// One whose client waits long for the reply to its open, but less than a server remembers.
    pub fn patient(limits: Limits) -> Self {
        Self::with_patience(limits, PATIENCE)
    }

    fn with_patience(limits: Limits, open_timeout: Duration) -> Self {
        let (now, limits, identity) = (Instant::now(), Arc::new(limits), identity());
        let budgets = [Budget::default(), Budget::default()];
        let client = Endpoint::connect(identity.clone(), limits.clone(), &budgets[CLIENT], open_timeout, 1, now);
        Self {
            now,
            identity,
            budgets,
            ends: [Some(client), None],
            apps: Default::default(),
            network: Network::default(),
            registry: Registry::new(limits.clone()),
            unproven: Unproven::default(),
            macs: Vec::new(),
            up: true,
            refusal: None,
            accepted: 0,
            opens: 0,
            limits,
        }
    }

    /// A world whose stream is open, with its first carrier, and at rest.
    pub fn opened(limits: Limits) -> Self {
        let mut world = Self::new(limits);
        world.run();
        assert!(world.ends[SERVER].is_some());
        world
    }

    pub fn client(&mut self) -> &mut Endpoint {
        self.ends[CLIENT].as_mut().unwrap()
    }

    pub fn server(&mut self) -> &mut Endpoint {
        self.ends[SERVER].as_mut().unwrap()
    }

    /// The carrier that the client uses.
    pub fn carrier(&mut self) -> u64 {
        self.client().current().unwrap()
    }

    pub fn nonce(&self) -> Nonce {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.network.upcoming().to_le_bytes());
        Nonce(bytes)
    }

    /// Does what one end wants done.
    pub fn pump(&mut self, side: usize) {
        loop {
            while let Some(action) = self.ends[side].as_mut().and_then(Endpoint::poll) {
                self.act(side, action);
            }
            if !self.transmit(side) {
                break;
            }
        }
        self.observe(side);
    }

    fn act(&mut self, side: usize, action: Action) {
        match action {
            Action::Macs(request) => self.macs.push((side, request)),
            Action::Close(id, Close::Done | Close::Finish) => self.network.finish(id, side),
            Action::Close(id, Close::Reset) => self.network.close(id, side),
            Action::Open { birth } => {
                self.opens += 1;
                let now = self.now;
                if !self.up {
                    self.client().unopened(now);
                } else if birth {
                    let id = self.network.upcoming();
                    let early = self.client().birth(id, now);
                    let length = early.iter().map(Bytes::len).sum::<usize>() as u32;
                    self.network.open(Kind::Proxy, Item::Open { birth: Some(length) });
                    early.into_iter().for_each(|bytes| self.network.send(id, CLIENT, Item::Bytes(bytes)));
                } else {
                    self.join(Kind::Proxy);
                }
            }
        }
    }

    pub fn join(&mut self, kind: Kind) -> u64 {
        let (nonce, now) = (self.nonce(), self.now);
        let id = self.network.open(kind, Item::Open { birth: None });
        self.client().join(id, kind, nonce, now);
        id
    }

    fn transmit(&mut self, side: usize) -> bool {
        let Some(end) = self.ends[side].as_mut() else { return false };
        let mut moved = false;
        for id in end.carriers().collect::<Vec<_>>() {
            let room = 4096_usize.saturating_sub(self.network.queued(id, side));
            let mut out = Vec::new();
            let wanted = end.wants_transmit(id);
            end.transmit(id, room, self.now, &mut out);
            assert!(wanted || out.is_empty(), "put something out without wanting to");
            moved |= !out.is_empty();
            out.into_iter().for_each(|bytes| self.network.send(id, side, Item::Bytes(bytes)));
        }
        moved
    }

    /// What an application sees.
    fn observe(&mut self, side: usize) {
        let Some(end) = self.ends[side].as_mut() else { return };
        let app = &mut self.apps[side];
        if end.current() != app.current {
            app.current = end.current();
            app.takes += u64::from(app.current.is_some());
        }
        let outcome = end.outcome().cloned();
        // A tombstone does not keep the peer's text.
        let peers = |outcome: &Option<Outcome>| matches!(outcome, Some(Outcome::Reset { here: false, .. }));
        let same = app.outcome.is_none() || app.outcome == outcome || (peers(&app.outcome) && peers(&outcome));
        assert!(same, "an end is final: {:?}, {outcome:?}", app.outcome);
        app.outcome = app.outcome.take().or(outcome);
        self.take_unread(side);
        self.bury(side);
    }

    fn bury(&mut self, side: usize) {
        let Some(end) = self.ends[side].as_ref().filter(|_| side == SERVER) else { return };
        if let Some(tombstone) = end.tombstone(self.now) {
            assert!(!end.is_readable(), "what came was taken");
            self.registry.bury(tombstone);
            self.ends[SERVER] = None;
        } else if end.is_over() {
            self.registry.forget(self.identity.id);
            self.ends[SERVER] = None;
        }
    }

    /// Before a stream becomes a tombstone its application takes what is there.
    fn take_unread(&mut self, side: usize) {
        if self.ends[side].as_ref().is_some_and(|end| end.outcome().is_some()) {
            self.read(side, u64::MAX);
        }
    }

    pub fn write(&mut self, side: usize, length: u64) -> u64 {
        let start = self.apps[side].written;
        let mut bytes: Bytes = (start..start + length).map(|at| pattern(side, at)).collect();
        let Some(end) = self.ends[side].as_mut() else { return 0 };
        let expected = end.writable().min(length);
        let taken = end.write(&mut bytes) as u64;
        assert!(expected <= taken && taken <= length, "it may grow to take more");
        self.apps[side].written += taken;
        self.pump(side);
        taken
    }

    pub fn finish(&mut self, side: usize) {
        let Some(end) = self.ends[side].as_mut() else { return };
        end.finish();
        self.apps[side].finished |= end.outcome().is_none();
        self.pump(side);
    }

    pub fn reset(&mut self, side: usize, code: &str) {
        let now = self.now;
        if let Some(end) = self.ends[side].as_mut() {
            end.reset(Reason::new(code, "why"), now);
            self.pump(side);
        }
    }

    pub fn give_up(&mut self, side: usize) {
        let now = self.now;
        if let Some(end) = self.ends[side].as_mut() {
            end.give_up(now);
            self.pump(side);
        }
    }

    /// Reads at least so many bytes if they are there, and checks each.
    pub fn read(&mut self, side: usize, most: u64) -> u64 {
        let mut read = 0;
        while read < most {
            let Some(chunk) = self.ends[side].as_mut().and_then(Endpoint::read) else { break };
            let app = &mut self.apps[side];
            for (at, &byte) in (app.read..).zip(&chunk) {
                assert_eq!(byte, pattern(1 - side, at), "byte {at}");
            }
            app.read += chunk.len() as u64;
            app.unconsumed += chunk.len() as u64;
            read += chunk.len() as u64;
        }
        assert!(self.apps[side].read <= self.apps[1 - side].written, "more than was written");
        if self.ends[side].as_ref().is_some_and(Endpoint::is_read) {
            assert!(self.apps[1 - side].finished && self.apps[side].read == self.apps[1 - side].written, "a clean end is a whole one");
            self.apps[side].read_to_end = true;
        }
        read
    }

    pub fn consume(&mut self, side: usize) {
        let bytes = std::mem::take(&mut self.apps[side].unconsumed);
        if let Some(end) = self.ends[side].as_mut() {
            end.consumed(bytes);
            self.pump(side);
        }
    }

    /// One item of a carrier arrives at `side`.
    pub fn deliver(&mut self, id: u64, side: usize, most: usize) -> bool {
        let before = self.network.links.get(&id).is_some_and(|link| !link.pipes[1 - side].is_empty());
        if let Some(item) = self.network.receive(id, side, most) {
            if side == CLIENT {
                self.client_receives(id, item)
            } else {
                self.server_receives(id, item)
            }
            self.pump(side);
        }
        before
    }

    fn client_receives(&mut self, id: u64, item: Item) {
        let (now, grace) = (self.now, self.limits.grace);
        match item {
            Item::Bytes(bytes) => self.client().received(id, bytes, now),
            Item::Reply => self.client().replied(id, grace, now),
            Item::Refused(reason) => {
                self.client().refused(id, &reason, now);
                self.network.close(id, CLIENT);
            }
            Item::Finished | Item::End => {
                match item {
                    Item::Finished => self.client().done_with(id, now),
                    _ => self.client().closed(id, now),
                }
                self.network.close(id, CLIENT);
            }
            Item::Open { .. } => panic!("only clients open"),
        }
    }

    fn server_receives(&mut self, id: u64, item: Item) {
        let now = self.now;
        match item {
            Item::Open { birth: Some(early) } => self.born(id, early),
            Item::Open { birth: None } => {
                let newcomer = Newcomer::new(self.unproven.admit(&self.limits), &self.limits, now);
                self.network.links.get_mut(&id).unwrap().newcomer = Some(newcomer);
                self.network.close_withdrawn();
            }
            Item::Bytes(bytes) => self.server_reads(id, bytes),
            Item::Finished | Item::End => {
                if let Some(server) = &mut self.ends[SERVER] {
                    match item {
                        Item::Finished => server.done_with(id, now),
                        _ => server.closed(id, now),
                    }
                }
                self.network.close(id, SERVER);
            }
            Item::Reply | Item::Refused(_) => panic!("only servers reply"),
        }
    }

    fn refuse(&mut self, id: u64, reason: Reason) {
        self.network.send(id, SERVER, Item::Refused(reason));
        self.network.close(id, SERVER);
    }

    fn born(&mut self, id: u64, early: u32) {
        let birth = Birth { identity: self.identity.clone(), early };
        let (now, grace) = (self.now, self.limits.grace);
        match self.registry.birth(&birth, now) {
            Born::Refused(reason) => return self.refuse(id, reason),
            Born::Known(()) => {}
            Born::New if self.refusal.is_some() => {
                let reason = self.refusal.clone().unwrap();
                self.registry.refuse(birth.identity, reason.clone(), grace, now);
                return self.refuse(id, reason);
            }
            Born::New => {
                self.accepted += 1;
                self.registry.insert(birth.identity.clone(), ());
                self.ends[SERVER] = Some(Endpoint::accept(birth.identity, self.limits.clone(), &self.budgets[SERVER], grace, now));
            }
            Born::Ended(tombstone) => {
                self.registry.insert(birth.identity, ());
                self.ends[SERVER] = Some(Endpoint::revive(tombstone, self.limits.clone(), now));
            }
        }
        self.network.send(id, SERVER, Item::Reply);
        self.server().born(id, early, now);
    }

    fn server_reads(&mut self, id: u64, mut bytes: Bytes) {
        let (now, nonce) = (self.now, Nonce([id as u8; 16]));
        if let Some(newcomer) = self.network.links.get_mut(&id).unwrap().newcomer.take() {
            match newcomer.received(&mut bytes) {
                Err(_) => return self.network.close(id, SERVER),
                Ok(Err(newcomer)) => return self.network.links.get_mut(&id).unwrap().newcomer = Some(newcomer),
                Ok(Ok(join)) => {
                    let kind = self.network.links[&id].kind;
                    match self.registry.join(join.stream, Some("NAME"), now) {
                        Joined::Gone => {
                            let mut out = BytesMut::new();
                            Record::Gone.encode(&mut out);
                            self.network.send(id, SERVER, Item::Bytes(out.freeze()));
                            return self.network.close(id, SERVER);
                        }
                        Joined::Known(()) => {}
                        Joined::Ended(tombstone) => {
                            self.registry.insert(self.identity.clone(), ());
                            self.ends[SERVER] = Some(Endpoint::revive(tombstone, self.limits.clone(), now));
                        }
                    }
                    self.server().joined(id, kind, join, nonce, now);
                }
            }
        }
        if let Some(server) = &mut self.ends[SERVER] {
            server.received(id, bytes, now);
        }
    }
}
