//! The resumable streams that a server knows, and those that it remembers.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Identity, Limits, Outcome, Reason, StreamId, Tombstone};

/// Streams by id: live ones as what the shell keeps for each (`T`), ended ones as tombstones until no late open or JOIN of them can come.
#[derive(Debug)]
pub struct Registry<T> {
    limits: Arc<Limits>,
    streams: HashMap<StreamId, Entry<T>>,
    /// In the order of burial; entries whose number is no longer the stream's are stale.
    graves: VecDeque<(u64, StreamId)>,
    buried: usize,
    next: u64,
}

#[derive(Debug)]
enum Entry<T> {
    Live { handle: T, identity: Arc<Identity> },
    Ended { tombstone: Box<Tombstone>, number: u64 },
}

/// What a birth open says of its stream.
#[derive(Clone, Debug)]
pub struct Birth {
    /// Its id and secret, and the name under which it came in.
    pub identity: Arc<Identity>,
    /// Raw bytes behind the open.
    pub early: u32,
}

/// What a birth open is to a server.
#[derive(Debug)]
pub enum Born<'a, T> {
    /// A new stream: accept it and call [`Registry::insert`], or [`Registry::refuse`] it.
    New,
    /// One more carrier of this one: reply, and call [`Endpoint::born`](super::Endpoint::born); no second event to the application.
    Known(&'a mut T),
    /// One more carrier of a stream that ended: the same, on [`Endpoint::revive`](super::Endpoint::revive), and [`Registry::insert`] again.
    Ended(Tombstone),
    /// To be answered with this error.
    Refused(Reason),
}

/// What a JOIN finds.
#[derive(Debug)]
pub enum Joined<'a, T> {
    /// Hand the carrier to this stream: [`Endpoint::joined`](super::Endpoint::joined).
    Known(&'a mut T),
    /// To this one, revived, which is then live again.
    Ended(Tombstone),
    /// Say GONE, then finish the carrier; a reset could overtake it.
    Gone,
}

impl<T> Registry<T> {
    /// One that knows nothing.
    pub fn new(limits: Arc<Limits>) -> Self {
        Self { limits, streams: HashMap::new(), graves: VecDeque::new(), buried: 0, next: 0 }
    }

