//! What members say in a room.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use browser_stream_mux::Code;
use browser_stream_protocol::{
    channel::Ending,
    room::{Answer, Emit, EventName, Told},
};
use bytes::Bytes;
use futures::FutureExt;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::{
    Asked, MemberInfo, Value,
    asks::Asker,
    batch::{Kind, Target},
    hook::Answerer,
    room::{Room, answer},
    word::Word,
};
use crate::counters::{Deed, Refusal};

/// An event that asks, and how long it does.
pub(super) struct Ask<'a> {
    pub asker: Asker,
    pub timeout: Duration,
    pub to: &'a [u32],
    pub except: &'a [u32],
    pub name: &'a EventName,
    pub body: &'a Bytes,
}

/// An ask is known for so much longer than its asker waits.
pub(super) const ASK_LINGER: Duration = Duration::from_secs(1);

/// An event costs at least as much as one delivery to each of so many members, for all are looked through.
const LOOKED_THROUGH: usize = 64;

impl Room {
    /// A member's event for others of this room; how many deliveries that is.
    pub fn emit(&self, from: u32, emit: &Emit) -> usize {
        self.emit_to(from, emit, true)
    }

    /// The same, for those at this node alone if others hear it in another way.
    fn emit_to(&self, from: u32, emit: &Emit, is_for_all: bool) -> usize {
        let members = self.members.load(Ordering::Relaxed);
        let (target, addressees) = match (&emit.to[..], &emit.except[..]) {
            ([], []) => (Target::Others, members.saturating_sub(1)),
            ([], except) => (Target::Except(sorted(except)), members.saturating_sub(1 + except.len())),
            (to, except) => {
                let some: Vec<u32> = to.iter().copied().filter(|number| *number != from && !except.contains(number)).collect();
                (Target::Some(sorted(&some)), some.len())
            }
        };
        self.came(addressees);
        let mut log = self.log.lock();
        if is_for_all {
            let Emit { is_volatile, name, body, .. } = emit;
            log.tell_nodes(|| Word::event(from, target.clone(), (*is_volatile, None), name, body));
        }
        log.event(from, target, emit.is_volatile, None, &emit.name, &emit.body);
        drop(log);
        addressees.max(1 + members / LOOKED_THROUGH)
    }

    /// One more event, for so many members.
    fn came(&self, addressees: usize) {
        self.events.fetch_add(1, Ordering::Relaxed);
        let counters = &self.house.books().counters;
        counters.done(Deed::RoomEvent);
        counters.did(Deed::RoomDelivery, addressees as u64);
    }

    /// A member's event that asks; how many deliveries that is. `None` where it uses that number already.
    pub fn ask_for(self: &Arc<Self>, from: u32, (own, timeout_ms): (u64, u32), emit: &Emit) -> Option<usize> {
        {
            let state = self.state.lock();
            if state.asks.uses(from, own) {
                return None;
            }
            let books = self.house.books();
            // What asks keep is not given up for others: where there is no memory, none is taken.
            if state.asks.of(from) >= self.house.limits.room_asks_max || books.memory.pressed() {
                drop(state);
                books.counters.count(Refusal::RoomAsks);
                self.refuse(from, Ending::new(Code::Limit, "as many asks wait for answers as may: ask again when some have come"));
                return Some(1);
            }
        }
        let (timeout, asker) = (Duration::from_millis(u64::from(timeout_ms)), Asker::Member(from, own));
        let asked = self.ask(Ask { asker, timeout, to: &emit.to, except: &emit.except, name: &emit.name, body: &emit.body });
        Some(asked.max(1 + self.members.load(Ordering::Relaxed) / LOOKED_THROUGH))
    }

    /// Asks members, and the program if it answers that event; how many.
    pub fn ask(self: &Arc<Self>, ask: Ask<'_>) -> usize {
        let Ask { asker, timeout, to, except, name, body } = ask;
        let from = if let Asker::Member(number, _) = asker { number } else { 0 };
        // The program does not ask itself.
        let answerer = if from == 0 { None } else { self.house.hooks.answers.read().get(name.as_str()).cloned() };
        let is_named = |number: u32| (to.is_empty() || to.contains(&number)) && !except.contains(&number);
        let is_programs = answerer.is_some() && is_named(0);
        let mut state = self.state.lock();
        let (target, asked, mut absent) = match to {
            [] if except.is_empty() => (Target::Others, state.everybody(), Vec::new()),
            [] => {
                let except = sorted(except);
                let asked = state.numbers().into_iter().filter(|number| except.binary_search(number).is_err());
                (Target::Except(except.clone()), asked.collect(), Vec::new())
            }
            to => {
                let all = sorted(to);
                let named = all.iter().copied().filter(|&number| number != 0 && number != from && is_named(number));
                let (here, absent): (Vec<u32>, Vec<u32>) = named.partition(|&number| state.has(number));
                let here: Arc<[u32]> = here.into();
                (Target::Some(here.clone()), here, absent)
            }
        };
        if answerer.is_none() && !to.is_empty() && is_named(0) && from != 0 {
            absent.push(0);
        }
        let until = Instant::now() + timeout + ASK_LINGER;
        let number = state.asks.begin(asker.clone(), asked.clone(), is_programs, until, &self.house.books().memory);
        let mut members: Vec<u32> = asked.iter().copied().filter(|&member| member != from).chain(absent.iter().copied()).collect();
        members.extend(is_programs.then_some(0));
        members.sort_unstable();
        let count = members.len();
        self.came(count);
        let mut log = self.log.lock();
        log.tell_nodes(|| Word::event(from, target.clone(), (false, Some((number, timeout))), name, body));
        log.event(from, target, false, Some(number), name, body);
        if let Asker::Member(member, number) = asker {
            log.word(0, Target::One(member), Kind::Word, &Told::Asked { number, members });
        }
        for member in absent {
            answer(&mut log, asker.clone(), member, Err(Ending::new(Code::NotFound, "nobody of that number is here")));
        }
        drop(log);
        let who = state.place(from).map(MemberInfo::of);
        drop(state);
        if let (Some(answerer), Some(member), true) = (answerer, who, is_programs) {
            let asked = Asked { room: self.name.clone(), member, args: Value::new(body.clone()) };
            tokio::spawn(self.clone().answer_for_program(number, answerer, asked, timeout));
        }
        count
    }

