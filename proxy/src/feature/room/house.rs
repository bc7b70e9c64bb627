//! What all rooms of one prefix share.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use browser_stream_protocol::channel::Ending;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::{
    RoomEvent,
    directory::Directory,
    hook::Hooks,
    room::Room,
    seat::{AwayCount, Place, Secret},
};
use crate::{
    counters::{Counters, Refusal},
    limits::Limits,
    memory::Memory,
    route::Name,
};

/// The rooms, who is in which, and what the program has to do with them.
pub(super) struct House {
    pub limits: Arc<Limits>,
    pub events: broadcast::Sender<RoomEvent>,
    pub hooks: Hooks,
    pub directory: Directory,
    pub away: AwayCount,
    rooms: Mutex<HashMap<Name, Arc<Room>>>,
    /// The seats of each session.
    peers: Mutex<HashMap<Uuid, Seats>>,
    moved: Mutex<HashMap<Uuid, Moved>>,
    books: OnceLock<Books>,
    /// What is known of the rooms of other nodes.
    #[cfg(feature = "cluster")]
    pub tally: OnceLock<Arc<super::abroad::Tally>>,
}

/// The seats of one session: their rooms, and their numbers there.
type Seats = Vec<(Arc<Room>, u32)>;

/// What a process has one of.
#[derive(Clone)]
pub(super) struct Books {
    pub memory: Arc<Memory>,
    pub counters: Arc<Counters>,
}

/// Where a seat is that a member may still look for elsewhere.
#[derive(Clone)]
pub(super) struct Moved {
    pub from: Name,
    pub to: Name,
    pub secret: Secret,
    /// Whose it is, where the proxy asks.
    sub: Option<Arc<str>>,
    /// Of what it sent in the room that it was in.
    pub received: u64,
    until: tokio::time::Instant,
}

/// So many seats are remembered that were moved; the oldest are forgotten.
const MOVED_MAX: usize = 1024;

/// No more rooms may be made.
pub(super) struct Full;

impl House {
    pub fn new(limits: Arc<Limits>) -> Self {
        let (events, _) = broadcast::channel(limits.events_buffer.max(1));
        let directory = Directory::new(&limits);
        let (hooks, away, rooms, peers, moved) = Default::default();
        Self {
            limits,
            events,
            hooks,
            directory,
            away,
            rooms,
            peers,
            moved,
            books: OnceLock::new(),
            #[cfg(feature = "cluster")]
            tally: OnceLock::new(),
        }
    }

    /// What the sessions of the process count in, from now on.
    pub fn belong_to(&self, memory: &Arc<Memory>, counters: &Arc<Counters>) {
        self.books.get_or_init(|| Books { memory: memory.clone(), counters: counters.clone() });
    }

    pub fn books(&self) -> &Books {
        let alone = || Books { memory: Arc::new(Memory::new(self.limits.memory_budget_bytes)), counters: Arc::default() };
        self.books.get_or_init(alone)
    }

    pub fn tell(&self, event: RoomEvent) {
        // Nobody listening is no fault.
        let _ = self.events.send(event);
    }

    /// What shows that a seat with that id is one's own: where several nodes act as one, at each of them.
    #[cfg(feature = "cluster")]
    pub fn secret(&self, id: Uuid, sub: Option<&str>) -> Secret {
        self.tally.get().map_or_else(Secret::random, |tally| tally.secret(id, sub))
    }

    /// What shows that a seat with that id is one's own.
    #[cfg(not(feature = "cluster"))]
    pub fn secret(&self, _id: Uuid, _sub: Option<&str>) -> Secret {
        Secret::random()
    }

    /// The room of that name.
    pub fn find(&self, name: &Name) -> Option<Arc<Room>> {
        self.rooms.lock().get(name).cloned()
    }

    /// All of them.
    pub fn list(&self) -> Vec<Arc<Room>> {
        self.rooms.lock().values().cloned().collect()
    }

    /// The room of that name, which may be new; then its first member says whether it is public.
    pub fn find_or_make(self: &Arc<Self>, name: &Name, is_public: bool) -> Result<Arc<Room>, Full> {
        let mut rooms = self.rooms.lock();
        if let Some(room) = rooms.get(name) {
            return Ok(room.clone());
        }
        if rooms.len() >= self.limits.rooms_max {
            self.books().counters.count(Refusal::Rooms);
            return Err(Full);
        }
        #[cfg(feature = "cluster")]
        let is_public = self.tally.get().and_then(|tally| tally.is_public(name)).unwrap_or(is_public);
        let room = Arc::new(Room::new(name.clone(), is_public, self.clone()));
        rooms.insert(name.clone(), room.clone());
        drop(rooms);
        tokio::spawn(room.clone().run());
        #[cfg(feature = "cluster")]
        if self.tally.get().is_some() {
            tokio::spawn(room.clone().hear());
        }
        Ok(room)
    }

