//! A stream that the proxy opened: a client for a listener, or one more carrier of a stream that is there.

use std::sync::Arc;

use browser_stream_mux::{Code, Stream};
use browser_stream_protocol::OpenError;
use serde_json::value::RawValue;
use tokio::sync::mpsc::error::TrySendError;

use super::{Shared, routes::Target};
use crate::{
    Connection,
    connection::{refuse, show_key},
    resumable::{Asked, Asking, Field, Newborn, join},
    resume::{Secret, StreamId, Unproven},
    seal::{Greeted, Ungreeted, greet},
    wire::Accept,
};

impl Shared {
    /// Hands it to whoever it is for, or refuses it. `unproven` counts the carriers of its session that have yet to say whose they are.
    pub(super) fn arrive(self: &Arc<Self>, accept: Accept, stream: Stream, unproven: &Unproven) {
        let Accept { path, id, meta, peer, resume, seal } = accept;
        let Some(target) = self.routes.find(&path) else {
            return refuse(stream, OpenError::new(Code::NotFound, "nobody serves that name here"));
        };
        let asked = match resume.map(|raw| Field::read(&raw)).transpose() {
            Ok(Some(Asked::Join)) => {
                let pass = unproven.admit(self.resumption.limits());
                return drop(self.tasks.spawn(join(Arc::clone(self), target.name, stream, pass)));
            }
            Ok(asked) => asked,
            Err(_) => return refuse(stream, unfit()),
        };
        let greeted = match self.greeted(&target, asked.as_ref(), seal.as_deref()) {
            Ok(greeted) => greeted,
            Err(Ungreeted::Refused(error)) => return refuse(stream, error),
            Err(Ungreeted::Unknown(keys)) => return show_key(stream, &keys),
        };
        let (stream, newborn, greeted) = match (asked, greeted) {
            (Some(Asked::Birth(asking)), greeted) => {
                let Some((secret, greeted)) = agreed(&asking, greeted) else { return refuse(stream, unfit()) };
                let letters = greeted.as_ref().map(|greeted| greeted.letters.clone());
                let Some((stream, newborn)) = Newborn::find(self, target.name, &asking, secret, letters, stream) else { return };
                (stream, Some(newborn), greeted)
            }
            (_, greeted) => (stream, None, greeted),
        };
        match target.listener.try_send(Connection::new(stream, newborn, id, meta, peer).sealed_by(greeted)) {
            Ok(()) => {}
            Err(TrySendError::Full(connection)) => connection.refuse(Code::Busy, "too many clients wait to be accepted"),
            Err(TrySendError::Closed(connection)) => connection.refuse(Code::Gone, "the server ended"),
        }
    }

    /// What the client sealed to us, where the listener is sealed.
    fn greeted(&self, target: &Target, asked: Option<&Asked>, seal: Option<&RawValue>) -> Result<Option<Greeted>, Ungreeted> {
        let Some(keys) = &target.keys else { return Ok(None) };
        let id = match asked {
            Some(Asked::Birth(asking)) => Some(asking.id),
            Some(Asked::Unknown(id)) => *id,
            Some(Asked::Join) | None => None,
        };
        let known = id.and_then(|id| self.resumption.letters(id));
        if known.is_some() && !matches!(asked, Some(Asked::Birth(_))) {
            // In our version it was a carrier of that stream; in no other is it a stream of its own.
            return Err(Ungreeted::Refused(OpenError::new(Code::Forbidden, "the stream's id is taken")));
        }
        greet(keys, &target.name, &id.unwrap_or(StreamId([0; 16])).0, seal, known.as_ref()).map(Some)
    }
}

/// The secret of a stream that resumes: said in the open, or that of the handshake; `None` if it is both or neither.
fn agreed(asking: &Asking, greeted: Option<Greeted>) -> Option<(Secret, Option<Greeted>)> {
    match (&asking.secret, greeted) {
        (Some(secret), None) => Some((secret.clone(), None)),
        // Nothing of a sealed stream goes before its reply.
        (None, Some(greeted)) if asking.early == 0 => Some((greeted.secret.clone(), Some(greeted))),
        _ => None,
    }
}

fn unfit() -> OpenError {
    OpenError::new(Code::BadRequest, "resume is not what it should be")
}
