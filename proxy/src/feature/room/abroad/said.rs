//! What nodes say of a room, as it goes over the bus.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use browser_stream_protocol::channel::Ending;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::super::{MemberInfo, batch::Target, seat::Place, state::State, stranger::Stranger, word::Word};
use crate::cluster;

/// All that others have to know of a node's part of a room.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) struct Presence {
    pub members: Vec<Figure>,
}

/// A member as its node tells of it.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) struct Figure {
    /// The number that its node has given it.
    pub number: u32,
    pub id: Uuid,
    pub is_live: bool,
    /// Who it is, as members are told.
    pub who: Bytes,
    /// Since when it has its seat: milliseconds of the wall clock.
    pub since_ms: u64,
    /// Of the nodes at which it has come, that has it where this is highest.
    pub turn: u64,
}

/// One thing that happened. Numbers are those of the node that says it; members of others are named by their ids.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) enum Said {
    Joined(Figure),
    Live(u32, bool),
    Profile(u32, Bytes),
    Left { number: u32, code: u32, text: String, rooms: Option<Bytes> },
    Event { from: u32, aim: Aim, is_volatile: bool, ask: Option<(u64, Duration)>, name: Bytes, body: Bytes },
    Answer { node: Uuid, ask: u64, from: u32, answer: Result<Bytes, (u32, String)> },
    Remove { id: Uuid, code: u32, text: String },
}

/// Whom an event is for.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) enum Aim {
    All,
    Only(Vec<Uuid>),
    Except(Vec<Uuid>),
}

/// What members are told of one, as it is read.
#[derive(Deserialize)]
struct Who {
    peer: Peering,
    #[serde(default)]
    profile: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Peering {
    session: Uuid,
    #[serde(default)]
    sub: Option<Arc<str>>,
}

impl cluster::Word for Said {
    fn counts(&self) -> bool {
        matches!(self, Self::Event { is_volatile: false, .. })
    }
}

impl Presence {
    pub fn of(state: &State) -> Self {
        Self { members: state.places.iter().map(Figure::of).collect() }
    }
}

impl Figure {
    fn of(place: &Place) -> Self {
        let since_ms = milliseconds(place.seat.since);
        Self { number: place.number(), id: place.seat.id, is_live: place.is_live(), who: place.who.clone(), since_ms, turn: place.turn }
    }

    /// The member as this node knows it, under the number that it has here; `None` where what is said of it cannot be read.
    pub fn stranger(&self, node: Uuid, number: u32, who: Bytes) -> Option<Stranger> {
        let Who { peer, profile } = serde_json::from_slice(&self.who).ok()?;
        let since = SystemTime::UNIX_EPOCH + Duration::from_millis(self.since_ms);
        let info = MemberInfo { id: self.id, number, session: peer.session, sub: peer.sub, profile, is_live: self.is_live, since };
        Some(Stranger { node, turn: self.turn, info, who })
    }
}

impl Said {
    /// What of a word others have to hear, if anything.
    pub fn of(word: Word, state: &State) -> Option<Self> {
        Some(match word {
            Word::Joined(number) => Self::Joined(Figure::of(state.place(number)?)),
            Word::Live(number, is_live) => Self::Live(number, is_live),
            Word::Profile(number) => Self::Profile(number, state.place(number)?.who.clone()),
            Word::Left { number, ending: Ending { code, text }, rooms } => Self::Left { number, code, text, rooms },
            Word::Event { from, target, is_volatile, ask, name, body } => {
                let aim = Aim::of(&target, state)?;
                Self::Event { from, aim, is_volatile, ask, name: name.bytes().clone(), body }
            }
            Word::Answer { node, ask, from, answer } => {
                Self::Answer { node, ask, from, answer: answer.map_err(|Ending { code, text }| (code, text)) }
            }
            Word::Remove { id, ending: Ending { code, text } } => Self::Remove { id, code, text },
        })
    }
}

/// A moment of the wall clock, as it travels.
pub(super) fn milliseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Aim {
    /// Which others are meant, if any is.
    fn of(target: &Target, state: &State) -> Option<Self> {
        match target {
            Target::Others => Some(Self::All),
            Target::One(_) => None,
            Target::Some(numbers) => Some(state.strangers.ids(numbers)).filter(|ids| !ids.is_empty()).map(Self::Only),
            Target::Except(numbers) => Some(Self::Except(state.strangers.ids(numbers))),
        }
    }

    /// Who of those at this node is meant, by number.
    pub fn target(&self, state: &State) -> Target {
        let numbers = |ids: &[Uuid]| {
            let meant = state.places.iter().filter(|place| ids.contains(&place.seat.id));
            meant.map(Place::number).collect()
        };
        match self {
            Self::All => Target::Others,
            Self::Only(ids) => Target::Some(numbers(ids)),
            Self::Except(ids) if ids.is_empty() => Target::Others,
            Self::Except(ids) => Target::Except(numbers(ids)),
        }
    }
}
