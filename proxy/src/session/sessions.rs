//! The live sessions of one process.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize},
    },
};

use browser_stream_mux::Connection;
use futures::task::AtomicWaker;
use parking_lot::Mutex;
#[cfg(feature = "admin")]
use tokio::time::Duration;
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use super::{
    Opens, Phase, Process, Session, State,
    authority::Authority,
    bounds::Bounds,
    charge::Charge,
    drain::Leaving,
    flush::{Turn, Wire},
    node::Party,
    process::Coming,
    pulse,
    rate::Bucket,
    run,
    transport::{Carrier, Transport},
};
use crate::{
    buffer::Buffers,
    counters::{Counters, Deed},
    limits::Limits,
    memory::Memory,
    token::{Authorizer, Identity, Token},
};

/// The live sessions of one process: cheap to clone, every clone is the same set.
///
/// ```
/// use browser_stream_server::Proxy;
///
/// fn report(proxy: &Proxy) {
///     for session in proxy.sessions().list() {
///         println!("{} from {:?}: {} streams, {} bytes wait", session.id(), session.remote(), session.streams(), session.queued());
///     }
///     for (what, count) in proxy.sessions().refusals() {
///         println!("{what}: {count}");
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Sessions {
    pub(super) process: Arc<Process>,
}

impl Sessions {
    /// No sessions yet; what their peers open goes to `opens`.
    #[doc(hidden)]
    pub fn new(limits: Arc<Limits>, opens: Arc<dyn Opens>) -> Self {
        Self::counting(limits, opens, Arc::default())
    }

    /// The same, with what they refuse and do counted there.
    pub(crate) fn counting(limits: Arc<Limits>, opens: Arc<dyn Opens>, counters: Arc<Counters>) -> Self {
        Self { process: Arc::new(Process::new(limits, opens, counters)) }
    }

    /// Closes from now on whoever is nobody that the authorizer knows when that time is over: one that says nothing keeps no place.
    #[cfg(feature = "admin")]
    pub(crate) fn known_within(&self, most: Duration) {
        self.process.known_within.get_or_init(|| most);
    }

    /// The same, where peers may do from now on what `authorizer` says. To be called once, before the first session: those that are there are not asked.
    #[doc(hidden)]
    #[must_use]
    pub fn with_authorizer(self, authorizer: impl Authorizer) -> Self {
        let is_first = self.process.authority.set(Authority::new(authorizer, &self.process.limits)).is_ok();
        debug_assert!(is_first, "there is one authorizer, the first");
        self
    }

    /// Whether peers are asked who they are.
    pub(crate) fn wants_tokens(&self) -> bool {
        self.process.authority.get().is_some()
    }

    /// Closes the sessions of whoever is meant, who is told `unauthorized`: how many those are.
    pub fn revoke(&self, is_meant: impl Fn(&Identity) -> bool) -> usize {
        if let Some(authority) = self.process.authority.get() {
            authority.revokes();
        }
        self.list().iter().filter(|session| session.revoke(&is_meant)).count()
    }

    /// Serves one peer until its session is over. A panic within ends this session and nothing else.
    #[doc(hidden)]
    pub fn run<T: Transport>(&self, transport: T, remote: Option<SocketAddr>) -> impl Future<Output = ()> + Send + use<T> {
        self.run_shown(transport, remote, None)
    }

    /// The same for one that showed a token before its first byte.
    #[doc(hidden)]
    pub fn run_shown<T: Transport>(
        &self,
        transport: T,
        remote: Option<SocketAddr>,
        token: Option<Token>,
    ) -> impl Future<Output = ()> + Send + use<T> {
        self.run_as(transport, Newcomer { remote, token, agent: None, carrier: Carrier::WebSocket })
    }

    /// The same for one of whom that is known.
    pub(crate) fn run_as<T: Transport>(&self, transport: T, newcomer: Newcomer) -> impl Future<Output = ()> + Send + use<T> {
        let Newcomer { remote, token, agent, carrier } = newcomer;
        self.process.counters.done(Deed::Session);
        match carrier {
            Carrier::WebSocket => {}
            Carrier::Http => self.process.counters.done(Deed::SessionOverHttp),
            #[cfg(feature = "webtransport")]
            Carrier::WebTransport => self.process.counters.done(Deed::SessionOverWebTransport),
        }
        self.begin(transport, self.session_of(remote, agent, Party::Peer), token)
    }

