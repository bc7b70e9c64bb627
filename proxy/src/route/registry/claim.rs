//! A claim: what is asked for, what its holder has, and what others know of it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use browser_stream_mux::Moved;
use parking_lot::Mutex;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::SetOnce;

#[cfg(feature = "admin")]
use super::ACCEPT;
use super::{Registry, seat::Places, slot::Title};
use crate::{
    counters::Deed,
    route::{
        Event, Name, Reason,
        tenure::{Loss, Tenure, Validity},
    },
    session::{Instance, Owned, Session},
};

/// Who asks for a name, and by what right.
pub(in super::super) struct Applicant {
    pub session: Arc<Session>,
    /// Who that is, where the proxy asks.
    pub sub: Option<Arc<str>>,
    pub instance: Instance,
    pub attempt: u64,
    pub right: Right,
    pub capabilities: Vec<String>,
    /// Whoever comes by HTTP is let in, too.
    pub http: bool,
    /// What the table of the cluster gave it, where there is one.
    pub tenure: Tenure,
}

/// What an applicant has, or wants, beside the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Right {
    /// No lease.
    None,
    /// A new lease.
    New,
    /// The same, of this generation: other nodes know of it already.
    #[cfg_attr(not(feature = "cluster"), expect(dead_code))]
    Made(u64),
    /// The lease of this generation, which was found to be true.
    Held(u64),
}

/// A claim, as those see it who open streams to its owner.
pub(in super::super) struct ClaimInfo {
    registry: Arc<Registry>,
    pub name: Name,
    pub title: Title,
    pub session: Arc<Session>,
    /// Whose it is, where the proxy asks.
    pub sub: Option<Arc<str>>,
    pub capabilities: Vec<String>,
    /// Whoever comes by HTTP is let in, too.
    pub http: bool,
    /// The path on which its holder is told of a client, as JSON.
    pub path: Box<RawValue>,
    /// Whom its holder serves. Locked for moments only, also under the lock of its slot.
    pub(super) places: Mutex<Places>,
    /// Bytes that its holder sent and was sent on streams that are over.
    received: AtomicU64,
    sent: AtomicU64,
    taken: SetOnce<Taken>,
    validity: Validity,
}

/// How a claim was taken from its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Taken {
    /// By an operator.
    Released,
    /// By a claim with a better right.
    Superseded,
    /// By nobody: the node may not serve its names any more.
    #[cfg_attr(not(feature = "cluster"), expect(dead_code))]
    Fenced,
}

/// Holds a name for as long as it lives.
#[must_use = "dropping a claim frees the name"]
pub(in super::super) struct Claim {
    pub info: Arc<ClaimInfo>,
    pub(super) place: Option<Place>,
    pub(super) tenure: Tenure,
    /// The holder was told, so that it may know its lease.
    pub(super) told: bool,
    /// Why it ended, for the events.
    pub reason: Reason,
}

/// One of the names that a session may hold, and its peer over all its sessions: given back when dropped.
pub(in super::super) struct Place {
    names: Arc<AtomicUsize>,
    _owned: Option<Owned>,
}

impl ClaimInfo {
    pub(super) fn new(
        registry: Arc<Registry>,
        name: Name,
        title: Title,
        (session, sub): (Arc<Session>, Option<Arc<str>>),
        (capabilities, http): (Vec<String>, bool),
        (places, validity): (Places, Validity),
    ) -> Self {
        // A text has no way to fail.
        let path = to_raw_value(&format!("{}{}", registry.accept, name.segment())).unwrap_or_default();
        let (places, received, sent) = (Mutex::new(places), AtomicU64::new(0), AtomicU64::new(0));
        let taken = SetOnce::new();
        Self { registry, name, title, session, sub, capabilities, http, path, places, received, sent, taken, validity }
    }

    /// Whether its holder knows its lease for sure, or somebody else may know its instance.
    pub(super) fn was_heard(&self) -> bool {
        self.places.lock().heard
    }

    /// Tells what became of a client, of which there are many: the event is made only where somebody hears it.
    pub fn tell(&self, event: impl FnOnce() -> Event) {
        if self.registry.is_heard() {
            self.registry.emit(event());
        }
    }

    /// The prefix that its name is below.
    #[cfg(feature = "admin")]
    pub fn prefix(&self) -> &str {
        self.registry.accept.strip_suffix(ACCEPT).unwrap_or_default()
    }

    /// So much went over a stream that was the holder's.
    pub fn count(&self, moved: Moved) {
        self.received.fetch_add(moved.received, Ordering::Relaxed);
        self.sent.fetch_add(moved.sent, Ordering::Relaxed);
    }

    /// What went over streams of the holder's that are over.
    #[cfg(feature = "admin")]
    pub(super) fn counted(&self) -> Moved {
        Moved { received: self.received.load(Ordering::Relaxed), sent: self.sent.load(Ordering::Relaxed) }
    }

    /// Takes it from its holder, whose task sees to the rest. The first time counts.
    pub(super) fn take(&self, how: Taken) {
        let _ = self.taken.set(how);
    }

    /// Resolves when it was taken from its holder. Cancel-safe.
    pub async fn taken(&self) -> Taken {
        tokio::select! {
            biased;
            loss = self.validity.lost() => loss.into(),
            taken = self.taken.wait() => *taken,
        }
    }

    /// By what right its holder has the name.
    pub(super) fn validity(&self) -> &Validity {
        &self.validity
    }

    pub(super) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }
}

impl Claim {
    pub(super) fn new(info: Arc<ClaimInfo>, place: Place, tenure: Tenure) -> Self {
        info.session.process.counters.done(Deed::NameHeld);
        Self { info, place: Some(place), tenure, told: false, reason: Reason::Lost }
    }

    /// The holder was told that the name is its own: connects are served, and a lease counts.
    pub fn told(&mut self) {
        self.told = true;
        self.set_open(true);
    }

    /// Serves connects from now on, or stops for a while.
    pub fn set_open(&self, open: bool) {
        self.info.with_places(|places| places.open = open);
    }

    /// Takes at most this many clients at once from now on; those beyond stay.
    pub fn set_clients_max(&self, clients_max: usize) {
        self.info.with_places(|places| places.clients_max = clients_max);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let registry = self.info.registry.clone();
        registry.end(self);
        self.info.session.process.counters.done(Deed::NameFreed);
    }
}

impl From<Loss> for Taken {
    fn from(loss: Loss) -> Self {
        match loss {
            #[cfg(feature = "cluster")]
            Loss::Moved => Self::Superseded,
            #[cfg(feature = "cluster")]
            Loss::Fenced => Self::Fenced,
        }
    }
}

impl Place {
    /// One more, if that is at most `most`.
    pub(super) fn take(names: &Arc<AtomicUsize>, owned: Option<Owned>, most: usize) -> Option<Self> {
        // Made first, so that it gives back what it took too much.
        let (before, place) = (names.fetch_add(1, Ordering::Relaxed), Self { names: names.clone(), _owned: owned });
        (before < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.names.fetch_sub(1, Ordering::Relaxed);
    }
}
