//! The other nodes: who is there, who is written off, and what is left of them.

use std::sync::Arc;

use super::{Core, Event, Expected, Flown, NameRow, NodeId, NodeRow, Outcome, Place, Row, Time};

/// Another node, or an earlier life of this one.
pub(super) struct Peer {
    pub row: NodeRow,
    pub revision: u64,
    pub epoch: u64,
    /// It has this node's secret.
    pub is_known: bool,
    /// The change with which it was first heard of.
    pub since: u64,
    /// When it is to be written off, unless it renews; not while that is under way, nor after it.
    suspect_at: Option<Time>,
    /// When it was seen that it is.
    pub fenced_at: Option<Time>,
}

impl Peer {
    pub fn suspect_at(&self) -> Option<Time> {
        self.suspect_at
    }
}

impl Core {
    /// The table tells of a node.
    pub(super) fn node_is(&mut self, now: Time, id: NodeId, row: Option<NodeRow>, revision: u64) {
        if id == self.id() {
            return self.own_row_is(now, row, revision);
        }
        let Some(row) = row else {
            self.peers.remove(&id);
            return;
        };
        let epoch = self.view.epoch;
        if let Some(peer) = self.peers.get_mut(&id)
            && revision <= peer.revision
        {
            // The table begins anew: it is no renewal.
            peer.epoch = epoch;
            return;
        }
        let is_alive = matches!(row, NodeRow::Alive { .. });
        let former = self.peers.remove(&id);
        let (before, since) = (former.as_ref().and_then(|peer| peer.fenced_at), former.as_ref().map_or(revision, |peer| peer.since));
        let is_known = self.is_proven(id, &row);
        // Of itself a node knows that it has stopped.
        let is_former_self = self.is_former_self(id);
        let suspect_at = is_alive.then_some(if is_former_self { now } else { now + self.timing.lease });
        let is_dead = is_former_self || !is_alive;
        let fenced_at = is_dead.then_some(before.unwrap_or(now));
        self.peers.insert(id, Peer { row, revision, epoch, is_known, since, suspect_at, fenced_at });
        if is_dead && before.is_none() {
            self.is_dead(now, id);
        }
        if !is_dead && !is_known {
            self.meets(now, id, former.is_some());
        }
    }

    /// An earlier life of this node is over, whatever the table says of it.
    pub(super) fn has_stopped(&mut self, now: Time, id: NodeId, (revision, epoch): (u64, u64)) {
        let row = NodeRow::Alive { address: self.address.clone(), heard: 0, proof: self.proof() };
        let suspect_at = Some(now + self.timing.lease);
        self.peers.insert(id, Peer { row, revision, epoch, is_known: true, since: revision, suspect_at, fenced_at: Some(now) });
        self.is_dead(now, id);
    }

    /// Where a node is reached.
    pub(super) fn address_of(&self, id: NodeId) -> Option<Arc<str>> {
        match &self.peers.get(&id)?.row {
            NodeRow::Alive { address, .. } => Some(address.clone()),
            NodeRow::Fenced => None,
        }
    }

    /// Whether it falls to this node to tell of what the dead left, so that of all nodes one does: that with the lowest id.
    pub fn speaks_for_dead(&self) -> bool {
        self.lease.until().is_some() && self.others().all(|(id, _)| id.process > self.process)
    }

    /// Its names are found free, or kept, from now on.
    fn is_dead(&mut self, now: Time, id: NodeId) {
        let left = self.names.iter().filter(|(_, record)| record.row.as_ref().is_some_and(|row| row.is_at(id)));
        self.events.extend(left.map(|(place, _)| Event::Changed(place.clone())));
        self.sweep_soon(now);
    }

    /// There may be something to take away.
    pub(super) fn sweep_soon(&mut self, now: Time) {
        self.sweep_at = Some(self.sweep_at.map_or(now, |at| at.min(now)));
    }

