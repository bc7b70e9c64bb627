//! One live room: who has a seat in it, and how what is said gets to them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use browser_stream_mux::Code;
use browser_stream_protocol::{channel::Ending, room::Told};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use uuid::Uuid;

use super::{
    Here, MemberInfo, RoomEvent,
    asks::Asker,
    batch::{Kind, Log, Target},
    house::{House, names},
    line::Handed,
    seat::Place,
    state::State,
    word::Word,
};
use crate::{counters::Refusal, route::Name, session::together};

/// A room as long as somebody has a seat in it.
pub(super) struct Room {
    pub name: Name,
    pub is_public: bool,
    pub since: SystemTime,
    pub house: Arc<House>,
    pub(super) state: Mutex<State>,
    /// What was said and was not handed out yet. Taken behind `state`, never before it.
    pub(super) log: Mutex<Log>,
    roused: Notify,
    pub(super) members: AtomicUsize,
    pub(super) events: AtomicU64,
    /// It is known who is here at other nodes.
    #[cfg(feature = "cluster")]
    pub(super) whole: tokio::sync::SetOnce<()>,
}

/// What a room is made of, for who looks at it.
pub(super) struct Census {
    pub members: usize,
    pub live: usize,
    #[cfg_attr(not(feature = "admin"), expect(dead_code))]
    pub here: Here,
    pub kept_bytes: usize,
}

/// Between two times that a room hands out what was said it takes so long for each member, about what that costs: what comes meanwhile goes out together.
const PAUSE_PER_MEMBER: Duration = Duration::from_micros(10);
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// With so much to hand out, whoever says more hands it out first.
const LOG_MAX: usize = 128 * 1024;

impl Room {
    pub fn new(name: Name, is_public: bool, house: Arc<House>) -> Self {
        let (log, roused, members, events) = Default::default();
        let state = State {
            #[cfg(feature = "cluster")]
            abroad: house.tally.get().map(|tally| super::abroad::Abroad::new(tally, &name)),
            ..State::default()
        };
        Self {
            name,
            is_public,
            since: SystemTime::now(),
            house,
            state: Mutex::new(state),
            log,
            roused,
            members,
            events,
            #[cfg(feature = "cluster")]
            whole: tokio::sync::SetOnce::new(),
        }
    }

