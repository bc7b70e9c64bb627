//! Who wants to know whether a name is served.

use std::sync::{Arc, atomic::Ordering};

use browser_stream_mux::Code;
use tokio::sync::watch;

use super::{Name, Registry, draining, slot::Slot};
use crate::{counters::Refusal, error::OpenError, session::Session};

/// Whether a name is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Presence {
    /// Somebody holds it.
    Up,
    /// Its owner's session is gone, and may come back.
    Suspended,
    /// Nobody holds it.
    Gone,
}

/// Sees what becomes of a name; whoever looks late sees the newest only.
pub(in super::super) struct Watching {
    // Goes first, so that it does not count any more when the name is looked at.
    newest: watch::Receiver<Presence>,
    _watcher: Watcher,
}

/// Forgets the name with its last watcher.
struct Watcher {
    registry: Arc<Registry>,
    name: Name,
}

impl Presence {
    /// As a note says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspended => "suspended",
            Self::Gone => "gone",
        }
    }
}

impl Registry {
    /// Watches a name; `limit` when enough do.
    pub fn watch(self: &Arc<Self>, name: &Name, session: &Session) -> Result<Watching, OpenError> {
        let most = self.limits.watchers_per_name_max;
        let mut slot = self.slots.entry(name.clone()).or_default();
        if self.draining.load(Ordering::Acquire) {
            drop(slot);
            self.tidy(name);
            return Err(draining());
        }
        let presence = self.presence(&slot, name);
        let watchers = slot.watchers.get_or_insert_with(|| watch::Sender::new(presence));
        if watchers.receiver_count() >= most {
            session.count(Refusal::WatchersPerName);
            return Err(OpenError::new(Code::Limit, format!("at most {most} streams watch one name")));
        }
        Ok(Watching { newest: watchers.subscribe(), _watcher: Watcher { registry: self.clone(), name: name.clone() } })
    }
}

impl Registry {
    /// Tells the watchers of a name what holds now.
    pub(super) fn announce(&self, slot: &Slot, name: &Name) {
        if slot.watchers.is_some() {
            slot.announce(self.presence(slot, name));
        }
    }

    /// Whether a name is served, here or elsewhere.
    fn presence(&self, slot: &Slot, name: &Name) -> Presence {
        #[cfg(feature = "cluster")]
        if let (Presence::Gone, Some(elsewhere)) = (slot.presence(), self.elsewhere.get()) {
            return elsewhere.presence(name);
        }
        let _ = name;
        slot.presence()
    }

    /// The names that are held and `seen`, in no order, and whether those are all: at most so many.
    pub fn held(&self, most: usize, seen: impl Fn(&Name) -> bool) -> (Vec<(Name, Presence)>, bool) {
        let mut slots = self.slots.iter().filter_map(|slot| match slot.presence() {
            Presence::Gone => None,
            presence => seen(slot.key()).then(|| (slot.key().clone(), presence)),
        });
        let held: Vec<_> = slots.by_ref().take(most).collect();
        let is_all = slots.next().is_none();
        #[cfg(feature = "cluster")]
        if let Some(elsewhere) = self.elsewhere.get().filter(|_| is_all) {
            drop(slots);
            return with_more(held, elsewhere.held(most + 1, |name| seen(name)), most);
        }
        (held, is_all)
    }
}

/// These names and those that are at other nodes, unless they are here by now.
#[cfg(feature = "cluster")]
fn with_more(mut held: Vec<(Name, Presence)>, elsewhere: Vec<(Name, Presence)>, most: usize) -> (Vec<(Name, Presence)>, bool) {
    let here: std::collections::HashSet<Name> = held.iter().map(|(name, _)| name.clone()).collect();
    held.extend(elsewhere.into_iter().filter(|(name, _)| !here.contains(name)));
    let is_all = held.len() <= most;
    held.truncate(most);
    (held, is_all)
}

impl Watching {
    /// What holds now.
    pub fn newest(&mut self) -> Presence {
        *self.newest.borrow_and_update()
    }

    /// Resolves when something else holds than [`newest`](Self::newest) said. Cancel-safe.
    pub async fn changed(&mut self) {
        if self.newest.changed().await.is_err() {
            // The sender goes only with the map itself.
            std::future::pending().await
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.registry.tidy(&self.name);
    }
}
