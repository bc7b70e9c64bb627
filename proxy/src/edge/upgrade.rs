//! From an HTTP request to a session: the WebSocket handshake (RFC 6455 section 4.2).

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::{rt::TokioIo, server::conn::auto};
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit, time::timeout};
#[cfg(feature = "tls")]
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{
    Proxy,
    addresses::{Full, Place},
    http::Connection,
    over_http,
    proxy::Inner,
    readiness::{Trouble, come_back},
};
use crate::{
    counters,
    session::{
        Newcomer,
        transport::Carrier,
        websocket::{Any, Socket, WebSocket},
    },
    token::Token,
};

/// The route that turns a request into a session of `proxy`: a WebSocket, or what does in its place.
pub(super) fn route<S: Clone + Send + Sync + 'static>(proxy: Proxy) -> MethodRouter<S> {
    let over_http = proxy.clone();
    get(move |request: Request| async move { upgrade(&proxy, request) })
        .post(move |request: Request| async move { over_http::post(&over_http, request).await })
        .options(over_http::preflight)
}

/// Why a request does not become a session: its code, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NotAWebSocket,
    /// Nor what does in its place.
    Carrier,
    Version,
    Key,
    Subprotocol,
    Draining,
    Budget,
    Address,
    Unguarded,
}

impl From<Full> for Refusal {
    fn from(Full: Full) -> Self {
        Self::Address
    }
}

impl Refusal {
    /// What it counts as.
    pub(super) fn counts_as(self) -> counters::Refusal {
        match self {
            Self::Draining => counters::Refusal::Draining,
            Self::Budget => counters::Refusal::Budget,
            Self::Address => counters::Refusal::SessionsPerAddress,
            Self::Unguarded => counters::Refusal::Unauthorized,
            Self::NotAWebSocket | Self::Carrier | Self::Version | Self::Key | Self::Subprotocol => counters::Refusal::Handshake,
        }
    }
}

fn upgrade(proxy: &Proxy, request: Request) -> Response {
    begin(proxy, request).unwrap_or_else(|refusal| {
        proxy.inner.counters.count(refusal.counts_as());
        refusal.into_response()
    })
}

/// The answer to a handshake; the session that it leads to is a task of its own.
fn begin(proxy: &Proxy, mut request: Request) -> Result<Response, Refusal> {
    welcomes(proxy)?;
    let agreed = agree(request.method(), request.headers())?;
    let upgraded = request.extensions_mut().remove::<OnUpgrade>().ok_or(Refusal::NotAWebSocket)?;
    let arrived = arrive(proxy, &mut request)?;
    let inner = proxy.inner.clone();
    proxy.inner.peers.spawn(async move {
        match timeout(inner.limits.establish_timeout, upgraded).await {
            Ok(Ok(upgraded)) => serve(&inner, upgraded, arrived),
            Ok(Err(error)) => tracing::debug!(%error, "the connection ended before it was a WebSocket"),
            Err(_) => {
                inner.counters.count(counters::Refusal::EstablishTimeout);
                tracing::debug!("the peer did not take the answer to its handshake");
            }
        }
    });
    Ok(agreed.into_response())
}

/// Whether anybody new may come at all.
pub(super) fn welcomes(proxy: &Proxy) -> Result<(), Refusal> {
    if proxy.inner.draining.is_cancelled() {
        return Err(Refusal::Draining);
    }
    if proxy.inner.is_unguarded() { Err(Refusal::Unguarded) } else { Ok(()) }
}

/// Who comes with this request, and the places that are taken for it.
pub(super) fn arrive(proxy: &Proxy, request: &mut Request) -> Result<(Newcomer, Places), Refusal> {
    if proxy.inner.memory.pressed() {
        return Err(Refusal::Budget);
    }
    let connection = request.extensions_mut().remove::<Connection>();
    let remote = match &connection {
        Some(connection) => Some(connection.remote),
        None => request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0),
    };
    // Nobody looks at it where nobody is asked.
    let token = if proxy.inner.sessions.wants_tokens() { bearer(request.headers()) } else { None };
    let addresses = &proxy.inner.addresses;
    let visitor = remote.and_then(|remote| addresses.visitor(remote.ip(), request.headers()));
    let place = visitor.map(|visitor| addresses.enter(visitor)).transpose()?.flatten();
    // Only where somebody looks on is it kept.
    let agent = proxy.inner.config.admin.and_then(|_| agent(request.headers()));
    Ok((Newcomer { remote, token, agent, carrier: Carrier::WebSocket }, Places(connection.map(|connection| connection.place), place)))
}

