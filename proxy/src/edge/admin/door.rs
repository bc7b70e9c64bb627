//! Who may come in on the port for whoever runs the proxy, and what for.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use browser_stream_mux::Code;
use http::{HeaderMap, StatusCode, header, request::Parts};

use super::super::{
    gate::{self, Gate},
    http::Connection,
    proxy::Inner,
    upgrade::bearer,
};
use crate::{
    counters::Refusal,
    error::OpenError,
    token::{Rights, Verb},
};

/// What the right `admin` is for, here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// To read metrics.
    Metrics,
    /// To read what there is: names, addresses, who is who.
    #[cfg(feature = "admin")]
    Read,
    /// To change it.
    #[cfg(feature = "admin")]
    Act,
}

impl Need {
    /// As a token names it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            #[cfg(feature = "admin")]
            Self::Read => "read",
            #[cfg(feature = "admin")]
            Self::Act => "act",
        }
    }
}

/// Who asks: an extension of the request, once it was let in.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Who that is; `None` for whoever asks from this machine without a token.
    #[cfg_attr(not(feature = "admin"), expect(dead_code))]
    pub(super) sub: Option<Arc<str>>,
    /// The node at which it asked, and was judged, where that is another.
    #[cfg(all(feature = "admin", feature = "cluster"))]
    node: Option<Arc<str>>,
    /// What its token allows; `None` without one.
    rights: Option<Rights>,
    /// Whether who asks from this machine without a token may act.
    #[cfg_attr(not(feature = "admin"), expect(dead_code))]
    acts: bool,
}

impl Caller {
    fn new(sub: Option<Arc<str>>, rights: Option<Rights>, acts: bool) -> Self {
        Self {
            sub,
            #[cfg(all(feature = "admin", feature = "cluster"))]
            node: None,
            rights,
            acts,
        }
    }

    /// One who asked at another node, and may what that passes on.
    #[cfg(all(feature = "admin", feature = "cluster"))]
    pub(super) fn of_node(sub: Option<&str>, node: &str) -> Self {
        Self { node: Some(node.into()), ..Self::new(sub.map(Into::into), None, true) }
    }

    /// Who that is, as it is written down.
    #[cfg(feature = "admin")]
    pub(super) fn who(&self) -> String {
        let who = self.sub.as_deref().unwrap_or("somebody at this machine");
        #[cfg(feature = "cluster")]
        if let Some(node) = &self.node {
            return format!("{} at node {node}", self.sub.as_deref().unwrap_or("somebody"));
        }
        who.to_owned()
    }

    /// Whether another node asks.
    #[cfg(feature = "admin")]
    pub(super) fn is_node(&self) -> bool {
        #[cfg(feature = "cluster")]
        if self.node.is_some() {
            return true;
        }
        false
    }

    /// Whether it may do that.
    pub(super) fn may(&self, need: Need) -> bool {
        match (&self.rights, need) {
            (Some(rights), need) => rights.allow(Verb::Admin, need.as_str()),
            #[cfg(feature = "admin")]
            (None, Need::Act) => self.acts,
            (None, _) => true,
        }
    }
}

/// Why one is not let in.
pub(super) enum Shut {
    /// The request is for another host, or from a page of another origin.
    Gate(gate::Refusal),
    /// It is not known, or may not: a status, and a code with what to do.
    Refused(StatusCode, OpenError),
}

/// Who may come in.
pub(super) struct Door {
    pub(super) inner: Arc<Inner>,
    /// For who shows no token: a host of this machine.
    here: Gate,
    /// For pages: whatever this port may be called.
    #[cfg_attr(not(feature = "admin"), expect(dead_code))]
    pages: Gate,
}

/// The middleware of metrics.
pub(super) async fn keep_metrics(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match door.lets(&parts, Need::Metrics).await {
        Ok(_) => next.run(Request::from_parts(parts, body)).await,
        Err(Shut::Gate(refusal)) => refusal.into_response(),
        Err(Shut::Refused(status, error)) => {
            let headers = [(header::WWW_AUTHENTICATE, "Bearer"), (header::CACHE_CONTROL, "no-store")];
            (status, headers, format!("{}: {}\n", error.code, error.message)).into_response()
        }
    }
}

impl Door {
    pub(super) fn new(inner: &Arc<Inner>) -> Self {
        let here = Gate::of_this_machine(inner.counters.clone());
        Self { inner: inner.clone(), here, pages: Gate::of_whoever_runs_it(inner) }
    }

