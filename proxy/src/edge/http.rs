//! The accept loop: connections in, bounded in number and in time, until told to stop. Those that there is no room for are told so.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, response::Response};
use http::Request;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

#[cfg(feature = "tls")]
use super::{
    http2,
    secure::{Secured, secure},
};
use super::{
    proxy::Inner,
    readiness::{Readiness, Trouble},
    shed::{Reserve, SHED_AT_ONCE},
    stay::Stay,
};
use crate::counters::Refusal;

/// The connection that a request came over: an extension of the request.
///
/// As long as a clone of its place lives, the connection counts as open: an upgraded one takes that along.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) remote: SocketAddr,
    pub(super) local: SocketAddr,
    /// Why it is to be told that there is no room for it.
    pub(super) shed: Option<Trouble>,
    pub(super) place: Arc<OwnedSemaphorePermit>,
    /// What it is kept for beyond its life.
    pub(super) stay: Stay,
}

/// Serves `router` on `listener` until the proxy stops; then takes no more and returns. Each connection is a task of the proxy's.
pub(super) async fn serve(listener: TcpListener, router: Router, inner: &Arc<Inner>) {
    let stop = &inner.stop;
    #[cfg(feature = "tls")]
    if let Some(identity) = inner.identity.clone() {
        let stop = stop.clone();
        inner.tasks.spawn(async move { unless(&stop, identity.keep_fresh()).await });
    }
    let slots = Arc::new(Semaphore::new(SHED_AT_ONCE));
    let crowd = Arc::new(Semaphore::new(SHED_AT_ONCE));
    let mut reserve = Reserve::default();
    // A descriptor of the reserve was freed for the connection that waits.
    let mut lent = false;
    // Whoever comes may have to be shed, so there must be a slot for that first.
    while let Some(Ok(slot)) = unless(stop, slots.clone().acquire_owned()).await {
        let short = lent || {
            let filled = reserve.fill();
            note(&inner.readiness, filled.as_ref().err());
            filled.is_err()
        };
        // While descriptors are missing, look again for free ones, also when nobody comes.
        let patience = if short { ACCEPT_PAUSE } else { Duration::MAX };
        let accepted = unless(stop, timeout(patience, listener.accept())).await;
        let was_lent = std::mem::take(&mut lent);
        let accepted = match accepted {
            Some(Ok(accepted)) => accepted,
            Some(Err(_)) => continue,
            None => return,
        };
        match accepted.and_then(|(socket, remote)| Ok((socket.local_addr()?, socket, remote))) {
            Ok((local, socket, remote)) => {
                let caller = inner.callers.enter(remote.ip());
                let (shed, place) = match inner.readiness.place() {
                    _ if reserve.fill().is_err() => (Some(Trouble::Descriptors), Some(slot)),
                    _ if caller.is_err() => (Some(Trouble::Address), crowd.clone().try_acquire_owned().ok()),
                    None => (Some(Trouble::Connections), Some(slot)),
                    place => (None, place),
                };
                if let Some(trouble) = shed {
                    inner.counters.count(trouble.counts_as());
                }
                // One address gets no more of the answers than there are for all such: the next newcomer must not wait for it.
                let Some(place) = place else { continue };
                let connection = Connection { remote, local, shed, place: Arc::new(place), stay: Stay::default() };
                let conversation = converse(socket, router.clone(), connection, inner.clone());
                inner.tasks.spawn(async move {
                    // Until it ends, or is a session, which has a place of its own.
                    let _caller = caller;
                    conversation.await;
                });
            }
            Err(error) if is_the_peers(&error) => {}
            // Out of descriptors or memory, as a rule.
            Err(error) => {
                note(&inner.readiness, Some(&error));
                lent = !was_lent && reserve.free_one();
                if !lent {
                    // Trying again at once would take the processor too.
                    unless(stop, sleep(ACCEPT_PAUSE)).await;
                }
            }
        }
    }
}

/// Keeps `/readyz` true, and says so once.
fn note(readiness: &Readiness, short: Option<&io::Error>) {
    match (readiness.set_short(short.is_some()), short) {
        (true, Some(error)) => {
            tracing::warn!(%error, "new connections are answered 503 until there are file descriptors again (ulimit -n)")
        }
        (true, None) => tracing::info!("there are file descriptors again"),
        _ => {}
    }
}

