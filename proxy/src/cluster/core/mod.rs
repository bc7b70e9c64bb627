//! The protocol of one node: what it is told, what it has the table written, and what it tells the names above it.

mod judge;
mod lease;
mod names;
mod peers;
mod strangers;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use uuid::Uuid;

use super::{
    Secret,
    adapter::{Change, Expected, Outcome, Write},
    row::{NameRow, NodeId, NodeRow, Place, Row, Share, State, Title},
    timing::{Time, Timing},
};
use lease::Lease;
use names::{Ask, Record};
use peers::Peer;
pub use strangers::Stranger;

/// One node of a cluster, as a state machine: whoever has it hands in what happened, carries out each [`Write`] and hears each [`Event`].
///
/// Of all nodes at most one has a name at a time, and it has stopped before another begins, unless both have it for the same life of the same server. Every input has
/// the time with it, and what comes after the node's own lease counts as nothing.
pub struct Core {
    timing: Timing,
    address: Arc<str>,
    process: Uuid,
    /// What it shows others, and wants to be shown.
    secret: Option<Secret>,
    lease: Lease,
    peers: BTreeMap<NodeId, Peer>,
    names: BTreeMap<Place, Record>,
    /// When names are to be looked at again.
    alarms: BTreeSet<(Time, Place)>,
    /// Writes that have no outcome yet.
    flying: BTreeMap<u64, Flight>,
    writes: VecDeque<(u64, Write)>,
    events: VecDeque<Event>,
    numbers: u64,
    view: View,
    sweep_at: Option<Time>,
}

/// How much of the table is known.
#[derive(Default)]
struct View {
    /// How often it was told from its beginning.
    epoch: u64,
    /// The newest change that was told.
    newest: u64,
    is_current: bool,
    /// The highest number that is known.
    highest: u64,
    /// The table's newest number when it was begun to be told, or that known then.
    begun: u64,
}

impl View {
    /// What has a lower number, or this, and was not told, is gone, once all is told.
    fn complete(&self) -> u64 {
        self.begun.max(self.newest)
    }
}

/// A write under way.
struct Flight {
    what: Flown,
    sent: Time,
    /// Of this node then.
    life: u32,
}

enum Flown {
    Join,
    Renew,
    /// Nobody waits for it.
    Farewell,
    Fence(NodeId),
    /// For the claim of this number.
    Claim(Place, NameRow, u64),
    Tell(Place, NameRow),
    Free(Place),
    Forget,
}

/// A name that this node has: by it the holder is told apart from its successors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Rises with each grant of this node.
    pub serial: u64,
    /// The table's number of the claim: no later claim of the name has a lower one.
    pub revision: u64,
}

/// What a node tells the names above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The claim of this number has the name.
    Granted {
        /// As [`Core::claim`] returned it.
        claim: u64,
        /// Until it is released or lost.
        hold: Hold,
    },
    /// It has not.
    Refused {
        /// As [`Core::claim`] returned it.
        claim: u64,
        /// Why not.
        why: Why,
    },
    /// A name is not this node's any more.
    Lost {
        /// Which.
        place: Place,
        /// Which hold of it.
        hold: Hold,
        /// Why.
        why: Why,
    },
    /// Something about a name is different: see [`Core::whereabouts`].
    Changed(Place),
    /// A node is seen for the first time that does not have this one's secret.
    Stranger(Stranger),
    /// Such a node was there before: this one has left, or does not join.
    Unwelcome(Stranger),
}

/// Why a claim has not got a name, or lost it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Somebody else has it.
    Taken,
    /// It is kept for somebody who may come back.
    Reserved,
    /// The same lease was used elsewhere, with as high an attempt or a higher one.
    Superseded,
    /// The table did not answer, or this node could not renew its lease in time.
    Unavailable,
}

/// Where a name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// The node that has it.
    pub node: NodeId,
    /// Where that is reached; nowhere if it is dead.
    pub address: Option<Arc<str>>,
    /// Whether its owner is there.
    pub state: State,
    /// Whoever comes by HTTP is let in, too.
    pub http: bool,
}

impl Core {
    /// A node that will join as soon as the table answers; others reach it at that address.
    pub fn new(process: Uuid, address: &str, timing: Timing) -> Self {
        Self {
            timing,
            address: address.into(),
            process,
            secret: None,
            lease: Lease::default(),
            peers: BTreeMap::new(),
            names: BTreeMap::new(),
            alarms: BTreeSet::new(),
            flying: BTreeMap::new(),
            writes: VecDeque::new(),
            events: VecDeque::new(),
            numbers: 0,
            view: View::default(),
            sweep_at: None,
        }
    }

    /// This node, in its present life.
    pub fn id(&self) -> NodeId {
        NodeId { process: self.process, life: self.lease.life }
    }

    /// Where others reach it.
    #[cfg(feature = "admin")]
    pub(super) fn address(&self) -> Arc<str> {
        self.address.clone()
    }

    /// Until when this node may serve the names that it has; `None` if it may not now. To be looked at whenever one is served.
    pub fn serves_until(&self) -> Option<Time> {
        self.lease.until()
    }

    /// Whether this node may serve the names that it has, and have more.
    pub fn is_in(&self, now: Time) -> bool {
        self.serves_until().is_some_and(|until| now < until)
    }

    /// Whether it has gone for good.
    pub fn has_left(&self) -> bool {
        self.lease.has_left()
    }

    /// Whether its last renewal was taken.
    pub fn is_well(&self) -> bool {
        self.lease.is_well()
    }