    /// A birth open came, perhaps again.
    pub fn birth(&mut self, birth: &Birth, now: Instant) -> Born<'_, T> {
        if birth.early > self.limits.early_max {
            return Born::Refused(Reason::new("bad_request", "more early bytes than an open may have"));
        }
        self.expire(now);
        let id = birth.identity.id;
        let Some(known) = self.streams.get(&id).map(Entry::identity) else { return Born::New };
        if !known.is_same(&birth.identity) {
            return Born::Refused(Reason::new("forbidden", "the stream's id is taken"));
        }
        match self.find(id, now) {
            Found::Live(handle) => Born::Known(handle),
            Found::Ended(tombstone) => Born::Ended(tombstone),
            Found::Final(Outcome::Refused(reason)) => Born::Refused(reason),
            Found::Final(_) => Born::Refused(Reason::new("gone", "the stream was lost")),
            Found::Nothing => Born::New,
        }
    }

    /// A carrier said JOIN; `name` is the one under which it came in, none for a direct carrier. Who said it must prove itself to the endpoint.
    pub fn join(&mut self, id: StreamId, name: Option<&str>, now: Instant) -> Joined<'_, T> {
        self.expire(now);
        let known = self.streams.get(&id).map(Entry::identity);
        if known.is_none_or(|known| name.is_some_and(|name| *name != *known.name)) {
            return Joined::Gone;
        }
        match self.find(id, now) {
            Found::Live(handle) => Joined::Known(handle),
            Found::Ended(tombstone) => Joined::Ended(tombstone),
            Found::Final(_) | Found::Nothing => Joined::Gone,
        }
    }

    /// The stream lives: a new one that was accepted, or one that was revived.
    pub fn insert(&mut self, identity: Arc<Identity>, handle: T) {
        self.put(identity.id, Entry::Live { handle, identity });
    }

    /// Who the stream with this id is, live or ended.
    pub fn identity(&self, id: StreamId) -> Option<&Identity> {
        self.streams.get(&id).map(Entry::identity)
    }

    /// A live stream's handle.
    pub fn get_mut(&mut self, id: StreamId) -> Option<&mut T> {
        match self.streams.get_mut(&id) {
            Some(Entry::Live { handle, .. }) => Some(handle),
            _ => None,
        }
    }

    /// The stream was refused: a repeated open gets the same answer until the hold is over.
    pub fn refuse(&mut self, identity: Arc<Identity>, reason: Reason, grace: Duration, now: Instant) {
        let hold = grace + self.limits.hold_extra;
        let outcome = Outcome::Refused(reason);
        self.bury(Tombstone { identity, outcome, received: 0, total: None, base: 0, hold, expires: now + hold, is_known: true });
    }

    /// The stream ended and no carrier holds on to it: its handle goes, the tombstone stays. The oldest one goes if there are too many.
    pub fn bury(&mut self, tombstone: Tombstone) {
        let (id, number) = (tombstone.identity.id, self.next);
        self.next += 1;
        self.put(id, Entry::Ended { tombstone: Box::new(tombstone), number });
        self.buried += 1;
        self.graves.push_back((number, id));
        while self.buried > self.limits.tombstones_max {
            self.drop_oldest();
        }
        // Stale entries are at most as many as live ones, and never many more than the maximum.
        if self.graves.len() > 2 * self.buried + 16 {
            let streams = &self.streams;
            self.graves.retain(|(number, id)| streams.get(id).is_some_and(|entry| entry.is_grave(*number)));
        }
    }

    /// Forgets a live stream: an endpoint that is freed.
    pub fn forget(&mut self, id: StreamId) {
        self.take(id);
    }

    /// Until when a client may come that does not know yet how its stream ended; none where all know.
    pub fn unknown_until(&self, now: Instant) -> Option<Instant> {
        let ended = self.streams.values().filter_map(|entry| match entry {
            Entry::Ended { tombstone, .. } if !tombstone.is_known => Some(tombstone.expires),
            _ => None,
        });
        ended.filter(|expires| *expires > now).max()
    }

    /// How many streams live, and how many are remembered.
    pub fn counts(&self) -> (usize, usize) {
        (self.streams.len() - self.buried, self.buried)
    }

    /// Forgets those whose hold is over; also done by every open and JOIN.
    pub fn expire(&mut self, now: Instant) {
        while let Some(&(number, id)) = self.graves.front() {
            match self.streams.get(&id) {
                Some(Entry::Ended { tombstone, number: own }) if *own == number && now < tombstone.expires => return,
                _ => self.drop_oldest(),
            }
        }
    }

    fn find(&mut self, id: StreamId, now: Instant) -> Found<'_, T> {
        let is_final = match self.streams.get(&id) {
            None => return Found::Nothing,
            Some(Entry::Live { .. }) => return self.get_mut(id).map_or(Found::Nothing, Found::Live),
            // One with a shorter hold may lie behind one with a longer.
            Some(Entry::Ended { tombstone, .. }) if tombstone.expires <= now => {
                self.take(id);
                return Found::Nothing;
            }
            Some(Entry::Ended { tombstone, .. }) => match &tombstone.outcome {
                outcome @ (Outcome::Lost { .. } | Outcome::Refused(_)) => Some(outcome.clone()),
                Outcome::Clean | Outcome::Reset { .. } => None,
            },
        };
        match is_final {
            Some(outcome) => Found::Final(outcome),
            None => match self.take(id) {
                Some(Entry::Ended { tombstone, .. }) => Found::Ended(*tombstone),
                _ => Found::Nothing,
            },
        }
    }

    fn put(&mut self, id: StreamId, entry: Entry<T>) {
        self.take(id);
        self.streams.insert(id, entry);
    }

    fn take(&mut self, id: StreamId) -> Option<Entry<T>> {
        let entry = self.streams.remove(&id);
        self.buried -= usize::from(matches!(entry, Some(Entry::Ended { .. })));
        entry
    }

    fn drop_oldest(&mut self) {
        if let Some((number, id)) = self.graves.pop_front()
            && self.streams.get(&id).is_some_and(|entry| entry.is_grave(number))
        {
            self.take(id);
        }
    }
}

enum Found<'a, T> {
    Live(&'a mut T),
    Ended(Tombstone),
    Final(Outcome),
    Nothing,
}

impl<T> Entry<T> {
    fn identity(&self) -> &Identity {
        match self {
            Self::Live { identity, .. } => identity,
            Self::Ended { tombstone, .. } => &tombstone.identity,
        }
    }

    fn is_grave(&self, wanted: u64) -> bool {
        matches!(self, Self::Ended { number, .. } if *number == wanted)
    }
}
