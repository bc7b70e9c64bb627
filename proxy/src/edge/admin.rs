//! A port for whoever runs the proxy: its metrics, what there is, and what may be done about it. Apart from the one for peers, so that a flood there hides nothing here.

#[cfg(all(feature = "admin", feature = "cluster"))]
mod across;
#[cfg(feature = "admin")]
mod acts;
#[cfg(feature = "admin")]
mod changes;
#[cfg(feature = "admin")]
mod chronicle;
#[cfg(all(feature = "admin", feature = "cluster"))]
mod combined;
#[cfg(feature = "admin")]
mod describe;
mod door;
#[cfg(feature = "admin")]
mod fault;
#[cfg(feature = "admin")]
mod lists;
#[cfg(feature = "admin")]
mod live;
#[cfg(all(feature = "admin", feature = "cluster"))]
mod merged;
#[cfg(feature = "admin")]
mod office;
#[cfg(feature = "admin")]
mod overview;
#[cfg(feature = "admin")]
mod page;
#[cfg(feature = "admin")]
mod reach;
#[cfg(feature = "admin")]
mod rows;
#[cfg(feature = "admin")]
mod table;
#[cfg(feature = "admin")]
mod tables;
#[cfg(all(feature = "admin", feature = "cluster"))]
mod whole;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use http::{StatusCode, header};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};

#[cfg(feature = "tls")]
use super::http::converse;
use super::{
    addresses::{Addresses, Place},
    http::{Connection, Conversation, is_the_peers},
    metrics,
    proxy::{Inner, Proxy},
    readiness::{Trouble, come_back},
    shed::SHED_AT_ONCE,
    stay::Stay,
};
#[cfg(all(feature = "admin", feature = "cluster"))]
pub(super) use across::{ForNodes, PATH_OF_NODES};
use door::Door;
#[cfg(feature = "admin")]
pub(super) use office::Office;

/// Connections at once: whoever scrapes needs one, and strangers of that many addresses do not keep it from that.
const CONNECTIONS_MAX: usize = 256;

/// Connections at once from one address.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 8;

/// How often it is looked how long a task waits for its turn.
const POLL_EVERY: Duration = Duration::from_secs(1);

impl Proxy {
    /// Listens at [`Config::admin`](crate::Config::admin), where that is set: hand the socket to [`serve_admin`](Self::serve_admin).
    ///
    /// # Errors
    /// As the system gives them, with a text that says what to do.
    ///
    /// ```
    /// use browser_stream_server::{Config, Proxy, StreamRouter};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut config = Config::default();
    /// config.admin = Some(([127, 0, 0, 1], 0).into()); // any free port
    /// let proxy = Proxy::new(config, StreamRouter::new());
    /// if let Some(listener) = proxy.listen_admin().await? {
    ///     println!("metrics are at {}", proxy.admin_url(&listener)?);
    ///     let proxy = proxy.clone();
    ///     tokio::spawn(async move { proxy.serve_admin(listener).await });
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn listen_admin(&self) -> io::Result<Option<TcpListener>> {
        let Some(bind) = self.inner.config.admin else { return Ok(None) };
        let failed = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot listen on {bind} ({error}): choose another address with --admin"))
        };
        TcpListener::bind(bind).await.map(Some).map_err(failed)
    }

    /// Serves [`admin_router`](Self::admin_router) until the proxy is shut down, and keeps an eye on how long tasks wait for their turn. A listener that others than this machine's
    /// reach speaks TLS where the proxy does ([`with_tls`](Self::with_tls)), for what they show are tokens.
    ///
    /// A head has [`Limits::establish_timeout`](crate::Limits::establish_timeout), and one address 8 connections at once; more are answered 429, as far as there is time for that.
    ///
    /// See [`listen_admin`](Self::listen_admin).
    pub async fn serve_admin(&self, listener: TcpListener) {
        let (places, router) = (Places::new(), self.admin_router());
        let is_secure = self.admin_is_secure(&listener);
        #[cfg(feature = "admin")]
        Office::of(&self.inner).chronicle.write();
        let accepting = async {
            loop {
                match listener.accept().await.and_then(|(socket, remote)| Ok((socket.local_addr()?, socket, remote))) {
                    Ok((local, socket, remote)) => {
                        let (place, shed) = places.enter(remote);
                        if let Some(trouble) = shed {
                            self.inner.counters.count(trouble.counts_as());
                        }
                        let Some((place, caller)) = place else { continue };
                        let connection = Connection { remote, local, shed, place: Arc::new(place), stay: Stay::default() };
                        let conversation = speak(socket, router.clone(), connection, self.inner.clone(), is_secure);
                        self.inner.tasks.spawn(async move {
                            let _caller = caller;
                            conversation.await;
                        });
                    }
                    Err(error) if is_the_peers(&error) => {}
                    Err(error) => {
                        tracing::debug!(%error, "no connection for whoever runs the proxy");
                        sleep(POLL_EVERY).await;
                    }
                }
            }
        };
        let looking = async {
            loop {
                sleep(POLL_EVERY).await;
                let ready = Instant::now();
                // Behind all tasks that are ready, and a look at the sockets.
                tokio::task::yield_now().await;
                self.inner.counters.waited(ready.elapsed());
            }
        };
        self.inner.stop.run_until_cancelled(async { tokio::join!(accepting, looking) }).await;
    }

    /// Where this listener's metrics are, for whoever runs the proxy.
    ///
    /// # Errors
    /// Where the system does not know the listener's own address.
    ///
    /// See [`listen_admin`](Self::listen_admin).
    pub fn admin_url(&self, listener: &TcpListener) -> io::Result<String> {
        let scheme = if self.admin_is_secure(listener) { "https" } else { "http" };
        Ok(format!("{scheme}://{}/metrics", listener.local_addr()?))
    }

    /// What stays on this machine needs no certificate that is for another name.
    fn admin_is_secure(&self, listener: &TcpListener) -> bool {
        self.inner.is_secure() && !listener.local_addr().is_ok_and(|local| local.ip().to_canonical().is_loopback())
    }

    /// What is for whoever runs the proxy: `/metrics`, for Prometheus; with the feature `admin` the page at `/admin`, and the API below `/admin/api`.
    ///
    /// Answers who shows a token with the right `admin` for that (`metrics`, `read`, `act`) as `Authorization: Bearer`, and without one who asks from this machine for a host of
    /// this machine; who acts then needs [`Config::admin_actions`](crate::Config::admin_actions). Needs the connection's [`ConnectInfo`](axum::extract::ConnectInfo) where another
    /// server than [`serve_admin`](Self::serve_admin) serves it; else only tokens count.
    ///
    /// ```no_run
    /// use browser_stream_server::Proxy;
    ///
    /// /// The same beside routes of one's own, on a listener of one's own.
    /// async fn serve(proxy: &Proxy, listener: tokio::net::TcpListener) -> std::io::Result<()> {
    ///     let app = axum::Router::new().merge(proxy.admin_router());
    ///     axum::serve(listener, app.into_make_service_with_connect_info::<std::net::SocketAddr>()).await
    /// }
    /// ```
    pub fn admin_router(&self) -> Router {
        let door = Arc::new(Door::new(&self.inner));
        let inner = self.inner.clone();
        let metrics = move || async move {
            let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
            (kind, metrics::text(&inner))
        };
        let router = Router::new().route("/metrics", get(metrics)).layer(middleware::from_fn_with_state(door.clone(), door::keep_metrics));
        #[cfg(feature = "admin")]
        let router = router.merge(Office::of(&self.inner).router(&door));
        router.layer(middleware::from_fn(shed))
    }
}

