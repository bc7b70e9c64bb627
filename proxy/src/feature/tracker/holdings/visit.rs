//! Sessions that have a stream here: what each may say, and whom it was told of.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{Holdings, Teller, Ticket};
use crate::{
    feature::tracker::failures::Acquaintances,
    session::{Admission, Bucket},
};

/// A session that has streams here, or had, and owes for what it said.
pub(super) struct Visitor {
    /// Streams that it has here.
    streams: usize,
    /// Holdings that those announced.
    pub contents: usize,
    account: Bucket,
    pub acquaintances: Acquaintances,
}

/// Sessions that may stand here without a stream.
const SPARE: usize = 64;

impl Holdings {
    /// A session has one stream more here; `None` for one that said so much that it is not heard yet.
    pub fn begin(&mut self, session: Uuid, now: Instant) -> Option<Ticket> {
        if self.visitors.len() >= SPARE + 2 * self.tellers.len() {
            let rate = self.bounds.notes;
            self.visitors.retain(|_, visitor| visitor.streams > 0 || !visitor.account.charge(&rate, 0, 0, now).is_zero());
        }
        let new = || Visitor { streams: 0, contents: 0, account: Bucket::new(now), acquaintances: Acquaintances::default() };
        let visitor = self.visitors.entry(session).or_insert_with(new);
        if !visitor.account.charge(&self.bounds.notes, 0, 1, now).is_zero() {
            return None;
        }
        visitor.streams += 1;
        self.last += 1;
        let ticket = Ticket(self.last);
        self.tellers.insert(ticket, Teller { session, name: None, contents: Default::default(), renewed: now, due: None });
        Some(ticket)
    }

    /// A stream is over: all that it announced is withdrawn.
    pub fn end(&mut self, ticket: Ticket, now: Instant) {
        self.silence(ticket);
        let Some(teller) = self.tellers.remove(&ticket) else { return };
        let Some(visitor) = self.visitors.get_mut(&teller.session) else { return };
        visitor.streams -= 1;
        if visitor.streams == 0 {
            visitor.acquaintances = Acquaintances::default();
            if visitor.account.charge(&self.bounds.notes, 0, 0, now) == Duration::ZERO {
                self.visitors.remove(&teller.session);
            }
        }
    }

    /// Whether one more note of a stream is heard.
    pub fn admit(&mut self, ticket: Ticket, now: Instant) -> Admission {
        let session = self.tellers.get(&ticket).map(|teller| teller.session);
        let visitor = session.and_then(|session| self.visitors.get_mut(&session));
        visitor.map_or(Admission::Cut, |visitor| visitor.account.admit(&self.bounds.notes, now))
    }
}
