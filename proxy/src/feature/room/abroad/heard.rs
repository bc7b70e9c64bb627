//! What was said of a room at other nodes, and what becomes of it here.

use std::{collections::HashSet, sync::atomic::Ordering};

use browser_stream_mux::Code;
use browser_stream_protocol::{
    channel::Ending,
    room::{EventName, Told},
};
use bytes::{Bytes, BytesMut};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    super::{
        asks::Asker,
        batch::{Kind, Target},
        emit::ASK_LINGER,
        room::{Room, answer},
        seat::Place,
        state::State,
    },
    said::{Figure, Presence, Said},
};
use crate::{cluster::Heard, memory::booked};

/// A member of this node who is to go.
pub(super) enum Departure {
    /// It is told why.
    Removed(u32, Ending),
    /// It has its seat at that node now.
    Moved(Uuid, Figure),
}

impl Room {
    /// Does what another node said.
    pub(super) fn heard(&self, state: &mut State, heard: Heard<Presence, Said>) -> Vec<Departure> {
        match heard {
            Heard::State { from, state: presence, lost } => {
                self.miss(state, lost);
                self.replace(state, from, presence)
            }
            Heard::Words { from, words } => words.into_iter().filter_map(|said| self.hear_one(state, from, said)).collect(),
            Heard::Gone { from } => {
                self.forget_members(state, from);
                Vec::new()
            }
        }
    }

    /// The other nodes that have members here.
    pub fn nodes(&self) -> HashSet<Uuid> {
        self.state.lock().strangers.iter().map(|(_, stranger)| stranger.node).collect()
    }

    /// A node is not heard any more: its members have left.
    pub fn lose_node(&self, node: Uuid) {
        let mut state = self.state.lock();
        if let Some(abroad) = &mut state.abroad {
            abroad.lane.forget(node);
        }
        self.forget_members(&mut state, node);
        drop(state);
        self.rouse();
    }

    fn forget_members(&self, state: &mut State, node: Uuid) {
        for number in state.strangers.of(node) {
            self.stranger_left(state, number, &Ending::new(Code::Lost, ""), None);
        }
        if let Some(abroad) = &mut state.abroad {
            abroad.numbers.remove(&node);
        }
    }

    /// So many events were said that did not come: everybody is told, where they would have stood.
    fn miss(&self, state: &mut State, lost: u64) {
        if lost == 0 {
            return;
        }
        self.flush(state);
        for place in &state.places {
            if place.seat.line.lock().lose(lost) {
                place.seat.roused.notify_one();
            }
        }
    }

    /// These are all who are at a node: what happened to them meanwhile follows from who was there before.
    fn replace(&self, state: &mut State, node: Uuid, presence: Presence) -> Vec<Departure> {
        for number in state.strangers.of(node) {
            let is_there = |figure: &Figure| state.strangers.get(number).is_some_and(|one| one.info.id == figure.id);
            if !presence.members.iter().any(is_there) {
                self.stranger_left(state, number, &Ending::new(Code::Lost, ""), None);
            }
        }
        let numbers = state.strangers.of(node);
        if let Some(abroad) = &mut state.abroad {
            abroad.numbers.remove(&node);
        }
        let mut departures = Vec::new();
        for figure in presence.members {
            let known = numbers.iter().copied().find(|&number| state.strangers.get(number).is_some_and(|one| one.info.id == figure.id));
            match known {
                Some(number) => {
                    if let Some(abroad) = &mut state.abroad {
                        abroad.numbers.entry(node).or_default().insert(figure.number, number);
                    }
                    self.profiled(state, (node, number), &figure.who);
                    self.live(state, number, figure.is_live);
                    if let Some(stranger) = state.strangers.get_mut(number) {
                        stranger.turn = figure.turn;
                    }
                }
                None => departures.extend(self.stranger_came(state, node, figure)),
            }
        }
        departures
    }

