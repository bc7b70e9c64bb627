//! Which listener takes the clients of which name.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use browser_stream_mux::Code;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::Connection;

/// Clients that a listener may have waiting: as many as the proxy leaves unanswered at once.
const WAITING_MAX: usize = 256;

/// The listeners of one peer, by the path of the opens that they take.
#[derive(Default)]
pub(crate) struct Routes(Mutex<HashMap<String, mpsc::Sender<Connection>>>);

/// A path that is taken for as long as this lives.
#[must_use = "dropping a route frees its path"]
pub(crate) struct Route {
    routes: Arc<Routes>,
    path: String,
}

impl Routes {
    /// Takes the path, with what comes in on it; `None` if it is taken.
    pub(crate) fn take(self: &Arc<Self>, path: String) -> Option<(Route, mpsc::Receiver<Connection>)> {
        let (sender, connections) = mpsc::channel(WAITING_MAX);
        match self.0.lock().entry(path.clone()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(vacant) => {
                vacant.insert(sender);
                Some((Route { routes: Arc::clone(self), path }, connections))
            }
        }
    }

    /// Hands a client to whoever serves its path, or refuses it.
    pub(super) fn deliver(&self, path: &str, connection: Connection) {
        let listener = self.0.lock().get(path).cloned();
        let Some(listener) = listener else {
            return connection.refuse(Code::NotFound, "nobody serves that name here");
        };
        match listener.try_send(connection) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(connection)) => connection.refuse(Code::Busy, "too many clients wait to be accepted"),
            Err(mpsc::error::TrySendError::Closed(connection)) => connection.refuse(Code::Gone, "the server ended"),
        }
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.routes.0.lock().remove(&self.path);
    }
}
