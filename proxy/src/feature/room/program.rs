//! Rooms as the program that the proxy runs in has them.

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use browser_stream_mux::Code;
use browser_stream_protocol::{channel::Ending, room::Told};
use futures::FutureExt;
use serde::Serialize;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use super::{
    Asked, Grant, Joining, MemberInfo, RoomStatus, Rooms, Value,
    asks::Asker,
    emit::Ask,
    enter::Outside,
    room::Room,
    routes::moved_to,
    seat::Place,
    value::{encode, event},
};
use crate::{
    error::{OpenError, RefusalCode},
    route::Name,
    session::together,
};

/// What became of an ask at one member.
///
/// See [`Rooms`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answered {
    /// Who was asked.
    pub member: MemberInfo,
    /// Its answer; else its error, `timeout` where it said nothing in time, or why it is gone.
    pub value: Result<Value, OpenError>,
}

impl Rooms {
    /// The rooms that there are, in no order.
    pub fn list(&self) -> Vec<RoomStatus> {
        let status = |room: Arc<Room>| {
            let census = room.census();
            RoomStatus {
                name: room.name.clone(),
                is_public: room.is_public,
                members: census.members,
                live: census.live,
                #[cfg(feature = "admin")]
                here: census.here,
                kept_bytes: census.kept_bytes,
                events: room.events.load(std::sync::atomic::Ordering::Relaxed),
                since: room.since,
            }
        };
        self.house.list().into_iter().map(status).collect()
    }

    /// Who has a seat in a room, in the order in which they came; nobody where there is no such room.
    pub fn members(&self, name: &str) -> Vec<MemberInfo> {
        self.find(name).map(|room| room.infos()).unwrap_or_default()
    }

    /// Those of them who have their seats at this node.
    #[cfg(feature = "admin")]
    pub(crate) fn members_here(&self, name: &str) -> Vec<MemberInfo> {
        self.find(name).map(|room| room.infos_here()).unwrap_or_default()
    }

    /// Sends an event to all members of a room: how many those are. Who is away has it when it is back. `args` is a tuple or another sequence.
    ///
    /// # Errors
    /// `not_found` where there is no such room, `bad_request` for a name or arguments that cannot be, `limit` for more than [`Limits::room_event_bytes_max`](crate::Limits).
    pub fn emit(&self, name: &str, event: &str, args: &impl Serialize) -> Result<usize, OpenError> {
        let (event, body) = self.event(event, args)?;
        Ok(self.find(name)?.emit_program(None, &event, &body, true))
    }

