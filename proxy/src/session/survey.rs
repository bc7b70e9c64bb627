//! What whoever runs the proxy sees of a session and of its streams, and how it ends them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use browser_stream_mux::{Code, Moved, StreamId};
use parking_lot::Mutex;
use tokio::{sync::broadcast, time::Instant};
use uuid::Uuid;

use super::{Destination, Session, Sessions, Watch, end::Sink, process::Coming};
use crate::token::Authorizer;

/// A session as it stands.
pub(crate) struct SeenSession {
    pub id: Uuid,
    pub remote: Option<SocketAddr>,
    /// Who the peer is, where the proxy asks.
    pub sub: Option<Arc<str>>,
    /// What it calls itself.
    pub agent: Option<Box<str>>,
    /// In milliseconds since 1970.
    pub since_ms: u64,
    pub rtt: Option<Duration>,
    pub streams: usize,
    pub names: usize,
    /// Bytes of payload.
    pub moved: Moved,
    /// Bytes that wait to leave.
    pub queued: usize,
}

/// One end of a stream as it stands.
pub(crate) struct SeenStream {
    pub id: StreamId,
    /// Whether the peer opened it.
    pub is_the_peers: bool,
    /// In milliseconds since 1970; of the end that opened it.
    pub since_ms: u64,
    /// What went over this end.
    pub moved: Moved,
    /// Bytes that wait to leave here.
    pub queued: usize,
    /// The other end, where that is another peer's.
    pub far: Option<(Uuid, StreamId)>,
    /// Its ends go on with it over other connections, or it is about its peer.
    pub is_aside: bool,
    /// Somebody reads what its peer sends.
    is_joined: bool,
    watch: Option<Arc<dyn Watch>>,
}

impl SeenStream {
    /// The path that it was opened with, as far as it is known.
    pub fn path(&self) -> Option<&str> {
        self.watch.as_ref()?.path()
    }

    /// The server that it goes to.
    pub fn destination(&self) -> Option<Destination> {
        self.watch.as_ref().filter(|_| self.is_joined)?.destination()
    }
}

impl Sessions {
    /// When the process began, in milliseconds since 1970.
    pub(crate) fn begun_ms(&self) -> u64 {
        self.process.clock.unix_ms(0)
    }

    /// Who says what peers may do, where anybody does.
    pub(crate) fn authorizer(&self) -> Option<Arc<dyn Authorizer>> {
        self.process.authority.get().map(|authority| authority.authorizer())
    }

    /// Which sessions begin and end from now on.
    pub(crate) fn comings(&self) -> broadcast::Receiver<Coming> {
        let buffer = self.process.limits.events_buffer.max(1);
        self.process.comings.get_or_init(|| broadcast::Sender::new(buffer)).subscribe()
    }
}

impl Session {
    /// How it stands.
    pub(crate) fn seen(&self) -> SeenSession {
        // Before its own lock: who the peer is lies under another.
        let sub = self.identity().and_then(|identity| identity.sub);
        let state = self.state.lock();
        let counts = state.mux.counts();
        SeenSession {
            id: self.id,
            remote: self.remote,
            sub,
            agent: self.agent.clone(),
            since_ms: self.process.clock.unix_ms(self.begun),
            rtt: state.mux.rtt(),
            streams: state.mux.len(),
            names: self.names.load(std::sync::atomic::Ordering::Relaxed),
            moved: Moved { received: counts.bytes, sent: counts.bytes_sent },
            queued: state.mux.queued(),
        }
    }

    /// Its streams, in no order. O(streams) under its lock, and nothing is made there but shares.
    pub(crate) fn seen_streams(&self) -> Vec<SeenStream> {
        let state = self.state.lock();
        let mut seen = Vec::with_capacity(state.mux.len());
        seen.extend(state.mux.survey().map(|(id, moved, queued, end)| {
            // An open whose reply is awaited has its client already.
            let far = end.far().map(|far| (far.session.id, far.id));
            SeenStream {
                id,
                is_the_peers: !state.is_ours(id),
                since_ms: self.process.clock.unix_ms(end.begun),
                moved,
                queued,
                far,
                is_aside: end.aside,
                is_joined: far.is_some() || matches!(end.sink, Sink::Local(_)),
                watch: end.watch.clone(),
            }
        }));
        seen
    }

    /// Ends a stream at both its ends, as an operator; false where there is none of that id. One whose ends go on with it over other connections does not go on over the
    /// next, so that it is lost, unless it has another way already.
    pub(crate) fn cut(self: &Arc<Self>, id: StreamId) -> bool {
        let resumes = {
            let state = self.state.lock();
            let end = state.mux.value(id).filter(|end| end.aside);
            end.and_then(|end| Some((end.far()?.session.clone(), end.watch.clone()?, state.is_ours(id))))
        };
        if let Some((far, watch, is_ours)) = resumes
            && let Some(destination) = watch.destination()
        {
            let opener = if is_ours { &far } else { self };
            opener.bars.add((destination.session.unwrap_or(opener.id), destination.path));
        }
        self.change(|state, effects| {
            let is_live = state.mux.get(id).is_some();
            if is_live {
                state.cut_stream(id, Code::Forbidden, effects);
            }
            is_live
        })
    }

    /// Whether an operator has ended a stream to this path that would go on now: one, for each that was ended. `client` is the session that it is of: another node has many.
    pub(crate) fn is_barred(&self, client: Uuid, path: impl FnOnce() -> String) -> bool {
        self.bars.take(client, path)
    }
}

/// Streams that were ended by an operator and that their ends would go on with over another connection: whose each was, and its path.
#[derive(Default)]
pub(super) struct Bars(Mutex<Vec<(Barred, Instant)>>);

type Barred = (Uuid, String);

/// By then whoever goes on has tried to.
const BARRED: Duration = Duration::from_secs(30);

/// More are not kept.
const BARS_MAX: usize = 1024;

impl Bars {
    fn add(&self, barred: Barred) {
        let mut bars = self.0.lock();
        let now = Instant::now();
        bars.retain(|(_, until)| *until > now);
        if bars.len() < BARS_MAX {
            bars.push((barred, now + BARRED));
        }
    }

    fn take(&self, client: Uuid, path: impl FnOnce() -> String) -> bool {
        let mut bars = self.0.lock();
        if bars.is_empty() {
            return false;
        }
        let (wanted, now) = ((client, path()), Instant::now());
        let found = bars.iter().position(|(barred, until)| *barred == wanted && *until > now);
        found.map(|at| bars.swap_remove(at)).is_some()
    }
}
