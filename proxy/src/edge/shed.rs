//! Connections that there is no room for: they are answered 503 and closed, instead of waiting for nothing.

use std::{io, os::unix::net::UnixDatagram};

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::http::Connection;

/// File descriptors kept back. When the process has none left, one of them is closed, so that one more connection can be accepted and told so.
///
/// While any is missing, connections are shed: a descriptor that becomes free goes back here before it serves anybody.
#[derive(Debug, Default)]
pub(super) struct Reserve(Vec<UnixDatagram>);

impl Reserve {
    /// Takes back what is missing; an error if the system still has none.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        while self.0.len() < SHED_AT_ONCE {
            // A socket without a name: it takes no port and no file, and counts against every limit that a connection counts against.
            self.0.push(UnixDatagram::unbound()?);
        }
        Ok(())
    }

    /// Frees one; `false` if there is none.
    pub(super) fn free_one(&mut self) -> bool {
        self.0.pop().is_some()
    }
}

/// The middleware: a connection that is shed learns that the process is well, and nothing else. `/readyz` is told the trouble like the rest.
pub(super) async fn keep(request: Request, next: Next) -> Response {
    let trouble = request.extensions().get::<Connection>().and_then(|connection| connection.shed);
    match trouble {
        Some(trouble) if request.uri().path() != "/healthz" => trouble.into_response(),
        _ => next.run(request).await,
    }
}

/// Connections that are being shed at once. Each takes a moment, or a second where the peer is slow on purpose.
pub(super) const SHED_AT_ONCE: usize = 16;
