//! Coming into a room: anew, back to a seat, or moved there.

use std::{collections::BTreeMap, sync::Arc};

use browser_stream_mux::Code;
use browser_stream_protocol::room::{Record, RoomAccepted, RoomInfo, SeatKey, Told};
use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    RoomEvent,
    batch::{Kind, Target},
    line::{Line, Link},
    room::Room,
    seat::{Peering, Place, Seat, Secret},
    state::State,
    word::Word,
};
use crate::{
    counters::Refusal,
    error::OpenError,
    session::{Opening, together},
};

/// One who comes.
pub(super) struct Guest {
    pub session: Uuid,
    pub sub: Option<Arc<str>>,
    pub profile: Option<Box<RawValue>>,
    pub is_everywhere: bool,
    /// The seat that it has shown to be its own, and how many records it has.
    pub seat: Option<(Arc<Seat>, u64)>,
    /// The id that it has shown to be its own, where its seat is not at this node.
    pub id: Option<Uuid>,
}

/// One who has come.
pub(super) struct Entered {
    pub seat: Arc<Seat>,
    pub link: Link,
}

/// Why one has not come.
pub(super) enum Outside {
    /// It is refused.
    Refused(OpenError),
    /// The room is over, or the seat is gone: what holds now has to be looked at again.
    Changed,
}

impl From<OpenError> for Outside {
    fn from(error: OpenError) -> Self {
        Self::Refused(error)
    }
}

/// How one is back at its seat; one that is new is not.
#[derive(Default)]
struct Back {
    life: u64,
    is_back: bool,
    received: u64,
    lost: u64,
}

const ROOMS: &str = "you are in as many rooms as you may be at once";

/// Members by number: whether their connection is there, and who they are.
type Snapshot = BTreeMap<u32, (bool, Bytes)>;

impl Room {
    /// The seat that this shows to be one's own, if it was this one's before: somebody else is not taken for whom the others know there, whatever it shows.
    pub fn seat(&self, key: &SeatKey, sub: Option<&Arc<str>>) -> Option<Arc<Seat>> {
        let is_own = |place: &&Place| place.seat.is_shown_by(key) && place.sub.as_ref() == sub;
        self.state.lock().places.iter().find(is_own).map(|place| place.seat.clone())
    }

    /// Whether this shows a seat here to be one's own, or that of a member at another node.
    pub fn has(&self, key: &SeatKey, sub: Option<&Arc<str>>) -> bool {
        #[cfg(feature = "cluster")]
        let is_elsewhere = || {
            let id = self.shown(key, sub.map(|sub| &**sub));
            id.is_some_and(|id| self.state.lock().strangers.number_of(id).is_some())
        };
        #[cfg(not(feature = "cluster"))]
        let is_elsewhere = || false;
        self.seat(key, sub).is_some() || is_elsewhere()
    }

    /// Lets one in, whose open is answered where that is certain and before anything else is said.
    pub fn enter(self: &Arc<Self>, guest: &mut Guest, opening: Opening) -> Result<Entered, Box<(Outside, Opening)>> {
        together(|| match guest.seat.clone() {
            Some((seat, got)) => self.go_on(guest, &seat, got, opening),
            None => self.begin(guest, opening),
        })
    }

    fn begin(self: &Arc<Self>, guest: &mut Guest, opening: Opening) -> Result<Entered, Box<(Outside, Opening)>> {
        let mut state = self.state.lock();
        // Somebody else may have shown it meanwhile.
        if guest.id.is_some_and(|id| state.places.iter().any(|place| place.seat.id == id)) {
            return Err(Box::new((Outside::Changed, opening)));
        }
        let id = guest.id.unwrap_or_else(Uuid::new_v4);
        let who = (id, self.house.secret(id, guest.sub.as_deref()));
        let place = match self.seat_for(&mut state, (guest.session, guest.sub.clone()), guest.profile.as_deref(), who) {
            Ok(place) => place,
            Err(why) => return Err(Box::new((why, opening))),
        };
        let seat = self.sit(&mut state, Place { is_everywhere: guest.is_everywhere, ..place });
        let link = self.link(&seat, Back::default(), Some(present(&state)), opening);
        Ok(Entered { seat, link })
    }