/// How many there are, and those of each address.
struct Places {
    all: Arc<Semaphore>,
    /// Those who are told that there is no room.
    crowd: Arc<Semaphore>,
    callers: Arc<Addresses>,
}

impl Places {
    fn new() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        // Whoever comes through another proxy is one of its connections.
        let callers = Arc::new(Addresses::new(CONNECTIONS_PER_ADDRESS_MAX, &[]));
        Self { all: places(CONNECTIONS_MAX), crowd: places(SHED_AT_ONCE), callers }
    }

    /// A place for one more, or among those who are told why there is none; without one it is closed.
    fn enter(&self, remote: SocketAddr) -> (Option<(OwnedSemaphorePermit, Option<Place>)>, Option<Trouble>) {
        let one = |places: &Arc<Semaphore>| places.clone().try_acquire_owned().ok();
        let Ok(caller) = self.callers.enter(remote.ip()) else {
            return (one(&self.crowd).map(|place| (place, None)), Some(Trouble::Address));
        };
        match one(&self.all) {
            Some(place) => (Some((place, caller)), None),
            None => (one(&self.crowd).map(|place| (place, caller)), Some(Trouble::Connections)),
        }
    }
}

/// HTTP with one who asks, over TLS where that is to be.
async fn speak(socket: TcpStream, router: Router, connection: Connection, inner: Arc<Inner>, is_secure: bool) {
    #[cfg(feature = "tls")]
    if is_secure {
        return converse(socket, router, connection, inner).await;
    }
    debug_assert!(cfg!(feature = "tls") || !is_secure, "without TLS nothing is");
    Conversation::begin(&socket, connection, inner).speak(socket, router).await;
}

/// The middleware: a connection that there is no room for is told so, and nothing else.
async fn shed(request: Request, next: Next) -> Response {
    match request.extensions().get::<Connection>().and_then(|connection| connection.shed) {
        Some(Trouble::Address) => {
            come_back(StatusCode::TOO_MANY_REQUESTS, "limit: too many connections to this port from this address; close some\n")
        }
        Some(_) => come_back(StatusCode::SERVICE_UNAVAILABLE, "limit: this port has as many connections as it may; try again later\n"),
        None => next.run(request).await,
    }
}
