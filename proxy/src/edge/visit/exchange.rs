//! One request to a server and its answer, over a stream of its own.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{body::Body, extract::Request, response::Response};
use browser_stream_mux::Stream;
use http::StatusCode;
use hyper::{client::conn::http1, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio_util::task::AbortOnDropHandle;

use super::{
    super::{http::Connection, proxy::Inner, stay::Staying},
    body::{Exchange, Inward, Outward},
    head::{self, Visitor},
    places::Taken,
    pulse::Pulse,
    trouble::Trouble,
    upgrade::{Ended, carry},
    whom::Site,
};
use crate::counters::Refusal;

/// Who asks whom, and what is held for that.
pub(super) struct Visit {
    pub(super) site: Site,
    pub(super) visitor: Visitor,
    pub(super) taken: Taken,
    pub(super) connection: Option<Connection>,
    pub(super) busy: Option<Staying>,
}

/// What is held for as long as anything of a request is under way: its places, and that of the connection which it may have become.
struct Held {
    _taken: Taken,
    _connection: Option<Connection>,
}

/// Asks over `stream`, and answers with what comes.
pub(super) async fn exchange(inner: &Arc<Inner>, visit: Visit, request: Request, stream: Stream) -> Result<Response, Trouble> {
    let Visit { site, visitor, taken, connection, busy } = visit;
    let held = Arc::new(Held { _taken: taken, _connection: connection });
    let (mut parts, body) = request.into_parts();
    let upgrades = head::asks_for_websocket(&parts);
    let visitors = parts.extensions.remove::<OnUpgrade>().filter(|_| upgrades);
    let bad = || {
        inner.counters.count(Refusal::HttpRequest);
        Trouble::Request(StatusCode::BAD_REQUEST, "What is asked for is no path that a server has.")
    };
    let parts = head::inward(parts, &site, &visitor, visitors.is_some()).ok_or_else(bad)?;
    let (pulse, cut) = (Arc::new(Pulse::new()), Arc::new(AtomicBool::new(false)));
    let mut builder = http1::Builder::new();
    let most = inner.limits.http_head_bytes_max;
    builder.max_buf_size(most.max(BUFFER_BYTES_MIN)).max_header_size(most);
    // The stream is there, so this has nothing to wait for.
    let (mut sender, carrier) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| Trouble::Gone)?;
    let carrying = carry_exchange(inner.clone(), carrier, pulse.clone(), Guard { cut: cut.clone(), is_whole: false }, (held.clone(), busy));
    let carrier = AbortOnDropHandle::new(tokio::spawn(carrying));
    let sending = sender.send_request(Request::from_parts(parts, Inward { body, pulse: pulse.clone() }));
    let answer = tokio::select! {
        biased;
        answer = sending => answer.map_err(|error| judge(inner, &error))?,
        () = pulse.quiet(inner.limits.http_response_timeout) => {
            inner.counters.count(Refusal::HttpTimeout);
            return Err(Trouble::Late);
        }
    };
    let exchange = Exchange { carrier: Some(carrier), cut };
    match (answer.status(), visitors) {
        (StatusCode::SWITCHING_PROTOCOLS, visitors) => {
            let (mut parts, _) = answer.into_parts();
            // It may be that nobody asked for it.
            let servers = parts.extensions.remove::<OnUpgrade>();
            let (Some(visitors), Some(servers)) = (visitors, servers) else { return Err(nonsense(inner)) };
            head::outward(&mut parts, &site, &visitor, true);
            switch(inner.clone(), (visitors, servers), (held, exchange));
            Ok(Response::from_parts(parts, Body::empty()))
        }
        _ => {
            let (mut parts, body) = answer.into_parts();
            head::outward(&mut parts, &site, &visitor, false);
            Ok(Response::from_parts(parts, Body::new(Outward { body, pulse, exchange })))
        }
    }
}

/// Carries a request and its answer to the end, which is a cut where the stream breaks or nothing moves for too long.
async fn carry_exchange(
    inner: Arc<Inner>,
    carrier: http1::Connection<TokioIo<Stream>, Inward>,
    pulse: Arc<Pulse>,
    guard: Guard,
    _held: (Arc<Held>, Option<Staying>),
) {
    let mut carrier = pin!(carrier.with_upgrades());
    // Dropped before the carrier: whoever reads the answer must know of a cut before it is told an end.
    let mut guard = guard;
    let ended = tokio::select! {
        ended = carrier.as_mut() => ended,
        () = pulse.quiet(inner.limits.http_idle_timeout) => {
            inner.counters.count(Refusal::HttpTimeout);
            return;
        }
        () = inner.stop.cancelled() => return,
    };
    match ended {
        Ok(()) => guard.is_whole = true,
        Err(error) => tracing::debug!(%error, "an exchange with a server broke"),
    }
}

/// Says that an exchange was cut, unless it was whole.
struct Guard {
    cut: Arc<AtomicBool>,
    is_whole: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.is_whole {
            self.cut.store(true, Ordering::Release);
        }
    }
}

/// Both sides have agreed upon a WebSocket: its bytes go on in a task of their own.
fn switch(inner: Arc<Inner>, (visitors, servers): (OnUpgrade, OnUpgrade), held: (Arc<Held>, Exchange)) {
    let tasks = inner.tasks.clone();
    tasks.spawn(async move {
        let _held = held;
        let (patience, most) = (inner.limits.establish_timeout, inner.limits.http_websocket_idle_timeout);
        let carrying = carry(visitors, servers, patience, most);
        if inner.stop.run_until_cancelled(carrying).await == Some(Ended::Quiet) {
            inner.counters.count(Refusal::HttpTimeout);
        }
    });
}

/// Why a server gave no answer.
fn judge(inner: &Inner, error: &hyper::Error) -> Trouble {
    tracing::debug!(%error, "no answer of a server");
    if error.is_parse() { nonsense(inner) } else { Trouble::Gone }
}

fn nonsense(inner: &Inner) -> Trouble {
    inner.counters.count(Refusal::HttpResponse);
    Trouble::Nonsense
}

/// With less than this hyper does not read.
const BUFFER_BYTES_MIN: usize = 8 * 1024;