    fn hear_one(&self, state: &mut State, node: Uuid, said: Said) -> Option<Departure> {
        let number = |state: &State, theirs: u32| state.abroad.as_ref()?.number(node, theirs);
        // Of one who has gone to another node since, that one tells.
        let has = |state: &State, ours: &u32| state.strangers.get(*ours).is_some_and(|stranger| stranger.node == node);
        match said {
            Said::Joined(figure) => return self.stranger_came(state, node, figure),
            Said::Live(theirs, is_live) => {
                let ours = number(state, theirs).filter(|ours| has(state, ours))?;
                self.live(state, ours, is_live);
            }
            Said::Profile(theirs, who) => {
                let ours = number(state, theirs).filter(|ours| has(state, ours))?;
                self.profiled(state, (node, ours), &who);
            }
            Said::Left { number: theirs, code, text, rooms } => {
                let ours = state.abroad.as_mut()?.numbers.get_mut(&node)?.remove(&theirs)?;
                if has(state, &ours) {
                    self.stranger_left(state, ours, &Ending { code, text }, rooms);
                }
            }
            Said::Event { from, aim, is_volatile, ask, name, body } => {
                let (from, target, name) = (number(state, from)?, aim.target(state), EventName::new(name).ok()?);
                self.events.fetch_add(1, Ordering::Relaxed);
                let ask = ask.map(|(ask, timeout)| {
                    let asked = asked(state, &target).collect();
                    let until = Instant::now() + timeout + ASK_LINGER;
                    state.asks.begin(Asker::Node(node, ask), asked, false, until, &self.house.books().memory)
                });
                self.log.lock().event(from, target, is_volatile, ask, &name, &body);
            }
            Said::Answer { node: asker, ask, from, answer: value } => {
                let is_here = self.house.tally.get().is_some_and(|tally| tally.post().node() == asker);
                let from = number(state, from).filter(|_| is_here)?;
                let asker = state.asks.answer(ask, from)?;
                answer(&mut self.log.lock(), asker, from, value.map_err(|(code, text)| Ending { code, text }));
            }
            Said::Remove { id, code, text } => {
                let place = state.places.iter().find(|place| place.seat.id == id)?;
                return Some(Departure::Removed(place.number(), Ending { code, text }));
            }
        }
        None
    }

    /// One has come at a node, who may have been at another before, or here.
    pub(super) fn stranger_came(&self, state: &mut State, node: Uuid, figure: Figure) -> Option<Departure> {
        if let Some(number) = state.strangers.number_of(figure.id) {
            self.stranger_moved(state, node, number, &figure);
            return None;
        }
        if let Some(index) = state.places.iter().position(|place| place.seat.id == figure.id) {
            return self.came_elsewhere(state, index, node, figure);
        }
        let (number, memory) = (state.last + 1, &self.house.books().memory);
        let who = booked(BytesMut::from(&figure.who[..]), memory);
        let stranger = figure.stranger(node, number, who.clone())?;
        state.abroad.as_mut()?.numbers.entry(node).or_default().insert(figure.number, number);
        state.last = number;
        state.strangers.insert(number, stranger);
        self.recount(state);
        let mut log = self.log.lock();
        log.word(number, Target::Others, Kind::Joined, &Told::Joined { number, who });
        if !figure.is_live {
            log.word(number, Target::Others, Kind::Word, &Told::Live { number, is_live: false });
        }
        None
    }

    fn live(&self, state: &mut State, number: u32, is_live: bool) {
        let Some(stranger) = state.strangers.get_mut(number).filter(|stranger| stranger.info.is_live != is_live) else { return };
        stranger.info.is_live = is_live;
        self.log.lock().word(number, Target::Others, Kind::Word, &Told::Live { number, is_live });
    }

    /// Who one is has changed: members hear what it says of itself, if that is other.
    fn profiled(&self, state: &mut State, (node, number): (Uuid, u32), who: &Bytes) {
        let Some(stranger) = state.strangers.get_mut(number).filter(|stranger| stranger.who != *who) else { return };
        let (since_ms, turn) = (0, stranger.turn);
        let figure = Figure { number, id: stranger.info.id, is_live: stranger.info.is_live, who: who.clone(), since_ms, turn };
        let booked = booked(BytesMut::from(&who[..]), &self.house.books().memory);
        let Some(mut other) = figure.stranger(node, number, booked) else { return };
        other.info.since = stranger.info.since;
        let text = |profile: &Option<Box<serde_json::value::RawValue>>| profile.as_deref().map(|profile| profile.get().to_owned());
        let (before, after) = (text(&stranger.info.profile), text(&other.info.profile));
        *stranger = other;
        if let Some(profile) = after.filter(|after| before.as_ref() != Some(after)) {
            self.log.lock().word(number, Target::Others, Kind::Word, &Told::Profile { number, profile: profile.into() });
        }
    }

    fn stranger_left(&self, state: &mut State, number: u32, ending: &Ending, rooms: Option<Bytes>) {
        let Some(stranger) = state.strangers.remove(number) else { return };
        // Nodes at which it was before it moved know it by numbers of their own.
        for numbers in state.abroad.iter_mut().flat_map(|abroad| abroad.numbers.values_mut()) {
            numbers.retain(|_, ours| *ours != number);
        }
        self.recount(state);
        self.say_left(state, (number, stranger.who), ending, rooms);
    }
}

/// Those of this node whom an event is for.
fn asked<'a>(state: &'a State, target: &'a Target) -> impl Iterator<Item = u32> + 'a {
    state.places.iter().map(Place::number).filter(move |number| match target {
        Target::Others => true,
        Target::One(one) => one == number,
        Target::Some(some) => some.binary_search(number).is_ok(),
        Target::Except(others) => others.binary_search(number).is_err(),
    })
}
