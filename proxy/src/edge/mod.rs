//! The outside world: HTTP, who may come in, the WebSocket, and the files for the browser.

mod addresses;
#[cfg(feature = "metrics")]
mod admin;
mod assets;
#[cfg(feature = "cluster")]
mod cluster;
mod gate;
mod http;
#[cfg(feature = "tls")]
mod http2;
#[cfg(feature = "metrics")]
mod metrics;
mod mux;
mod over_http;
mod proxy;
mod readiness;
#[cfg(feature = "tls")]
mod secure;
mod shed;
mod stay;
mod stun;
mod upgrade;
mod visit;
#[cfg(feature = "webtransport")]
mod webtransport;

pub use mux::mux;
pub use proxy::Proxy;
#[cfg(feature = "webtransport")]
pub use webtransport::WebTransport;
