//! The process: sessions, routes, and how it goes down.

use std::{future::Future, io, net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{
    Router, middleware,
    routing::{MethodRouter, get},
};
use browser_stream_protocol::swarm::SWARM_PREFIX;
use tokio::{net::TcpListener, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[cfg(feature = "tls")]
use super::secure;
use super::{
    addresses::Addresses,
    assets::{self, Places},
    gate::{self, Gate, OwnTls},
    http,
    over_http::Connections,
    readiness::Readiness,
    shed, upgrade,
    visit::{self, Visits},
};
#[cfg(any(feature = "admin", feature = "cluster"))]
use crate::route::StreamServerProxy;
#[cfg(feature = "tls")]
use crate::tls::Identity;
use crate::{
    config::Config,
    counters::Counters,
    feature::{channel::Channels, room::Rooms, tracker::Tracker},
    limits::Limits,
    memory::Memory,
    route::StreamRouter,
    session::Sessions,
    token::{self, Authorizer},
};

/// The whole proxy: who may come in, the WebSocket, the sessions, and the files for the browser. Cheap to clone; every clone is the same.
///
/// It serves by itself ([`serve`](Self::serve)) or as part of another program's axum router ([`router`](Self::router),
/// [`mux`](Self::mux)). Its requests are checked either way: to be reached by another name than `localhost` it needs
/// [`Config::public_url`], for pages of other origins [`Config::allow_origin`].
///
/// ```no_run
/// use browser_stream_server::{Config, Proxy, StreamRouter, StreamServerProxy};
///
/// # async fn example() -> std::io::Result<()> {
/// let names = StreamServerProxy::new("/browser-server");
/// let proxy = Proxy::new(Config::default(), StreamRouter::new().mount(names));
/// let listener = proxy.listen().await?;
/// println!("browser-stream-server is at {}", proxy.url(&listener)?);
/// // Told to end, it tells its peers, and gives them time.
/// proxy.serve_until(listener, async { drop(tokio::signal::ctrl_c().await) }).await
/// # }
/// ```
#[derive(Clone)]
pub struct Proxy {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) config: Config,
    pub(super) limits: Arc<Limits>,
    pub(super) gate: Arc<Gate>,
    /// Who the proxy is over TLS, where it speaks that itself.
    #[cfg(feature = "tls")]
    pub(super) identity: Option<Identity>,
    /// Sessions by address.
    pub(super) addresses: Arc<Addresses>,
    /// Connections that are no sessions, or not yet, by address.
    pub(super) callers: Arc<Addresses>,
    pub(super) readiness: Arc<Readiness>,
    /// Of the sessions those over HTTP.
    pub(super) over_http: Connections,
    /// What pages are told of WebTransport, once there is that.
    #[cfg(feature = "webtransport")]
    pub(super) webtransport: std::sync::OnceLock<super::webtransport::Announced>,
    /// Requests by HTTP to servers.
    pub(super) visits: Option<Visits>,
    pub(super) sessions: Sessions,
    pub(super) channels: Channels,
    pub(super) rooms: Rooms,
    pub(super) tracker: Tracker,
    pub(super) memory: Arc<Memory>,
    pub(super) counters: Arc<Counters>,
    /// The names of each prefix.
    #[cfg(any(feature = "admin", feature = "cluster"))]
    pub(super) names: Vec<StreamServerProxy>,
    /// With others, if it is one of several.
    #[cfg(feature = "cluster")]
    pub(super) membership: super::cluster::Seat,
    /// What whoever runs the proxy has to do with it, once that is asked for.
    #[cfg(feature = "admin")]
    pub(super) office: std::sync::OnceLock<Arc<super::admin::Office>>,
    /// Sessions, and connections that become one; awaited first.
    pub(super) peers: TaskTracker,
    /// All other connections.
    pub(super) tasks: TaskTracker,
    /// No new sessions are taken.
    pub(super) draining: CancellationToken,
    /// No connections are, either.
    pub(super) stop: CancellationToken,
}

impl Proxy {
    /// A proxy that sends what peers open where `router` says; [channels](Self::channels) have routes below `/channel`, [rooms](Self::rooms) below `/room`, and there is
    /// a [swarm](Self::tracker) below `/swarm`, with names of its own unless `router` has mounted a [`StreamServerProxy`](crate::StreamServerProxy) there.
    ///
    /// # Panics
    /// If `router` has those routes already.
    pub fn new(config: Config, router: StreamRouter) -> Self {
        Self { inner: Arc::new(Inner::new(config, router, None, Arc::default())) }
    }

    /// The same over TLS: [`serve`](Self::serve) and [`serve_until`](Self::serve_until) shake hands first, in the time that a peer has for its first
    /// request, and send who comes without TLS to `https`. What [`Config::tls`] says makes no difference here.
    #[cfg(feature = "tls")]
    pub fn with_tls(config: Config, router: StreamRouter, identity: Identity) -> Self {
        let tls = OwnTls { names: identity.names.clone() };
        Self { inner: Arc::new(Inner { identity: Some(identity), ..Inner::new(config, router, Some(tls), Arc::default()) }) }
    }

    /// The same where peers may do what `authorizer` says, and without it everything. To be called once, before it serves.
    #[must_use]
    pub fn with_authorizer(self, authorizer: impl Authorizer) -> Self {
        let _ = self.inner.sessions.clone().with_authorizer(authorizer);
        self
    }

    /// Closes the sessions of whoever is meant, who is told `unauthorized`: how many those are. What the authorizer says from now on is its own matter: take the token back there
    /// first.
    pub fn revoke(&self, is_meant: impl Fn(&token::Identity) -> bool) -> usize {
        #[cfg(feature = "admin")]
        let looking_on = self.inner.looking_on().map_or(0, |live| live.inner.sessions.revoke(&is_meant));
        #[cfg(not(feature = "admin"))]
        let looking_on = 0;
        self.inner.sessions.revoke(is_meant) + looking_on
    }

    /// Everything over HTTP: the WebSocket at [`Config::path`] and what does in its place, the start page, library and examples below `/`, `/healthz` (the process
    /// answers) and `/readyz` (new sessions are welcome: 200, or 503 with the reason). Where names have hosts, requests to those are their servers': [`Config::http_hosts`].
    pub fn router(&self) -> Router {
        let readiness = self.inner.readiness.clone();
        let router = Router::new()
            .route(self.inner.config.path.as_str(), upgrade::route(self.clone()))
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(async move || readiness.answer()))
            .fallback(assets::serve)
            .with_state(Arc::new(Places::new(&self.inner.config)));
        #[cfg(feature = "webtransport")]
        let router = router.layer(middleware::from_fn_with_state(self.clone(), super::webtransport::allow));
        let router =
            router.layer(middleware::from_fn(shed::keep)).layer(middleware::from_fn_with_state(self.inner.gate.clone(), gate::keep));
        if self.inner.visits.is_none() {
            return router;
        }
        router.layer(middleware::from_fn_with_state(self.clone(), visit::keep))
    }

    /// The WebSocket alone, and what does in its place, for a route of one's own.
    pub fn mux<S: Clone + Send + Sync + 'static>(&self) -> MethodRouter<S> {
        upgrade::route(self.clone()).layer(middleware::from_fn_with_state(self.inner.gate.clone(), gate::keep))
    }

    /// Listens at [`Config::bind`].
    ///
    /// # Errors
    /// As the system gives them, with a text that says what to do. [`io::ErrorKind::InvalidInput`] where others than this machine's could come in and nobody said that they may:
    /// neither [`Config::open`] nor [`with_authorizer`](Self::with_authorizer); and where [`Config::tokens`] are wanted, and nobody is there who judges them.
    pub async fn listen(&self) -> io::Result<TcpListener> {
        let bind = self.inner.config.bind;
        self.inner.check_guarded()?;
        if !self.inner.config.open && !self.inner.sessions.wants_tokens() && !bind.ip().to_canonical().is_loopback() {
            let text = format!(
                "refusing to listen on {bind}: everybody who reaches this address could use the proxy; set `open` if they may, give Proxy::with_authorizer whoever decides, or \
                 bind 127.0.0.1:{}",
                bind.port()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        TcpListener::bind(bind).await.map_err(|error| {
            let advice = match error.kind() {
                io::ErrorKind::AddrInUse => "another program listens there, maybe another bss: end it, or choose another port with --bind",
                io::ErrorKind::PermissionDenied => "this needs rights that the program does not have: choose a port above 1023 with --bind",
                io::ErrorKind::AddrNotAvailable => "this machine does not have the address: choose one that it has with --bind",
                _ => "choose another address with --bind",
            };
            io::Error::new(error.kind(), format!("cannot listen on {bind} ({error}): {advice}"))
        })
    }

    /// The address of a listener's start page, for a browser on this machine.
    ///
    /// # Errors
    /// Where the system does not know the listener's own address.
    pub fn url(&self, listener: &TcpListener) -> io::Result<String> {
        let mut address = listener.local_addr()?;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let scheme = if self.inner.is_secure() { "https" } else { "http" };
        Ok(format!("{scheme}://{address}/"))
    }

    /// Serves until [`shutdown`](Self::shutdown) is called.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] where [`Config::tokens`] are wanted, and nobody is there who judges them ([`with_authorizer`](Self::with_authorizer)). Trouble with single
    /// connections ends those. While file descriptors have run out, or [`Limits::connections_max`] is
    /// reached, new connections are answered 503 with `Retry-After`, and live sessions go on.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.serve_until(listener, std::future::pending()).await
    }

    /// Serves until `signal` resolves, then shuts down within [`Limits::drain_timeout`](crate::Limits::drain_timeout), `/readyz` saying so
    /// meanwhile. Dropping the future stops accepting; sessions go on.
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    pub async fn serve_until(&self, listener: TcpListener, signal: impl Future<Output = ()>) -> io::Result<()> {
        self.inner.check_guarded()?;
        let ending = async {
            signal.await;
            self.shutdown(self.inner.limits.drain_timeout).await;
        };
        tokio::select! {
            // Somebody else has shut it down.
            () = http::serve(listener, self.router(), &self.inner) => self.shutdown(Duration::ZERO).await,
            () = ending => {}
        }
        Ok(())
    }

    /// The live sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    /// The channels below `/channel`: what there are, publishing and subscribing from inside the process, their events.
    pub fn channels(&self) -> &Channels {
        &self.inner.channels
    }

    /// The rooms below `/room`: what there are, who is in them, events and asks from inside the process, who may join.
    pub fn rooms(&self) -> &Rooms {
        &self.inner.rooms
    }

    /// The tracker of the swarm below `/swarm`: which contents peers hold.
    pub fn tracker(&self) -> &Tracker {
        &self.inner.tracker
    }

    /// How often the proxy refused, shed or cut so far, by reason: stable names, each once and always in the same order.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.inner.counters.iter()
    }

    /// Goes down: takes no more sessions, opens nothing for those that there are, tells them to come back after a while, and waits until they
    /// have gone. What is left after `deadline` is closed with 1012; it resolves 3 s later at the latest, or as much after that for other
    /// connections.
    ///
    /// Cancel-safe: dropping the future ends the waiting, and the sessions go all the same. Called again, the sooner end counts: with
    /// [`Duration::ZERO`] all are closed at once.
    pub async fn shutdown(&self, deadline: Duration) {
        let Inner { sessions, channels, draining, stop, peers, tasks, .. } = &*self.inner;
        draining.cancel();
        channels.drain();
        sessions.drain(deadline);
        wait(peers, deadline.saturating_add(SHUTDOWN_MAX)).await;
        #[cfg(feature = "cluster")]
        if let Some(membership) = self.inner.membership.get() {
            membership.end().await;
            sessions.close_links();
        }
        // Who looks on sees it until here.
        #[cfg(feature = "admin")]
        if let Some(live) = self.inner.looking_on() {
            Box::pin(live.shutdown(Duration::ZERO)).await;
        }
        stop.cancel();
        wait(tasks, SHUTDOWN_MAX).await;
    }
}

