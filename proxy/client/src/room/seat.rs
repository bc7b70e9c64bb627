//! What a member knows of its room, and what of its own the proxy may not have.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use browser_stream_protocol::room::SeatKey;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Member;
use crate::PeerInfo;

/// Who is in the room.
#[derive(Debug, Default)]
pub struct Members {
    pub own: String,
    /// The seat that knows them by these numbers.
    pub seat: u64,
    pub by_number: BTreeMap<u32, Member>,
}

/// One's own seat.
#[derive(Debug, Default)]
pub struct Seat {
    /// Counts one's seats: numbers of members and of asks mean something at one of them.
    pub number: u64,
    pub secret: String,
    /// Counted records that came.
    pub got: u64,
    /// How many of its own were received.
    received: u64,
    /// Those that were not, or nobody knows; and which of them mean nothing at another seat.
    kept: VecDeque<(Bytes, bool)>,
}

#[derive(Deserialize)]
struct Who {
    id: String,
    #[serde(default)]
    peer: Option<PeerInfo>,
    #[serde(default, deserialize_with = "present")]
    profile: Option<Box<RawValue>>,
}

impl Members {
    pub fn all(&self) -> Vec<Member> {
        self.by_number.values().cloned().collect()
    }

    /// The numbers of those with these ids, and the seat that knows them so.
    pub fn numbers(&self, ids: &[&str]) -> (Vec<u32>, u64) {
        let numbers = self.by_number.values().filter(|member| ids.contains(&&*member.id)).map(|member| member.number).collect();
        (numbers, self.seat)
    }

    /// One who is here; `None` where that is no description.
    pub fn add(&mut self, number: u32, is_live: bool, who: &[u8]) -> Option<Member> {
        let who: Who = serde_json::from_slice(who).ok()?;
        let sub = who.peer.and_then(|peer| peer.sub);
        let member = Member { id: who.id, is_live, sub, number, profile: who.profile.map(Arc::from) };
        self.by_number.insert(number, member.clone());
        Some(member)
    }

    /// The member of that number, as it is once this has changed.
    pub fn change(&mut self, number: u32, change: impl FnOnce(&mut Member)) -> Option<Member> {
        let member = self.by_number.get_mut(&number)?;
        change(member);
        Some(member.clone())
    }

    /// One who is asked, even one that is not here.
    pub fn asked(&self, number: u32) -> Member {
        let stranger = || Member { id: String::new(), is_live: number == 0, sub: None, number, profile: None };
        self.by_number.get(&number).cloned().unwrap_or_else(stranger)
    }
}

impl Seat {
    /// What shows it.
    pub fn key(&self, id: &str) -> Option<SeatKey> {
        (!self.secret.is_empty()).then(|| SeatKey { id: id.to_owned(), secret: self.secret.clone(), got: self.got })
    }

    /// Keeps a record until it was received.
    pub fn keep(&mut self, record: Bytes, is_of_this_seat: bool) {
        self.kept.push_back((record, is_of_this_seat));
    }

    /// How many are kept.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// So many were received; false where those were never sent.
    pub fn received(&mut self, count: u64) -> bool {
        let Some(more) = count.checked_sub(self.received) else { return true };
        let more = usize::try_from(more).unwrap_or(usize::MAX);
        if more > self.kept.len() {
            return false;
        }
        self.kept.drain(..more);
        self.received = count;
        true
    }

    /// It is another seat: nothing was received there, and other members have the numbers of those who were meant.
    pub fn begin(&mut self) {
        self.number += 1;
        (self.got, self.received) = (0, 0);
        self.kept.retain(|&(_, is_of_this_seat)| !is_of_this_seat);
    }

    /// What is to be sent anew.
    pub fn anew(&self) -> impl Iterator<Item = Bytes> {
        self.kept.iter().map(|(record, _)| record.clone())
    }
}

/// A field that is there, `null` included: absence alone is `None`.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}
