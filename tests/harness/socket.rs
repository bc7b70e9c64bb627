//! Peers and proxies over real sockets, on loopback.

use std::{io, net::SocketAddr};

use futures::{SinkExt, StreamExt, TryStreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

/// Serves an axum application on a free port.
pub async fn serve(app: axum::Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}

/// A WebSocket to the proxy at this URL.
pub async fn dial(url: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    connect_async(url).await.expect("the proxy takes the connection").0
}

/// The bytes of a WebSocket's messages, as one run in each direction.
pub fn bytes_of(socket: WebSocketStream<MaybeTlsStream<TcpStream>>) -> impl AsyncRead + AsyncWrite + Unpin + Send + 'static {
    let (sink, stream) = socket.split();
    let read = StreamReader::new(stream.map_err(io::Error::other).try_filter_map(|message| async move {
        Ok(match message {
            Message::Binary(bytes) => Some(bytes),
            _ => None,
        })
    }));
    let write = SinkWriter::new(CopyToBytes::new(
        sink.sink_map_err(io::Error::other).with(|bytes: bytes::Bytes| std::future::ready(Ok::<_, io::Error>(Message::Binary(bytes)))),
    ));
    tokio::io::join(Box::pin(read), Box::pin(write))
}