    /// Nodes that are not known to be dead, this one among them if it is in, and names that are held, or kept for their owners.
    pub fn count(&self) -> (usize, usize) {
        let others = self.peers.values().filter(|peer| peer.fenced_at.is_none() && peer.is_known).count();
        let names = self.names.values().filter(|record| record.row.is_some()).count();
        (others + usize::from(self.lease.until().is_some()), names)
    }

    /// The other nodes that have the secret and are not known to be dead, and where they are reached.
    pub fn others(&self) -> impl Iterator<Item = (NodeId, Arc<str>)> {
        let alive = self.peers.iter().filter(|(_, peer)| peer.fenced_at.is_none() && peer.is_known);
        alive.filter_map(|(&id, _)| Some((id, self.address_of(id)?)))
    }

    /// The next write to carry out, with the number under which its outcome is to be handed in.
    pub fn next_write(&mut self) -> Option<(u64, Write)> {
        self.writes.pop_front()
    }

    /// Whether no write is under way, and none is wanted.
    pub fn is_quiet(&self) -> bool {
        self.writes.is_empty() && self.flying.is_empty()
    }

    /// The next that happened.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`tick`](Self::tick) is to be called at the latest.
    pub fn deadline(&self) -> Time {
        let alarm = self.alarms.first().map(|(at, _)| *at);
        let suspicion = if self.view.is_current { self.peers.values().filter_map(|peer| peer.suspect_at()).min() } else { None };
        let lease = self.lease.due().filter(|_| self.lease.until().is_some() || self.may_join());
        [lease, alarm, suspicion, self.sweep_at].into_iter().flatten().min().unwrap_or(Time::MAX)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Time) {
        self.expire(now);
        self.see_to_lease(now);
        self.see_to_peers(now);
        while let Some((at, place)) = self.alarms.first().cloned()
            && at <= now
        {
            self.alarms.remove(&(at, place.clone()));
            self.pump(now, &place);
        }
        if self.sweep_at.is_some_and(|at| at <= now) {
            self.sweep(now);
        }
    }

    /// What became of a write.
    pub fn answered(&mut self, now: Time, number: u64, outcome: Outcome) {
        self.expire(now);
        let Some(Flight { what, sent, life }) = self.flying.remove(&number) else { return };
        if let Outcome::Done(revision) = outcome {
            self.view.highest = self.view.highest.max(revision);
        }
        match what {
            Flown::Join => self.joined(now, sent, life, outcome),
            Flown::Renew => self.renewed(now, sent, life, outcome),
            Flown::Fence(id) => self.fenced(now, id, outcome),
            Flown::Claim(place, row, claim) => self.claimed(now, (place, row, claim), outcome),
            Flown::Tell(place, row) => self.told(now, (place, Some(row)), outcome),
            Flown::Free(place) => self.told(now, (place, None), outcome),
            Flown::Farewell | Flown::Forget => {}
        }
    }

    /// What the table tells.
    pub fn changed(&mut self, now: Time, change: Change) {
        self.expire(now);
        match change {
            Change::Begun => {
                self.view.epoch += 1;
                (self.view.newest, self.view.is_current, self.view.begun) = (0, false, self.view.highest);
            }
            Change::Newest(newest) if newest < self.view.begun => self.forget(now, newest),
            Change::Newest(newest) => self.view.begun = newest,
            Change::Row(row, revision) => {
                // Told twice.
                if revision <= self.view.newest {
                    return;
                }
                self.view.newest = revision;
                self.view.highest = self.view.highest.max(revision);
                match row {
                    Row::Node(id, row) => self.node_is(now, id, row, revision),
                    Row::Name(place, row) => self.name_is(now, place, row, revision),
                }
            }
            Change::Current => self.is_current(now),
        }
    }

    /// All that there is has been told: what was not is gone.
    fn is_current(&mut self, now: Time) {
        self.view.is_current = true;
        let (epoch, newest) = (self.view.epoch, self.view.complete());
        let gone = |seen: u64, revision: u64| seen != epoch && revision <= newest;
        let nodes: Vec<NodeId> = self.peers.iter().filter(|(_, peer)| gone(peer.epoch, peer.revision)).map(|(id, _)| *id).collect();
        for id in nodes {
            self.node_is(now, id, None, newest);
        }
        let missing = |record: &Record| record.row.is_some() && gone(record.epoch, record.revision);
        let names: Vec<Place> = self.names.iter().filter(|(_, record)| missing(record)).map(|(place, _)| place.clone()).collect();
        for place in names {
            self.name_is(now, place, None, newest);
        }
        if self.lease.is_gone(epoch, newest) {
            let old = self.id();
            self.fence(now);
            self.node_is(now, old, None, newest);
        }
        self.sweep_soon(now);
        // Claims waited for this.
        self.pump_waiting(now);
    }

    /// The table is not what it was: its numbers begin anew, and what was known by them is worth nothing.
    fn forget(&mut self, now: Time, newest: u64) {
        // What is under way was written to the table that was: its answer says nothing of this one.
        for Flight { what, sent, life } in std::mem::take(&mut self.flying).into_values() {
            if let Flown::Join = what {
                self.joined(now, sent, life, Outcome::Unknown);
            }
        }
        self.fence(now);
        self.peers.clear();
        let known: Vec<Place> = self.names.keys().cloned().collect();
        self.names.retain(|_, record| {
            record.forget();
            record.waits()
        });
        self.events.extend(known.into_iter().map(Event::Changed));
        (self.view.highest, self.view.begun) = (newest, newest);
    }

    fn write(&mut self, now: Time, what: Flown, row: Row, expected: Expected) -> u64 {
        self.numbers += 1;
        self.flying.insert(self.numbers, Flight { what, sent: now, life: self.lease.life });
        self.writes.push_back((self.numbers, Write { row, expected }));
        self.numbers
    }
}