    /// Hands out what is said, and sees to seats and asks whose time is over, until nobody has a seat here.
    pub async fn run(self: Arc<Self>) {
        loop {
            let (due, is_over) = {
                let state = self.state.lock();
                (state.due(), state.is_over)
            };
            if is_over {
                return;
            }
            tokio::select! {
                () = self.roused.notified() => {}
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.expire(),
            }
            self.hand_out();
            let pause = PAUSE_PER_MEMBER * u32::try_from(self.members.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
            if pause >= Duration::from_millis(1) {
                sleep(pause.min(PAUSE_MAX)).await;
            }
        }
    }

    /// There is something to hand out.
    pub fn rouse(&self) {
        self.roused.notify_one();
    }

    /// The same for who has said much, with no lock held: it hands it out itself.
    pub fn said(&self) {
        let waits = self.log.lock().len();
        match waits {
            0 => {}
            LOG_MAX.. => {
                self.hand_out();
                // An ask among it has its time.
                self.rouse();
            }
            _ => self.rouse(),
        }
    }

    fn hand_out(&self) {
        together(|| self.flush(&mut self.state.lock()));
    }

    /// Hands everybody what was said so far: who comes next hears what is said next.
    pub(super) fn flush(&self, state: &mut State) {
        let mut log = self.log.lock();
        let batch = log.take(&self.house.books().memory);
        #[cfg(feature = "cluster")]
        let words = log.take_words();
        drop(log);
        #[cfg(feature = "cluster")]
        state.tell_nodes(words);
        let Some(batch) = batch else { return };
        let (mut chunks, mut lagging) = (Vec::new(), Vec::new());
        for place in &state.places {
            match place.seat.line.lock().hand(&batch, &mut chunks) {
                Handed::Well => {}
                Handed::Waits => place.seat.roused.notify_one(),
                Handed::Lagged => lagging.push(place.number()),
            }
        }
        for number in lagging {
            // It has seats in the end, or is told so by its own task, which its reset wakes.
            self.turn_away(state, number);
        }
    }

    /// A member's connection is gone. False if its seat is not kept.
    fn turn_away(&self, state: &mut State, number: u32) -> bool {
        let House { limits, away, .. } = &*self.house;
        let Some(place) = state.place_mut(number).filter(|place| place.away.is_none()) else { return true };
        let Some(gone) = away.leave(limits.room_grace, true, limits.room_absent_max) else {
            self.house.books().counters.count(Refusal::RoomAbsent);
            return false;
        };
        place.away = Some(gone);
        let id = place.seat.id;
        let mut log = self.log.lock();
        log.word(number, Target::Others, Kind::Word, &Told::Live { number, is_live: false });
        log.tell_nodes(|| Word::Live(number, false));
        drop(log);
        self.rouse();
        self.house.tell(RoomEvent::MemberLive { name: self.name.clone(), id, is_live: false });
        true
    }

    /// The connection of a member's life is gone: its seat is kept for a while, if it may and is to be.
    pub fn lose(&self, number: u32, life: u64, is_kept: bool) {
        let session = {
            let mut state = self.state.lock();
            let Some(place) = state.place(number) else { return };
            let mut line = place.seat.line.lock();
            // Reset for lagging it has none; superseded it has another.
            if line.link().is_some_and(|link| link.life != life) {
                return;
            }
            line.detach();
            drop(line);
            let session = place.session;
            if is_kept && self.turn_away(&mut state, number) {
                return;
            }
            session
        };
        let rooms = self.house.seen(session, self);
        self.vacate(number, &Ending::new(Code::Lost, ""), Some(rooms), |place| place.session == session);
    }

    /// Forgets asks, and ends seats, whose time is over.
    fn expire(&self) {
        let now = Instant::now();
        let is_over = |place: &Place| place.away.as_ref().is_some_and(|away| away.until <= now);
        let mut sessions: Vec<Uuid> = {
            let mut state = self.state.lock();
            state.asks.expire(now);
            state.places.iter().filter(|place| is_over(place)).map(|place| place.session).collect()
        };
        sessions.dedup();
        for session in sessions {
            // All seats of a peer go together: those of its other rooms became empty in the same moment.
            let soon = now + Duration::from_secs(1);
            let goes = |place: &Place| place.session == session && place.away.as_ref().is_some_and(|away| away.until <= soon);
            self.house.part(session, &Ending::new(Code::Lost, ""), goes);
        }
    }

    /// Frees a seat, if it is there and `goes` says so; with the `rooms` that it leaves at once where its connection is over for good. What it was told before
    /// reaches it, and nothing of it comes behind this.
    pub fn vacate(&self, number: u32, ending: &Ending, rooms: Option<Vec<Name>>, goes: impl Fn(&Place) -> bool) -> Option<Place> {
        together(|| {
            let seat = self.state.lock().place(number)?.seat.clone();
            let mut inbox = seat.inbox.lock();
            let mut state = self.state.lock();
            let index = state.index(number).filter(|&index| state.places.get(index).is_some_and(&goes))?;
            self.flush(&mut state);
            inbox.life += 1;
            let place = state.places.remove(index);
            self.count(&mut state);
            self.tell_left(&mut state, &place, ending, rooms);
            #[cfg(feature = "cluster")]
            if state.is_over {
                self.leave_nodes(&mut state);
            }
            self.house.exit(place.session, self, number);
            self.rouse();
            seat.roused.notify_one();
            Some(place)
        })
    }

    fn tell_left(&self, state: &mut State, place: &Place, ending: &Ending, rooms: Option<Vec<Name>>) {
        let (number, id, name) = (place.number(), place.seat.id, self.name.clone());
        let listed = rooms.as_deref().map(names);
        if let Some(rooms) = rooms {
            self.house.tell(RoomEvent::MemberDisconnecting { name: name.clone(), id, rooms });
        }
        self.log.lock().tell_nodes(|| Word::Left { number, ending: ending.clone(), rooms: listed.clone() });
        self.say_left(state, (number, place.who.clone()), ending, listed);
        self.house.tell(RoomEvent::MemberLeft { name: name.clone(), id, code: ending.code, text: ending.text.clone() });
        if state.is_over {
            self.house.tell(RoomEvent::Destroyed { name });
        }
    }

    /// One has left, wherever its seat was: what that answers, and what the others hear.
    pub(super) fn say_left(&self, state: &mut State, (number, who): (u32, Bytes), ending: &Ending, rooms: Option<Bytes>) {
        if let Some(rooms) = rooms {
            let told = Told::Leaving { number, ending: ending.clone(), rooms };
            self.log.lock().word(number, Target::Others, Kind::Word, &told);
        }
        let code = if ending.is_clean() { Code::Gone.number() } else { ending.code };
        self.unanswered(state, number, &Ending::new(code, "it left before it answered"));
        let told = Told::Left { number, ending: ending.clone() };
        self.log.lock().word(number, Target::Others, Kind::Left(who), &told);
    }

    /// What one was asked, it answers no more; its own asks are forgotten.
    pub(super) fn unanswered(&self, state: &mut State, number: u32, why: &Ending) {
        let askers = state.asks.part(number);
        let mut log = self.log.lock();
        for asker in askers {
            answer(&mut log, asker, number, Err(why.clone()));
        }
    }

    /// Who is here has changed, wherever that is.
    pub(super) fn recount(&self, state: &mut State) {
        state.everybody = None;
        self.members.store(state.places.len() + state.strangers.len(), Ordering::Relaxed);
    }

    /// Who has a seat here has changed.
    pub(super) fn count(&self, state: &mut State) {
        self.recount(state);
        let members = state.places.len();
        if members == 0 {
            state.is_over = true;
            self.house.forget(self);
            self.rouse();
        }
        // One into which nobody came was not listed.
        if state.last > 0 {
            self.house.count(self, members);
        }
    }

    /// Keeps no more than the newest for anybody, where the process has no memory.
    pub fn relieve(&self) {
        let mut state = self.state.lock();
        let lagging: Vec<u32> =
            state.places.iter().filter(|place| !place.seat.line.lock().hold_to_bounds()).map(|place| place.number()).collect();
        for number in lagging {
            self.turn_away(&mut state, number);
        }
    }

    pub fn census(&self) -> Census {
        let state = self.state.lock();
        let here = Here { members: state.places.len(), live: state.places.iter().filter(|place| place.away.is_none()).count() };
        Census {
            members: here.members + state.strangers.len(),
            live: here.live + state.strangers.live(),
            here,
            kept_bytes: state.places.iter().map(|place| place.seat.line.lock().held().bytes).sum(),
        }
    }

    /// The session of a member's newest connection, if it `is` that.
    pub fn session(&self, number: u32, is: impl Fn(&Place) -> bool) -> Option<Uuid> {
        self.state.lock().place(number).filter(|place| is(place)).map(|place| place.session)
    }

    /// Who has a seat at this node.
    #[cfg(feature = "admin")]
    pub fn infos_here(&self) -> Vec<MemberInfo> {
        self.state.lock().places.iter().map(MemberInfo::of).collect()
    }

    /// Who is here, in the order in which they came.
    pub fn infos(&self) -> Vec<MemberInfo> {
        let state = self.state.lock();
        let strangers = state.strangers.iter().map(|(_, stranger)| stranger.info.clone());
        let mut infos: Vec<MemberInfo> = state.places.iter().map(MemberInfo::of).chain(strangers).collect();
        infos.sort_unstable_by_key(|info| info.number);
        infos
    }

    /// A member is to go, and is told why; false if it is not here.
    pub fn remove(&self, number: u32, ending: &Ending) -> bool {
        let id = self.state.lock().strangers.iter().find(|(other, _)| *other == number).map(|(_, stranger)| stranger.info.id);
        if let Some(id) = id {
            // Its own node sees to it.
            self.log.lock().tell_nodes(|| Word::Remove { id, ending: ending.clone() });
            self.rouse();
            return true;
        }
        let place = self.vacate(number, ending, None, |_| true);
        let link = place.as_ref().and_then(|place| place.seat.line.lock().detach());
        link.into_iter().for_each(|link| link.end(&Told::End(ending.clone())));
        place.is_some()
    }
}

/// Tells who asked.
pub(super) fn answer(log: &mut Log, asker: Asker, from: u32, answer: browser_stream_protocol::room::Answer) {
    match asker {
        Asker::Member(member, number) => log.word(from, Target::One(member), Kind::Word, &Told::Answer { number, from, answer }),
        // A program that has stopped to wait is no fault.
        Asker::Program(tell) => drop(tell.send((from, answer))),
        Asker::Node(node, ask) => log.tell_nodes(|| Word::Answer { node, ask, from, answer }),
    }
}
