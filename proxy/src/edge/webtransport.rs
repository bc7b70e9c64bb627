//! Sessions over WebTransport (PROTOCOL.md, section 17): the proxy opens one stream, on which both ends say what they would over a WebSocket.
//!
//! What comes and goes takes the way of a session over HTTP: the records of its response, and bodies that this file numbers.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use bytes::{Bytes, BytesMut};
use data_encoding::BASE64;
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, Uri, header};
use rustls::{ServerConfig as Tls, crypto::ring, server::ResolvesServerCert, version::TLS13};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tokio_util::task::TaskTracker;
use wtransport::{
    Connection, Endpoint, RecvStream, SendStream, ServerConfig, VarInt,
    config::QuicTransportConfig,
    endpoint::{IncomingSession, SessionRequest, endpoint_side::Server},
    tls::WEBTRANSPORT_ALPN,
};

use super::{
    Proxy, gate,
    proxy::Inner,
    upgrade::{Places, welcomes},
};
use crate::{
    config::{Authority, PublicUrl},
    counters::Refusal,
    memory::booked,
    session::{
        Newcomer,
        http::{self as halves, Blocks, Down, Ups},
        transport::Carrier,
    },
    tls::Fleeting,
};

/// A socket that answers WebTransport, from [`Proxy::listen_webtransport`].
pub struct WebTransport {
    endpoint: Endpoint<Server>,
    /// Where the WebSocket is: pages of that address are the proxy's own here as well.
    tcp: SocketAddr,
}

/// What pages are told of it.
#[derive(Debug)]
pub(super) struct Announced {
    port: u16,
    /// Shown where the proxy has no certificate that others vouch for.
    fleeting: Option<Arc<Fleeting>>,
}

impl Announced {
    pub(super) fn to_json(&self) -> Value {
        let hashes: Vec<_> = self.fleeting.iter().map(|fleeting| BASE64.encode(&fleeting.hash())).collect();
        json!({ "port": self.port, "hashes": hashes })
    }
}

/// Lets pages of the proxy's own dial it, by their host: its port may be another than theirs, to which alone their policy lets them connect.
pub(super) async fn allow(State(proxy): State<Proxy>, request: Request, next: Next) -> Response {
    let host = gate::host(request.uri(), request.headers());
    let mut response = next.run(request).await;
    let (Some(Announced { port, .. }), Ok(Authority { host, .. })) = (proxy.inner.webtransport.get(), host) else { return response };
    let place = Authority { host, port: Some(*port) };
    if let Some(policy) = response.headers_mut().get_mut(header::CONTENT_SECURITY_POLICY)
        && let Ok(text) = policy.to_str()
        && let Ok(wider) = text.replacen(OWN, &format!("{OWN} https://{place}"), 1).parse()
    {
        *policy = wider;
    }
    response
}

impl Proxy {
    /// Listens for WebTransport at [`Config::webtransport`](crate::Config::webtransport), where that is set, at the address of `listener`: hand it to
    /// [`serve_webtransport`](Self::serve_webtransport). Pages are told from then on.
    ///
    /// It shows the certificate of [`with_tls`](Self::with_tls), unless that is of the proxy's own making: then, and without one, a short-lived one whose hash pages are told.
    ///
    /// # Errors
    /// As the system gives them, with a text that says what to do.
    pub fn listen_webtransport(&self, listener: &TcpListener) -> io::Result<Option<WebTransport>> {
        let Some(port) = self.inner.config.webtransport else { return Ok(None) };
        let tcp = listener.local_addr()?;
        let bind = SocketAddr::new(tcp.ip(), if port == 0 { tcp.port() } else { port });
        let advised = |error: io::Error| {
            let advice = "choose a UDP port that is free with --webtransport";
            io::Error::new(error.kind(), format!("cannot listen for WebTransport on {bind} ({error}): {advice}"))
        };
        let socket = UdpSocket::bind(bind).map_err(advised)?;
        let vouched = self.inner.identity.as_ref().filter(|identity| !identity.is_self_signed());
        let (shown, fleeting): (Arc<dyn ResolvesServerCert>, _) = match vouched {
            Some(identity) => (identity.config.cert_resolver.clone(), None),
            None => {
                let fleeting = Arc::new(Fleeting::new().map_err(io::Error::other)?);
                (fleeting.clone(), Some(fleeting))
            }
        };
        let config = ServerConfig::builder().with_bind_socket(socket).with_custom_tls_and_transport(tls(shown)?, quic());
        let config = config.max_idle_timeout(Some(self.inner.limits.silence_max)).map_err(io::Error::other)?;
        let endpoint = Endpoint::server(config.build()).map_err(advised)?;
        let announced = Announced { port: endpoint.local_addr()?.port(), fleeting };
        // Another socket of the same proxy is there without being told.
        let _ = self.inner.webtransport.set(announced);
        Ok(Some(WebTransport { endpoint, tcp }))
    }

