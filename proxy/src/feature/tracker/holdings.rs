//! Who holds what: contents, the peers that announced them, and the sessions of those. Without a clock: whoever calls says what time it is.

mod find;
mod visit;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use browser_stream_protocol::swarm::{Announce, Announced, ContentId, Extent, PeerName, Portion};
use uuid::Uuid;

use super::{ContentStatus, failures::Record};
use crate::{
    counters::Refusal,
    limits::Limits,
    memory::{Lease, Memory},
    session::Rate,
};
use visit::Visitor;

/// All that is held in one swarm.
pub(super) struct Holdings {
    bounds: Bounds,
    contents: HashMap<ContentId, Content>,
    peers: HashMap<PeerName, Peer>,
    tellers: HashMap<Ticket, Teller>,
    visitors: HashMap<Uuid, Visitor>,
    /// When something that a stream announced may be over, at the soonest; of each stream that announced something, once.
    due: BTreeSet<(Instant, Ticket)>,
    last: u64,
    count: usize,
}

/// Numbers a stream, for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticket(u64);

#[cfg(feature = "cluster")]
impl Ticket {
    pub fn number(self) -> u64 {
        self.0
    }
}

struct Bounds {
    contents: usize,
    contents_per_session: usize,
    holders: usize,
    candidates: usize,
    /// What was neither announced nor renewed for so long is over.
    life: Duration,
    left_out: Duration,
    notes: Rate,
}

/// One content, which somebody holds.
struct Content {
    /// By name: the order of turns.
    holders: BTreeMap<PeerName, Holding>,
    seeders: usize,
    /// Whose turn was last.
    turn: PeerName,
    _lease: Lease,
}

/// What one peer holds of it.
struct Holding {
    /// The stream that said so last.
    teller: Ticket,
    at: Instant,
    extent: Extent,
    _lease: Lease,
}

/// A peer that holds something, or did.
struct Peer {
    session: Uuid,
    rtt: Option<Duration>,
    /// Streams that speak for it: two while it moves from one session to the next.
    tellers: usize,
    record: Record,
}

/// A stream on which a peer says what it holds.
struct Teller {
    session: Uuid,
    /// For whom it speaks.
    name: Option<PeerName>,
    contents: HashSet<ContentId>,
    renewed: Instant,
    due: Option<Instant>,
}

/// What a content costs beside its holders, and each of those beside its bitmap: a place in a map, and one in a set.
const CONTENT_BYTES: usize = 256;
const HOLDING_BYTES: usize = 256;

/// What is not renewed for so many intervals is over.
const RENEWALS: u32 = 3;

impl Holdings {
    pub fn new(limits: &Limits) -> Self {
        let bounds = Bounds {
            contents: limits.swarm_contents_max,
            contents_per_session: limits.swarm_contents_per_session_max,
            holders: limits.swarm_holders_max,
            candidates: limits.swarm_candidates_max,
            life: limits.swarm_renew * RENEWALS,
            left_out: limits.swarm_left_out,
            notes: Rate::new(limits.swarm_notes_per_second, limits.swarm_notes_burst),
        };
        let (contents, peers, tellers, visitors) = Default::default();
        Self { bounds, contents, peers, tellers, visitors, due: BTreeSet::new(), last: 0, count: 0 }
    }

    /// A stream announces what its peer holds. What was not taken of it, and why.
    pub fn announce(
        &mut self,
        ticket: Ticket,
        Announce { name, contents }: Announce,
        memory: &Arc<Memory>,
        now: Instant,
    ) -> Vec<(ContentId, Refusal)> {
        self.expire(now);
        self.speak_for(ticket, name);
        let mut refused = Vec::new();
        for Announced { id, extent } in contents {
            if extent.portion.share() == 0.0 {
                self.drop_holding(id, name);
            } else if let Err(why) = self.hold(ticket, name, (id, extent), memory, now) {
                refused.push((id, why));
            }
        }
        self.schedule(ticket);
        refused
    }