    /// Sends an event to some members of a room, by their ids: how many of those are there.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_to(&self, name: &str, members: &[Uuid], event: &str, args: &impl Serialize) -> Result<usize, OpenError> {
        let (event, body) = self.event(event, args)?;
        Ok(self.find(name)?.emit_program(Some(members), &event, &body, true))
    }

    /// Sends an event to all members of all rooms: how many those are.
    ///
    /// # Errors
    /// `bad_request` and `limit` as [`emit`](Self::emit).
    pub fn emit_all(&self, event: &str, args: &impl Serialize) -> Result<usize, OpenError> {
        let (event, body) = self.event(event, args)?;
        #[cfg(feature = "cluster")]
        if let Some(tally) = self.house.tally.get() {
            tally.everywhere(None, None, &browser_stream_protocol::room::Emit::new(event.clone(), body.clone()));
        }
        Ok(self.house.list().iter().map(|room| room.emit_program(None, &event, &body, false)).sum())
    }

    /// Asks all members of a room, and waits for their answers, at most so long. Dropping the future asks all the same.
    ///
    /// # Errors
    /// As [`emit`](Self::emit); what members did is in their [`Answered`].
    pub async fn ask(&self, name: &str, event: &str, args: &impl Serialize, timeout: Duration) -> Result<Vec<Answered>, OpenError> {
        let (event, body) = self.event(event, args)?;
        let room = self.find(name)?;
        let (tell, mut answers) = mpsc::unbounded_channel();
        let members = room.infos();
        let numbers: Vec<u32> = members.iter().map(|member| member.number).collect();
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let until = Instant::now() + timeout;
        let asker = Asker::Program(tell);
        let mut missing = room.ask(Ask { asker, timeout, to: &numbers, except: &[], name: &event, body: &body });
        room.said();
        let mut told = HashMap::new();
        while missing > 0 {
            let Ok(Some((from, answer))) = timeout_at(until, answers.recv()).await else { break };
            missing -= 1;
            told.insert(from, answer.map(Value::new).map_err(refusal));
        }
        let silent = || Err(OpenError::new(Code::Timeout, "it did not answer in time"));
        let answered = |member: MemberInfo| Answered { value: told.remove(&member.number).unwrap_or_else(silent), member };
        Ok(members.into_iter().map(answered).collect())
    }

    /// Answers members that ask this event, in all rooms; again: answers otherwise from now on. What is answered is MessagePack's, as arguments are.
    pub fn answer<F, R, T>(&self, event: &str, handler: F)
    where
        F: Fn(Asked) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, OpenError>> + Send + 'static,
        T: Serialize,
    {
        let most = self.house.limits.room_event_bytes_max;
        let answer = move |asked| handler(asked).map(move |answer| answer.and_then(|value| encode(&value, most))).boxed();
        self.house.hooks.answers.write().insert(event.to_owned(), Arc::new(answer));
    }

    /// Decides who may join from now on, and come back: without it everybody may, and nobody may send to all rooms.
    pub fn on_join<F, R>(&self, hook: F)
    where
        F: Fn(Joining) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Grant, OpenError>> + Send + 'static,
    {
        *self.house.hooks.join.write() = Some(Arc::new(move |joining| hook(joining).boxed()));
    }

    /// Removes a member: it and the others are told so, with the reason. False if it is not there.
    pub fn remove(&self, name: &str, member: Uuid, reason: &str) -> bool {
        let ending = Ending::new(Code::Forbidden, reason);
        let Ok(room) = self.find(name) else { return false };
        let found = room.infos().into_iter().find(|info| info.id == member);
        found.is_some_and(|info| room.remove(info.number, &ending))
    }

    /// Ends a room: its members are told `gone`, with the reason. False if there is none.
    pub fn close(&self, name: &str, reason: &str) -> bool {
        let ending = Ending::new(Code::Gone, reason);
        let Ok(room) = self.find(name) else { return false };
        for member in room.infos() {
            room.remove(member.number, &ending);
        }
        true
    }

    /// Moves a member to another room, which may be new: its seat is there from now on, and it is told so. What it was not told here it never hears.
    ///
    /// # Errors
    /// `bad_request` for a name that cannot be, `not_found` where it is not, `limit` where the other room takes no more.
    pub fn move_to(&self, name: &str, member: Uuid, to: &str) -> Result<(), OpenError> {
        let (from, to) = (self.find(name)?, Name::try_from(to).map_err(|error| bad(&error))?);
        if from.name == to {
            return Ok(());
        }
        let info = from.infos().into_iter().find(|info| info.id == member);
        let info = info.ok_or_else(|| OpenError::new(Code::NotFound, "nobody of that id is in that room"))?;
        loop {
            let full = |_| OpenError::new(Code::Limit, "there are as many rooms as may be");
            let room = self.house.find_or_make(&to, from.is_public).map_err(full)?;
            match room.receive(&from, info.number) {
                Ok(()) => return Ok(()),
                Err(Outside::Refused(error)) => return Err(error),
                Err(Outside::Changed) => {}
            }
        }
    }

    fn find(&self, name: &str) -> Result<Arc<Room>, OpenError> {
        let name = Name::try_from(name).map_err(|error| bad(&error))?;
        self.house.find(&name).ok_or_else(|| OpenError::new(Code::NotFound, "nobody is in a room of that name"))
    }

    fn event(&self, name: &str, args: &impl Serialize) -> Result<(browser_stream_protocol::room::EventName, bytes::Bytes), OpenError> {
        event(name, args, self.house.limits.room_event_bytes_max)
    }
}

impl Room {
    /// Takes a member of another room in, with its seat.
    fn receive(self: &Arc<Self>, from: &Arc<Self>, number: u32) -> Result<(), Outside> {
        let (limits, gone) = (&self.house.limits, || OpenError::new(Code::NotFound, "it has left"));
        let (peer, profile, id, secret, is_everywhere, is_told) = {
            let state = from.state.lock();
            let place = state.place(number).ok_or_else(gone)?;
            let (seat, is_told) = (&place.seat, place.away.is_some());
            ((place.session, place.sub.clone()), place.profile.clone(), seat.id, seat.secret.clone(), place.is_everywhere, is_told)
        };
        let away = self.house.away.leave(limits.room_grace, is_told, limits.room_absent_max);
        let away = away.ok_or_else(|| OpenError::new(Code::Limit, "as many are away as may be"))?;
        let came = together(|| -> Result<u32, Outside> {
            let mut state = self.state.lock();
            let place = self.seat_for(&mut state, peer, profile.as_deref(), (id, secret))?;
            Ok(self.sit(&mut state, Place { away: Some(away), is_everywhere, ..place }).number)
        })?;
        let ending = Ending::new(0_u32, "moved to another room");
        let Some(place) = from.vacate(number, &ending, None, |place| place.seat.id == id) else {
            self.vacate(came, &ending, None, |_| true);
            return Err(gone().into());
        };
        let received = place.seat.inbox.lock().received;
        self.house.moves(id, (&from.name, &self.name), &place, received);
        if let Some(link) = place.seat.line.lock().detach() {
            // What is here must not be sent anew there.
            link.say(&Told::Got(received));
            link.end(&Told::Moved(moved_to(&self.name)));
        }
        Ok(())
    }
}

fn refusal(ending: Ending) -> OpenError {
    OpenError { code: RefusalCode::from_number(ending.code), message: ending.text }
}

fn bad(why: &impl ToString) -> OpenError {
    OpenError::new(Code::BadRequest, why.to_string())
}