    /// Serves sessions over WebTransport until the proxy is shut down.
    pub async fn serve_webtransport(&self, WebTransport { endpoint, tcp }: WebTransport) {
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        let guests = TaskTracker::new();
        while let Some(incoming) = self.inner.stop.run_until_cancelled(endpoint.accept()).await {
            let Some((caller, turn)) = self.admit(&incoming, &handshakes) else {
                incoming.refuse();
                continue;
            };
            // Whoever does not live at its address costs nothing beyond this.
            if handshakes.available_permits() < HANDSHAKES_MAX / 2 && !incoming.remote_address_validated() {
                incoming.retry();
                continue;
            }
            let proxy = self.clone();
            self.inner.tasks.spawn(guests.track_future(async move {
                let asked = timeout(proxy.inner.limits.establish_timeout, incoming).await;
                drop((turn, caller));
                match asked {
                    Ok(Ok(request)) => proxy.meet(request, tcp).await,
                    Ok(Err(error)) => tracing::debug!(%error, "no WebTransport with a peer"),
                    Err(_) => proxy.inner.counters.count(Refusal::EstablishTimeout),
                }
            }));
        }
        // Each is told why before the endpoint takes its connection away.
        guests.close();
        let _ = timeout(2 * LINGER, guests.wait()).await;
        endpoint.close(VarInt::from_u32(0), b"");
        endpoint.wait_idle().await;
    }

    /// A place among those that shake hands, and among the callers of its address.
    fn admit(&self, incoming: &IncomingSession, handshakes: &Arc<Semaphore>) -> Option<(impl Send + use<>, impl Send + use<>)> {
        let caller = self.inner.callers.enter(incoming.remote_address().ip());
        let Ok(caller) = caller else {
            self.inner.counters.count(Refusal::ConnectionsPerAddress);
            return None;
        };
        let Ok(turn) = handshakes.clone().try_acquire_owned() else {
            self.inner.counters.count(Refusal::Connections);
            return None;
        };
        Some((caller, turn))
    }

    /// Answers who asks for a session, and serves it.
    async fn meet(&self, request: SessionRequest, tcp: SocketAddr) {
        let inner = &self.inner;
        if request.path() != inner.config.path.as_str() {
            return request.not_found().await;
        }
        if let Err(refusal) = welcomes(self) {
            inner.counters.count(refusal.counts_as());
            return request.too_many_requests().await;
        }
        if !is_let_in(inner, &request, tcp) {
            inner.counters.count(Refusal::Gate);
            return request.forbidden().await;
        }
        let remote = request.remote_address();
        let places = match (inner.readiness.place(), inner.addresses.enter(remote.ip())) {
            _ if inner.memory.pressed() => Err(Refusal::Budget),
            (None, _) => Err(Refusal::Connections),
            (_, Err(_)) => Err(Refusal::SessionsPerAddress),
            (Some(connection), Ok(place)) => Ok(Places::of(connection, place)),
        };
        let places = match places {
            Ok(places) => places,
            Err(refusal) => {
                inner.counters.count(refusal);
                return request.too_many_requests().await;
            }
        };
        let agent = inner.config.admin.and_then(|_| request.user_agent().map(|agent| agent.chars().take(AGENT_CHARS_MAX).collect()));
        let newcomer = Newcomer { remote: Some(remote), token: None, agent, carrier: Carrier::WebTransport };
        let served = timeout(inner.limits.establish_timeout, async {
            let connection = request.accept().await.ok()?;
            let (send, receive) = connection.open_bi().await.ok()?.await.ok()?;
            Some((connection, send, receive))
        });
        let Ok(Some((connection, send, receive))) = served.await else {
            return inner.counters.count(Refusal::EstablishTimeout);
        };
        self.carry(connection, (send, receive), newcomer).await;
        drop(places);
    }

