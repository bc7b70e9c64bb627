//! Which listener takes the clients of which name.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use crate::{Connection, seal::Keys};

/// Clients that a listener may have waiting: as many as the proxy leaves unanswered at once.
const WAITING_MAX: usize = 256;

/// The listeners of one peer, by the path of the opens that they take.
#[derive(Default)]
pub(crate) struct Routes {
    targets: Mutex<HashMap<String, Target>>,
    freed: Notify,
}

/// A name, and who takes its clients.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) name: Arc<str>,
    /// Of one that takes sealed streams only.
    pub(super) keys: Option<Keys>,
    pub(super) listener: mpsc::Sender<Connection>,
}

/// A path that is taken for as long as this lives.
#[must_use = "dropping a route frees its path"]
pub(crate) struct Route {
    routes: Arc<Routes>,
    path: String,
}

impl Routes {
    /// Takes the path for a name, with what comes in on it, once a listener that was dropped has given it up; `None` if a living one has it. Cancel-safe.
    pub(crate) async fn take(
        self: &Arc<Self>,
        path: String,
        name: &str,
        keys: Option<&Keys>,
    ) -> Option<(Route, mpsc::Receiver<Connection>)> {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some(taken) = self.take_now(path.clone(), name, keys) {
                return Some(taken);
            }
            if self.find(&path).is_some_and(|target| !target.listener.is_closed()) {
                return None;
            }
            freed.await;
        }
    }

    fn take_now(self: &Arc<Self>, path: String, name: &str, keys: Option<&Keys>) -> Option<(Route, mpsc::Receiver<Connection>)> {
        let (listener, connections) = mpsc::channel(WAITING_MAX);
        match self.targets.lock().entry(path.clone()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(vacant) => {
                vacant.insert(Target { name: name.into(), keys: keys.cloned(), listener });
                Some((Route { routes: Arc::clone(self), path }, connections))
            }
        }
    }

    /// Who takes the clients that come in on this path.
    pub(super) fn find(&self, path: &str) -> Option<Target> {
        self.targets.lock().get(path).cloned()
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.routes.targets.lock().remove(&self.path);
        self.routes.freed.notify_waiters();
    }
}
