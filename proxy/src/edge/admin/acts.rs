//! What whoever runs the proxy does: each act is written down, with who did it.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, State},
};
use browser_stream_mux::Code;
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::Duration;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{super::proxy::Proxy, door::Caller, fault::Fault, lists::uuid, office::Office, reach::Of};
use crate::{feature::room::Rooms, route::Name};

/// How a session is closed: as what a peer may try again, but not at once.
const CLOSED: (u16, &str) = (1008, "closed by whoever runs the proxy");

/// What a member is told that is removed.
const REMOVED: &str = "removed by whoever runs the proxy";

/// What is done has no more to say.
type Done = Result<StatusCode, Fault>;

impl Office {
    fn acted(&self, caller: &Caller, did: &str, session: Option<Uuid>, name: Option<&str>) -> Done {
        self.chronicle.acted(&caller.who(), did, session, name);
        Ok(StatusCode::NO_CONTENT)
    }
}

/// Ends a stream: both its ends are told `forbidden`. One that is `resumable` is lost at its client, and over at its server when that has waited for it as long as it does,
/// unless its client has another way: nothing goes on to its path from the session that opened it, for 30 seconds.
#[utoipa::path(
    delete, path = "/admin/api/streams/{id}", params(("id" = String, Path), Of),
    responses((status = 204), (status = 400, body = Fault), (status = 404, body = Fault))
)]
pub(super) async fn reset(State(office): State<Arc<Office>>, Extension(caller): Extension<Caller>, Path(id): Path<String>) -> Done {
    let (session, number) = office.stream(&id)?;
    if !session.cut(number) {
        return Err(Fault::missing("no stream of that id is open"));
    }
    office.acted(&caller, &format!("ended the stream {}:{number}", session.id()), Some(session.id()), None)
}

/// Closes a session: its peer may come back.
#[utoipa::path(
    delete, path = "/admin/api/sessions/{id}", params(("id" = String, Path), Of),
    responses((status = 204), (status = 400, body = Fault), (status = 404, body = Fault))
)]
pub(super) async fn close(State(office): State<Arc<Office>>, Extension(caller): Extension<Caller>, Path(id): Path<String>) -> Done {
    let session = office.session(&id)?;
    let (code, reason) = CLOSED;
    session.close(code, reason);
    office.acted(&caller, &format!("closed the session {}", session.id()), Some(session.id()), None)
}

/// Takes a name from whoever has it: its owner is told `released`, and its session stays.
#[utoipa::path(
    delete, path = "/admin/api/names/{name}", params(("name" = String, Path, description = "The key of the name"), Of),
    responses((status = 204), (status = 400, body = Fault), (status = 404, body = Fault))
)]
pub(super) async fn release(State(office): State<Arc<Office>>, Extension(caller): Extension<Caller>, Path(key): Path<String>) -> Done {
    let (names, name) = office.name(&key)?;
    if !names.release(&name) {
        return Err(Fault::missing("nobody has that name"));
    }
    office.acted(&caller, &format!("released {name:?}"), None, Some(&name))
}

/// Keeps a name: nobody gets it from now on, until this process ends. Who has it keeps it: release it as well.
#[utoipa::path(
    put, path = "/admin/api/reserved/{name}", params(("name" = String, Path, description = "The key of the name"), Of),
    responses((status = 204), (status = 400, body = Fault), (status = 404, body = Fault), (status = 409, body = Fault))
)]
pub(super) async fn reserve(State(office): State<Arc<Office>>, Extension(caller): Extension<Caller>, Path(key): Path<String>) -> Done {
    let (names, name) = office.name(&key)?;
    Name::try_from(name.as_str()).map_err(|error| Fault::bad(error.to_string()))?;
    if office.inner()?.names.iter().map(|names| names.reserved()).sum::<usize>() >= RESERVED_MAX {
        return Err(Fault::full(format!("at most {RESERVED_MAX} names are reserved: give some free")));
    }
    if !names.reserve(&name) {
        return Err(Fault::conflict("that name is reserved already"));
    }
    office.acted(&caller, &format!("reserved {name:?}"), None, Some(&name))
}

/// So many names are kept.
const RESERVED_MAX: usize = 10_000;

/// Gives a reserved name free.
#[utoipa::path(
    delete, path = "/admin/api/reserved/{name}", params(("name" = String, Path, description = "The key of the name"), Of),
    responses((status = 204), (status = 400, body = Fault), (status = 404, body = Fault))
)]
pub(super) async fn unreserve(State(office): State<Arc<Office>>, Extension(caller): Extension<Caller>, Path(key): Path<String>) -> Done {
    let (names, name) = office.name(&key)?;
    if !names.unreserve(&name) {
        return Err(Fault::missing("that name is not reserved"));
    }
    office.acted(&caller, &format!("gave {name:?} free"), None, Some(&name))
}

