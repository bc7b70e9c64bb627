//! What the port for whoever runs the proxy has beside metrics: the page, the API, and the live stream.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock, Weak},
};

use axum::{
    Json, Router,
    extract::{ConnectInfo, DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use browser_stream_mux::{Code, StreamId};
use futures::{FutureExt, future::BoxFuture};
use http::{HeaderValue, Method, StatusCode, header};
use tokio::sync::Semaphore;

use super::{
    super::{
        http::Connection,
        proxy::{Inner, Proxy},
        readiness::come_back,
        upgrade,
    },
    acts,
    chronicle::Chronicle,
    describe,
    door::{Door, Need},
    fault::Fault,
    lists,
    live::Live,
    page, reach,
    tables::Tables,
};
use crate::{
    config::Config,
    counters::Refusal,
    error::OpenError,
    route::{StreamRouter, StreamServerProxy},
    session::Session,
    token::{Asking, Authorizer, Identity, Refused, Rights, Verb},
};

/// What whoever runs the proxy looks at and does, and what happened last.
pub(in super::super) struct Office {
    inner: Weak<Inner>,
    pub(super) chronicle: Arc<Chronicle>,
    pub(super) tables: Tables,
    /// What all nodes of its cluster have.
    #[cfg(feature = "cluster")]
    pub(super) combined: super::combined::Combined,
    /// Sessions of pages that look on, apart from those of peers.
    live: OnceLock<Proxy>,
    /// Their places, apart from those of requests: whoever fills them shuts nobody else out.
    places: Arc<Semaphore>,
}

impl Inner {
    /// The sessions of pages that look on, once there may be any.
    pub(in super::super) fn looking_on(&self) -> Option<&Proxy> {
        self.office.get()?.live.get()
    }
}

/// A page that looks on holds so much at most, with all others.
const MEMORY_MAX: usize = 64 << 20;

/// Pages that look on from one address, and streams that one has.
const PAGES_PER_ADDRESS_MAX: usize = 16;

/// Pages that look on, from wherever.
const PAGES_MAX: usize = 256;

/// No action says more.
pub(super) const BODY_MAX: usize = 2 << 20;

impl Office {
    /// The one of this proxy.
    pub(super) fn of(inner: &Arc<Inner>) -> Arc<Self> {
        let office = inner.office.get_or_init(|| {
            let chronicle = Chronicle::new(inner);
            Arc::new(Self {
                inner: Arc::downgrade(inner),
                chronicle,
                tables: Tables::default(),
                #[cfg(feature = "cluster")]
                combined: super::combined::Combined::default(),
                live: OnceLock::new(),
                places: Arc::new(Semaphore::new(PAGES_MAX)),
            })
        });
        office.clone()
    }

    /// The sessions of pages that look on.
    pub(super) fn live(self: &Arc<Self>, inner: &Inner) -> &Proxy {
        self.live.get_or_init(|| {
            let mut config = Config::default();
            config.limits = inner.config.limits.clone();
            config.limits.memory_budget_bytes = MEMORY_MAX.min(config.limits.memory_budget_bytes);
            config.limits.sessions_per_address_max = PAGES_PER_ADDRESS_MAX;
            config.limits.streams_per_session_max = PAGES_PER_ADDRESS_MAX;
            let live = || Live(Arc::downgrade(self));
            // As a name, too, for a library connects to names.
            let router = StreamRouter::new().route("/admin/live", live()).route("/admin/connect/live", live());
            // What it refuses counts with the rest.
            let counters = Arc::new(inner.counters.aside());
            let live = Proxy { inner: Arc::new(Inner::new(config, router, None, counters)) };
            // Whoever upgrades has shown nothing yet.
            live.sessions().known_within(inner.limits.establish_timeout);
            live.with_authorizer(OfTheOffice(self.inner.clone()))
        })
    }

    /// What is behind the door.
    pub(super) fn router(self: &Arc<Self>, door: &Arc<Door>) -> Router {
        let pages = Router::new()
            .route("/", get(page::home))
            .route("/admin", get(page::index))
            .route("/admin/", get(page::index))
            .route("/admin/{*file}", get(page::file))
            .layer(middleware::from_fn_with_state(door.clone(), keep_page));
        let live = Router::new()
            .route("/admin/mux", upgrade::route(self.live(&door.inner).clone()))
            .layer(middleware::from_fn_with_state((self.clone(), door.clone()), keep_live));
        pages.merge(live).merge(self.api(door))
    }

    fn api(self: &Arc<Self>, door: &Arc<Door>) -> Router {
        self.routes()
            .layer(middleware::from_fn_with_state(self.clone(), reach::keep))
            .layer(middleware::from_fn_with_state((self.clone(), door.clone()), keep_api))
    }

    /// The API of this proxy itself, for who was let in.
    pub(super) fn routes(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/admin/api/openapi.json", get(|| async { Json(describe::api()) }))
            .route("/admin/api/me", get(lists::me))
            .route("/admin/api/overview", get(lists::overview))
            .route("/admin/api/sessions", get(lists::sessions))
            .route("/admin/api/sessions/{id}", get(lists::session).delete(acts::close))
            .route("/admin/api/names", get(lists::names))
            .route("/admin/api/names/{name}", delete(acts::release))
            .route("/admin/api/reserved/{name}", put(acts::reserve).delete(acts::unreserve))
            .route("/admin/api/streams", get(lists::streams))
            .route("/admin/api/streams/{id}", delete(acts::reset))
            .route("/admin/api/channels", get(lists::channels))
            .route("/admin/api/rooms", get(lists::rooms))
            .route("/admin/api/rooms/{name}/emit", post(acts::emit))
            .route("/admin/api/rooms/{name}/members", get(lists::members))
            .route("/admin/api/rooms/{name}/members/{id}", put(acts::move_to).delete(acts::remove))
            .route("/admin/api/events", get(lists::events))
            .route("/admin/api/drain", post(acts::drain))
            .layer(DefaultBodyLimit::max(BODY_MAX))
            .with_state(self.clone())
    }

    /// The proxy, which is there as long as anybody asks.
    pub(super) fn inner(&self) -> Result<Arc<Inner>, Fault> {
        self.inner.upgrade().ok_or_else(|| OpenError::new(Code::Draining, "the proxy is gone").into())
    }

    /// The session of that id.
    pub(super) fn session(&self, id: &str) -> Result<Arc<Session>, Fault> {
        let id = lists::uuid(id)?;
        self.inner()?.sessions.get(id).ok_or_else(|| Fault::missing("no session of that id is connected"))
    }

    /// The session and the number of a stream's id.
    pub(super) fn stream(&self, id: &str) -> Result<(Arc<Session>, StreamId), Fault> {
        let bad = || Fault::bad("a stream's id is SESSION:NUMBER, as the list of streams has it");
        let (session, number) = id.split_once(':').ok_or_else(bad)?;
        let number = number.parse().map_err(|_| bad())?;
        Ok((self.session(session)?, number))
    }

    /// The names of a prefix, and the one of them that is meant: by its key, or by itself where there is one prefix beside the swarm's.
    pub(super) fn name(&self, key: &str) -> Result<(StreamServerProxy, String), Fault> {
        let inner = self.inner()?;
        let below = |names: &&StreamServerProxy| key.strip_prefix(names.prefix()).is_some_and(|rest| rest.starts_with('/'));
        // Of prefixes that begin alike the longest is meant.
        if let Some(names) = inner.names.iter().filter(below).max_by_key(|names| names.prefix().len()) {
            return Ok((names.clone(), key[names.prefix().len() + 1..].to_owned()));
        }
        // Nobody types a random name without looking at its key.
        let others: Vec<_> = inner.names.iter().filter(|names| names.prefix() != inner.tracker.names().prefix()).collect();
        match others[..] {
            [names] => Ok((names.clone(), key.to_owned())),
            _ => Err(Fault::bad("there are several prefixes: write the key of the name, its prefix in front")),
        }
    }
}

/// The middleware of what has no secret: a page of another host or origin has none of it.
async fn keep_page(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match door.check_page(&parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(shut) => Fault::from(shut).into_response(),
    }
}

/// The middleware of the live stream: who may read is asked on the session itself, so here it is only seen who asks from this machine.
async fn keep_live(State((office, door)): State<(Arc<Office>, Arc<Door>)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Err(shut) = door.check_page(&parts) {
        return Fault::from(shut).into_response();
    }
    if !door.is_of_this_machine(&parts) {
        if let Some(connection) = parts.extensions.get_mut::<Connection>() {
            connection.remote.set_port(STRANGERS);
        }
        if let Some(ConnectInfo(remote)) = parts.extensions.get_mut::<ConnectInfo<SocketAddr>>() {
            remote.set_port(STRANGERS);
        }
    }
    if let Some(connection) = parts.extensions.get_mut::<Connection>() {
        let Ok(place) = office.places.clone().try_acquire_owned() else {
            door.inner.counters.count(Refusal::Connections);
            return come_back(StatusCode::SERVICE_UNAVAILABLE, "limit: as many pages look on as may; close some, or try again later\n");
        };
        // In place of that of its connection, which others need for requests.
        connection.place = Arc::new(place);
    }
    office.chronicle.write();
    next.run(Request::from_parts(parts, body)).await
}

/// The port of who does not count as of this machine, wherever it is: nobody has that one.
const STRANGERS: u16 = 0;

/// The middleware of the API.
async fn keep_api(State((office, door)): State<(Arc<Office>, Arc<Door>)>, request: Request, next: Next) -> Response {
    office.chronicle.write();
    let (mut parts, body) = request.into_parts();
    let need = if matches!(parts.method, Method::GET | Method::HEAD) { Need::Read } else { Need::Act };
    let mut response = match door.lets(&parts, need).await {
        // A form of another page's has no such kind, and a page that says it has to ask first, for which there is no answer here.
        Ok(_) if need == Need::Act && !is_json(&parts) => Fault::media().into_response(),
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(shut) => Fault::from(shut).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn is_json(parts: &http::request::Parts) -> bool {
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// Who may look on: whom the proxy knows, and whoever does from this machine.
struct OfTheOffice(Weak<Inner>);

impl Authorizer for OfTheOffice {
    fn authorize(&self, asking: Asking) -> BoxFuture<'_, Result<Identity, Refused>> {
        let inner = self.0.upgrade();
        async move {
            let read = Need::Read.as_str();
            let pattern = read.parse().into_iter().collect::<Vec<_>>();
            // Nothing else is to be had here, channels and rooms neither, whatever it may among peers.
            let looks_on = Rights::none().with(Verb::Admin, &pattern);
            let authorizer = inner.and_then(|inner| inner.sessions.authorizer());
            if let (Some(authorizer), true) = (authorizer, asking.token.is_some()) {
                let identity = authorizer.authorize(asking).await?;
                let may = identity.rights.allow(Verb::Admin, read);
                return if may { Ok(Identity { rights: looks_on, ..identity }) } else { Err(Refused::Right) };
            }
            let is_here = |remote: SocketAddr| remote.port() != STRANGERS && remote.ip().to_canonical().is_loopback();
            if !asking.remote.is_some_and(is_here) {
                return Err(Refused::Missing);
            }
            Ok(Identity::anonymous(looks_on))
        }
        .boxed()
    }
}
