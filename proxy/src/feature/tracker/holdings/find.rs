//! Who else has a content, and who of those was of no use.

use std::{
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
    time::{Duration, Instant},
};

use browser_stream_protocol::swarm::{Candidate, CandidatePeer, Failed, Find, Found, PeerName};

use super::{Content, Holding, Holdings, Ticket, is_all};
use crate::{
    feature::tracker::{
        failures::Verdict,
        rank::{Entry, choose},
    },
    memory::Memory,
};

/// Of more holders a find looks at so many by turn: however many there are, it costs no more.
const LOOKED_AT_MAX: usize = 256;

impl Content {
    /// Its holders, beginning with the one whose turn is next.
    fn by_turn(&self) -> impl Iterator<Item = (PeerName, &Holding)> {
        let next = self.holders.range((Excluded(self.turn), Unbounded));
        next.chain(self.holders.range(..=self.turn)).map(|(name, holding)| (*name, holding))
    }
}

impl Holdings {
    /// Who has this, but for the asker itself; it is acquainted with whom it is told of.
    pub fn find(&mut self, ticket: Ticket, find: &Find, memory: &Arc<Memory>, now: Instant) -> Found {
        self.expire(now);
        let mut found = Found { ask: find.ask, id: find.id, seeders: 0, partial: 0, candidates: Vec::new() };
        let Some(teller) = self.tellers.get(&ticket) else { return found };
        let Some(visitor) = self.visitors.get_mut(&teller.session) else { return found };
        let Some(content) = self.contents.get(&find.id) else { return found };
        let own = teller.name.and_then(|name| content.holders.get(&name));
        found.seeders = content.seeders - usize::from(own.is_some_and(|own| is_all(&own.extent)));
        found.partial = content.holders.len() - content.seeders - usize::from(own.is_some_and(|own| !is_all(&own.extent)));
        let looked_at = content.by_turn().take(LOOKED_AT_MAX);
        let entries = looked_at.filter(|(name, _)| teller.name != Some(*name) && !visitor.acquaintances.leaves_out(*name, now));
        let entries = entries.filter_map(|(name, holding)| {
            let peer = self.peers.get(&name).filter(|peer| !peer.record.is_out(now))?;
            Some(Entry { name, extent: &holding.extent, rtt: peer.rtt, session: peer.session })
        });
        let most = find.max.map_or(self.bounds.candidates, |most| self.bounds.candidates.min(most as usize));
        let chosen = choose(entries.collect(), most);
        found.candidates = chosen.entries.iter().map(candidate).collect();
        let turn = chosen.turn;
        found.candidates.iter().for_each(|candidate| visitor.acquaintances.meet(candidate.name, memory));
        if let Some((turn, content)) = turn.zip(self.contents.get_mut(&find.id)) {
            content.turn = turn;
        }
        found
    }

    /// A stream's session says that somebody was of no use to it.
    pub fn failed(&mut self, ticket: Ticket, failed: &Failed, now: Instant) -> Verdict {
        let Some(teller) = self.tellers.get(&ticket) else { return Verdict::Nothing };
        let Some(visitor) = self.visitors.get_mut(&teller.session) else { return Verdict::Nothing };
        let acquaintances = &mut visitor.acquaintances;
        if !acquaintances.knows(failed.name) || acquaintances.leaves_out(failed.name, now) {
            return Verdict::Nothing;
        }
        let Some(peer) = self.peers.get_mut(&failed.name) else { return Verdict::Nothing };
        let verdict = peer.record.report(teller.session, now, self.bounds.left_out);
        if verdict == Verdict::OutForOne {
            acquaintances.leave_out(failed.name, now + self.bounds.left_out);
        }
        verdict
    }
}

fn candidate(entry: &Entry) -> Candidate {
    let (name, extent, session) = (entry.name, entry.extent.clone(), entry.session.to_string());
    Candidate { name, extent, rtt_ms: entry.rtt.map(milliseconds), peer: CandidatePeer { session } }
}

/// To the microsecond.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