/// Speaks HTTP on one connection until it ends or becomes a WebSocket; over TLS, where the proxy has an identity.
///
/// [`Limits::establish_timeout`](crate::Limits::establish_timeout) bounds each head, the first one counted from now, TLS included. A peer that reads its
/// answers too slowly, or asks on and on, is bounded by [`HTTP_LIFE`]: it is then given the same time once more to take what it has
/// coming. A connection that is shed is given [`SHED_PATIENCE`] for its one request.
pub(super) async fn converse(socket: TcpStream, router: Router, connection: Connection, inner: Arc<Inner>) {
    let conversation = Conversation::begin(&socket, connection, inner.clone());
    #[cfg(feature = "tls")]
    if let Some(identity) = &inner.identity {
        let Some(secured) = unless(&inner.stop, timeout(conversation.patience, secure(socket, identity))).await else { return };
        match secured {
            Ok(Ok(Secured::Tls(socket))) if http2::is_agreed(&socket) => http2::speak(conversation, *socket, router).await,
            Ok(Ok(Secured::Tls(socket))) => conversation.speak(*socket, router).await,
            Ok(Ok(Secured::Plain(socket))) => conversation.speak(socket, inner.elsewhere()).await,
            Ok(Err(error)) => {
                inner.counters.count(Refusal::Tls);
                tracing::debug!(%error, "no TLS with a peer");
            }
            Err(_) => inner.counters.count(Refusal::EstablishTimeout),
        }
        return;
    }
    conversation.speak(socket, router).await;
}

/// HTTP with one peer.
pub(super) struct Conversation {
    pub(super) connection: Connection,
    /// For each head.
    pub(super) patience: Duration,
    /// The first request is there by then.
    pub(super) until: Instant,
    pub(super) inner: Arc<Inner>,
}

impl Conversation {
    /// Its time begins now.
    pub(super) fn begin(socket: &TcpStream, connection: Connection, inner: Arc<Inner>) -> Self {
        // An error means that the peer is gone already; the first read will say so.
        let _ = socket.set_nodelay(true);
        let patience = match connection.shed {
            Some(_) => SHED_PATIENCE.min(inner.limits.establish_timeout),
            None => inner.limits.establish_timeout,
        };
        Self { connection, patience, until: Instant::now() + patience, inner }
    }

    /// How long it may stay HTTP.
    pub(super) fn life(&self) -> Duration {
        if self.connection.shed.is_some() { SHED_PATIENCE } else { HTTP_LIFE }
    }

    pub(super) async fn speak<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(self, socket: S, router: Router) {
        let life = self.life();
        let Self { connection, patience, until, inner } = self;
        let (remote, shed, stay) = (connection.remote, connection.shed, connection.stay.clone());
        let asked = Arc::new(AtomicBool::new(false));
        let service = service_fn({
            let asked = asked.clone();
            move |request| {
                asked.store(true, Ordering::Relaxed);
                answer(router.clone(), connection.clone(), request)
            }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(patience)
            .max_buf_size(inner.head_bytes_max())
            .max_header_size(inner.head_bytes_max())
            .keep_alive(shed.is_none());
        let mut http = pin!(builder.serve_connection(TokioIo::new(socket), service).with_upgrades());
        let ended = tokio::select! {
            ended = http.as_mut() => Ok(ended),
            () = late(until, &asked) => return inner.counters.count(Refusal::EstablishTimeout),
            () = inner.stop.cancelled() => Err(()),
            () = stay.over(life) => Err(()),
        };
        let ended = match ended {
            Ok(ended) => Some(ended),
            Err(()) => {
                http.as_mut().graceful_shutdown();
                tokio::select! { ended = http => Some(ended), () = stay.none_for(patience) => None }
            }
        };
        if let Some(Err(error)) = ended {
            if error.is_parse_too_large() {
                inner.counters.count(Refusal::HeaderTooLarge);
            } else if error.is_timeout() && !asked.load(Ordering::Relaxed) {
                inner.counters.count(Refusal::EstablishTimeout);
            }
            tracing::trace!(%remote, %error, "connection ended");
        }
    }
}

/// Resolves if nothing has been asked by then.
async fn late(until: Instant, asked: &AtomicBool) {
    sleep_until(until).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}

pub(super) async fn answer(router: Router, connection: Connection, mut request: Request<Incoming>) -> Result<Response, Infallible> {
    request.extensions_mut().insert(connection);
    TowerToHyperService::new(router).call(request).await
}

/// What `work` gives, or `None` once `stop` is cancelled.
async fn unless<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    stop.run_until_cancelled(work).await
}

/// A connection that broke before it was accepted says nothing about the next one.
pub(super) fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | NotConnected)
}

/// A request's head; 431 beyond. Twice what browsers send at most to a host of their own (cookies of other ports included).
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long a connection may stay HTTP: all a page loads is there in seconds, and the WebSocket is not HTTP any more. What carries a session stays as long as that.
const HTTP_LIFE: Duration = Duration::from_secs(60);

/// What a connection that is shed may take for its request, and again for the answer: it holds what the next one needs.
const SHED_PATIENCE: Duration = Duration::from_secs(1);

/// Long enough to cost nothing, short enough not to be felt when a descriptor becomes free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