/// A session's place among the connections, and among those of its address: kept until it is over.
pub(super) struct Places(#[expect(dead_code)] Option<Arc<OwnedSemaphorePermit>>, #[expect(dead_code)] Option<Place>);

impl Places {
    /// Those of one whose connection is no connection of HTTP.
    #[cfg(feature = "webtransport")]
    pub(super) fn of(connection: OwnedSemaphorePermit, place: Option<Place>) -> Self {
        Self(Some(Arc::new(connection)), place)
    }
}

/// What a program or browser calls itself, as far as that is text of a bounded length.
fn agent(headers: &HeaderMap) -> Option<Box<str>> {
    let agent = headers.get(header::USER_AGENT)?.to_str().ok()?;
    Some(agent.get(..AGENT_BYTES_MAX).unwrap_or(agent).into())
}

/// More of it tells nobody more.
const AGENT_BYTES_MAX: usize = 256;

/// What a program shows that can set headers: `Authorization: Bearer …` (RFC 6750 section 2.1). Other schemes are between it and a proxy in front.
pub(super) fn bearer(headers: &HeaderMap) -> Option<Token> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Token::new(token.trim()))
}

/// Serves the peer on the TCP socket itself, or on our TLS over it, where it can be had (under our own HTTP server and under axum's), else through what lies above it.
/// In a task of its own, so that a session that lives long keeps nothing of how it came about.
fn serve(inner: &Inner, upgraded: Upgraded, newcomer: (Newcomer, Places)) {
    let buffers = inner.sessions.buffers().clone();
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => return spawn(inner, WebSocket::new(parts.io.into_inner(), parts.read_buf, buffers), newcomer),
        Err(upgraded) => upgraded,
    };
    #[cfg(feature = "tls")]
    let upgraded = match upgraded.downcast::<TokioIo<TlsStream<TcpStream>>>() {
        Ok(parts) => return spawn(inner, WebSocket::new(parts.io.into_inner(), parts.read_buf, buffers), newcomer),
        Err(upgraded) => upgraded,
    };
    match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => spawn(inner, WebSocket::new(parts.io.into_inner(), parts.read_buf, buffers), newcomer),
        Err(upgraded) => spawn(inner, WebSocket::new(Any(TokioIo::new(upgraded)), Bytes::new(), buffers), newcomer),
    }
}

fn spawn<S: Socket>(inner: &Inner, socket: WebSocket<S>, (newcomer, places): (Newcomer, Places)) {
    // In a box: a future that awaits another has room for it twice.
    let session = Box::pin(inner.sessions.run_as(socket, newcomer));
    inner.peers.spawn(async move {
        session.await;
        // Not before: what is moved inside of a future has room there twice, too.
        drop(places);
    });
}

/// What both sides agreed upon: the answer to the handshake.
#[derive(Debug, PartialEq, Eq)]
struct Agreed {
    accept: String,
    subprotocol: Option<&'static str>,
}

fn agree(method: &Method, headers: &HeaderMap) -> Result<Agreed, Refusal> {
    let wants = tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
        && tokens(headers, &header::UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket"));
    if *method != Method::GET || !wants {
        return Err(Refusal::NotAWebSocket);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refusal::Version);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes())).ok_or(Refusal::Key)?;
    Ok(Agreed { accept: derive_accept_key(key.as_bytes()), subprotocol: subprotocol(headers, &header::SEC_WEBSOCKET_PROTOCOL)? })
}

/// Ours if it is offered; none if none is; an error if only others are.
pub(super) fn subprotocol(headers: &HeaderMap, name: &HeaderName) -> Result<Option<&'static str>, Refusal> {
    let mut offered = tokens(headers, name).peekable();
    if offered.peek().is_none() {
        return Ok(None);
    }
    if offered.any(|token| token == SUBPROTOCOL) { Ok(Some(SUBPROTOCOL)) } else { Err(Refusal::Subprotocol) }
}

/// The comma-separated words of a header that may stand there several times.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

/// 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
}

/// The version of the protocol that runs over the WebSocket (PROTOCOL.md, section 1).
const SUBPROTOCOL: &str = "bss.1";

