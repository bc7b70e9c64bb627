//! Baseline d: the `yamux` crate on both sides, each stream of a client copied to one of the server's session.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use anyhow::{Context, Result};
use tokio::{
    io::copy_bidirectional_with_sizes,
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::handshake::server::{Request, Response},
};
use tokio_util::compat::FuturesAsyncReadCompatExt;
use yamux::{Config, Connection, Mode, Stream};

use super::socket::Socket;

/// Asks a session for a new stream of ours.
type Opener = mpsc::Sender<oneshot::Sender<Stream>>;
/// The session that streams are opened on: the last to come to `/s`.
type Server = Arc<Mutex<Option<Opener>>>;

/// Opens a stream on the session of `/s` for each stream of a session of `/c`, and copies with `buffer` bytes per direction.
pub async fn run(listener: TcpListener, buffer: usize) -> Result<()> {
    let server = Server::default();
    loop {
        let (socket, _) = listener.accept().await?;
        // A session that breaks is that load's business; it reports it itself.
        tokio::spawn(serve(socket, server.clone(), buffer));
    }
}

async fn serve(socket: TcpStream, server: Server, buffer: usize) -> Result<()> {
    socket.set_nodelay(true)?;
    let (opener, requests) = mpsc::channel(64);
    let ours = server.clone();
    // It is the server before it is told that it is in, so that no client comes too early.
    #[allow(clippy::result_large_err, reason = "the handshake's own type")]
    let register = move |request: &Request, response: Response| {
        if request.uri().path() == "/s" {
            *ours.lock().unwrap_or_else(PoisonError::into_inner) = Some(opener);
        }
        Ok(response)
    };
    let socket = Socket::new(accept_hdr_async(socket, register).await?);
    drive(Connection::new(socket, config(buffer), Mode::Server), requests, |stream| {
        tokio::spawn(join(stream, server.clone(), buffer));
    })
    .await
}

/// What served it best: no bound on what a session may receive, and frames at least as long as what is copied at once.
fn config(buffer: usize) -> Config {
    let mut config = Config::default();
    config.set_max_connection_receive_window(None);
    config.set_max_num_streams(64 * 1024);
    config.set_split_send_size(buffer.max(16 * 1024));
    config
}

async fn drive(
    mut connection: Connection<Socket>,
    mut requests: mpsc::Receiver<oneshot::Sender<Stream>>,
    mut accepted: impl FnMut(Stream),
) -> Result<()> {
    let mut asked = None;
    poll_fn(|cx| {
        loop {
            if asked.is_none()
                && let Poll::Ready(Some(request)) = requests.poll_recv(cx)
            {
                asked = Some(request);
            }
            if asked.is_some()
                && let Poll::Ready(opened) = connection.poll_new_outbound(cx)
            {
                if let (Some(request), stream) = (asked.take(), opened?) {
                    // Who asked may be gone: dropping the stream resets it.
                    let _ = request.send(stream);
                }
                continue;
            }
            match connection.poll_next_inbound(cx) {
                Poll::Ready(Some(stream)) => accepted(stream?),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

async fn join(stream: Stream, server: Server, buffer: usize) -> Result<()> {
    let opener = server.lock().unwrap_or_else(PoisonError::into_inner).clone().context("no server")?;
    let (request, opened) = oneshot::channel();
    opener.send(request).await?;
    let (mut near, mut far) = (stream.compat(), opened.await?.compat());
    copy_bidirectional_with_sizes(&mut near, &mut far, buffer, buffer).await?;
    Ok(())
}