    /// Writes off who has not renewed for too long: if it has, and that was not told yet, the table refuses.
    pub(super) fn see_to_peers(&mut self, now: Time) {
        if !self.view.is_current {
            return;
        }
        let silent = self.peers.iter_mut().filter(|(_, peer)| peer.suspect_at.is_some_and(|at| at <= now));
        let silent: Vec<(NodeId, u64)> = silent
            .map(|(id, peer)| {
                peer.suspect_at = None;
                (*id, peer.revision)
            })
            .collect();
        for (id, revision) in silent {
            self.write(now, Flown::Fence(id), Row::Node(id, Some(NodeRow::Fenced)), Expected::At(revision));
        }
    }

    pub(super) fn fenced(&mut self, now: Time, id: NodeId, outcome: Outcome) {
        match outcome {
            Outcome::Done(revision) => self.node_is(now, id, Some(NodeRow::Fenced), revision),
            Outcome::Conflict | Outcome::Unknown => {
                let again = now + self.timing.retry;
                if let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.row != NodeRow::Fenced) {
                    // A renewal that was told meanwhile gave it more time.
                    peer.suspect_at.get_or_insert(again);
                }
            }
        }
    }

    /// Since when a node is known to be dead; `None` while it may live. Only a table that has been told as a whole knows of all nodes.
    pub(super) fn dead_since(&self, id: NodeId) -> Option<Time> {
        if id == self.id() || !self.view.is_current {
            return None;
        }
        match self.peers.get(&id) {
            Some(peer) => peer.fenced_at,
            // A node's row is there before its names, and goes when it was written off long ago and they are gone: this is a write of then that came late, and nobody has it.
            None => Some(Time::ZERO),
        }
    }

    /// Whether a change of that number came before that life of a node was over, as far as the table tells. No claim that came later was granted: a node has stopped
    /// before it is written off.
    pub(super) fn was_before_end(&self, id: NodeId, revision: u64) -> bool {
        match self.peers.get(&id) {
            Some(Peer { row: NodeRow::Fenced, revision: end, .. }) => revision < *end,
            Some(_) => true,
            // Its row went long ago.
            None => !self.view.is_current,
        }
    }

    /// Whether that node serves nothing that it lost by a change of this number, or an earlier one.
    pub(super) fn has_heard(&self, id: NodeId, revision: u64) -> bool {
        let told = |peer: &Peer| matches!(peer.row, NodeRow::Alive { heard, .. } if heard >= revision);
        id == self.id() || self.dead_since(id).is_some() || self.peers.get(&id).is_some_and(told)
    }

    /// Takes away what the dead left, when its time has come.
    pub(super) fn sweep(&mut self, now: Time) {
        self.sweep_at = None;
        if !self.view.is_current || !self.is_in(now) {
            self.sweep_at = Some(now + self.timing.sweep);
            return;
        }
        let is_orphan = |row: &NameRow| row.nodes().all(|id| self.dead_since(id).is_some());
        let orphans = self.names.iter().filter(|(_, record)| record.row.as_ref().is_some_and(is_orphan));
        let orphans: Vec<Place> = orphans.map(|(place, _)| place.clone()).collect();
        let left = !orphans.is_empty();
        for place in orphans {
            self.pump(now, &place);
        }
        let keep = 2 * self.timing.grace;
        let is_old = |peer: &Peer| peer.row == NodeRow::Fenced && peer.fenced_at.is_some_and(|at| at + keep <= now);
        let forgotten: Vec<(NodeId, u64)> =
            self.peers.iter().filter(|(_, peer)| !left && is_old(peer)).map(|(id, peer)| (*id, peer.revision)).collect();
        for (id, revision) in forgotten {
            self.write(now, Flown::Forget, Row::Node(id, None), Expected::At(revision));
        }
        if left || self.peers.values().any(|peer| peer.fenced_at.is_some()) {
            self.sweep_at = Some(now + self.timing.sweep);
        }
    }
}
