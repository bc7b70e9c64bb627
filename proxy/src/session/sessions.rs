//! The live sessions of one process.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize},
    },
};

use browser_stream_mux::{Config, Connection, Role};
use futures::task::AtomicWaker;
use parking_lot::Mutex;
use rand::Rng;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Opens, Phase, Session, Shared, State, bounds::Bounds, charge::Charge, flush::Turn, rate::Bucket, run, transport::Transport};
use crate::{limits::Limits, memory::Memory, refusals::Refusals};

/// The live sessions of one process: cheap to clone, every clone is the same set.
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

impl Sessions {
    /// No sessions yet; what their peers open goes to `opens`.
    pub fn new(limits: Arc<Limits>, opens: Arc<dyn Opens>) -> Self {
        Self { shared: Arc::new(Shared::new(limits, opens)) }
    }

    /// Serves one peer until its session is over. A panic within ends this session and nothing else.
    pub async fn run<T: Transport>(&self, transport: T, remote: Option<SocketAddr>) {
        let session = self.session(remote);
        tracing::debug!(session = %session.id, "session begins");
        self.shared.live.insert(session.id, session.clone());
        let _live = Live { sessions: self, id: session.id };
        run::run(&session, transport).await;
    }

    /// What the sessions hold in memory.
    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.shared.memory
    }

    /// Where refusals are counted.
    pub(crate) fn counters(&self) -> &Arc<Refusals> {
        &self.shared.refusals
    }

    /// How often these sessions' peers were refused or cut so far, by reason: stable names, each once and always in the same order.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.shared.refusals.iter()
    }

    /// The live sessions, in no order.
    pub fn list(&self) -> Vec<Arc<Session>> {
        self.shared.live.iter().map(|entry| entry.value().clone()).collect()
    }

    /// How many are live.
    pub fn len(&self) -> usize {
        self.shared.live.len()
    }

    /// Whether none is live.
    pub fn is_empty(&self) -> bool {
        self.shared.live.is_empty()
    }

    /// The session with this id, if it is live.
    pub fn get(&self, id: Uuid) -> Option<Arc<Session>> {
        self.shared.live.get(&id).map(|entry| entry.value().clone())
    }

    /// Closes them all with a WebSocket code: 1012 when the process restarts.
    pub fn close_all(&self, code: u16) {
        for session in self.list() {
            session.close(code, "the proxy goes down");
        }
    }

    pub(super) fn session(&self, remote: Option<SocketAddr>) -> Arc<Session> {
        let spread = rand::rng().random_range(0.8..1.2);
        let config = Config {
            ping_interval: Some(self.shared.limits.ping_interval.mul_f64(spread)),
            // Silence alone decides: a peer under load may answer late, and whatever else it sends shows that it lives.
            ping_timeout: None,
            silence_max: self.shared.limits.silence_max,
        };
        let now = Instant::now().into_std();
        let state = |me: &Weak<Session>| State {
            me: me.clone(),
            mux: Connection::new(Role::Acceptor, config, now),
            phase: Phase::Live,
            shared: self.shared.clone(),
            turn: Turn::default(),
            bounds: Bounds::default(),
            open_account: Bucket::new(now),
            frame_account: Charge::new(now),
            control: None,
        };
        Arc::new_cyclic(|me| Session {
            id: Uuid::new_v4(),
            remote,
            shared: self.shared.clone(),
            state: Mutex::new(state(me)),
            wire: Mutex::new(None),
            wake: Arc::default(),
            reading: AtomicWaker::new(),
            hurry: AtomicBool::new(false),
            me: me.clone(),
            names: AtomicUsize::new(0),
        })
    }
}

/// Takes a session out of the set when it is over, a panic included.
struct Live<'a> {
    sessions: &'a Sessions,
    id: Uuid,
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.sessions.shared.live.remove(&self.id);
    }
}

#[cfg(test)]
mod sizes {
    use super::*;
    #[test]
    fn print_sizes() {
        use std::mem::size_of;
        println!("Session {} State {} Connection {} End {} Sink {} Source {}", size_of::<Session>(), size_of::<State>(), size_of::<Connection<super::super::end::End>>(), size_of::<super::super::end::End>(), size_of::<super::super::end::Sink>(), size_of::<super::super::end::Source>());
        println!("Bounds {} Charge {} Turn {}", size_of::<Bounds>(), size_of::<Charge>(), size_of::<Turn>());
        struct N; impl Opens for N { fn opened(&self, _: crate::Opening) -> futures::future::BoxFuture<'static, ()> { Box::pin(async {}) } }
        let s = Sessions::new(Arc::default(), Arc::new(N));
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        rt.block_on(async {
            let l = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let c = tokio::net::TcpStream::connect(l.local_addr().unwrap()).await.unwrap();
            let t = super::super::websocket::WebSocket::new(c, bytes::Bytes::new(), s.memory().clone());
            println!("transport {}", std::mem::size_of_val(&t));
            let (r, w) = { let t = super::super::websocket::WebSocket::new(tokio::net::TcpStream::connect(l.local_addr().unwrap()).await.unwrap(), bytes::Bytes::new(), s.memory().clone()); t.split() };
            println!("reader {} writer {}", std::mem::size_of_val(&r), std::mem::size_of_val(&w));
            let session = s.session(None);
            println!("write fut {}", std::mem::size_of_val(&super::super::write::write(session.clone())));
            println!("run fut {}", std::mem::size_of_val(&s.run(t, None)));
        });
    }
}