    /// Moves bytes between the stream and its session until either has ended.
    async fn carry(&self, connection: Connection, (send, receive): (SendStream, RecvStream), newcomer: Newcomer) {
        let inner = &self.inner;
        let (carried, down, ups) = halves::connection(b"{}", 0, BLOCKS_UNDER_WAY);
        let session = Box::pin(inner.sessions.run_as(carried, newcomer));
        inner.peers.spawn(session);
        let sending = say(send, down);
        tokio::select! {
            () = sending => {
                // It closes when it has read why; or is closed.
                let _ = timeout(LINGER, connection.closed()).await;
            }
            // The response is dropped: the session learns that the peer has gone.
            () = hear(receive, &ups, inner) => {}
        }
        connection.close(VarInt::from_u32(0), b"");
    }
}

/// What goes to the peer, to its end.
async fn say(mut send: SendStream, mut down: Down) {
    while let Some(Ok(bytes)) = down.next().await {
        if send.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = send.finish().await;
}

/// What comes from the peer, until it ends or the session takes no more.
async fn hear(mut receive: RecvStream, ups: &Ups, inner: &Inner) {
    let mut parts: [Bytes; PARTS_MAX] = Default::default();
    for number in 0.. {
        let Ok(Some(count)) = receive.quic_stream_mut().read_chunks(&mut parts).await else { return };
        let came = parts.get_mut(..count).unwrap_or_default();
        let mut block = BytesMut::with_capacity(came.iter().map(Bytes::len).sum());
        for part in came {
            block.extend_from_slice(&std::mem::take(part));
        }
        let Ok(slot) = ups.begin(number) else { return };
        if slot.put(Blocks::from([booked(block, &inner.memory)])).await.is_err() {
            return;
        }
    }
}

/// What the gate says of the request, as if it had come for the WebSocket: its port is another's, so that stands in the place of its own.
fn is_let_in(inner: &Inner, request: &SessionRequest, tcp: SocketAddr) -> bool {
    let Ok(host) = request.authority().parse::<Authority>() else { return false };
    let host = match &inner.config.public_url {
        Some(PublicUrl(url)) if url.authority.host == host.host => url.authority.to_string(),
        _ => Authority { port: Some(tcp.port()), ..host }.to_string(),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in [(header::HOST, Some(host.as_str())), (header::ORIGIN, request.origin())] {
        let Some(value) = value else { continue };
        let Ok(value) = HeaderValue::from_str(value) else { return false };
        headers.insert(name, value);
    }
    let judged = inner.gate.check(&Uri::from_static("/"), &headers, Some(tcp));
    judged.inspect_err(|refusal| tracing::info!("request for WebTransport refused, {refusal}")).is_ok()
}

fn tls(shown: Arc<dyn ResolvesServerCert>) -> io::Result<Tls> {
    let builder = Tls::builder_with_provider(Arc::new(ring::default_provider())).with_protocol_versions(&[&TLS13]);
    let mut tls = builder.map_err(io::Error::other)?.with_no_client_auth().with_cert_resolver(shown);
    tls.alpn_protocols = vec![WEBTRANSPORT_ALPN.to_vec()];
    Ok(tls)
}

/// What a peer may make us keep: of one stream that is read, and some that are the protocol's own.
fn quic() -> QuicTransportConfig {
    let mut quic = QuicTransportConfig::default();
    quic.max_concurrent_bidi_streams(2_u32.into());
    quic.max_concurrent_uni_streams(8_u32.into());
    quic.stream_receive_window(WINDOW.into()).receive_window((2 * WINDOW).into()).send_window(u64::from(2 * WINDOW));
    quic.datagram_receive_buffer_size(Some(DATAGRAMS)).datagram_send_buffer_size(DATAGRAMS);
    quic
}

/// How the policy of pages begins to say where they connect.
const OWN: &str = "connect-src 'self'";
/// Connections that shake hands at once. Beyond half of them who comes shows first that it is where it says.
const HANDSHAKES_MAX: usize = 256;
/// Each waits for the one before it.
const BLOCKS_UNDER_WAY: usize = 2;
/// Packets that are put together into one block, at most.
const PARTS_MAX: usize = 32;
/// Credit for a stream, below that of the mux.
const WINDOW: u32 = 1024 * 1024;
/// Nobody sends any here.
const DATAGRAMS: usize = 64 * 1024;
/// As for a WebSocket.
const LINGER: Duration = Duration::from_secs(1);
/// More of what a browser calls itself tells nobody more.
const AGENT_CHARS_MAX: usize = 256;
