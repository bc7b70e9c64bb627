//! A client wants the server of a name: its turn, an open to the server, the server's answer, and the splice (PROTOCOL.md, sections 3 and 5).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use browser_stream_mux::{Code, Stream};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{ConnectOptions, Event, Name, Reason, StreamServerProxy, registry::Seat};
use crate::{
    error::{OpenError, RefusalCode},
    limits::Limits,
    refusals::Refusal,
    session::{self, Ended, Open, Opening, Peer, Reply, Session, Watch, encode},
};

/// The most bytes of a refusal's message that pass from a server to a client.
const MESSAGE_BYTES_MAX: usize = 512;

/// Takes a client to its server and joins the two.
pub(super) async fn connect(proxy: StreamServerProxy, opening: Opening, segment: String) {
    let (session, stream, open) = opening.into_parts();
    let (name, wait, request) = match asked(&proxy, &session, open, &segment) {
        Ok(asked) => asked,
        Err(error) => {
            session.count(Refusal::BadOpen);
            return Box::pin(session::refuse(&session, stream, error)).await;
        }
    };
    drop(segment);
    match reach(&proxy, &name, wait, request, Some((&session, &stream))).await {
        Ok(reached) => reached.join(session, stream),
        // A client that is gone by now hears nothing of it.
        Err(error) => Box::pin(session::refuse(&session, stream, error)).await,
    }
}

/// What a client's open asks for.
fn asked(proxy: &StreamServerProxy, session: &Session, open: Open, segment: &str) -> Result<(Name, Duration, Request), OpenError> {
    let name = Name::from_segment(segment).map_err(|error| OpenError::new(Code::BadRequest, error.to_string()))?;
    let wait = wait(&proxy.inner.limits, open.wait)?;
    let peer = Some(Peer { session: session.id().to_string() });
    Ok((name, wait, Request { meta: open.meta, resume: open.resume, need: open.need, peer }))
}

/// Connects from inside the process: the same way, with a local stream for the client's end.
pub(super) async fn from_inside(proxy: &StreamServerProxy, name: &Name, options: ConnectOptions) -> Result<Stream, OpenError> {
    let request = Request { meta: options.meta, ..Request::default() };
    let wait = options.wait.unwrap_or(proxy.inner.limits.wait_default);
    let reached = reach(proxy, name, wait, request, None).await?;
    let server = reached.seat.claim.session.clone();
    let client = Client::connected(reached.id, reached.seat);
    session::watch(&server, &reached.stream, Arc::new(client));
    Ok(reached.stream)
}

/// What a client asks of a server, as far as the proxy passes it on.
#[derive(Default)]
struct Request {
    meta: Option<Box<RawValue>>,
    resume: Option<Box<RawValue>>,
    need: Vec<String>,
    peer: Option<Peer>,
}

/// A server that has accepted.
struct Reached {
    /// The client asked for a stream that goes on over other connections, and the server took it up.
    resumes: bool,
    id: Uuid,
    seat: Seat,
    stream: Stream,
    reply: Reply,
}

/// Waits for a place at the server, opens a stream to it, and reads its answer.
///
/// What the client sent right behind its open goes to the server at once. Dropped before the end, it resets the server's stream.
async fn reach(
    proxy: &StreamServerProxy,
    name: &Name,
    wait: Duration,
    request: Request,
    client: Option<(&Arc<Session>, &Stream)>,
) -> Result<Reached, OpenError> {
    let limits = &proxy.inner.limits;
    let cancelled = || OpenError::new(Code::Cancelled, "the client gave up, or is gone");
    let seat = match proxy.inner.registry.seat_now(name) {
        Some(seat) => seat?,
        // In a box, as few have to wait, and all would have room for it.
        None => {
            Box::pin(async {
                tokio::select! {
                    biased;
                    _ = stopped(client) => Err(cancelled()),
                    seat = proxy.inner.registry.seat(name, wait) => seat,
                }
            })
            .await?
        }
    };
    if let Some(lacking) = request.need.iter().find(|need| !seat.claim.capabilities.contains(need)) {
        return Err(OpenError::new(Code::Unsupported, format!("the server does not have {lacking:?}: connect without it")));
    }
    let id = Uuid::new_v4();
    let server = seat.claim.session.clone();
    let mut stream = server.open_stream()?;
    let Request { meta, resume, need, peer } = request;
    let asks_to_resume = resume.is_some();
    let path = format!("{}/accept/{}", proxy.prefix(), name.segment());
    stream.write_frame(&encode(&Open { id: Some(id.to_string()), meta, resume, need, peer, ..Open::to(path) }));
    if let Some(client) = client {
        // A server that is gone already shows in its reply.
        let _ = session::forward(client, (&server, &stream));
    }
    let answer = tokio::select! {
        biased;
        how = stopped(client) => {
            session::end(&server, stream, how);
            return Err(cancelled());
        }
        answer = tokio::time::timeout(limits.reply_timeout, session::reply(&server, &mut stream)) => answer,
    };
    seat.replied(matches!(answer, Ok(Ok(Reply { error: None, .. }))));
    let (error, reset) = match answer {
        Ok(Ok(Reply { error: Some(error), .. })) => (allowed(&server, error), Code::Cancelled),
        Ok(Ok(reply)) => {
            return Ok(Reached { resumes: asks_to_resume && reply.resume.is_some(), id, seat, stream, reply });
        }
        Ok(Err(error)) => (error, Code::Cancelled),
        Err(_) => {
            server.count(Refusal::ReplyTimeout);
            (OpenError::new(Code::Timeout, "the server did not answer in time: its page may be frozen"), Code::Timeout)
        }
    };
    stream.reset(reset.number());
    Err(error)
}