    /// A seat for one more, or for one who had it at another node. What was said before is not for it.
    pub(super) fn seat_for(
        self: &Arc<Self>,
        state: &mut State,
        peer: Peering,
        profile: Option<&RawValue>,
        who: (Uuid, Secret),
    ) -> Result<Place, Outside> {
        if state.is_over {
            return Err(Outside::Changed);
        }
        let (limits, books) = (&self.house.limits, self.house.books());
        let known = state.strangers.number_of(who.0);
        let number = known.unwrap_or(state.last + 1);
        let others = state.places.len() + state.strangers.len() - usize::from(known.is_some());
        let refused = if others >= limits.room_members_max {
            books.counters.count(Refusal::RoomMembers);
            Some("as many are in that room as may be")
        } else if !self.house.enter(peer.0, self, number) {
            Some(ROOMS)
        } else {
            None
        };
        if let Some(why) = refused {
            if state.places.is_empty() {
                // It was made for this one.
                self.count(state);
                #[cfg(feature = "cluster")]
                self.leave_nodes(state);
            }
            return Err(OpenError::new(Code::Limit, why).into());
        }
        self.flush(state);
        state.last = state.last.max(number);
        let line = Line::new(number, limits, &books.memory, &books.counters);
        let seat = Arc::new(Seat::new(number, who, line));
        Ok(Place::new(seat, peer, profile.map(RawValue::to_owned), &books.memory))
    }

    /// Gives it that seat, and tells everybody.
    pub(super) fn sit(&self, state: &mut State, mut place: Place) -> Arc<Seat> {
        let (seat, who) = (place.seat.clone(), place.who.clone());
        let (number, name) = (seat.number, self.name.clone());
        if state.places.is_empty() {
            self.house.tell(RoomEvent::Created { name: name.clone() });
        }
        let is_known = self.came_back(state, &mut place);
        state.seat(place);
        self.count(state);
        let mut log = self.log.lock();
        if !is_known {
            log.word(number, Target::Others, Kind::Joined, &Told::Joined { number, who });
        }
        log.tell_nodes(|| Word::Joined(number));
        drop(log);
        self.rouse();
        self.house.tell(RoomEvent::MemberJoined { name, id: seat.id });
        seat
    }

    /// Without a cluster nobody was at another node.
    #[cfg(not(feature = "cluster"))]
    fn came_back(&self, _: &mut State, _: &mut Place) -> bool {
        false
    }

    /// One is back at its seat.
    fn go_on(
        self: &Arc<Self>,
        guest: &mut Guest,
        seat: &Arc<Seat>,
        got: u64,
        opening: Opening,
    ) -> Result<Entered, Box<(Outside, Opening)>> {
        let mut inbox = seat.inbox.lock();
        let mut state = self.state.lock();
        let index = state.index(seat.number).filter(|&index| state.places.get(index).is_some_and(|place| Arc::ptr_eq(&place.seat, seat)));
        let Some(index) = index else { return Err(Box::new((Outside::Changed, opening))) };
        self.flush(&mut state);
        let before = state.places.get(index).map_or(guest.session, |place| place.session);
        let is_elsewhere = before != guest.session;
        if is_elsewhere && !self.house.enter(guest.session, self, seat.number) {
            return Err(Box::new((OpenError::new(Code::Limit, ROOMS).into(), opening)));
        }
        let Ok(lost) = seat.line.lock().rewind(got) else {
            if is_elsewhere {
                self.house.exit(guest.session, self, seat.number);
            }
            let why = "room: seat: got is more than was sent";
            return Err(Box::new((OpenError::new(Code::BadRequest, why).into(), opening)));
        };
        if is_elsewhere {
            self.house.exit(before, self, seat.number);
        }
        inbox.life += 1;
        if let Some(old) = seat.line.lock().detach() {
            old.stream.lock().reset(Code::Superseded);
        }
        if let Some(place) = state.places.get_mut(index) {
            self.take_up(place, guest);
        }
        // One that has nothing yet has no list of members, either.
        let snapshot = (lost > 0 || got == 0).then(|| seat.line.lock().snapshot(present(&state)));
        let back = Back { life: inbox.life, is_back: true, received: inbox.received, lost };
        let link = self.link(seat, back, snapshot, opening);
        self.rouse();
        Ok(Entered { seat: seat.clone(), link })
    }

