//! Sessions over HTTP, for peers to whom no WebSocket comes through (PROTOCOL.md, section 17): `POST` at the mux's own path, with a header that says what it is.
//!
//! No simple request of a page (in the sense of CORS) does anything here: each needs a header of ours.

#[cfg(feature = "cluster")]
mod abroad;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Json,
    body::{Body, HttpBody},
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use dashmap::DashMap;
use futures::{Stream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

#[cfg(feature = "cluster")]
pub(super) use abroad::{ForNodes, PATH_OF_NODES};

use super::{
    Proxy,
    assets::share,
    gate::Page,
    http::Connection,
    proxy::Inner,
    readiness::come_back,
    stay::Staying,
    upgrade::{Refusal, arrive, subprotocol, welcomes},
};
use crate::{
    counters,
    limits::Limits,
    memory::{Memory, booked},
    session::{
        Newcomer,
        http::{Blocks, Down, Over, Refused, Slot, Ups, connection},
        transport::Carrier,
    },
};

/// The connections over HTTP that there are, each under the secret that only its peer knows.
#[derive(Debug, Default)]
pub(super) struct Connections {
    here: DashMap<Box<str>, Ups>,
    /// Bodies for those of other nodes.
    #[cfg(feature = "cluster")]
    passing: abroad::Passing,
}

/// A connection's entry, until it is dropped.
struct Entry(Arc<Inner>, Box<str>);

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.over_http.here.remove(&self.1);
    }
}

/// The answer to a `POST`.
pub(super) async fn post(proxy: &Proxy, request: Request) -> Response {
    let page = request.extensions().get::<Page>().map(|Page(origin)| origin.clone());
    let what = request.headers().get(CARRIER).map(HeaderValue::as_bytes);
    let answered = match what {
        Some(b"down") => down(proxy, request),
        Some(b"list") => welcomes(proxy).map(|()| list(&proxy.inner)),
        Some(b"up") => {
            let answered = up(&proxy.inner, request).await;
            answered.map(IntoResponse::into_response).or_else(|fault| {
                proxy.inner.counters.count(counters::Refusal::HttpUp);
                Ok(fault.into_response())
            })
        }
        _ => Err(Refusal::Carrier),
    };
    let mut response = answered.unwrap_or_else(|refusal| {
        proxy.inner.counters.count(refusal.counts_as());
        refusal.into_response()
    });
    share(response.headers_mut(), page);
    response
}

