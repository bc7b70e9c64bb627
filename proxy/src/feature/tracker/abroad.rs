//! What peers of other nodes hold: what their streams announced there is held here by streams that stand for them (proxy/docs/cluster.md, section 7).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use browser_stream_protocol::swarm::{Announce, ContentId};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Inner, Tracker,
    holdings::{Holdings, Ticket},
};
use crate::cluster::{Heard, Lane, Listener, Post, Subject, Word, listen};

/// What is known of other nodes. Its locks are taken behind that of the holdings.
pub(super) struct Abroad {
    post: Post,
    subject: Subject,
    lane: Mutex<Lane<Vec<Teller>, Said>>,
    /// Streams of each node by the numbers that they have there, and those that stand for them here.
    guests: Mutex<HashMap<Uuid, HashMap<u64, Ticket>>>,
}

/// What a stream of a node announced.
#[derive(Serialize, Deserialize)]
pub(super) struct Teller {
    stream: u64,
    session: Uuid,
    rtt: Option<Duration>,
    /// JSON, as peers say it.
    announce: String,
}

/// What happened to one.
#[derive(Serialize, Deserialize)]
pub(super) enum Said {
    Announced(Teller),
    Withdrawn(u64, Option<Vec<ContentId>>),
    Renewed(u64),
    Measured(u64, Option<Duration>),
    Ended(u64),
}

impl Word for Said {
    /// What was missed follows from what holds.
    fn counts(&self) -> bool {
        false
    }
}

impl Tracker {
    /// From now on it finds what peers of all nodes hold. To be said before anybody announces anything.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[doc(hidden)]
    pub fn span(&self, post: &Post) {
        let subject = Subject::new("swarm", &[self.inner.names.prefix()]);
        let lane = Mutex::new(Lane::new(post.clone(), subject.clone()));
        let abroad = Arc::new(Abroad { post: post.clone(), subject, lane, guests: Mutex::default() });
        if self.inner.abroad.set(abroad.clone()).is_ok() {
            let inner = Arc::downgrade(&self.inner);
            tokio::spawn(
                async move { listen(&abroad.post, &abroad.subject, &abroad.lane, || Some(Tracker { inner: inner.upgrade()? })).await },
            );
        }
    }
}

impl Listener<Vec<Teller>, Said> for Tracker {
    fn tell_all(&self, asks: bool) {
        if let Some(abroad) = self.inner.abroad.get() {
            abroad.tell_all(&self.inner.holdings.lock(), asks);
        }
    }

    fn hear(&self, heard: Heard<Vec<Teller>, Said>) {
        if let Some(abroad) = self.inner.abroad.get() {
            abroad.hear(&self.inner, &mut self.inner.holdings.lock(), heard);
        }
    }
}

impl Abroad {
    /// Tells other nodes what happened to a stream of this one. With the holdings locked, so that they hear it in the order in which it happened.
    pub fn tell(&self, said: Said) {
        let mut lane = self.lane.lock();
        if lane.has_others() {
            lane.words(vec![said]);
        }
    }

    /// Tells what streams of this node announced, and with `asks` wants to hear what those of others did.
    fn tell_all(&self, holdings: &Holdings, asks: bool) {
        let guests: HashSet<Ticket> = self.guests.lock().values().flat_map(HashMap::values).copied().collect();
        let own = holdings.tickets().filter(|ticket| !guests.contains(ticket));
        let tellers = own.filter_map(|ticket| Teller::of(ticket, holdings, None)).collect();
        self.lane.lock().state(tellers, asks);
    }

    fn hear(&self, inner: &Inner, holdings: &mut Holdings, heard: Heard<Vec<Teller>, Said>) {
        match heard {
            Heard::State { from, state, .. } => {
                self.forget(holdings, from);
                state.into_iter().for_each(|teller| self.announced(inner, holdings, from, teller));
            }
            Heard::Words { from, words } => {
                for said in words {
                    self.hear_one(inner, holdings, from, said);
                }
            }
            Heard::Gone { from } => self.forget(holdings, from),
        }
    }

    fn hear_one(&self, inner: &Inner, holdings: &mut Holdings, node: Uuid, said: Said) -> Option<()> {
        let guest = |stream: u64| self.guests.lock().get(&node)?.get(&stream).copied();
        let now = Instant::now().into_std();
        match said {
            Said::Announced(teller) => self.announced(inner, holdings, node, teller),
            Said::Withdrawn(stream, ids) => holdings.withdraw(guest(stream)?, ids.as_deref()),
            Said::Renewed(stream) => holdings.renew(guest(stream)?, now),
            Said::Measured(stream, rtt) => holdings.measured(guest(stream)?, rtt),
            Said::Ended(stream) => {
                let ticket = self.guests.lock().get_mut(&node)?.remove(&stream)?;
                holdings.end(ticket, now);
            }
        }
        Some(())
    }

    fn announced(&self, inner: &Inner, holdings: &mut Holdings, node: Uuid, teller: Teller) {
        let now = Instant::now().into_std();
        let Ok(announce) = serde_json::from_str::<Announce>(&teller.announce) else { return };
        let mut guests = self.guests.lock();
        let guests = guests.entry(node).or_default();
        let known = guests.get(&teller.stream).copied();
        let Some(ticket) = known.or_else(|| holdings.begin(teller.session, now)) else { return };
        guests.insert(teller.stream, ticket);
        let refused = holdings.announce(ticket, announce, &inner.books().memory, now);
        refused.iter().for_each(|(_, why)| inner.books().counters.count(*why));
        holdings.measured(ticket, teller.rtt);
    }

    /// Nothing that a node's peers announced holds on.
    fn forget(&self, holdings: &mut Holdings, node: Uuid) {
        let now = Instant::now().into_std();
        let guests = self.guests.lock().remove(&node);
        guests.into_iter().flat_map(HashMap::into_values).for_each(|ticket| holdings.end(ticket, now));
    }
}

impl Teller {
    /// What a stream of this node announced: this, or all that it still holds; `None` if that is nothing.
    pub fn of(ticket: Ticket, holdings: &Holdings, announce: Option<&Announce>) -> Option<Self> {
        let (session, rtt, all) = holdings.announced(ticket, announce.is_none())?;
        let announce = serde_json::to_string(announce.unwrap_or(&all)).ok()?;
        Some(Self { stream: ticket.number(), session, rtt, announce })
    }
}