    /// A seat has a connection again: what the others hear of that.
    fn take_up(&self, place: &mut Place, guest: &mut Guest) {
        let number = place.number();
        place.session = guest.session;
        place.is_everywhere = guest.is_everywhere;
        let mut log = self.log.lock();
        if place.away.take().is_some_and(|away| away.is_told) {
            log.word(number, Target::Others, Kind::Word, &Told::Live { number, is_live: true });
            log.tell_nodes(|| Word::Live(number, true));
            self.house.tell(RoomEvent::MemberLive { name: self.name.clone(), id: place.seat.id, is_live: true });
        }
        if let Some(profile) = guest.profile.take().filter(|new| place.profile.as_ref().is_none_or(|old| old.get() != new.get())) {
            let told = Told::Profile { number, profile: Bytes::copy_from_slice(profile.get().as_bytes()) };
            log.word(number, Target::Others, Kind::Word, &told);
            place.profile = Some(profile);
        }
        place.describe(&self.house.books().memory);
        // Its session is another one, in any case, and it may have been at another node.
        #[cfg(feature = "cluster")]
        self.takes_its_turn(place, 0);
        log.tell_nodes(|| Word::Joined(number));
    }

    /// Answers one's open and gives it what comes first; from then on it has what is said.
    fn link(&self, seat: &Arc<Seat>, back: Back, snapshot: Option<Snapshot>, opening: Opening) -> Link {
        let limits = &self.house.limits;
        let mut info = RoomInfo::default();
        info.name = self.name.as_str().to_owned();
        info.number = seat.number;
        info.secret = seat.secret.hex();
        (info.resumed, info.got, info.lost) = (back.is_back, back.received, back.lost);
        info.members = snapshot.as_ref().map_or(0, |members| members.len() as u64);
        info.public = self.is_public;
        info.grace_ms = u64::try_from(limits.room_grace.as_millis()).unwrap_or(u64::MAX);
        info.event_bytes_max = limits.room_event_bytes_max as u64;
        let link = Link::new(back.life, opening.accept_aside(&RoomAccepted::new(seat.id, info)));
        let mut out = BytesMut::new();
        for (number, (is_live, who)) in snapshot.into_iter().flatten() {
            Told::Member { number, is_live, who }.write(&mut out);
        }
        if !out.is_empty() {
            link.stream.lock().write_now(out.freeze());
        }
        seat.line.lock().attach(link.clone());
        link
    }
}

/// Who is here.
fn present(state: &State) -> Snapshot {
    let strangers = state.strangers.iter().map(|(number, stranger)| (number, (stranger.info.is_live, stranger.who.clone())));
    state.places.iter().map(|place| (place.number(), (place.is_live(), place.who.clone()))).chain(strangers).collect()
}

impl Line {
    /// Who was here before what this member gets next, where these are here now.
    fn snapshot(&self, mut members: Snapshot) -> Snapshot {
        for (number, kind) in self.ring().changes() {
            match kind {
                Kind::Joined => drop(members.remove(&number)),
                Kind::Left(who) => drop(members.insert(number, (false, who.clone()))),
                _ => {}
            }
        }
        members
    }
}
