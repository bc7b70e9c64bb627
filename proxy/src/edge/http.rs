//! The accept loop: connections in, bounded in number and in time, until told to stop.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, response::Response};
use http::Request;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::limits::Limits;

/// The connection that a request came over: an extension of the request.
///
/// As long as a clone lives, the connection counts as open: an upgraded one takes it along.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) remote: SocketAddr,
    pub(super) local: SocketAddr,
    _place: Arc<OwnedSemaphorePermit>,
}

/// Serves `router` on `listener` until `stop` is cancelled; then takes no more and returns. Each connection is a task of `tasks`.
pub(super) async fn serve(listener: TcpListener, router: Router, limits: &Limits, stop: &CancellationToken, tasks: &TaskTracker) {
    let places = Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS)));
    let patience = limits.establish_timeout;
    let mut troubled = false;
    while let Some(place) = unless(stop, places.clone().acquire_owned()).await {
        // The semaphore is never closed: this is unreachable.
        let Ok(place) = place else { return };
        let accepted = match unless(stop, listener.accept()).await {
            Some(accepted) => accepted,
            None => return,
        };
        match accepted.and_then(|(socket, remote)| Ok((socket.local_addr()?, socket, remote))) {
            Ok((local, socket, remote)) => {
                troubled = false;
                let connection = Connection { remote, local, _place: Arc::new(place) };
                tasks.spawn(converse(socket, router.clone(), connection, patience, stop.clone()));
            }
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                // Out of file descriptors or memory, as a rule. Trying again at once would take the processor too.
                if !troubled {
                    tracing::warn!(%error, "cannot accept connections; trying again until it works");
                }
                troubled = true;
                unless(stop, sleep(ACCEPT_PAUSE)).await;
            }
        }
    }
}

/// Speaks HTTP on one connection until it ends or becomes a WebSocket.
///
/// `patience` bounds each head, the first one counted from now. A peer that reads its answers too slowly, or asks on and on, is bounded
/// by [`HTTP_LIFE`]: it is then given `patience` once more to take what it has coming.
async fn converse(socket: TcpStream, router: Router, connection: Connection, patience: Duration, stop: CancellationToken) {
    // An error means that the peer is gone already; the first read will say so.
    let _ = socket.set_nodelay(true);
    let remote = connection.remote;
    let service = service_fn(move |request| answer(router.clone(), connection.clone(), request));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(HEAD_BYTES_MAX);
    let mut http = pin!(builder.serve_connection(TokioIo::new(socket), service).with_upgrades());
    let ended = tokio::select! {
        ended = http.as_mut() => Ok(ended),
        () = stop.cancelled() => Err(()),
        () = sleep(HTTP_LIFE) => Err(()),
    };
    let ended = match ended {
        Ok(ended) => Some(ended),
        Err(()) => {
            http.as_mut().graceful_shutdown();
            timeout(patience, http).await.ok()
        }
    };
    if let Some(Err(error)) = ended {
        tracing::trace!(%remote, %error, "connection ended");
    }
}

async fn answer(router: Router, connection: Connection, mut request: Request<Incoming>) -> Result<Response, Infallible> {
    request.extensions_mut().insert(connection);
    TowerToHyperService::new(router).call(request).await
}

/// What `work` gives, or `None` once `stop` is cancelled.
async fn unless<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    stop.run_until_cancelled(work).await
}

/// A connection that broke before it was accepted says nothing about the next one.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | NotConnected)
}

/// A request's head; 431 beyond. Twice what browsers send at most to a host of their own (cookies of other ports included).
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long a connection may stay HTTP: all a page loads is there in seconds, and the WebSocket is not HTTP any more.
const HTTP_LIFE: Duration = Duration::from_secs(60);

/// Long enough to cost nothing, short enough not to be felt when a descriptor becomes free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