/// What a browser asks before a page of another origin may ask here: the gate let that page in.
pub(super) async fn preflight(request: Request) -> Response {
    let page = request.extensions().get::<Page>().map(|Page(origin)| origin.clone());
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, bss-carrier, bss-connection, bss-number, bss-protocol, content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    let mut response = (StatusCode::NO_CONTENT, [(header::ALLOW, "GET, POST, OPTIONS")]).into_response();
    if page.is_some() {
        response.headers_mut().extend(allowed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    }
    share(response.headers_mut(), page);
    response
}

/// What else than a WebSocket may carry a session. Whoever has this answer knows, too, that the proxy is there and lets it in.
fn list(inner: &Inner) -> Response {
    let mut list = json!({ "carriers": ["websocket", "http"] });
    #[cfg(feature = "webtransport")]
    if let (Some(announced), Some(carriers)) = (inner.webtransport.get(), list["carriers"].as_array_mut()) {
        carriers.push("webtransport".into());
        list["webtransport"] = announced.to_json();
    }
    #[cfg(not(feature = "webtransport"))]
    let _ = (inner, &mut list);
    ([(header::CACHE_CONTROL, "no-store")], Json(list)).into_response()
}

/// Begins a session: the response is what goes to the peer.
fn down(proxy: &Proxy, mut request: Request) -> Result<Response, Refusal> {
    welcomes(proxy)?;
    let agreed = subprotocol(request.headers(), &PROTOCOL)?;
    let staying = request.extensions().get::<Connection>().map(|connection| connection.stay.begin());
    let (newcomer, places) = arrive(proxy, &mut request)?;
    let newcomer = Newcomer { carrier: Carrier::Http, ..newcomer };
    let inner = &proxy.inner;
    let secret = secret(inner);
    let Limits { http_ups_max, http_up_bytes_max, .. } = *inner.limits;
    let hello = json!({ "connection": secret, "ups_max": http_ups_max, "up_bytes_max": http_up_bytes_max });
    let (carried, down, ups) = connection(hello.to_string().as_bytes(), PADDING_BYTES, http_ups_max);
    inner.over_http.here.insert(secret.clone(), ups);
    let entry = Entry(inner.clone(), secret);
    let session = Box::pin(inner.sessions.run_as(carried, newcomer));
    inner.peers.spawn(async move {
        session.await;
        drop((entry, places));
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        // Whoever is in between is to pass on each byte, at once and as it is.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")),
        (X_ACCEL_BUFFERING, HeaderValue::from_static("no")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    let mut response = (headers, Body::from_stream(Answer { down, _staying: staying })).into_response();
    if let Some(agreed) = agreed {
        response.headers_mut().insert(PROTOCOL, HeaderValue::from_static(agreed));
    }
    Ok(response)
}

/// What a new connection is called by its two ends. Where the proxy is one of several, the others know by it which of them to ask.
fn secret(inner: &Inner) -> Box<str> {
    #[cfg(feature = "cluster")]
    if let Some(membership) = inner.membership.get() {
        return abroad::secret(membership);
    }
    #[cfg(not(feature = "cluster"))]
    let _ = inner;
    Uuid::new_v4().to_string().into()
}

/// The body of the response, which keeps its connection.
struct Answer {
    down: Down,
    _staying: Option<Staying>,
}

impl Stream for Answer {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.down.poll_next_unpin(cx)
    }
}

/// Why a body was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// No such connection, or none any more.
    Gone,
    /// No number, or one that is too far ahead.
    Number,
    Crowded,
    TooLong,
    /// It did not come to its end in time, or at all.
    CutShort,
    /// The node that has the connection is not to be reached.
    #[cfg(feature = "cluster")]
    Away,
}

impl From<Over> for Fault {
    fn from(Over: Over) -> Self {
        Self::Gone
    }
}

/// Takes what the peer sends, and answers when the session has taken it.
async fn up(inner: &Inner, request: Request) -> Result<StatusCode, Fault> {
    let (head, body) = request.into_parts();
    let connection = word(&head.headers, CONNECTION).ok_or(Fault::Gone)?;
    let number = number(&head.headers).ok_or(Fault::Number);
    let announced = body.size_hint().upper().and_then(|length| usize::try_from(length).ok());
    match inner.over_http.find(connection) {
        Some(ups) => {
            if let Some(slot) = begin(&ups, number?)? {
                take(inner, slot, announced, body.into_data_stream()).await?;
            }
        }
        #[cfg(feature = "cluster")]
        None => abroad::pass_on(inner, connection, number, announced, body.into_data_stream()).await?,
        #[cfg(not(feature = "cluster"))]
        None => return Err(Fault::Gone),
    }
    Ok(StatusCode::NO_CONTENT)
}

impl Connections {
    /// Where bodies of that connection are handed in. Nothing is waited for while the map is held.
    fn find(&self, secret: &str) -> Option<Ups> {
        self.here.get(secret).map(|ups| ups.clone())
    }
}

/// A place for the body of this number; none is needed for one that was taken before.
fn begin(ups: &Ups, number: u64) -> Result<Option<Slot>, Fault> {
    match ups.begin(number) {
        Ok(slot) => Ok(Some(slot)),
        Err(Refused::Taken) => Ok(None),
        Err(Refused::Beyond) => Err(Fault::Number),
        Err(Refused::Crowded) => Err(Fault::Crowded),
        Err(Refused::Over) => Err(Fault::Gone),
    }
}

/// Hands a body in once all of it is here, and resolves when the session has taken it.
async fn take<E>(
    inner: &Inner,
    slot: Slot,
    announced: Option<usize>,
    chunks: impl Stream<Item = Result<Bytes, E>> + Unpin,
) -> Result<(), Fault> {
    let Limits { silence_max, .. } = *inner.limits;
    // A session of which so long nothing comes is dead anyhow.
    let gathered = timeout(silence_max, gather(chunks, announced, &inner.limits, &inner.memory)).await;
    Ok(slot.put(gathered.map_err(|_| Fault::CutShort)??).await?)
}

/// The whole body, in blocks of memory that is counted.
async fn gather<E>(
    mut chunks: impl Stream<Item = Result<Bytes, E>> + Unpin,
    announced: Option<usize>,
    limits: &Limits,
    memory: &Arc<Memory>,
) -> Result<Blocks, Fault> {
    let most = limits.http_up_bytes_max;
    if announced.is_some_and(|length| length > most) {
        return Err(Fault::TooLong);
    }
    let mut left = announced.unwrap_or(most);
    let mut blocks = Blocks::new();
    let mut block = BytesMut::new();
    let mut lease = memory.lease(0);
    while let Some(chunk) = timeout(limits.establish_timeout, chunks.next()).await.map_err(|_| Fault::CutShort)? {
        let mut chunk = chunk.map_err(|_| Fault::CutShort)?;
        if chunk.len() > left {
            return Err(Fault::TooLong);
        }
        while !chunk.is_empty() {
            if block.len() == block.capacity() {
                if !block.is_empty() {
                    blocks.push_back(booked(block, memory));
                }
                block = BytesMut::with_capacity(left.min(BLOCK_BYTES));
                drop(std::mem::replace(&mut lease, memory.lease(block.capacity())));
            }
            let part = chunk.split_to(chunk.len().min(block.capacity() - block.len()));
            block.extend_from_slice(&part);
            left -= part.len();
        }
    }
    if !block.is_empty() {
        blocks.push_back(booked(block, memory));
    }
    Ok(blocks)
}

impl Fault {
    fn status(self) -> StatusCode {
        match self {
            Self::Gone => StatusCode::GONE,
            Self::Number => StatusCode::BAD_REQUEST,
            Self::Crowded => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::CutShort => StatusCode::REQUEST_TIMEOUT,
            #[cfg(feature = "cluster")]
            Self::Away => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let text = match self {
            Self::Gone => "gone: there is no such connection, or none any more; begin another\n",
            Self::Number => "bad_request: count what is sent in bss-number from 0, without a gap\n",
            Self::Crowded => return come_back(self.status(), "limit: wait for the answers to what was sent\n"),
            Self::TooLong => "limit: send no more at once than up_bytes_max of the connection's hello\n",
            Self::CutShort => "timeout: the body did not come to its end; send it again\n",
            #[cfg(feature = "cluster")]
            Self::Away => {
                return come_back(self.status(), "unresponsive: the proxy that has this connection is not to be reached; send it again\n");
            }
        };
        (self.status(), [(header::CACHE_CONTROL, "no-store")], text).into_response()
    }
}

/// The number of a body: decimal digits alone.
fn number(headers: &HeaderMap) -> Option<u64> {
    word(headers, NUMBER).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

/// A header that stands there once, as text.
fn word(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    if values.next().is_none() { Some(first) } else { None }
}

/// What a request is for.
const CARRIER: HeaderName = HeaderName::from_static("bss-carrier");
/// Which connection a body is of.
const CONNECTION: HeaderName = HeaderName::from_static("bss-connection");
/// Its place among the bodies of that.
const NUMBER: HeaderName = HeaderName::from_static("bss-number");
/// The versions that a peer speaks, as a WebSocket's subprotocols.
const PROTOCOL: HeaderName = HeaderName::from_static("bss-protocol");
/// Has nginx pass on what comes at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What scanners of viruses and the like are known to hold back at most before they pass anything on.
const PADDING_BYTES: usize = 2 * 1024;
/// A slice that lives on holds no more than this: as much as a read of a WebSocket.
const BLOCK_BYTES: usize = 64 * 1024;
