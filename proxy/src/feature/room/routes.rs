//! What peers ask for: to join, to watch which rooms there are.

use browser_stream_mux::Code;
use browser_stream_protocol::room::{PROFILE_MAX, RoomAccepted, RoomInfo, RoomOpen, SeatKey, Told};
use futures::{FutureExt, future::BoxFuture};
use serde_json::{json, value::RawValue};

use super::{
    Grant, Joining, Rooms,
    enter::{Guest, Outside},
    house::Moved,
    line::Link,
    member::Attending,
};
use crate::{
    counters::Refusal,
    error::OpenError,
    route::{Handler, Name},
    session::{Opening, Permit},
    token::Verb,
};

/// The route of those who join.
pub(super) struct Join(pub Rooms);

impl Handler for Join {
    fn call(&self, opening: Opening) -> BoxFuture<'static, ()> {
        self.0.clone().join_for(opening).boxed()
    }
}

/// The route of those who watch.
pub(super) struct List(pub Rooms);

impl Handler for List {
    fn call(&self, opening: Opening) -> BoxFuture<'static, ()> {
        let rooms = self.0.clone();
        async move {
            rooms.belong_to(&opening.session().process.memory, &opening.session().process.counters);
            rooms.house.directory.watch(opening, &rooms.house.limits).await;
        }
        .boxed()
    }
}

impl Rooms {
    async fn join_for(self, opening: Opening) {
        self.belong_to(&opening.session().process.memory, &opening.session().process.counters);
        let (name, asked) = match asked(&opening) {
            Ok(asked) => asked,
            Err(error) => {
                opening.session().count(Refusal::BadOpen);
                return opening.refuse(error).await;
            }
        };
        let permit = match opening.permit(Verb::Join, name.as_str()) {
            Ok(permit) => permit,
            Err(error) => return opening.refuse(error).await,
        };
        if let Some(moved) = asked.seat.as_ref().and_then(|key| self.house.moved(&name, key, permit.sub())) {
            return self.tell_moved(opening, &asked, moved).await;
        }
        // Where it gives up meanwhile, that is found when it is let in.
        match self.grant(&opening, &name, &asked, &permit).await {
            Ok(grant) => self.let_in(opening, name, asked, (grant, permit)).await,
            Err(error) => {
                opening.session().count(Refusal::RoomForbidden);
                opening.refuse(error).await;
            }
        }
    }

    /// What the program has to say to one who joins.
    async fn grant(&self, opening: &Opening, name: &Name, asked: &RoomOpen, permit: &Permit) -> Result<Grant, OpenError> {
        let Some(hook) = self.house.hooks.join.read().clone() else { return Ok(Grant::default()) };
        let is_back = |key: &SeatKey| self.house.find(name).is_some_and(|room| room.has(key, permit.sub()));
        let is_new = !asked.seat.as_ref().is_some_and(is_back);
        let session = opening.session();
        let (profile, sub) = (asked.profile.clone(), permit.sub().cloned());
        hook(Joining { name: name.clone(), session: session.id(), sub, remote: session.remote(), is_new, profile }).await
    }

    async fn let_in(self, mut opening: Opening, name: Name, asked: RoomOpen, (grant, permit): (Grant, Permit)) {
        let session = opening.session().id();
        let beside = if grant.is_everywhere { None } else { opening.permit_beside("everywhere") };
        let is_everywhere = grant.is_everywhere || beside.is_some();
        let profile = grant.profile.or(asked.profile);
        if profile.as_deref().map_or(0, |profile| profile.get().len()) > PROFILE_MAX {
            let error = OpenError::new(Code::Internal, format!("the program gives a profile of more than {PROFILE_MAX} bytes"));
            return opening.refuse(error).await;
        }
        loop {
            let Ok(room) = self.house.find_or_make(&name, asked.public) else {
                return opening.refuse(OpenError::new(Code::Limit, "there are as many rooms as may be")).await;
            };
            #[cfg(feature = "cluster")]
            room.is_whole().await;
            let seat = asked.seat.as_ref().and_then(|key| Some((room.seat(key, permit.sub())?, key.got)));
            #[cfg(feature = "cluster")]
            let id = asked.seat.as_ref().filter(|_| seat.is_none()).and_then(|key| room.shown(key, permit.sub().map(|sub| &**sub)));
            #[cfg(not(feature = "cluster"))]
            let id = None;
            let mut guest = Guest { session, sub: permit.sub().cloned(), profile: profile.clone(), is_everywhere, seat, id };
            match room.enter(&mut guest, opening).map_err(|outside| *outside) {
                Ok(entered) => {
                    let account = self.accounts.of(session);
                    return Attending::new(room, entered, account, permit).run().await;
                }
                Err((Outside::Refused(error), opening)) => return opening.refuse(error).await,
                Err((Outside::Changed, waits)) => opening = waits,
            }
        }
    }

    /// One looks for its seat where that was before.
    async fn tell_moved(self, opening: Opening, asked: &RoomOpen, moved: Moved) {
        let mut info = RoomInfo::default();
        info.name = moved.from.as_str().to_owned();
        info.secret = moved.secret.hex();
        (info.resumed, info.got) = (true, moved.received);
        info.grace_ms = u64::try_from(self.house.limits.room_grace.as_millis()).unwrap_or(u64::MAX);
        info.event_bytes_max = self.house.limits.room_event_bytes_max as u64;
        let id = asked.seat.as_ref().map(|key| key.id.clone()).unwrap_or_default();
        let link = Link::new(0, opening.accept_aside(&RoomAccepted::new(id, info)));
        link.end(&Told::Moved(moved_to(&moved.to)));
        let _ = tokio::time::timeout(self.house.limits.refused_linger, link.cell.peer_done()).await;
    }
}

/// Where a seat was moved to, as its member is told.
pub(super) fn moved_to(name: &Name) -> bytes::Bytes {
    json!({ "name": name.as_str() }).to_string().into()
}

/// The room's name at the end of the path, and what the peer says.
fn asked(opening: &Opening) -> Result<(Name, RoomOpen), OpenError> {
    let bad = |why: String| OpenError::new(Code::BadRequest, why);
    let segment = opening.open().path.rsplit('/').next().unwrap_or_default();
    let name = Name::from_segment(segment).map_err(|error| bad(error.to_string()))?;
    let asked: RoomOpen = match &opening.open().room {
        Some(field) => serde_json::from_str(field.get()).map_err(|error| bad(format!("room: {error}")))?,
        None => RoomOpen::default(),
    };
    let length = asked.profile.as_deref().map(RawValue::get).map_or(0, str::len);
    if length > PROFILE_MAX {
        return Err(bad(format!("room: profile: {length} bytes, {PROFILE_MAX} at most")));
    }
    Ok((name, asked))
}