    /// From now on this stream speaks for that peer: nothing holds on that it said for another.
    fn speak_for(&mut self, ticket: Ticket, name: PeerName) {
        let Some(teller) = self.tellers.get(&ticket) else { return };
        let session = teller.session;
        if teller.name != Some(name) {
            self.silence(ticket);
            if let Some(teller) = self.tellers.get_mut(&ticket) {
                teller.name = Some(name);
            }
            let new = || Peer { session, rtt: None, tellers: 0, record: Record::default() };
            self.peers.entry(name).or_insert_with(new).tellers += 1;
        }
        if let Some(peer) = self.peers.get_mut(&name).filter(|peer| peer.session != session) {
            (peer.session, peer.rtt) = (session, None);
        }
    }

    /// This stream speaks for nobody any more.
    fn silence(&mut self, ticket: Ticket) {
        self.withdraw(ticket, None);
        let Some(name) = self.tellers.get_mut(&ticket).and_then(|teller| teller.name.take()) else { return };
        let Some(peer) = self.peers.get_mut(&name) else { return };
        peer.tellers -= 1;
        if peer.tellers == 0 {
            self.peers.remove(&name);
        }
    }

    /// That peer holds this, as the stream says.
    fn hold(
        &mut self,
        ticket: Ticket,
        name: PeerName,
        (id, extent): (ContentId, Extent),
        memory: &Arc<Memory>,
        now: Instant,
    ) -> Result<(), Refusal> {
        self.has_room(ticket, name, id)?;
        if memory.tight() {
            return Err(Refusal::Budget);
        }
        self.drop_holding(id, name);
        let content = self.contents.entry(id).or_insert_with(|| Content {
            holders: BTreeMap::new(),
            seeders: 0,
            turn: PeerName(Uuid::nil()),
            _lease: memory.lease(CONTENT_BYTES),
        });
        content.seeders += usize::from(is_all(&extent));
        let bitmap = if let Portion::Have(have) = &extent.portion { have.pieces().div_ceil(8) } else { 0 };
        content.holders.insert(name, Holding { teller: ticket, at: now, extent, _lease: memory.lease(HOLDING_BYTES + bitmap) });
        self.count += 1;
        if let Some(teller) = self.tellers.get_mut(&ticket) {
            teller.contents.insert(id);
            if let Some(visitor) = self.visitors.get_mut(&teller.session) {
                visitor.contents += 1;
            }
        }
        Ok(())
    }

    /// Whether one holding more may be, where it is one more.
    fn has_room(&self, ticket: Ticket, name: PeerName, id: ContentId) -> Result<(), Refusal> {
        let content = self.contents.get(&id);
        let held = content.and_then(|content| content.holders.get(&name));
        let session = |ticket| self.tellers.get(&ticket).map(|teller: &Teller| teller.session);
        let own = held.is_some_and(|holding| session(holding.teller) == session(ticket));
        let contents = session(ticket).and_then(|session| self.visitors.get(&session)).map_or(0, |visitor| visitor.contents);
        if !own && contents >= self.bounds.contents_per_session {
            return Err(Refusal::SwarmContentsPerSession);
        }
        match content {
            None if self.contents.len() >= self.bounds.contents => Err(Refusal::SwarmContents),
            Some(content) if held.is_none() && content.holders.len() >= self.bounds.holders => Err(Refusal::SwarmHolders),
            _ => Ok(()),
        }
    }

    /// What this stream announced holds no longer: some of it, or all.
    pub fn withdraw(&mut self, ticket: Ticket, ids: Option<&[ContentId]>) {
        let Some(teller) = self.tellers.get(&ticket) else { return };
        let Some(name) = teller.name else { return };
        let ids: Vec<_> = match ids {
            Some(ids) => ids.iter().copied().filter(|id| teller.contents.contains(id)).collect(),
            None => teller.contents.iter().copied().collect(),
        };
        ids.into_iter().for_each(|id| self.drop_holding(id, name));
        self.schedule(ticket);
    }

    /// A peer has nothing of this, whichever stream said that it does.
    fn drop_holding(&mut self, id: ContentId, name: PeerName) {
        let Some(content) = self.contents.get_mut(&id) else { return };
        let Some(holding) = content.holders.remove(&name) else { return };
        self.count -= 1;
        content.seeders -= usize::from(is_all(&holding.extent));
        if content.holders.is_empty() {
            self.contents.remove(&id);
        }
        if let Some(teller) = self.tellers.get_mut(&holding.teller) {
            teller.contents.remove(&id);
            if let Some(visitor) = self.visitors.get_mut(&teller.session) {
                visitor.contents -= 1;
            }
        }
    }

