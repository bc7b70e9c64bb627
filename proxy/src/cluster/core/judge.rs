//! Whether a claim gets a name, as far as this node knows: the table has the last word, for it takes a write only over the row that was judged.

use super::{Ask, Core, Expected, NameRow, NodeId, Record, State, Time, Why};

impl Core {
    /// Over what the claim may be written, or why it is refused.
    pub(super) fn judge(&self, now: Time, record: &Record, ask: &Ask) -> Result<Expected, Why> {
        let Some(row) = &record.row else { return Ok(Expected::Absent) };
        let is_ours = row.node == self.id();
        let is_same = ask.title.is_same_as(&row.title);
        // A claim of this node's that nobody has: one without an answer, or one that was given up.
        if is_ours && record.own.is_none() {
            return if is_same || self.is_settled(record) { Ok(Expected::At(record.revision)) } else { Err(Why::Reserved) };
        }
        // Its owner comes back, wherever that is, and whether or not its former node can be asked: it is the same life of the same server.
        if is_same {
            return if ask.title.attempt > row.title.attempt { Ok(Expected::At(record.revision)) } else { Err(Why::Superseded) };
        }
        match self.dead_since(row.node) {
            Some(_) if self.is_left(now, row) && self.is_settled(record) => Ok(Expected::At(record.revision)),
            None if row.state == State::Up => Err(Why::Taken),
            _ => Err(Why::Reserved),
        }
    }

    /// Whether the name is nobody's any more: its node is dead, and its owner had no lease, or had time enough to come back.
    pub(super) fn is_left(&self, now: Time, row: &NameRow) -> bool {
        self.dead_since(row.node).is_some_and(|since| row.title.generation.is_none() || since + self.timing.grace <= now)
    }

    /// Whether no node serves the owner any more from which it has moved: only then may another be served, or nobody.
    pub(super) fn is_settled(&self, record: &Record) -> bool {
        record.row.as_ref().is_none_or(|row| row.left.iter().all(|id| self.has_heard(*id, record.revision)))
    }

    /// The nodes that may serve an owner still which moves here.
    pub(super) fn left_behind(&self, record: &Record) -> Vec<NodeId> {
        let Some(row) = &record.row else { return Vec::new() };
        let before = row.left.iter().copied().filter(|id| !self.has_heard(*id, record.revision));
        let mut left: Vec<NodeId> = before.chain([row.node]).filter(|id| *id != self.id() && self.dead_since(*id).is_none()).collect();
        left.dedup();
        left
    }
}
