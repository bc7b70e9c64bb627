//! HTTP into a tab: a request for a server's host is that server's to answer, over a stream of its own (PROTOCOL.md, section 16).
//!
//! The proxy speaks HTTP/1.1 to servers as any client would, so that a program behind `bss listen --to` needs to know nothing. It keeps nothing of what passes.

mod body;
mod cookies;
mod exchange;
mod head;
mod places;
mod pulse;
mod trouble;
mod upgrade;
mod whom;

use std::{net::SocketAddr, sync::Arc};

use super::{
    gate,
    http::Connection,
    proxy::{Inner, Proxy},
    readiness::Trouble as Shortage,
};
use crate::{
    config::{Authority, Config},
    counters::Refusal,
    route::{HttpPlaces, StreamServerProxy},
};
use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use head::{Visitor, X_FORWARDED_PROTO};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use places::Places;
use trouble::Trouble;
use whom::{Site, Sites, Whom};

/// The servers that are reached by HTTP, and where.
pub(super) struct Visits {
    sites: Sites,
    names: StreamServerProxy,
    places: Arc<Places>,
}

impl Visits {
    /// Those of these names, which are told where they are found; `None` where that is nowhere.
    pub(super) fn new(names: &StreamServerProxy, config: &Config) -> Option<Self> {
        let (hosts, by_path) = (config.http_hosts(), config.http_path);
        if hosts.is_empty() && !by_path {
            return None;
        }
        names.reached_at(HttpPlaces { suffix: hosts.first().map(|host| host.suffix().to_owned()), by_path });
        let places = Arc::new(Places::new(&config.limits, &config.trusted_proxies));
        Some(Self { sites: Sites { hosts, by_path }, names: names.clone(), places })
    }

    /// Whom a request is for, and by which host; `None` is for the gate to judge.
    fn whom(&self, request: &Request) -> Option<(Whom, Authority)> {
        let host = gate::host(request.uri(), request.headers()).ok()?;
        match self.sites.whom(&host.host, request.uri()) {
            Whom::Proxy => None,
            whom => Some((whom, host)),
        }
    }

    /// Whether it asks at the host of a name.
    #[cfg(feature = "tls")]
    fn has_host_of(&self, request: &Request) -> bool {
        gate::host(request.uri(), request.headers()).is_ok_and(|host| self.sites.has(&host.host))
    }
}

impl Inner {
    async fn visited(self: &Arc<Self>, visits: &Visits, (whom, host): (Whom, Authority), request: Request) -> Response {
        let local = request.extensions().get::<Connection>().map(|connection| connection.local);
        // On the proxy's own host its rules hold, but for origins: a page that is sandboxed there has none.
        if !visits.sites.has(&host.host)
            && let Err(refusal) = self.gate.check_host(request.uri(), request.headers(), local)
        {
            self.counters.count(Refusal::Gate);
            return refusal.into_response();
        }
        let accept = request.headers().get(header::ACCEPT).cloned();
        let trouble = match whom {
            Whom::Site(Some(site)) => match self.visit(visits, site, request).await {
                Ok(response) => return response,
                Err(trouble) => trouble,
            },
            Whom::Slashless => return slash(&request),
            Whom::Site(None) | Whom::Proxy => Trouble::Missing,
        };
        trouble.answer(accept.as_ref())
    }

    /// Asks the server.
    async fn visit(self: &Arc<Self>, visits: &Visits, site: Site, mut request: Request) -> Result<Response, Trouble> {
        if self.draining.is_cancelled() {
            self.counters.count(Refusal::Draining);
            return Err(Trouble::Draining);
        }
        if self.memory.pressed() {
            self.counters.count(Refusal::Budget);
            return Err(Trouble::Busy);
        }
        if let Some(trouble) = unfit(&request) {
            self.counters.count(Refusal::HttpRequest);
            return Err(trouble);
        }
        let connection = request.extensions_mut().remove::<Connection>();
        let busy = connection.as_ref().map(|connection| connection.stay.begin());
        let visitor = self.visitor(connection.as_ref(), &request);
        let taken = visits.places.take(&site.name, visitor.address).map_err(|refusal| {
            self.counters.count(refusal);
            Trouble::without_place(refusal)
        })?;
        let stream = visits.names.connect_http(&site.name, visitor.address).await.map_err(|error| Trouble::of(&error))?;
        exchange::exchange(self, exchange::Visit { site, visitor, taken, connection, busy }, request, stream).await
    }

