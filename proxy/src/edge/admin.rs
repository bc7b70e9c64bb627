//! A port for whoever runs the proxy: its metrics. Apart from the one for peers, so that a flood there hides nothing here.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use browser_stream_mux::Code;
use http::{StatusCode, header, request::Parts};
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
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use super::{
    gate::Gate,
    metrics,
    proxy::{Inner, Proxy},
    upgrade::bearer,
};
use crate::token::Verb;

/// What the right `admin` is for, to read metrics.
const METRICS: &str = "metrics";

/// Connections at once: whoever scrapes needs one.
const CONNECTIONS_MAX: usize = 32;

/// How long one may stay.
const LIFE: Duration = Duration::from_secs(60);

/// How often it is looked how long a task waits for its turn.
const POLL_EVERY: Duration = Duration::from_secs(1);

impl Proxy {
    /// Listens at [`Config::admin`](crate::Config::admin), where that is set: hand the socket to [`serve_admin`](Self::serve_admin).
    ///
    /// # Errors
    /// As the system gives them, with a text that says what to do.
    pub async fn listen_admin(&self) -> io::Result<Option<TcpListener>> {
        let Some(bind) = self.inner.config.admin else { return Ok(None) };
        let failed = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot listen on {bind} ({error}): choose another address with --admin"))
        };
        TcpListener::bind(bind).await.map(Some).map_err(failed)
    }

    /// Serves [`admin_router`](Self::admin_router) over HTTP/1.1 until the proxy is shut down, and keeps an eye on how long tasks wait for their turn.
    pub async fn serve_admin(&self, listener: TcpListener) {
        let (places, router) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), self.admin_router());
        let accepting = async {
            loop {
                // None is ever closed.
                let Ok(place) = places.clone().acquire_owned().await else { return };
                match listener.accept().await {
                    Ok((socket, remote)) => {
                        let router = router.clone();
                        self.inner.tasks.spawn(async move {
                            converse(socket, remote, router).await;
                            drop(place);
                        });
                    }
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

    /// What is for whoever runs the proxy: `/metrics`, for Prometheus.
    ///
    /// Answers who shows a token with the right `admin` for `metrics` as `Authorization: Bearer`, and without one who asks from this machine for a host of this machine. Needs
    /// the connection's [`ConnectInfo`] where another server than [`serve_admin`](Self::serve_admin) serves it; else only tokens count.
    pub fn admin_router(&self) -> Router {
        let door = Arc::new(Door { inner: self.inner.clone(), gate: Gate::of_this_machine(self.inner.counters.clone()) });
        let inner = self.inner.clone();
        let metrics = move || async move {
            let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
            (kind, metrics::text(&inner))
        };
        Router::new().route("/metrics", get(metrics)).layer(middleware::from_fn_with_state(door, keep))
    }
}

/// Who may come in.
struct Door {
    inner: Arc<Inner>,
    gate: Gate,
}

async fn keep(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match door.lets(&parts).await {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refused) => refused,
    }
}

impl Door {
    async fn lets(&self, request: &Parts) -> Result<(), Response> {
        let remote = request.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
        if let Some(token) = bearer(&request.headers)
            && let Some(judged) = self.inner.sessions.judge(token, remote).await
        {
            return match judged {
                Ok(identity) if identity.rights.allow(Verb::Admin, METRICS) => Ok(()),
                Ok(_) => Err(refuse(StatusCode::FORBIDDEN, "forbidden: this needs a token with the right admin=metrics")),
                Err(error) => {
                    let status = if error.is(Code::Unauthorized) { StatusCode::UNAUTHORIZED } else { StatusCode::SERVICE_UNAVAILABLE };
                    Err(refuse(status, &format!("{}: {}", error.code, error.message)))
                }
            };
        }
        // Who came through another proxy may be anybody.
        let is_passed_on = [header::FORWARDED.as_str(), "x-forwarded-for", "via"].iter().any(|name| request.headers.contains_key(*name));
        if is_passed_on || !remote.is_some_and(|remote| remote.ip().to_canonical().is_loopback()) {
            return Err(refuse(
                StatusCode::UNAUTHORIZED,
                "unauthorized: show a token with the right admin=metrics, or ask from this machine",
            ));
        }
        // A page whose name was pointed at this machine comes from this machine, too.
        self.gate.check(&request.uri, &request.headers, None).map(|_| ()).map_err(IntoResponse::into_response)
    }
}

fn refuse(status: StatusCode, text: &str) -> Response {
    (status, [(header::WWW_AUTHENTICATE, "Bearer"), (header::CACHE_CONTROL, "no-store")], format!("{text}\n")).into_response()
}

async fn converse(socket: TcpStream, remote: SocketAddr, router: Router) {
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(remote));
        let answer = TowerToHyperService::new(router.clone()).call(request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(LIFE);
    // An end before all was said is the asker's affair.
    let _ = timeout(LIFE, http.serve_connection(TokioIo::new(socket), service)).await;
}
