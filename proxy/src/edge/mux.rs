//! The WebSocket route alone, for who needs nothing else.

use axum::routing::MethodRouter;

use super::proxy::Proxy;
use crate::{config::Config, route::StreamRouter};

/// The WebSocket route of a proxy with the default configuration, for a router of one's own: `.route("/mux", mux(router))`.
///
/// For anything but `localhost` and pages of the same origin make a [`Proxy`] and use its [`mux`](Proxy::mux).
///
/// ```
/// use axum::{Router, routing::get};
/// use browser_stream_server::{StreamRouter, StreamServerProxy, mux};
///
/// let names = StreamServerProxy::new("/browser-server");
/// let app: Router = Router::new()
///     .route("/", get(async || "a page of yours"))
///     .route("/mux", mux(StreamRouter::new().mount(names)));
/// ```
pub fn mux<S: Clone + Send + Sync + 'static>(router: StreamRouter) -> MethodRouter<S> {
    Proxy::new(Config::default(), router).mux()
}