/// An event for a room.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Emit {
    /// Its name.
    event: String,
    /// Its arguments.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    args: Vec<Value>,
}

/// Sends an event to all members of a room.
#[utoipa::path(
    post, path = "/admin/api/rooms/{name}/emit", params(("name" = String, Path), Of), request_body = Emit,
    responses((status = 204), (status = 400, body = Fault), (status = 404, body = Fault), (status = 413, body = Fault))
)]
pub(super) async fn emit(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: Bytes,
) -> Done {
    let Emit { event, args } = read(&body)?;
    let told = office.inner()?.rooms.emit(&name, &event, &args).map_err(|error| match error.is(Code::Limit) {
        true => Fault::too_large(error.message),
        false => error.into(),
    })?;
    office.acted(&caller, &format!("sent {event:?} to the {told} members of the room {name:?}"), None, Some(&name))
}

/// Removes a member from a room: it and the others are told.
#[utoipa::path(
    delete, path = "/admin/api/rooms/{name}/members/{id}", params(("name" = String, Path), ("id" = String, Path), Of),
    responses((status = 204), (status = 400, body = Fault), (status = 404, body = Fault))
)]
pub(super) async fn remove(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    Path((name, id)): Path<(String, String)>,
) -> Done {
    let id = uuid(&id)?;
    let rooms = &office.inner()?.rooms;
    if !is_here(rooms, &name, id) || !rooms.remove(&name, id, REMOVED) {
        return Err(nobody());
    }
    office.acted(&caller, &format!("removed the member {id} from the room {name:?}"), None, Some(&name))
}

/// Whether a member has its seat at this node: each removes and moves its own, and writes that down.
fn is_here(rooms: &Rooms, name: &str, id: Uuid) -> bool {
    rooms.members_here(name).iter().any(|member| member.id == id)
}

fn nobody() -> Fault {
    Fault::missing("nobody of that id is in a room of that name")
}

/// Where a member is to go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Move {
    /// The other room, which may be new.
    room: String,
}

/// Moves a member to another room: it is told.
#[utoipa::path(
    put, path = "/admin/api/rooms/{name}/members/{id}", params(("name" = String, Path), ("id" = String, Path), Of), request_body = Move,
    responses((status = 204), (status = 400, body = Fault), (status = 404, body = Fault), (status = 429, body = Fault))
)]
pub(super) async fn move_to(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    Path((name, id)): Path<(String, String)>,
    body: Bytes,
) -> Done {
    let Move { room } = read(&body)?;
    let id = uuid(&id)?;
    let rooms = &office.inner()?.rooms;
    if !is_here(rooms, &name, id) {
        return Err(nobody());
    }
    rooms.move_to(&name, id, &room)?;
    office.acted(&caller, &format!("moved the member {id} from the room {name:?} to {room:?}"), None, Some(&name))
}

/// How the proxy is to go down.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Drain {
    /// After so many seconds whatever is left is closed; without it, after the proxy's `drain_timeout`.
    #[schema(minimum = 0, maximum = 86_400)]
    deadline_s: Option<u32>,
}

/// Nobody drains for longer than a day.
const DRAIN_MAX_S: u32 = 86_400;

/// Has the proxy go down: it takes no new sessions, and ends when those that there are have ended, or at the deadline.
#[utoipa::path(
    post, path = "/admin/api/drain", params(Of), request_body = Drain,
    responses((status = 204), (status = 400, body = Fault), (status = 404, body = Fault))
)]
pub(super) async fn drain(State(office): State<Arc<Office>>, Extension(caller): Extension<Caller>, body: Bytes) -> Done {
    let Drain { deadline_s } = read(if body.is_empty() { b"{}" } else { &body })?;
    if deadline_s.is_some_and(|seconds| seconds > DRAIN_MAX_S) {
        return Err(Fault::bad(format!("deadline_s is a number from 0 to {DRAIN_MAX_S}")));
    }
    let proxy = Proxy { inner: office.inner()? };
    let deadline = deadline_s.map_or(proxy.inner.limits.drain_timeout, |seconds| Duration::from_secs(seconds.into()));
    let done = office.acted(&caller, &format!("has the proxy go down within {} s", deadline.as_secs_f64()), None, None);
    tokio::spawn(async move { proxy.shutdown(deadline).await });
    done
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::bad(format!("the body is not what is wanted here: {error}")))
}