impl Reached {
    /// Tells the client that it is connected and leaves the two streams to one another.
    fn join(self, session: Arc<Session>, mut client: Stream) {
        let Self { resumes, id, seat, stream, reply } = self;
        let server = seat.claim.session.clone();
        if resumes {
            session.set_aside(&client);
            server.set_aside(&stream);
        }
        // Id and instance are the proxy's word, whatever the server said.
        let instance = Some(seat.claim.title.instance);
        client.write_frame(&encode(&Reply { id: Some(id.to_string()), instance, error: None, ..reply }));
        let watch: Arc<dyn Watch> = Arc::new(Client::connected(id, seat));
        session::watch(&session, &client, watch.clone());
        session::watch(&server, &stream, watch.clone());
        match session::forward((&server, &stream), (&session, &client)) {
            Ok(()) => {
                stream.into_parts();
            }
            // The client went in this very moment.
            Err(how) => {
                watch.ended(how);
                session::end(&server, stream, how);
            }
        }
        client.into_parts();
    }
}

/// Resolves when the client is gone; never for one in this process, which drops the future instead.
async fn stopped(client: Option<(&Arc<Session>, &Stream)>) -> Ended {
    match client {
        Some((_, stream)) => stream.stopped().await,
        None => std::future::pending().await,
    }
}

/// A client of a server, from the server's acceptance until both ends of its stream are gone.
struct Client {
    id: Uuid,
    seat: Seat,
    /// How it ended, unless it finished: one word, for there are as many of these as streams.
    ended: AtomicU64,
}

impl Client {
    fn connected(id: Uuid, seat: Seat) -> Self {
        seat.claim.emit(Event::ClientConnected { name: seat.claim.name.clone(), id, at: SystemTime::now() });
        Self { id, seat, ended: AtomicU64::new(FINISHED) }
    }
}

impl Watch for Client {
    fn ended(&self, how: Ended) {
        let how = match how {
            Ended::Reset(code) => RESET | u64::from(code),
            Ended::Lost => LOST,
        };
        // The first word counts.
        let _ = self.ended.compare_exchange(FINISHED, how, Ordering::Relaxed, Ordering::Relaxed);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let reason = match *self.ended.get_mut() {
            FINISHED => Reason::Finished,
            LOST => Reason::Lost,
            reset => Reason::Reset((reset ^ RESET) as u32),
        };
        self.seat.claim.emit(Event::ClientDisconnected { name: self.seat.claim.name.clone(), id: self.id, reason, at: SystemTime::now() });
    }
}

const FINISHED: u64 = 0;
const LOST: u64 = 1;
/// In front of a code.
const RESET: u64 = 1 << 32;

/// How long a connect waits for its name: what it asked for, within what is allowed.
pub(crate) fn wait(limits: &Limits, asked_ms: Option<f64>) -> Result<Duration, OpenError> {
    let Some(asked_ms) = asked_ms else {
        return Ok(limits.wait_default);
    };
    let most_ms = limits.wait_max.as_millis();
    if !(0.0..=most_ms as f64).contains(&asked_ms) {
        return Err(OpenError::new(Code::BadRequest, format!("wait is a number of milliseconds from 0 to {most_ms}")));
    }
    Ok(Duration::from_secs_f64(asked_ms / 1000.0))
}

/// A server's refusal as a client may see it: with a code that is a server's to give, and a message of bounded length.
fn allowed(server: &Session, error: OpenError) -> OpenError {
    let servers = match error.code {
        RefusalCode::Application(_) => true,
        RefusalCode::Known(code) => matches!(code, Code::Busy | Code::Forbidden | Code::BadRequest | Code::Gone),
    };
    if !servers {
        server.count(Refusal::BadReply);
        return OpenError::new(Code::Internal, "the server's answer makes no sense");
    }
    let mut message = error.message;
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
    OpenError { code: error.code, message }
}
