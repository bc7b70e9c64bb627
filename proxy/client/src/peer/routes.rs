//! Which listener takes the clients of which name.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::Connection;

/// Clients that a listener may have waiting: as many as the proxy leaves unanswered at once.
const WAITING_MAX: usize = 256;

/// The listeners of one peer, by the path of the opens that they take.
#[derive(Default)]
pub(crate) struct Routes(Mutex<HashMap<String, Target>>);

/// A name, and who takes its clients.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) name: Arc<str>,
    pub(super) listener: mpsc::Sender<Connection>,
}

/// A path that is taken for as long as this lives.
#[must_use = "dropping a route frees its path"]
pub(crate) struct Route {
    routes: Arc<Routes>,
    path: String,
}

impl Routes {
    /// Takes the path for a name, with what comes in on it; `None` if it is taken.
    pub(crate) fn take(self: &Arc<Self>, path: String, name: &str) -> Option<(Route, mpsc::Receiver<Connection>)> {
        let (listener, connections) = mpsc::channel(WAITING_MAX);
        match self.0.lock().entry(path.clone()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(vacant) => {
                vacant.insert(Target { name: name.into(), listener });
                Some((Route { routes: Arc::clone(self), path }, connections))
            }
        }
    }

    /// Who takes the clients that come in on this path.
    pub(super) fn find(&self, path: &str) -> Option<Target> {
        self.0.lock().get(path).cloned()
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.routes.0.lock().remove(&self.path);
    }
}