    /// That room is over.
    pub fn forget(&self, room: &Room) {
        let mut rooms = self.rooms.lock();
        if rooms.get(&room.name).is_some_and(|here| std::ptr::eq(&**here, room)) {
            rooms.remove(&room.name);
        }
    }

    /// So many members have their seats in a room here.
    pub fn count(&self, room: &Room, members: usize) {
        let show = |members| self.directory.set(&room.name, members);
        #[cfg(feature = "cluster")]
        if let Some(tally) = self.tally.get() {
            return tally.count(&room.name, members, room.is_public, show);
        }
        if room.is_public {
            show(members);
        }
    }

    /// The session has a seat there from now on; false if it has as many as it may.
    pub fn enter(&self, session: Uuid, room: &Arc<Room>, number: u32) -> bool {
        let mut peers = self.peers.lock();
        if peers.get(&session).map_or(0, Vec::len) >= self.limits.rooms_per_session_max {
            self.books().counters.count(Refusal::RoomsPerSession);
            return false;
        }
        peers.entry(session).or_default().push((room.clone(), number));
        true
    }

    /// It has none there any more.
    pub fn exit(&self, session: Uuid, room: &Room, number: u32) {
        let mut peers = self.peers.lock();
        let Some(seats) = peers.get_mut(&session) else { return };
        seats.retain(|(one, seat)| *seat != number || !std::ptr::eq(&**one, room));
        if seats.is_empty() {
            peers.remove(&session);
        }
    }

    /// The rooms that a session's peer is seen to leave with this one: it, and those of the others that are public.
    pub fn seen(&self, session: Uuid, from: &Room) -> Vec<Name> {
        let peers = self.peers.lock();
        let others = peers.get(&session).into_iter().flatten().map(|(room, _)| room);
        let seen = others.filter(|room| room.is_public && room.name != from.name).map(|room| room.name.clone());
        std::iter::once(from.name.clone()).chain(seen).collect()
    }

    /// A whole peer goes: it leaves all rooms in which `goes` says so, and everybody there hears of it first.
    pub fn part(&self, session: Uuid, ending: &Ending, goes: impl Fn(&Place) -> bool) {
        let seats = self.peers.lock().get(&session).cloned().unwrap_or_default();
        let seen: Vec<_> = seats.iter().map(|(room, _)| self.seen(session, room)).collect();
        for ((room, number), rooms) in seats.into_iter().zip(seen) {
            room.vacate(number, ending, Some(rooms), &goes);
        }
    }

    /// Remembers where a seat was moved, for as long as it is kept there.
    pub fn moves(&self, id: Uuid, (from, to): (&Name, &Name), place: &Place, received: u64) {
        let until = tokio::time::Instant::now() + self.limits.room_grace;
        let mut moved = self.moved.lock();
        if moved.len() >= MOVED_MAX {
            let oldest = moved.iter().min_by_key(|(_, moved)| moved.until).map(|(&id, _)| id);
            oldest.and_then(|id| moved.remove(&id));
        }
        moved.insert(
            id,
            Moved { from: from.clone(), to: to.clone(), secret: place.seat.secret.clone(), sub: place.sub.clone(), received, until },
        );
    }

    /// Where the seat is that this one shows in this room, if it was moved from there.
    pub fn moved(&self, from: &Name, key: &browser_stream_protocol::room::SeatKey, sub: Option<&Arc<str>>) -> Option<Moved> {
        let id = Uuid::parse_str(&key.id).ok()?;
        let moved = self.moved.lock().get(&id).cloned()?;
        let holds = moved.from == *from && moved.until > tokio::time::Instant::now();
        (holds && moved.secret.is(&key.secret) && moved.sub.as_ref() == sub).then_some(moved)
    }
}

/// Names of rooms as members are told.
pub(super) fn names(rooms: &[Name]) -> bytes::Bytes {
    let names: Vec<&str> = rooms.iter().map(Name::as_str).collect();
    json!(names).to_string().into()
}
