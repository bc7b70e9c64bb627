//! This node's own row: by it the node is in, and has names.

use super::{Core, Event, Expected, Flown, NodeId, NodeRow, Outcome, Row, Time, Why};

/// This node's lease on its own row.
#[derive(Default)]
pub(super) struct Lease {
    /// Which life of the process it is of.
    pub life: u32,
    /// An earlier life was in.
    pub was_in: bool,
    standing: Standing,
}

enum Standing {
    /// It has none, and asks for one then.
    Out(Time),
    Joining,
    In(Held),
}

struct Held {
    revision: u64,
    /// That with which it joined.
    joined: u64,
    /// The table was told from its beginning that often when it last told of the row.
    epoch: u64,
    until: Time,
    /// Not while a renewal is under way.
    renew_at: Option<Time>,
    /// The last renewal was not taken, or had no answer.
    falters: bool,
}

impl Default for Standing {
    fn default() -> Self {
        Self::Out(Time::ZERO)
    }
}

impl Lease {
    pub fn until(&self) -> Option<Time> {
        match &self.standing {
            Standing::In(held) => Some(held.until),
            _ => None,
        }
    }

    /// Whether it has one, and the last renewal of that was taken.
    pub fn is_well(&self) -> bool {
        matches!(&self.standing, Standing::In(held) if !held.falters)
    }

    /// With which change of the table it has joined.
    pub fn joined(&self) -> Option<u64> {
        match &self.standing {
            Standing::In(held) => Some(held.joined),
            _ => None,
        }
    }

    /// Whether it will have none any more.
    pub fn has_left(&self) -> bool {
        matches!(self.standing, Standing::Out(Time::MAX))
    }

    /// When something is to be done about it.
    pub fn due(&self) -> Option<Time> {
        match &self.standing {
            Standing::Out(again) => Some(*again).filter(|again| *again < Time::MAX),
            Standing::Joining => None,
            Standing::In(held) => Some(held.renew_at.map_or(held.until, |at| at.min(held.until))),
        }
    }

    /// Whether a table that has been told as a whole has not got the row.
    pub fn is_gone(&self, epoch: u64, newest: u64) -> bool {
        matches!(&self.standing, Standing::In(held) if held.epoch != epoch && held.revision <= newest)
    }
}

impl Core {
    /// What was to be served until now is not served any more.
    pub(super) fn expire(&mut self, now: Time) {
        if self.lease.until().is_some_and(|until| until <= now) {
            self.fence(now);
        }
    }

    pub(super) fn see_to_lease(&mut self, now: Time) {
        let id = self.id();
        // As long as not all is told, what is gone is not known to be.
        let heard = if self.view.is_current { self.view.newest } else { 0 };
        let row = Row::Node(id, Some(NodeRow::Alive { address: self.address.clone(), heard, proof: self.proof() }));
        let may_join = self.may_join();
        match &mut self.lease.standing {
            Standing::Out(again) if *again <= now && may_join => {
                self.lease.standing = Standing::Joining;
                self.write(now, Flown::Join, row, Expected::Absent);
            }
            Standing::In(held) if held.renew_at.is_some_and(|at| at <= now) => {
                held.renew_at = None;
                let expected = Expected::At(held.revision);
                self.write(now, Flown::Renew, row, expected);
            }
            _ => {}
        }
    }

    pub(super) fn joined(&mut self, now: Time, sent: Time, life: u32, outcome: Outcome) {
        if life != self.lease.life || !matches!(self.lease.standing, Standing::Joining) {
            return;
        }
        let until = sent + self.timing.own;
        match outcome {
            Outcome::Done(revision) if now < until => {
                let renew_at = Some(sent + self.timing.renew);
                self.lease.standing = Standing::In(Held { revision, joined: revision, epoch: 0, until, renew_at, falters: false });
                self.sweep_soon(now);
                self.gives_way(now);
                self.pump_waiting(now);
            }
            // It may be there, since nobody knows when: then it is another's to write off.
            _ => {
                self.lease.life += 1;
                self.lease.standing = Standing::Out(now + self.timing.retry);
            }
        }
    }

    pub(super) fn renewed(&mut self, now: Time, sent: Time, life: u32, outcome: Outcome) {
        let Standing::In(held) = &mut self.lease.standing else { return };
        if life != self.lease.life {
            return;
        }
        held.falters = !matches!(outcome, Outcome::Done(_));
        held.renew_at = Some(match outcome {
            Outcome::Done(revision) => {
                held.revision = held.revision.max(revision);
                held.until = held.until.max(sent + self.timing.own);
                sent + self.timing.renew
            }
            // An earlier renewal without an answer was taken, or this node was written off: the table will tell.
            Outcome::Conflict | Outcome::Unknown => now + self.timing.retry,
        });
    }

    /// The table tells of this node's own row.
    pub(super) fn own_row_is(&mut self, now: Time, row: Option<NodeRow>, revision: u64) {
        let Standing::In(held) = &mut self.lease.standing else { return };
        if revision < held.revision {
            return;
        }
        match row {
            Some(NodeRow::Alive { .. }) => (held.revision, held.epoch) = (revision, self.view.epoch),
            Some(NodeRow::Fenced) | None => {
                let old = self.id();
                self.fence(now);
                // As of any other.
                self.node_is(now, old, row, revision);
            }
        }
    }

    /// This life of the node is over: it has no name any more, and begins another.
    pub(super) fn fence(&mut self, now: Time) {
        let old = self.id();
        let Standing::In(Held { revision, epoch, .. }) = self.lease.standing else { return };
        self.lease.standing = Standing::Out(now);
        self.lease.was_in = true;
        for (place, record) in &mut self.names {
            if let Some(own) = record.own.take() {
                self.events.push_back(Event::Lost { place: place.clone(), hold: own.hold, why: Why::Unavailable });
            }
        }
        // If the table can be reached, others need not wait to see it.
        self.write(now, Flown::Farewell, Row::Node(old, Some(NodeRow::Fenced)), Expected::At(revision));
        self.lease.life += 1;
        self.has_stopped(now, old, (revision, epoch));
        self.pump_waiting(now);
    }

    /// This node goes: what it still has is lost to it, and others need not wait to see that.
    pub fn leave(&mut self, now: Time) {
        self.expire(now);
        self.fence(now);
        // A join under way is another life's.
        self.lease.life += 1;
        self.lease.standing = Standing::Out(Time::MAX);
        self.pump_waiting(now);
    }

    /// Whether that is an earlier life of this node: it has stopped, whatever the table says.
    pub(super) fn is_former_self(&self, id: NodeId) -> bool {
        id.process == self.process && id.life != self.lease.life
    }
}