    async fn answer_for_program(self: Arc<Self>, ask: u64, answerer: Answerer, asked: Asked, most: Duration) {
        let answering = AssertUnwindSafe(async { answerer(asked).await }).catch_unwind();
        let answer = match timeout(most, answering).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(error))) => Err(Ending { code: error.number(), text: error.message }),
            Ok(Err(_)) => {
                tracing::error!("what answers an event panicked");
                Err(Ending::new(Code::Internal, "the program failed"))
            }
            Err(_) => Err(Ending::new(Code::Timeout, "the program did not answer in time")),
        };
        self.answer(0, ask, answer);
        self.said();
    }

    /// One answers; nothing if it was not asked, or has answered.
    pub fn answer(&self, from: u32, ask: u64, value: Answer) {
        let mut state = self.state.lock();
        if let Some(asker) = state.asks.answer(ask, from) {
            answer(&mut self.log.lock(), asker, from, value);
        }
    }

    /// A member says of itself something else from now on; how many deliveries that is.
    pub fn profile(&self, number: u32, profile: Box<RawValue>) -> usize {
        let mut state = self.state.lock();
        let addressees = self.members.load(Ordering::Relaxed).saturating_sub(1);
        if let Some(place) = state.place_mut(number) {
            let told = Told::Profile { number, profile: Bytes::copy_from_slice(profile.get().as_bytes()) };
            place.profile = Some(profile);
            place.describe(&self.house.books().memory);
            let mut log = self.log.lock();
            log.word(number, Target::Others, Kind::Word, &told);
            log.tell_nodes(|| Word::Profile(number));
        }
        addressees.max(1)
    }

    /// A member is told that something was not allowed.
    pub fn refuse(&self, number: u32, why: Ending) {
        self.log.lock().word(0, Target::One(number), Kind::Word, &Told::Refused(why));
    }

    /// A member's event for all rooms, if it may send such; how many deliveries that is.
    pub fn emit_everywhere(&self, from: u32, emit: &Emit) -> usize {
        let session = self.state.lock().place(from).filter(|place| place.is_everywhere).map(|place| place.session);
        let Some(session) = session else {
            self.house.books().counters.count(Refusal::RoomForbidden);
            self.refuse(
                from,
                Ending::new(Code::Forbidden, "you may not send to all rooms: the program that the proxy runs in grants that"),
            );
            return 1;
        };
        let mut deliveries = self.emit_to(from, emit, false);
        for room in self.house.list().into_iter().filter(|room| room.name != self.name) {
            let state = room.state.lock();
            let own = state.places.iter().find(|place| place.session == session).map(|place| place.number());
            // Under the lock, so that it is not heard of behind its leaving.
            deliveries += room.emit_to(own.unwrap_or(0), &Emit { except: Vec::new(), ..emit.clone() }, false);
            drop(state);
            room.rouse();
        }
        #[cfg(feature = "cluster")]
        if let Some(tally) = self.house.tally.get() {
            let except = self.state.lock().strangers.ids(&emit.except);
            tally.everywhere(Some(session), Some((self.name.as_str().into(), except)), emit);
        }
        deliveries
    }

    /// The program's event for some of the members, or for all, those at this node alone if others hear it in another way; how many deliveries that is at most.
    pub fn emit_program(&self, to: Option<&[Uuid]>, name: &EventName, body: &Bytes, is_for_all: bool) -> usize {
        let state = self.state.lock();
        let (target, count) = match to {
            None => (Target::Others, state.places.len() + state.strangers.len()),
            Some(ids) => {
                let places = state.places.iter().filter(|place| ids.contains(&place.seat.id)).map(|place| place.number());
                let strangers = state.strangers.iter().filter(|(_, one)| ids.contains(&one.info.id)).map(|(number, _)| number);
                let numbers: Vec<u32> = places.chain(strangers).collect();
                (Target::Some(sorted(&numbers)), numbers.len())
            }
        };
        self.came(count);
        let mut log = self.log.lock();
        if is_for_all {
            log.tell_nodes(|| Word::event(0, target.clone(), (false, None), name, body));
        }
        log.event(0, target, false, None, name, body);
        drop(log);
        drop(state);
        self.said();
        count
    }
}

/// Each number once, in order.
fn sorted(numbers: &[u32]) -> Arc<[u32]> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.into()
}
