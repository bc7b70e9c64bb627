//! What an operator does with names, and sees of them.

#[cfg(all(feature = "admin", feature = "cluster"))]
use std::collections::HashSet;
use std::sync::{Arc, atomic::Ordering};

use browser_stream_mux::Code;
#[cfg(feature = "admin")]
use browser_stream_mux::Moved;
#[cfg(feature = "admin")]
use tokio::sync::broadcast;
#[cfg(feature = "admin")]
use uuid::Uuid;

use super::{
    Name, Registry,
    slot::{Hold, Slot},
};
use crate::error::OpenError;
#[cfg(feature = "admin")]
use crate::route::Event;

/// A name that is not free.
#[cfg(feature = "admin")]
pub(crate) struct SeenName {
    pub name: Name,
    /// Whose it is; nobody's where its owner is away, or it is reserved.
    pub session: Option<Uuid>,
    /// In milliseconds since 1970; `None` where nobody has it.
    pub since_ms: Option<u64>,
    /// `listening`, `suspended` or `reserved`.
    pub state: &'static str,
    /// Nobody gets it who has not got it.
    pub is_reserved: bool,
    pub generation: Option<u64>,
    pub clients: usize,
    /// The node of the cluster that had it and is dead, where it is kept for its owner all the same.
    pub kept_of: Option<Uuid>,
    /// What its holder sent and was sent on streams that are over.
    pub moved: Moved,
}

impl Registry {
    /// Nobody gets the name from now on; who has it keeps it. False if that was so.
    pub fn reserve(&self, name: &Name) -> bool {
        let mut slot = self.slots.entry(name.clone()).or_default();
        let is_new = !std::mem::replace(&mut slot.is_reserved, true);
        self.reserved.fetch_add(usize::from(is_new), Ordering::Relaxed);
        is_new
    }

    /// Whoever comes gets it again: first who stands by. False if it was not reserved.
    pub fn unreserve(self: &Arc<Self>, name: &Name) -> bool {
        let Some(mut slot) = self.slots.get_mut(name) else { return false };
        if !std::mem::take(&mut slot.is_reserved) {
            return false;
        }
        self.reserved.fetch_sub(1, Ordering::Relaxed);
        let freed = matches!(slot.hold, Hold::Free).then(|| self.hand_on(&mut slot, name));
        self.announce(&slot, name);
        drop(slot);
        freed.into_iter().for_each(|freed| freed.settle());
        self.tidy(name);
        true
    }

    /// How many names are reserved.
    #[cfg(feature = "admin")]
    pub fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    /// What happens to names from now on, but not to their clients.
    #[cfg(feature = "admin")]
    pub fn news(&self) -> broadcast::Receiver<Event> {
        self.news.subscribe()
    }

    /// The names that are not free, in no order.
    #[cfg(feature = "admin")]
    pub fn seen(&self) -> Vec<SeenName> {
        let seen: Vec<SeenName> = self.slots.iter().filter_map(|slot| slot.seen(slot.key())).collect();
        #[cfg(feature = "cluster")]
        if let Some(elsewhere) = self.elsewhere.get() {
            let here: HashSet<Name> = seen.iter().map(|seen| seen.name.clone()).collect();
            let kept = elsewhere.kept().filter(|kept| !here.contains(&kept.name));
            return seen.into_iter().chain(kept).collect();
        }
        seen
    }
}

#[cfg(all(feature = "admin", feature = "cluster"))]
impl SeenName {
    /// One whose owner is away, and the node dead that it was at.
    pub fn kept(name: Name, node: Uuid, generation: Option<u64>) -> Self {
        let (session, since_ms, clients, moved) = (None, None, 0, Moved::default());
        Self { name, session, since_ms, state: "suspended", is_reserved: false, generation, clients, kept_of: Some(node), moved }
    }
}

impl Slot {
    #[cfg(feature = "admin")]
    fn seen(&self, name: &Name) -> Option<SeenName> {
        let (state, session, clients, moved) = match &self.hold {
            Hold::Up(claim) => ("listening", Some(claim.session.id()), claim.places.lock().clients, claim.counted()),
            Hold::Suspended(_) => ("suspended", None, 0, Moved::default()),
            Hold::Free if self.is_reserved => ("reserved", None, 0, Moved::default()),
            Hold::Free => return None,
        };
        let title = self.title();
        Some(SeenName {
            name: name.clone(),
            session,
            since_ms: title.map(|title| title.since_ms),
            state,
            is_reserved: self.is_reserved,
            generation: title.and_then(|title| title.generation),
            clients,
            kept_of: None,
            moved,
        })
    }
}

/// Why nobody gets a name that is reserved.
pub(super) fn reserved() -> OpenError {
    OpenError::new(Code::NameReserved, "whoever runs the proxy keeps this name: choose another, or ask them")
}