impl Inner {
    pub(super) fn new(config: Config, router: StreamRouter, tls: Option<OwnTls>, counters: Arc<Counters>) -> Self {
        let limits = Arc::new(config.limits.clone());
        let channels = Channels::new(limits.clone());
        let rooms = Rooms::new(limits.clone());
        let swarm = router.proxies().iter().find(|names| names.prefix() == SWARM_PREFIX).cloned();
        let tracker = swarm.map_or_else(|| Tracker::new(limits.clone()), |names| Tracker::over(names, limits.clone()));
        let router = tracker.mount(rooms.mount(channels.mount(router)));
        #[cfg(feature = "cluster")]
        let (router, membership) = super::cluster::mount(router);
        let names = router.proxies().to_vec();
        let sessions = Sessions::counting(limits.clone(), Arc::new(router), counters.clone());
        let memory = sessions.memory().clone();
        channels.belong_to(&memory, &counters);
        rooms.belong_to(&memory, &counters);
        tracker.belong_to(&memory, &counters);
        let (peers, tasks) = (TaskTracker::new(), TaskTracker::new());
        let (draining, stop) = (CancellationToken::new(), CancellationToken::new());
        let gate = Arc::new(Gate::new(&config, tls, counters.clone()));
        let addresses = Arc::new(Addresses::new(limits.sessions_per_address_max, &config.trusted_proxies));
        let callers = Arc::new(Addresses::new(limits.connections_per_address_max, &config.trusted_proxies));
        let readiness = Arc::new(Readiness::new(&limits, memory.clone(), draining.clone()));
        // Those of the first prefix: a host has no room for another.
        let visits = names.iter().find(|names| names.prefix() != SWARM_PREFIX).and_then(|names| Visits::new(names, &config));
        Self {
            config,
            limits,
            gate,
            #[cfg(feature = "tls")]
            identity: None,
            addresses,
            callers,
            readiness,
            over_http: Connections::default(),
            #[cfg(feature = "webtransport")]
            webtransport: std::sync::OnceLock::new(),
            visits,
            sessions,
            channels,
            rooms,
            tracker,
            memory,
            counters,
            #[cfg(any(feature = "admin", feature = "cluster"))]
            names,
            #[cfg(feature = "cluster")]
            membership,
            #[cfg(feature = "admin")]
            office: std::sync::OnceLock::new(),
            peers,
            tasks,
            draining,
            stop,
        }
    }