    /// Lets a request in that needs this, or says why not.
    pub(super) async fn lets(&self, request: &Parts, need: Need) -> Result<Caller, Shut> {
        let caller = self.caller(request, need).await?;
        if caller.may(need) {
            return Ok(caller);
        }
        let why = match caller.rights {
            Some(_) => format!("this needs a token with the right admin={}", need.as_str()),
            None => "start the proxy with --admin-actions, or show a token with the right admin=act".to_owned(),
        };
        Err(self.refuse(StatusCode::FORBIDDEN, OpenError::new(Code::Forbidden, why)))
    }

    async fn caller(&self, request: &Parts, need: Need) -> Result<Caller, Shut> {
        if let Some(token) = bearer(&request.headers)
            && let Some(judged) = self.inner.sessions.judge(token, remote(request)).await
        {
            let identity = judged.map_err(|error| {
                let status = if error.is(Code::Unauthorized) { StatusCode::UNAUTHORIZED } else { StatusCode::SERVICE_UNAVAILABLE };
                self.refuse(status, error)
            })?;
            // A program says no origin; a page says its own, and no other page is to have what this one's user may.
            #[cfg(feature = "admin")]
            if need != Need::Metrics && request.headers.contains_key(header::ORIGIN) {
                self.check_page(request)?;
            }
            return Ok(Caller::new(identity.sub, Some(identity.rights), false));
        }
        if !is_here(request) {
            let why = format!("show a token with the right admin={}, or ask from this machine", need.as_str());
            return Err(self.refuse(StatusCode::UNAUTHORIZED, OpenError::new(Code::Unauthorized, why)));
        }
        // A page whose name was pointed at this machine comes from this machine, too.
        self.here.check(&request.uri, &request.headers, None).map_err(|refusal| self.shut(refusal))?;
        Ok(Caller::new(None, None, self.inner.config.admin_actions))
    }

    /// Whether a request without a token counts as of this machine.
    #[cfg(feature = "admin")]
    pub(super) fn is_of_this_machine(&self, request: &Parts) -> bool {
        is_here(request) && self.here.check(&request.uri, &request.headers, None).is_ok()
    }

    /// Lets a request in that is for what has no secret, from no other page.
    #[cfg(feature = "admin")]
    pub(super) fn check_page(&self, request: &Parts) -> Result<(), Shut> {
        let local = request.extensions.get::<Connection>().map(|connection| connection.local);
        self.pages.check(&request.uri, &request.headers, local).map(|_| ()).map_err(|refusal| self.shut(refusal))
    }

    fn shut(&self, refusal: gate::Refusal) -> Shut {
        self.inner.counters.count(Refusal::Gate);
        Shut::Gate(refusal)
    }

    fn refuse(&self, status: StatusCode, error: OpenError) -> Shut {
        let kinds = [(StatusCode::UNAUTHORIZED, Refusal::Unauthorized), (StatusCode::FORBIDDEN, Refusal::Forbidden)];
        kinds.into_iter().filter(|(of, _)| *of == status).for_each(|(_, refusal)| self.inner.counters.count(refusal));
        Shut::Refused(status, error)
    }
}

fn remote(request: &Parts) -> Option<SocketAddr> {
    match request.extensions.get::<Connection>() {
        Some(connection) => Some(connection.remote),
        None => request.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0),
    }
}

/// Whether whoever asks is on this machine: who came through another proxy may be anybody.
fn is_here(request: &Parts) -> bool {
    !is_passed_on(&request.headers) && remote(request).is_some_and(|remote| remote.ip().to_canonical().is_loopback())
}

fn is_passed_on(headers: &HeaderMap) -> bool {
    [header::FORWARDED.as_str(), "x-forwarded-for", "via"].iter().any(|name| headers.contains_key(*name))
}

#[cfg(all(test, feature = "admin", feature = "cluster"))]
mod tests {
    use super::*;

    #[test]
    fn who_asked_at_another_node_may_what_that_passes_on_and_is_written_down_with_it() {
        let [ann, somebody] = [Some("ann"), None].map(|sub| Caller::of_node(sub, "0123abcd"));
        assert_eq!((ann.who(), somebody.who()), ("ann at node 0123abcd".into(), "somebody at node 0123abcd".into()));
        assert!(ann.may(Need::Act) && somebody.may(Need::Act));
        let here = Caller::new(None, None, false);
        assert!(here.who() == "somebody at this machine" && !here.may(Need::Act));
    }
}
