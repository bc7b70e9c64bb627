//! Whether a claim gets a name, as far as this node knows: the table has the last word, for it takes a write only over the row that was judged.

use super::{Ask, Core, Expected, NameRow, NodeId, Record, Share, State, Time, Why};

impl Core {
    /// Over what the claim may be written, or why it is refused.
    pub(super) fn judge(&self, now: Time, record: &Record, ask: &Ask) -> Result<Expected, Why> {
        let Some(row) = &record.row else { return Ok(Expected::Absent) };
        if let Some(share) = &row.share {
            return self.judge_share(record, share, ask);
        }
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
            Some(_) if self.is_left(now, record) && self.is_settled(record) => Ok(Expected::At(record.revision)),
            None if row.state == State::Up => Err(Why::Taken),
            _ => Err(Why::Reserved),
        }
    }

    /// The same for a name that several nodes may have: where others have it, both sides have to be open to that.
    fn judge_share(&self, record: &Record, share: &Share, ask: &Ask) -> Result<Expected, Why> {
        let both = share.is_open && ask.share.as_ref().is_some_and(|asked| asked.is_open);
        // Who has it here shares it here, without a claim.
        let is_had = record.own.is_some() || (!both && record.row.as_ref().is_some_and(|row| self.sharers(row).next().is_some()));
        if is_had { Err(Why::Taken) } else { Ok(Expected::At(record.revision)) }
    }

    /// What a claim that may have the name writes: of a shared one others' terms where others have it.
    pub(super) fn row_of(&self, record: &Record, ask: &Ask) -> NameRow {
        let node = self.id();
        if ask.share.is_some()
            && let Some(row) = &record.row
            && let Some(share) = &row.share
        {
            let also: Vec<NodeId> = self.sharers(row).collect();
            if !also.is_empty() {
                return NameRow { node, share: Some(Share { also, ..share.clone() }), ..row.clone() };
            }
        }
        let (title, share) = (ask.title.clone(), ask.share.clone());
        let goes_on = |row: &NameRow| title.is_same_as(&row.title) && self.may_be_had(record, row);
        let had = record.row.as_ref().is_some_and(goes_on);
        NameRow { node, title, state: State::Up, http: ask.http, left: self.left_behind(record), had, share }
    }

    /// What stays of a row when this node gives the name up: others may share it.
    pub(super) fn row_of_others(&self, row: &NameRow) -> Option<NameRow> {
        let share = row.share.as_ref()?;
        let mut others = self.sharers(row);
        let node = others.next()?;
        Some(NameRow { node, share: Some(Share { also: others.collect(), ..share.clone() }), ..row.clone() })
    }

    /// The other nodes that have a shared name, but for those that are dead.
    fn sharers<'a>(&'a self, row: &'a NameRow) -> impl Iterator<Item = NodeId> + 'a {
        row.nodes().filter(|id| *id != self.id() && self.dead_since(*id).is_none())
    }

    /// Whether the name is nobody's any more: all its nodes are dead, and its owner had no lease, had time enough to come back, or never had it.
    pub(super) fn is_left(&self, now: Time, record: &Record) -> bool {
        let Some(row) = &record.row else { return true };
        let is_over = |since: Time| row.title.generation.is_none() || since + self.timing.grace <= now || !self.may_be_had(record, row);
        row.nodes().all(|id| self.dead_since(id).is_some_and(is_over))
    }

    /// Whether somebody may have the name by that row, or may have had it. A write that came when its node's life was over is a claim that nobody was granted, unless it says
    /// that its owner had the name before.
    fn may_be_had(&self, record: &Record, row: &NameRow) -> bool {
        if row.had {
            return true;
        }
        // What this process has granted, it knows itself, of all its lives.
        if row.node.process == self.process {
            return record.granted == record.revision;
        }
        self.was_before_end(row.node, record.revision)
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
