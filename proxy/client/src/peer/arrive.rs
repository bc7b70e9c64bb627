//! A stream that the proxy opened: a client for a listener, or one more carrier of a stream that is there.

use std::sync::Arc;

use browser_stream_mux::{Code, Stream};
use browser_stream_protocol::OpenError;
use tokio::sync::mpsc::error::TrySendError;

use super::Shared;
use crate::{
    Connection,
    connection::refuse,
    resumable::{Asked, Field, Newborn, join},
    resume::Unproven,
    wire::Accept,
};

impl Shared {
    /// Hands it to whoever it is for, or refuses it. `unproven` counts the carriers of its session that have yet to say whose they are.
    pub(super) fn arrive(self: &Arc<Self>, accept: Accept, stream: Stream, unproven: &Unproven) {
        let Accept { path, id, meta, peer, resume } = accept;
        let Some(target) = self.routes.find(&path) else {
            return refuse(stream, OpenError::new(Code::NotFound, "nobody serves that name here"));
        };
        let (stream, newborn) = match resume.map(|raw| Field::read(&raw, &target.name)) {
            None | Some(Ok(Asked::Unknown)) => (stream, None),
            Some(Ok(Asked::Birth(birth, grace))) => match Newborn::find(self, birth, grace, stream) {
                Some((stream, newborn)) => (stream, Some(newborn)),
                None => return,
            },
            Some(Ok(Asked::Join)) => {
                let pass = unproven.admit(self.resumption.limits());
                return drop(self.tasks.spawn(join(Arc::clone(self), target.name, stream, pass)));
            }
            Some(Err(_)) => return refuse(stream, OpenError::new(Code::BadRequest, "resume is not what it should be")),
        };
        match target.listener.try_send(Connection::new(stream, newborn, id, meta, peer)) {
            Ok(()) => {}
            Err(TrySendError::Full(connection)) => connection.refuse(Code::Busy, "too many clients wait to be accepted"),
            Err(TrySendError::Closed(connection)) => connection.refuse(Code::Gone, "the server ended"),
        }
    }
}
