//! A connection to a port that speaks TLS: the handshake, or a browser that came without and is sent to the right address.

use std::io;

use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::tls::Identity;

/// What came.
pub(super) enum Secured {
    Tls(Box<TlsStream<TcpStream>>),
    /// HTTP without TLS.
    Plain(TcpStream),
}

/// Waits for what the peer says first, and answers it where that is a handshake. The caller bounds the time.
pub(super) async fn secure(socket: TcpStream, identity: &Identity) -> io::Result<Secured> {
    let mut first = [0];
    if socket.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if first != [HANDSHAKE] {
        return Ok(Secured::Plain(socket));
    }
    let acceptor = TlsAcceptor::from(identity.config.clone());
    Ok(Secured::Tls(Box::new(acceptor.accept(socket).await?)))
}

/// Sends whoever asks to the same address over TLS. The gate stands in front, so it is one of ours.
pub(super) fn elsewhere() -> Router {
    Router::new().fallback(async |request: Request| redirect(&request))
}

/// To the same host and path.
pub(super) fn redirect(request: &Request) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let place = format!("https://{host}{}", request.uri().path_and_query().map_or("/", |path| path.as_str()));
    let text = "bad_request: this port speaks TLS; write https:// in place of http://, and wss:// in place of ws://\n";
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, place.as_str()), (header::CACHE_CONTROL, "no-store")], text).into_response()
}

/// The first byte of a TLS connection: a record of the handshake (RFC 8446 section 5.1). No method of HTTP begins with it.
const HANDSHAKE: u8 = 22;