    /// Whether the settings want tokens that nobody judges: then everybody could come in where only some were meant to.
    pub(super) fn is_unguarded(&self) -> bool {
        self.config.tokens.is_some() && !self.sessions.wants_tokens()
    }

    fn check_guarded(&self) -> io::Result<()> {
        if !self.is_unguarded() {
            return Ok(());
        }
        let text = "the settings want tokens, and nobody judges them: give Proxy::with_authorizer a JwtAuthorizer of that file, or leave `tokens` out of the settings";
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }

    /// What answers on a port that speaks TLS who comes without.
    #[cfg(feature = "tls")]
    pub(super) fn elsewhere(self: &Arc<Self>) -> Router {
        secure::elsewhere()
            .layer(middleware::from_fn(shed::keep))
            .layer(middleware::from_fn_with_state(self.gate.clone(), gate::keep))
            .layer(middleware::from_fn_with_state(self.clone(), visit::elsewhere))
    }

    /// The most bytes of a request's head: servers are sent more than the proxy itself needs.
    pub(super) fn head_bytes_max(&self) -> usize {
        let servers = self.visits.as_ref().map_or(0, |_| self.limits.http_head_bytes_max);
        servers.max(http::HEAD_BYTES_MAX)
    }

    pub(super) fn is_secure(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.identity.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }
}

async fn wait(tasks: &TaskTracker, most: Duration) {
    tasks.close();
    if timeout(most, tasks.wait()).await.is_err() {
        tracing::warn!(left = tasks.len(), "some connections did not end in time");
    }
}

/// A peer needs a second to answer the goodbye; a stuck one must not hold the process.
const SHUTDOWN_MAX: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests;
