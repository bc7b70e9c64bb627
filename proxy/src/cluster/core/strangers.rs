//! Nodes of the same table that have another secret: whoever comes to such a one does not join, so that a wrong secret is found out at the start and by whom it was given to.

use std::sync::Arc;

use super::{Core, Event, NodeId, NodeRow, Secret, Time};

/// A node that shares the table, and not the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Which.
    pub node: NodeId,
    /// Where it says that others reach it.
    pub address: Arc<str>,
}

impl Core {
    /// The same node with what others are to know it by. Without that it believes whoever is there.
    #[must_use]
    pub fn with_secret(self, secret: Secret) -> Self {
        Self { secret: Some(secret), ..self }
    }

    /// What this node's row shows.
    pub(super) fn proof(&self) -> Option<Arc<str>> {
        self.secret.as_ref().map(|secret| secret.proof_of_row(self.process, &self.address))
    }

    /// Whether a row is that of a node with the same secret. One that says nothing of itself any more is nobody's to be judged.
    pub(super) fn is_proven(&self, id: NodeId, row: &NodeRow) -> bool {
        let (Some(secret), NodeRow::Alive { address, proof, .. }) = (&self.secret, row) else { return true };
        proof.as_deref() == Some(&*secret.proof_of_row(id.process, address))
    }

    /// Whether this node may ask for a place among the others: it knows who is there, and they have its secret. One that was in goes back to where it was, whoever came since.
    pub(super) fn may_join(&self) -> bool {
        self.view.is_current && (self.lease.was_in || self.strangers().next().is_none())
    }

    /// The table tells of a stranger, or that it `renews`.
    pub(super) fn meets(&mut self, now: Time, id: NodeId, renews: bool) {
        let Some(stranger) = self.strangers().map(|(_, stranger)| stranger).find(|stranger| stranger.node == id) else { return };
        if !renews {
            self.events.push_back(Event::Stranger(stranger.clone()));
        }
        // One that was killed is there until it is written off; one that renews lives.
        let waits = self.lease.until().is_none() && !self.lease.was_in && !self.lease.has_left();
        if renews && waits {
            self.turns_away(now, stranger);
        } else {
            self.gives_way(now);
        }
    }

    /// Of two that join in one moment, and do not have the same secret, the later leaves.
    pub(super) fn gives_way(&mut self, now: Time) {
        let Some(joined) = self.lease.joined().filter(|_| !self.lease.was_in) else { return };
        let earlier = self.strangers().find(|(since, _)| *since < joined);
        if let Some((_, stranger)) = earlier {
            self.turns_away(now, stranger);
        }
    }

    fn turns_away(&mut self, now: Time, stranger: Stranger) {
        self.leave(now);
        self.events.push_back(Event::Unwelcome(stranger));
    }

    /// Those that are not known to be dead, and the change with which each was first heard of.
    fn strangers(&self) -> impl Iterator<Item = (u64, Stranger)> {
        let strangers = self.peers.iter().filter(|(_, peer)| peer.fenced_at.is_none() && !peer.is_known);
        strangers.filter_map(|(&node, peer)| Some((peer.since, Stranger { node, address: self.address_of(node)? })))
    }
}
