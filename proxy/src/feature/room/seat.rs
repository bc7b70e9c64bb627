//! A member's place in a room, which outlives its connections.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use browser_stream_protocol::room::SeatKey;
use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::value::RawValue;
use subtle::ConstantTimeEq;
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use super::line::Line;
use crate::{
    memory::{Memory, booked},
    session::{Peer, encode},
};

/// What a member's tasks and the room share.
pub(super) struct Seat {
    pub number: u32,
    pub id: Uuid,
    pub secret: Secret,
    pub since: SystemTime,
    /// Held while what it sent is taken: whoever holds it knows that nothing of it comes in between.
    pub inbox: Mutex<Inbox>,
    pub line: Mutex<Line>,
    /// Its task has something to do: to hand on what waits, or to look whether it is still the one.
    pub roused: Notify,
}

/// What came from a member.
pub(super) struct Inbox {
    /// The connection whose records count.
    pub life: u64,
    /// Counted records that came, over all its connections.
    pub received: u64,
}

/// What shows that a seat is one's own.
#[derive(Clone)]
pub(super) struct Secret([u8; 16]);

/// A session, and who that is where the proxy asks.
pub(super) type Peering = (Uuid, Option<Arc<str>>);

/// A seat as the room sees it.
pub(super) struct Place {
    pub seat: Arc<Seat>,
    /// Of its newest connection.
    pub session: Uuid,
    /// Who it is, where the proxy asks.
    pub sub: Option<Arc<str>>,
    pub profile: Option<Box<RawValue>>,
    /// Who it is, as the others are told.
    pub who: Bytes,
    /// It may send to all rooms.
    pub is_everywhere: bool,
    pub away: Option<Away>,
    /// Of the nodes at which it has come, that has it where this is highest.
    #[cfg(feature = "cluster")]
    pub turn: u64,
}

/// A seat without a connection.
pub(super) struct Away {
    /// Kept so long.
    pub until: Instant,
    /// The others know.
    pub is_told: bool,
    _counted: Counted,
}

/// How many are away in the process.
#[derive(Clone, Default)]
pub(super) struct AwayCount(Arc<AtomicUsize>);

struct Counted(AwayCount);

/// Who somebody is, as members are told.
#[derive(Serialize)]
struct Who<'a> {
    id: String,
    peer: Peer,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a RawValue>,
}

impl Seat {
    pub fn new(number: u32, (id, secret): (Uuid, Secret), line: Line) -> Self {
        let inbox = Mutex::new(Inbox { life: 0, received: 0 });
        Self { number, id, secret, since: SystemTime::now(), inbox, line: Mutex::new(line), roused: Notify::new() }
    }

    /// Whether this shows that the seat is one's own.
    pub fn is_shown_by(&self, key: &SeatKey) -> bool {
        Uuid::parse_str(&key.id).is_ok_and(|id| id == self.id) && self.secret.is(&key.secret)
    }
}

impl Secret {
    pub fn random() -> Self {
        Self(rand::random())
    }

    #[cfg(feature = "cluster")]
    pub fn of(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub fn hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }

    /// Takes as long whatever it is compared with.
    pub fn is(&self, hex: &str) -> bool {
        let shown: Option<[u8; 16]> = HEXLOWER.decode(hex.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        shown.is_some_and(|shown| bool::from(self.0.ct_eq(&shown)))
    }
}

impl Place {
    pub fn new(seat: Arc<Seat>, (session, sub): Peering, profile: Option<Box<RawValue>>, memory: &Arc<Memory>) -> Self {
        let mut place = Self {
            seat,
            session,
            sub,
            profile,
            who: Bytes::new(),
            is_everywhere: false,
            away: None,
            #[cfg(feature = "cluster")]
            turn: 0,
        };
        place.describe(memory);
        place
    }

    /// Makes anew what the others are told of it.
    pub fn describe(&mut self, memory: &Arc<Memory>) {
        let peer = Peer { session: self.session.to_string(), sub: self.sub.as_ref().map(|sub| sub.to_string()) };
        let who = Who { id: self.seat.id.to_string(), peer, profile: self.profile.as_deref() };
        self.who = booked(BytesMut::from(&encode(&who)[..]), memory);
    }

    pub fn number(&self) -> u32 {
        self.seat.number
    }

    /// Whether the others take it for one whose connection is there.
    pub fn is_live(&self) -> bool {
        self.away.as_ref().is_none_or(|away| !away.is_told)
    }
}

impl AwayCount {
    /// One more is away for so long, if as many as `most` are not yet.
    pub fn leave(&self, grace: Duration, is_told: bool, most: usize) -> Option<Away> {
        let counted = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |away| (away < most).then_some(away + 1));
        let until = Instant::now() + grace;
        counted.ok().map(|_| Away { until, is_told, _counted: Counted(self.clone()) })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}
