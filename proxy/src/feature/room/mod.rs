//! Rooms: members send each other named events, and keep their seats while their connections are gone (PROTOCOL.md, section 14).
//!
//! What members say is made into records once (`batch`) and handed by the room's one task (`room`) to all of them together: each has the same bytes queued in
//! its session without a copy, and a ring of what it has not acknowledged (`line`, `ring`). A member's own task takes what the member sends (`member`). Where several nodes act
//! as one, a room has members at others, too (`stranger`), and tells those what is said (`word`, `abroad`).

#[cfg(feature = "cluster")]
mod abroad;
mod asks;
mod batch;
mod directory;
mod emit;
mod enter;
mod events;
mod hook;
mod house;
mod line;
mod member;
mod program;
mod ring;
#[expect(clippy::module_inception, reason = "one room of the feature's many")]
mod room;
mod routes;
mod seat;
mod state;
mod stranger;
mod value;
mod word;

use std::{sync::Arc, time::SystemTime};

use browser_stream_protocol::room::ROOM_PREFIX;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;

use self::{
    house::House,
    routes::{Join, List},
    seat::Place,
};
use super::account::Accounts;
use crate::{
    counters::Counters,
    limits::Limits,
    memory::Memory,
    route::{Name, StreamRouter},
};

pub use events::{RoomEvent, RoomEvents};
pub use hook::{Asked, Grant, Joining};
pub use program::Answered;
pub use value::Value;

/// The rooms of one prefix. Cheap to clone; every clone is the same.
///
/// A [`Proxy`](crate::Proxy) has them below `/room`: [`Proxy::rooms`](crate::Proxy::rooms). Peers join there; the program that the proxy runs in looks on, decides who
/// may, sends events and answers them:
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use browser_stream_server::{Asked, Code, Grant, Joining, Limits, OpenError, Rooms};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// # let rooms = Rooms::new(Arc::new(Limits::default()));
/// rooms.on_join(|joining: Joining| async move {
///     match joining.profile::<serde_json::Value>() {
///         Some(profile) if profile["nickname"].is_string() => Ok(Grant::default()),
///         _ => Err(OpenError::new(Code::Forbidden, "say a nickname")),
///     }
/// });
/// rooms.answer("add", |asked: Asked| async move {
///     let (one, two): (i64, i64) = asked.args.to()?;
///     Ok(one + two)
/// });
/// for room in rooms.list() {
///     println!("{}: {} members, {} of them here", room.name, room.members, room.live);
///     for member in rooms.members(room.name.as_str()) {
///         println!("{} says of itself {:?}", member.id, member.profile::<serde_json::Value>());
///     }
///     for answered in rooms.ask(room.name.as_str(), "ready", &(), Duration::from_secs(1)).await? {
///         let ready = answered.value.and_then(|value| value.to::<bool>());
///         println!("{}: {ready:?}", answered.member.id);
///     }
/// }
/// rooms.emit_all("notice", &("the proxy restarts in a minute",))?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Rooms {
    prefix: Arc<str>,
    house: Arc<House>,
    accounts: Arc<Accounts>,
}

/// A room as it is at this moment.
///
/// See [`Rooms`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RoomStatus {
    /// Its name.
    pub name: Name,
    /// Whether the directory lists it.
    pub is_public: bool,
    /// Who have a seat in it.
    pub members: usize,
    /// Those of them whose connections are there.
    pub live: usize,
    /// Of both those who have their seats at this node.
    #[cfg(feature = "admin")]
    pub(crate) here: Here,
    /// Bytes that are kept for members until they acknowledge them, over all; most of them are the same ones.
    pub kept_bytes: usize,
    /// Events that were sent in it.
    pub events: u64,
    /// Since when somebody has a seat in it.
    pub since: SystemTime,
}

/// Members with a seat at one node of a cluster, and those of them whose connections are there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here {
    pub(crate) members: usize,
    pub(crate) live: usize,
}

/// A member of a room.
///
/// See [`Rooms`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MemberInfo {
    /// Its id, which stays the same while it has its seat.
    pub id: Uuid,
    /// Its number in the room.
    pub number: u32,
    /// The session of its newest connection.
    pub session: Uuid,
    /// Who it is, where the proxy asks.
    pub sub: Option<Arc<str>>,
    /// What it says of itself.
    pub profile: Option<Box<RawValue>>,
    /// Whether its connection is there.
    pub is_live: bool,
    /// Since when it has its seat.
    pub since: SystemTime,
}

impl MemberInfo {
    fn of(place: &Place) -> Self {
        let (id, number, profile) = (place.seat.id, place.number(), place.profile.clone());
        Self { id, number, session: place.session, sub: place.sub.clone(), profile, is_live: place.away.is_none(), since: place.seat.since }
    }

    /// What it says of itself, as a value; `None` if it says nothing, or something of another shape.
    pub fn profile<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.profile.as_ref()?.get()).ok()
    }
}

impl Rooms {
    /// Rooms below `/room`.
    pub fn new(limits: Arc<Limits>) -> Self {
        Self::with_prefix(ROOM_PREFIX, limits)
    }

    /// Rooms below another prefix.
    pub fn with_prefix(prefix: &str, limits: Arc<Limits>) -> Self {
        let accounts = Arc::new(Accounts::new(&limits));
        Self { prefix: prefix.trim_end_matches('/').into(), house: Arc::new(House::new(limits)), accounts }
    }

    /// Adds their routes.
    ///
    /// # Panics
    /// If there are routes of the same patterns already.
    pub fn mount(&self, router: StreamRouter) -> StreamRouter {
        let prefix = &self.prefix;
        router.route(&format!("{prefix}/join/{{name}}"), Join(self.clone())).route(&format!("{prefix}/list"), List(self.clone()))
    }

    /// How many there are.
    #[cfg(feature = "admin")]
    pub(crate) fn count(&self) -> usize {
        self.house.list().len()
    }

    /// What happens to rooms from now on.
    pub fn events(&self) -> RoomEvents {
        RoomEvents::new(self.house.events.subscribe())
    }

    /// What the sessions of the process count in, from now on.
    pub(crate) fn belong_to(&self, memory: &Arc<Memory>, counters: &Arc<Counters>) {
        self.house.belong_to(memory, counters);
    }
}