    /// All that this stream announced holds on.
    pub fn renew(&mut self, ticket: Ticket, now: Instant) {
        self.expire(now);
        if let Some(teller) = self.tellers.get_mut(&ticket) {
            teller.renewed = now;
        }
    }

    /// Forgets what is over; how many holdings that were.
    pub fn expire(&mut self, now: Instant) -> usize {
        let before = self.count;
        while let Some(&(due, ticket)) = self.due.first().filter(|(due, _)| *due <= now) {
            self.due.remove(&(due, ticket));
            let Some(teller) = self.tellers.get_mut(&ticket) else { continue };
            teller.due = None;
            let Some(name) = teller.name else { continue };
            let is_over = |id: &&ContentId| {
                self.contents
                    .get(id)
                    .and_then(|content| content.holders.get(&name))
                    .is_none_or(|holding| holding.at.max(teller.renewed) + self.bounds.life <= now)
            };
            let over: Vec<_> = teller.contents.iter().filter(is_over).copied().collect();
            over.into_iter().for_each(|id| self.drop_holding(id, name));
            self.schedule(ticket);
        }
        before - self.count
    }

    /// Notes when to look what of this stream's is over.
    fn schedule(&mut self, ticket: Ticket) {
        let Some(teller) = self.tellers.get_mut(&ticket) else { return };
        if teller.contents.is_empty() {
            if let Some(due) = teller.due.take() {
                self.due.remove(&(due, ticket));
            }
            return;
        }
        if teller.due.is_some() {
            // What came since is over later.
            return;
        }
        let oldest = teller.contents.iter().filter_map(|id| Some(self.contents.get(id)?.holders.get(&teller.name?)?.at)).min();
        let due = oldest.map_or(teller.renewed, |at| at.max(teller.renewed)) + self.bounds.life;
        teller.due = Some(due);
        self.due.insert((due, ticket));
    }

    /// What a ping to a stream's peer takes.
    pub fn measured(&mut self, ticket: Ticket, rtt: Option<Duration>) {
        let Some(teller) = self.tellers.get(&ticket) else { return };
        if let Some(peer) = teller.name.and_then(|name| self.peers.get_mut(&name)).filter(|peer| peer.session == teller.session) {
            peer.rtt = rtt;
        }
    }

    /// For whom this stream speaks, and what it announced.
    pub fn said(&self, ticket: Ticket) -> Option<(PeerName, Vec<ContentId>)> {
        let teller = self.tellers.get(&ticket)?;
        Some((teller.name?, teller.contents.iter().copied().collect()))
    }

    /// All streams.
    #[cfg(feature = "cluster")]
    pub fn tickets(&self) -> impl Iterator<Item = Ticket> {
        self.tellers.keys().copied()
    }

    /// The session of a stream, how far its peer is, and in whose name it speaks; with `all`, what of that still holds, and `None` if that is nothing.
    #[cfg(feature = "cluster")]
    pub fn announced(&self, ticket: Ticket, all: bool) -> Option<(Uuid, Option<Duration>, Announce)> {
        let teller = self.tellers.get(&ticket)?;
        let name = teller.name?;
        let held = |id: &ContentId| Some(Announced { id: *id, extent: self.contents.get(id)?.holders.get(&name)?.extent.clone() });
        let contents: Vec<Announced> = if all { teller.contents.iter().filter_map(held).collect() } else { Vec::new() };
        if all && contents.is_empty() {
            return None;
        }
        let rtt = self.peers.get(&name).and_then(|peer| peer.rtt);
        Some((teller.session, rtt, Announce { name, contents }))
    }

    /// How many contents there are, and how many holdings of them.
    #[cfg(any(test, feature = "metrics"))]
    pub fn count(&self) -> (usize, usize) {
        (self.contents.len(), self.count)
    }

    pub fn contents(&self) -> Vec<ContentStatus> {
        let status = |(&id, content): (&ContentId, &Content)| {
            let (seeders, holders) = (content.seeders, content.holders.len());
            ContentStatus { id, seeders, partial: holders - seeders }
        };
        self.contents.iter().map(status).collect()
    }
}

fn is_all(extent: &Extent) -> bool {
    extent.portion.share() >= 1.0
}
