//! Proxies on real sockets, on loopback.

use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Serves an axum application on a free port.
pub async fn serve(app: axum::Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}
