//! HTTP/2 with one peer, over TLS: pages, requests to servers, and sessions over HTTP, but no WebSocket. Browsers open a connection of HTTP/1.1 beside it for that.

use std::{convert::Infallible, error::Error, pin::pin, sync::Arc, time::Duration};

use axum::{Router, response::Response};
use http::{HeaderValue, Request, header};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep_until, timeout},
};
use tokio_rustls::server::TlsStream;

use super::{
    http::{Conversation, answer},
    stay::Stay,
};
use crate::{counters::Refusal, tls::HTTP_2};

/// Whether it is what both agreed upon in the handshake.
pub(super) fn is_agreed(socket: &TlsStream<TcpStream>) -> bool {
    socket.get_ref().1.alpn_protocol() == Some(HTTP_2)
}

/// What a peer asked for so far.
#[derive(Clone, Copy, Debug, Default)]
struct Asks {
    begun: u64,
    /// Not answered yet.
    open: u64,
    /// An answer said that it is the last.
    last: bool,
}

/// Speaks HTTP/2 until the peer has gone, or its time is over.
///
/// Bounded as HTTP/1.1 is: by the time to the first request, by the same time without any other (what is on its way may go on), and by the life of a
/// connection; one that is shed has one answer.
pub(super) async fn speak(conversation: Conversation, socket: TlsStream<TcpStream>, router: Router) {
    let life = conversation.life();
    let Conversation { connection, patience, until, inner } = conversation;
    let (remote, shed, stay) = (connection.remote, connection.shed.is_some(), connection.stay.clone());
    let asks = Arc::new(watch::Sender::new(Asks::default()));
    let service = service_fn({
        let asks = asks.clone();
        move |request| ask(asks.clone(), shed, answer(router.clone(), connection.clone(), named(request)))
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.max_header_list_size(u32::try_from(inner.head_bytes_max()).unwrap_or(u32::MAX)).max_concurrent_streams(STREAMS_MAX);
    builder.initial_stream_window_size(STREAM_WINDOW).initial_connection_window_size(WINDOW).max_send_buf_size(SEND_BUFFER);
    let mut http = pin!(builder.serve_connection(TokioIo::new(socket), service));
    let (mut over, mut idle) = (pin!(stay.over(life)), pin!(idle(asks.subscribe(), patience, &stay)));
    let mut ending = false;
    let ended = loop {
        tokio::select! {
            ended = http.as_mut() => break Some(ended),
            () = sleep_until(until), if asks.borrow().begun == 0 => {
                if asks.borrow().begun == 0 {
                    return inner.counters.count(Refusal::EstablishTimeout);
                }
            }
            () = idle.as_mut(), if !ending => {
                ending = true;
                http.as_mut().graceful_shutdown();
            }
            () = inner.stop.cancelled() => break None,
            () = over.as_mut() => break None,
        }
    };
    let ended = match ended {
        Some(ended) => Some(ended),
        None => {
            http.as_mut().graceful_shutdown();
            tokio::select! { ended = http => Some(ended), () = stay.none_for(patience) => None }
        }
    };
    if let Some(Err(error)) = ended {
        if is_flood(&error) {
            inner.counters.count(Refusal::Http2Flood);
        }
        tracing::trace!(%remote, %error, "connection ended");
    }
}

/// Whether we ended the connection for what the peer cost us (RFC 9113 section 7: `ENHANCE_YOUR_CALM`).
fn is_flood(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| cause.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM) && !cause.is_remote())
}

/// Notes that something is asked, until it has its answer: the only one, where the connection is shed.
async fn ask(
    asks: Arc<watch::Sender<Asks>>,
    shed: bool,
    answer: impl Future<Output = Result<Response, Infallible>>,
) -> Result<Response, Infallible> {
    /// Counts one less also where the peer gave up.
    struct Open(Arc<watch::Sender<Asks>>);
    impl Drop for Open {
        fn drop(&mut self) {
            self.0.send_modify(|asks| asks.open -= 1);
        }
    }
    asks.send_modify(|asks| (asks.begun, asks.open) = (asks.begun + 1, asks.open + 1));
    let open = Open(asks);
    let mut response = answer.await?;
    // HTTP/2 has no header for it: the connection is told to go.
    let closes = response.headers_mut().remove(header::CONNECTION).is_some_and(|value| value == "close");
    if shed || closes {
        open.0.send_modify(|asks| asks.last = true);
    }
    Ok(response)
}

/// Resolves once nothing was asked for so long and everything has its answer, or an answer was the last. A connection that carries a session is never idle.
async fn idle(mut asks: watch::Receiver<Asks>, patience: Duration, stay: &Stay) {
    loop {
        let Asks { open, last, .. } = *asks.borrow_and_update();
        if last && open == 0 {
            return;
        }
        let news = asks.changed();
        let news = if open > 0 { Some(news.await) } else { timeout(patience, news).await.ok() };
        if !matches!(news, Some(Ok(()))) && stay.is_none() {
            return;
        }
        stay.none().await;
    }
}

/// The request with its host where HTTP/1.1 has it, for whoever looks there: the gate above all. A `Host` that is there too must say the same.
fn named(mut request: Request<Incoming>) -> Request<Incoming> {
    let host = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let (Some(host), false) = (host, request.headers().contains_key(header::HOST)) {
        request.headers_mut().insert(header::HOST, host);
    }
    request
}

/// What one peer may ask for at once, files and servers: the rest waits its turn. Fewer is advised against (RFC 9113 section 6.5.2).
const STREAMS_MAX: u32 = 100;
/// Credit for what a peer sends: the bodies of a session over HTTP, which are read as they come, and of requests to servers. Of all that one has, so that a server which does not
/// read does not hold up what is sent to the next.
const WINDOW: u32 = 1024 * 1024;
/// Of it what one request has.
const STREAM_WINDOW: u32 = 512 * 1024;
/// Of an answer that waits for its peer to read.
const SEND_BUFFER: usize = 64 * 1024;