    /// Serves it for as long as the future is polled; it takes streams of ours from now on.
    pub(super) fn begin<T: Transport>(
        &self,
        transport: T,
        session: Arc<Session>,
        token: Option<Token>,
    ) -> impl Future<Output = ()> + Send + use<T> {
        let (mut reader, writer) = transport.split();
        *session.wire.lock() = Some(Wire::new(Box::new(writer), session.wake.clone()));
        let span = tracing::debug_span!("session", id = %session.id);
        let served = async move {
            tracing::debug!("session begins");
            session.process.live.insert(session.id, session.clone());
            session.process.tell(|| Coming { session: session.id, ended: None });
            let _live = Live(&session);
            pulse::keep(&session.process);
            session.join_drain();
            session.is_to_be_known();
            if let Some(token) = token {
                session.shown(token);
            }
            // Lent, for a future has room for what it is given twice.
            run::run(&session, &mut reader).await;
        };
        served.instrument(span)
    }

    /// What the sessions' sockets are read into.
    pub(crate) fn buffers(&self) -> &Arc<Buffers> {
        &self.process.buffers
    }

    /// What the sessions hold in memory.
    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.process.memory
    }

    /// Bytes that buffers, queues and what channels keep hold now, against [`Limits::memory_budget_bytes`].
    pub fn memory_used(&self) -> usize {
        self.process.memory.used()
    }

    /// How often these sessions' peers were refused or cut so far, by reason: stable names, each once and always in the same order.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.process.counters.iter()
    }

    /// The live sessions, in no order.
    pub fn list(&self) -> Vec<Arc<Session>> {
        self.process.live.iter().map(|entry| entry.value().clone()).collect()
    }

    /// How many are live.
    pub fn len(&self) -> usize {
        self.process.live.len()
    }

    /// Whether none is live.
    pub fn is_empty(&self) -> bool {
        self.process.live.is_empty()
    }

    /// The session with this id, if it is live.
    pub fn get(&self, id: Uuid) -> Option<Arc<Session>> {
        self.process.live.get(&id).map(|entry| entry.value().clone())
    }

    /// Closes them all at once with a WebSocket code; to go down, [`drain`](Self::drain).
    pub fn close_all(&self, code: u16) {
        for session in self.list() {
            session.close(code, "the proxy goes down");
        }
    }

    #[cfg(test)]
    pub(crate) fn session(&self, remote: Option<SocketAddr>) -> Arc<Session> {
        self.session_of(remote, None, Party::Peer)
    }

    pub(super) fn session_of(&self, remote: Option<SocketAddr>, agent: Option<Box<str>>, party: Party) -> Arc<Session> {
        let config = party.liveness(&self.process.limits);
        let now = Instant::now().into_std();
        let state = |me: &Weak<Session>| State {
            me: me.clone(),
            party,
            mux: Connection::new(party.role(), config, now),
            phase: Phase::Live,
            process: self.process.clone(),
            turn: Turn::default(),
            bounds: Bounds::default(),
            open_account: Bucket::new(now),
            frame_account: Charge::new(now),
            control: None,
            aside: 0,
            leaving: Leaving::default(),
            told: 0,
            owned: None,
        };
        Arc::new_cyclic(|me| Session {
            id: Uuid::new_v4(),
            remote,
            party,
            begun: self.process.clock.now(),
            agent,
            process: self.process.clone(),
            state: Mutex::new(state(me)),
            wire: Mutex::new(None),
            wake: Arc::default(),
            reading: AtomicWaker::new(),
            hurry: AtomicBool::new(false),
            me: me.clone(),
            names: Arc::new(AtomicUsize::new(0)),
            #[cfg(feature = "admin")]
            bars: Default::default(),
            // What a node's clients may do was judged where they came in.
            badge: (self.wants_tokens() && !party.is_node()).then(Box::default),
        })
    }
}

/// Who comes, and what is known of it before its first byte.
pub(crate) struct Newcomer {
    pub remote: Option<SocketAddr>,
    /// What it showed.
    pub token: Option<Token>,
    /// What it calls itself.
    pub agent: Option<Box<str>>,
    pub carrier: Carrier,
}

/// Takes a session out of the set when it is over, a panic included.
struct Live<'a>(&'a Session);

impl Drop for Live<'_> {
    fn drop(&mut self) {
        let Session { id, process, .. } = self.0;
        // Under the lock, or who adds up what is past and what lives would miss it, or have it twice.
        let mut past = process.past.lock();
        if process.live.remove(id).is_some() {
            *past += self.0.state.lock().mux.counts();
        }
        if let Some(badge) = &self.0.badge {
            badge.over.cancel();
        }
    }
}
