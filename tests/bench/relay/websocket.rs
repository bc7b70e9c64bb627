//! Baseline c: a bare WebSocket relay as one writes it with axum: no streams, each message forwarded as it is.

use anyhow::Result;
use axum::{
    Router,
    extract::ws::{WebSocket, WebSocketUpgrade},
    routing::{MethodRouter, get},
    serve::ListenerExt,
};
use futures::{StreamExt, future::join};
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

/// Joins each connection to `/s` with the next one to `/c`; axum's default buffers.
pub async fn run(listener: TcpListener) -> Result<()> {
    let (server, servers) = unbounded_channel();
    let (client, clients) = unbounded_channel();
    tokio::spawn(pair(servers, clients));
    let app = Router::new().route("/s", hand_to(server)).route("/c", hand_to(client));
    let listener = listener.tap_io(|socket| {
        // A socket that broke already is found out when it is read.
        let _ = socket.set_nodelay(true);
    });
    Ok(axum::serve(listener, app).await?)
}

fn hand_to(side: UnboundedSender<WebSocket>) -> MethodRouter {
    get(move |upgrade: WebSocketUpgrade| async move {
        upgrade.on_upgrade(move |socket| async move {
            // Nobody takes it when the process ends.
            let _ = side.send(socket);
        })
    })
}

async fn pair(mut servers: UnboundedReceiver<WebSocket>, mut clients: UnboundedReceiver<WebSocket>) {
    while let (Some(server), Some(client)) = (servers.recv().await, clients.recv().await) {
        let (to_server, from_server) = server.split();
        let (to_client, from_client) = client.split();
        tokio::spawn(join(from_server.forward(to_client), from_client.forward(to_server)));
    }
}
