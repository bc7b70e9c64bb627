//! Members who come back at another node: the id of their seat goes with them, and so does their number at each node that knew them.
//!
//! A seat's secret is made of its id by what all nodes have in common (`Tally::secret`), so each of them knows whose it is, whether or not the node that gave it lives. Of two nodes
//! that have a member of one id, that has it where it came last (`Place::turn`).

use std::sync::Arc;

use browser_stream_mux::Code;
use browser_stream_protocol::{
    channel::Ending,
    room::{SeatKey, Told},
};
use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    super::{
        RoomEvent,
        batch::{Kind, Target},
        room::Room,
        seat::Place,
        state::State,
        stranger::Stranger,
        word::Word,
    },
    heard::Departure,
    said::Figure,
};
use crate::{memory::booked, session::together};

impl Room {
    /// The id that this shows to be one's own, wherever the seat is.
    pub fn shown(&self, key: &SeatKey, sub: Option<&str>) -> Option<Uuid> {
        let id = Uuid::parse_str(&key.id).ok()?;
        self.house.secret(id, sub).is(&key.secret).then_some(id)
    }

    /// One takes a place here whom the others may know at another node: then it has not joined.
    pub fn came_back(&self, state: &mut State, place: &mut Place) -> bool {
        let number = place.number();
        let before = state.strangers.remove(number);
        self.takes_its_turn(place, before.as_ref().map_or(0, |before| before.turn));
        let Some(before) = before else { return false };
        self.unanswered(state, number, &elsewhere());
        self.tell_difference(number, (before.info.is_live, before.info.profile.as_deref()), (place.is_live(), place.profile.as_deref()));
        true
    }

    /// One comes, whose turn was this: it is later now, whatever this node's clock says.
    pub fn takes_its_turn(&self, place: &mut Place, before: u64) {
        if let Some(tally) = self.house.tally.get() {
            place.turn = tally.now_ms().max(before + 1).max(place.turn + 1);
        }
    }

    /// One who has a place here has come at another node, too: whether the place is given up.
    pub(super) fn came_elsewhere(&self, state: &mut State, index: usize, node: Uuid, figure: Figure) -> Option<Departure> {
        let own = self.house.tally.get()?.post().node();
        let place = state.places.get_mut(index)?;
        let number = place.number();
        if (place.turn, own) > (figure.turn, node) {
            return None;
        }
        // It was there, and is here again: neither node had heard of it.
        if place.is_live() && !figure.is_live {
            self.takes_its_turn(place, figure.turn);
            self.log.lock().tell_nodes(|| Word::Joined(number));
            return None;
        }
        // What it says there next is its own.
        state.abroad.as_mut()?.numbers.entry(node).or_default().insert(figure.number, number);
        Some(Departure::Moved(node, figure))
    }

    /// One whom this node knows at another has its seat at this one now.
    pub(super) fn stranger_moved(&self, state: &mut State, node: Uuid, number: u32, figure: &Figure) {
        let who = booked(BytesMut::from(&figure.who[..]), &self.house.books().memory);
        let Some(after) = figure.stranger(node, number, who) else { return };
        // Else it is an old word of a node that it has left.
        let is_later = |before: &Stranger| (before.turn, before.node) <= (figure.turn, node);
        let Some(from) = state.strangers.get(number).filter(|before| is_later(before)).map(|before| before.node) else { return };
        let Some(abroad) = &mut state.abroad else { return };
        // Under its number of before there may be something on its way.
        abroad.numbers.entry(node).or_default().insert(figure.number, number);
        if from != node {
            self.unanswered(state, number, &elsewhere());
        }
        let Some(before) = state.strangers.get_mut(number) else { return };
        self.tell_difference(
            number,
            (before.info.is_live, before.info.profile.as_deref()),
            (after.info.is_live, after.info.profile.as_deref()),
        );
        *before = after;
    }

    /// One who has a place here has its seat at another node now: its place is given up, and the others hear nothing but what is different.
    pub(super) fn give_up(&self, node: Uuid, figure: Figure) {
        together(|| {
            let seat = self.state.lock().places.iter().find(|place| place.seat.id == figure.id).map(|place| place.seat.clone());
            // Behind its inbox, as ever.
            let mut inbox = seat.as_ref().map(|seat| seat.inbox.lock());
            let mut state = self.state.lock();
            let is_that = |place: &Place| seat.as_ref().is_some_and(|seat| Arc::ptr_eq(seat, &place.seat));
            let Some(index) = state.places.iter().position(is_that) else {
                // It has left meanwhile, which the others have heard.
                self.stranger_came(&mut state, node, figure);
                return None;
            };
            // It came back here meanwhile: the other node gives its place up.
            if (state.places.get(index)?.turn, self.house.tally.get()?.post().node()) > (figure.turn, node) {
                return None;
            }
            let who = booked(BytesMut::from(&figure.who[..]), &self.house.books().memory);
            let (seat, stranger) = (seat.as_ref()?, figure.stranger(node, state.places.get(index)?.number(), who)?);
            self.flush(&mut state);
            inbox.as_mut()?.life += 1;
            let place = state.places.remove(index);
            self.go(&mut state, &place, stranger);
            if let Some(link) = seat.line.lock().detach() {
                link.stream.lock().reset(Code::Superseded);
            }
            seat.roused.notify_one();
            Some(())
        });
        self.rouse();
    }

    /// A place was given up for one at another node.
    fn go(&self, state: &mut State, place: &Place, stranger: Stranger) {
        let (number, id, name) = (place.number(), place.seat.id, self.name.clone());
        self.unanswered(state, number, &elsewhere());
        self.tell_difference(
            number,
            (place.is_live(), place.profile.as_deref()),
            (stranger.info.is_live, stranger.info.profile.as_deref()),
        );
        state.strangers.insert(number, stranger);
        self.count(state);
        self.house.exit(place.session, self, number);
        let Ending { code, text } = elsewhere();
        self.house.tell(RoomEvent::MemberLeft { name: name.clone(), id, code, text });
        if state.is_over {
            self.leave_nodes(state);
            self.house.tell(RoomEvent::Destroyed { name });
        }
    }

    /// What the others hear of one that is known to them: whether its connection is there, and what it says of itself.
    fn tell_difference(&self, number: u32, before: (bool, Option<&RawValue>), after: (bool, Option<&RawValue>)) {
        let mut log = self.log.lock();
        if before.0 != after.0 {
            log.word(number, Target::Others, Kind::Word, &Told::Live { number, is_live: after.0 });
        }
        let text = |profile: Option<&RawValue>| profile.map(|profile| Bytes::copy_from_slice(profile.get().as_bytes()));
        if let Some(profile) = text(after.1).filter(|after| text(before.1).as_ref() != Some(after)) {
            log.word(number, Target::Others, Kind::Word, &Told::Profile { number, profile });
        }
    }
}

/// Why one is not where it was.
fn elsewhere() -> Ending {
    Ending::new(Code::Lost, "it came back at another node")
}