    /// Who comes, and how: what a proxy in front says counts if it is a trusted one.
    fn visitor(&self, connection: Option<&Connection>, request: &Request) -> Visitor {
        let remote = match connection {
            Some(connection) => Some(connection.remote),
            None => request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0),
        };
        let headers = request.headers();
        let said = remote.filter(|remote| self.addresses.trusts(remote.ip())).and_then(|_| said_secure(headers));
        Visitor {
            address: remote.and_then(|remote| self.addresses.visitor(remote.ip(), headers)),
            is_secure: said.unwrap_or_else(|| self.is_secure()),
            host: headers.get(header::HOST).cloned().unwrap_or_else(|| HeaderValue::from_static("")),
        }
    }
}

/// The middleware in front of the gate: what is for a server goes no further.
pub(super) async fn keep(State(proxy): State<Proxy>, request: Request, next: Next) -> Response {
    let found = proxy.inner.visits.as_ref().and_then(|visits| Some((visits, visits.whom(&request)?)));
    match (found, shed(&request)) {
        (None, _) => next.run(request).await,
        // A connection that is shed learns that first.
        (Some(_), Some(trouble)) => trouble.into_response(),
        (Some((visits, whom)), None) => proxy.inner.visited(visits, whom, request).await,
    }
}

/// The same on a port that speaks TLS, for who comes without: to the same place, with it.
#[cfg(feature = "tls")]
pub(super) async fn elsewhere(State(inner): State<Arc<Inner>>, request: Request, next: Next) -> Response {
    if shed(&request).is_none() && inner.visits.as_ref().is_some_and(|visits| visits.has_host_of(&request)) {
        return super::secure::redirect(&request);
    }
    next.run(request).await
}

/// Why there is no room for the connection that this came over, if so.
fn shed(request: &Request) -> Option<Shortage> {
    request.extensions().get::<Connection>()?.shed
}

/// What no server can be asked, whichever it is.
fn unfit(request: &Request) -> Option<Trouble> {
    if request.method() == Method::CONNECT || request.method() == Method::TRACE {
        return Some(Trouble::Request(
            StatusCode::NOT_IMPLEMENTED,
            "CONNECT and TRACE are no methods of servers here; a WebSocket is asked for over HTTP/1.1, with Upgrade.",
        ));
    }
    if request.version() < Version::HTTP_11 {
        // Its only way to end an answer of unknown length is to close, which says nothing of whether it was whole.
        let text =
            "Ask by HTTP/1.1 or HTTP/2, for HTTP/1.0 cannot tell a whole answer from one that broke off. In nginx: proxy_http_version 1.1.";
        return Some(Trouble::Request(StatusCode::HTTP_VERSION_NOT_SUPPORTED, text));
    }
    None
}

/// What a trusted proxy in front says of the way to it: the last word is its own.
fn said_secure(headers: &HeaderMap) -> Option<bool> {
    let said = headers.get_all(X_FORWARDED_PROTO).iter().next_back()?.to_str().ok()?;
    Some(said.rsplit(',').next()?.trim().eq_ignore_ascii_case("https"))
}

/// Sends whoever asks for `/~NAME` to `/~NAME/`, so that relative links lead below it.
fn slash(request: &Request) -> Response {
    let uri = request.uri();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    (
        StatusCode::PERMANENT_REDIRECT,
        [(header::LOCATION, format!("{}/{query}", uri.path())), (header::CACHE_CONTROL, "no-store".to_owned())],
    )
        .into_response()
}