impl IntoResponse for Agreed {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(subprotocol) = self.subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        }
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::NotAWebSocket => (StatusCode::UPGRADE_REQUIRED, "bad_request: this is a WebSocket; connect to it with the library\n"),
            Self::Carrier => {
                (StatusCode::BAD_REQUEST, "bad_request: say what this is with bss-carrier: down, up or list; connect with the library\n")
            }
            Self::Version => (StatusCode::UPGRADE_REQUIRED, "unsupported: use version 13 of the WebSocket protocol\n"),
            Self::Key => (StatusCode::BAD_REQUEST, "bad_request: Sec-WebSocket-Key must be 16 bytes in base64\n"),
            Self::Subprotocol => {
                (StatusCode::BAD_REQUEST, "unsupported: of the subprotocols this proxy speaks bss.1 only; offer it, or none\n")
            }
            Self::Unguarded => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal: the settings want tokens, and the program has nobody who judges them (Proxy::with_authorizer)\n",
            ),
            Self::Draining => return Trouble::Draining.into_response(),
            Self::Budget => return Trouble::Memory.into_response(),
            Self::Address => {
                return come_back(
                    StatusCode::TOO_MANY_REQUESTS,
                    "limit: too many sessions from this address; close some, or raise sessions_per_address_max; if it is that of a proxy, name it in trusted_proxies\n",
                );
            }
        };
        let mut response = (status, [(header::CACHE_CONTROL, "no-store")], text).into_response();
        if status == StatusCode::UPGRADE_REQUIRED {
            let headers = response.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    /// The handshake of RFC 6455 section 1.3, with these headers beside it or in place of its own.
    fn handshake(changes: &[(&'static str, &'static str)]) -> Result<Agreed, Refusal> {
        let mut headers = HeaderMap::new();
        let usual = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        for (name, value) in usual.iter().chain(changes) {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        agree(&Method::GET, &headers)
    }

    #[test]
    fn the_handshake_of_the_rfc_is_accepted() {
        let agreed = Agreed { accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned(), subprotocol: None };
        assert_eq!(handshake(&[]), Ok(agreed));
    }

    #[test]
    fn a_request_that_is_no_handshake_is_refused() {
        for (name, value, refusal) in [
            ("connection", "close", Refusal::NotAWebSocket),
            ("upgrade", "h2c", Refusal::NotAWebSocket),
            ("sec-websocket-version", "8", Refusal::Version),
            ("sec-websocket-key", "short", Refusal::Key),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZ===", Refusal::Key),
        ] {
            assert_eq!(handshake(&[(name, value)]), Err(refusal), "{name}: {value}");
        }
        assert_eq!(agree(&Method::POST, &HeaderMap::new()), Err(Refusal::NotAWebSocket));
    }

    #[test]
    fn our_subprotocol_is_taken_where_it_is_offered() {
        let offered = |offer| handshake(&[("sec-websocket-protocol", offer)]).map(|agreed| agreed.subprotocol);
        assert_eq!(offered("bss.1"), Ok(Some("bss.1")));
        assert_eq!(offered("soap, bss.1"), Ok(Some("bss.1")));
        assert_eq!(offered(""), Ok(None));
        assert_eq!(offered("soap"), Err(Refusal::Subprotocol));
        assert_eq!(offered("BSS.1, bss.10"), Err(Refusal::Subprotocol));
    }

    #[test]
    fn threat_17_a_token_is_taken_from_its_header_and_from_no_url() {
        let shown = |value: &'static str| {
            let headers: HeaderMap = [(header::AUTHORIZATION, HeaderValue::from_static(value))].into_iter().collect();
            bearer(&headers).map(|token| token.as_str().to_owned())
        };
        for value in ["Bearer a.b.c", "bearer  a.b.c "] {
            assert_eq!(shown(value).as_deref(), Some("a.b.c"), "{value}");
        }
        for value in ["", "Bearer", "Basic YTpi", "a.b.c"] {
            assert_eq!(shown(value), None, "{value}");
        }
        assert!(bearer(&HeaderMap::new()).is_none());
    }

    #[tokio::test]
    async fn threat_19_above_the_memory_budget_new_sessions_are_shed_until_there_is_room() {
        let mut config = crate::config::Config::default();
        config.limits.memory_budget_bytes = 64 << 20;
        let proxy = Proxy::new(config, crate::route::StreamRouter::new());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn({
            let proxy = proxy.clone();
            async move { proxy.serve(listener).await }
        });
        let ask = async |path: &str| {
            let mut socket = TcpStream::connect(address).await.expect("a connection");
            let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{HANDSHAKE}\r\n");
            socket.write_all(request.as_bytes()).await.expect("sent");
            let mut status = [0; 12];
            let read = timeout(Duration::from_secs(10), socket.read_exact(&mut status)).await.expect("an answer in time");
            read.expect("no error");
            (String::from_utf8_lossy(&status).into_owned(), socket)
        };
        let (live, _socket) = ask("/mux").await;
        assert_eq!(live, "HTTP/1.1 101");
        // As much as there is: what the live session holds by itself counts, too.
        let lease = proxy.inner.memory.lease(64 << 20);
        for path in ["/mux", "/readyz"] {
            assert_eq!(ask(path).await.0, "HTTP/1.1 503", "{path}");
        }
        assert_eq!(ask("/healthz").await.0, "HTTP/1.1 200");
        assert_eq!(proxy.sessions().len(), 1, "the live one goes on");
        assert_eq!(proxy.inner.counters.of(counters::Refusal::Budget), 1);
        drop(lease);
        assert_eq!(ask("/readyz").await.0, "HTTP/1.1 200");
        assert_eq!(ask("/mux").await.0, "HTTP/1.1 101");
    }

    const HANDSHAKE: &str =
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
}
