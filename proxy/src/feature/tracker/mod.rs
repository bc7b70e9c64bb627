//! The tracker of a swarm: who has which content, and which of them to ask first (PROTOCOL.md, section 15).
//!
//! Who holds what is a state without a clock (`holdings`), who was of no use another (`failures`); a find looks at both and orders what it finds (`rank`). A peer has one
//! stream (`track`), on which it says what it has, and which withdraws all of it when it ends. Where several nodes act as one, streams of others are stood for here (`abroad`).
//! No byte of a content comes here: peers connect to one another by name.

#[cfg(feature = "cluster")]
mod abroad;
mod failures;
mod holdings;
mod rank;
#[cfg(test)]
mod tests;
mod track;

use std::sync::{Arc, OnceLock};

use browser_stream_protocol::swarm::{ContentId, SWARM_PREFIX};
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;

use self::holdings::Holdings;
use crate::{
    counters::Counters,
    limits::Limits,
    memory::Memory,
    route::{Handler, StreamRouter, StreamServerProxy},
    session::Opening,
};

/// The tracker of the swarm below one prefix, and the names under which its peers serve. Cheap to clone; every clone is the same.
///
/// A [`Proxy`](crate::Proxy) has one below `/swarm`: [`Proxy::tracker`](crate::Proxy::tracker). Peers say there what they hold and find who else does; the program that the
/// proxy runs in looks on:
///
/// ```
/// use std::sync::Arc;
///
/// use browser_stream_server::{Limits, StreamRouter, Tracker};
///
/// let tracker = Tracker::with_prefix("/pictures", Arc::new(Limits::default()));
/// let router = tracker.mount(StreamRouter::new());
/// for content in tracker.contents() {
///     println!("{}: {} have all of it, {} some", content.id, content.seeders, content.partial);
/// }
/// ```
#[derive(Clone)]
pub struct Tracker {
    inner: Arc<Inner>,
}

struct Inner {
    names: StreamServerProxy,
    limits: Arc<Limits>,
    holdings: Mutex<Holdings>,
    books: OnceLock<Books>,
    /// What is known of other nodes.
    #[cfg(feature = "cluster")]
    abroad: OnceLock<Arc<abroad::Abroad>>,
}

/// What a process has one of.
struct Books {
    memory: Arc<Memory>,
    counters: Arc<Counters>,
}

/// A content as it is held at this moment. See [`Tracker`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ContentStatus {
    /// Which.
    pub id: ContentId,
    /// How many peers have all of it.
    pub seeders: usize,
    /// How many have some of it.
    pub partial: usize,
}

impl Tracker {
    /// A tracker below `/swarm`.
    pub fn new(limits: Arc<Limits>) -> Self {
        Self::with_prefix(SWARM_PREFIX, limits)
    }

    /// A tracker below another prefix.
    pub fn with_prefix(prefix: &str, limits: Arc<Limits>) -> Self {
        Self::over(StreamServerProxy::with_limits(prefix, limits.clone()), limits)
    }

    /// A tracker of peers that serve under these names; it is below their prefix.
    pub fn over(names: StreamServerProxy, limits: Arc<Limits>) -> Self {
        let holdings = Mutex::new(Holdings::new(&limits));
        let inner = Inner {
            names,
            limits,
            holdings,
            books: OnceLock::new(),
            #[cfg(feature = "cluster")]
            abroad: OnceLock::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Adds its route, and those of its names where they are not there yet.
    ///
    /// # Panics
    /// If there are routes of the same patterns already.
    pub fn mount(&self, router: StreamRouter) -> StreamRouter {
        let names = &self.inner.names;
        let router = if router.has(names) { router } else { router.mount(names.clone()) };
        router.route(&format!("{}/track", names.prefix()), self.clone())
    }

    /// The names under which its peers serve.
    pub fn names(&self) -> &StreamServerProxy {
        &self.inner.names
    }

    /// What is held, in no order.
    pub fn contents(&self) -> Vec<ContentStatus> {
        self.inner.holdings.lock().contents()
    }

    /// How many contents are held, and how many holdings of them there are in all.
    #[cfg(feature = "metrics")]
    pub(crate) fn count(&self) -> (usize, usize) {
        self.inner.holdings.lock().count()
    }

    /// What the sessions of the process count in, from now on.
    pub(crate) fn belong_to(&self, memory: &Arc<Memory>, counters: &Arc<Counters>) {
        self.inner.books.get_or_init(|| Books { memory: memory.clone(), counters: counters.clone() });
    }
}

impl Inner {
    fn books(&self) -> &Books {
        let alone = || Books { memory: Arc::new(Memory::new(self.limits.memory_budget_bytes)), counters: Arc::default() };
        self.books.get_or_init(alone)
    }
}

impl Handler for Tracker {
    fn call(&self, opening: Opening) -> BoxFuture<'static, ()> {
        let process = &opening.session().process;
        self.belong_to(&process.memory, &process.counters);
        track::track(self.inner.clone(), opening).boxed()
    }
}
