//! A client wants the server of a name: its turn, an open to the server, the server's answer, and the splice (PROTOCOL.md, sections 3 and 5).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use browser_stream_mux::{Code, Moved, Stream};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    ConnectOptions, Event, Name, Reason, StreamServerProxy,
    registry::{Seat, not_found},
    way::{self, Way},
};
#[cfg(feature = "admin")]
use crate::session::Destination;
use crate::{
    counters::Deed,
    counters::Refusal,
    error::{OpenError, RefusalCode},
    limits::Limits,
    session::{self, Answer, Ask, Beginning, Begun, Ended, Fields, Open, Opening, Permit, Reply, Session, Watch, encode},
    token::Verb,
};

/// The most bytes of a refusal's message that pass from a server to a client.
const MESSAGE_BYTES_MAX: usize = 512;

/// Takes a client to its server where that needs no waiting: the usual case.
pub(super) fn at_once(proxy: &StreamServerProxy, beginning: Beginning<'_>, segment: &str) -> Begun {
    let open = beginning.open();
    let Ok(name) = Name::text_of(segment) else { return Begun::Later };
    if wait(&proxy.inner.limits, open.wait).is_err() {
        return Begun::Later;
    }
    if !beginning.is_known() {
        return Begun::Later;
    }
    match proxy.inner.registry.seat_now(&name) {
        None => way::passed_on(proxy, beginning, &name),
        Some(seat) => beginning.ask(|session| {
            let permit = session.permit(Verb::Connect, &name)?;
            Client::asks(seat?, permit, session, open)
        }),
    }
}

/// The same where a client has to wait for its turn.
pub(super) async fn connect(proxy: StreamServerProxy, opening: Opening, segment: String) {
    let (session, stream, open) = opening.into_parts();
    let (error, stream) = match way_of(&proxy, &session, &stream, &open, &segment).await {
        Ok((way, permit)) => match way.asks(&proxy, permit, &session, &open) {
            Ok(ask) => match session::ask_for(&session, stream, ask) {
                Ok(()) => return,
                Err(failed) => failed,
            },
            Err(error) => (error, stream),
        },
        Err(error) => {
            if error.is(Code::BadRequest) {
                session.count(Refusal::BadOpen);
            }
            // As one that claims a name: its next session may be where the cluster is within reach.
            #[cfg(feature = "cluster")]
            if error.is(Code::Draining) && !session.is_node() && proxy.inner.registry.is_of_many() {
                session.send_away();
            }
            (error, stream)
        }
    };
    // A client that is gone by now hears nothing of it.
    Box::pin(session::refuse(&session, stream, error)).await;
}

/// Where a client goes, when its turn has come.
async fn way_of(
    proxy: &StreamServerProxy,
    session: &Session,
    client: &Stream,
    open: &Open,
    segment: &str,
) -> Result<(Way, Permit), OpenError> {
    let name = Name::from_segment(segment).map_err(|error| OpenError::new(Code::BadRequest, error.to_string()))?;
    let wait = wait(&proxy.inner.limits, open.wait)?;
    let permit = session.permit(Verb::Connect, name.as_str())?;
    let way = tokio::select! {
        biased;
        _ = client.stopped() => Err(OpenError::new(Code::Cancelled, "the client gave up, or is gone")),
        way = Way::find(proxy, &name, wait, !session.is_node()) => way,
    };
    Ok((way?, permit))
}

/// Connects from inside the process: the same way, with a local stream for the client's end. Dropped before the end, it resets the server's stream.
pub(super) async fn from_inside(proxy: &StreamServerProxy, name: &Name, options: ConnectOptions) -> Result<Stream, OpenError> {
    let wait = options.wait.unwrap_or(proxy.inner.limits.wait_default);
    Way::find(proxy, name, wait, true).await?.take(proxy, name, (options.meta, false)).await
}

/// The same for somebody who came by HTTP: to servers that let such in, and as if there were no others.
pub(super) async fn by_http(proxy: &StreamServerProxy, name: &Name, meta: Box<RawValue>) -> Result<Stream, OpenError> {
    if !proxy.inner.registry.takes_http(name) {
        return Err(proxy.inner.registry.nobody(true));
    }
    Way::find(proxy, name, Duration::ZERO, true).await?.take(proxy, name, (Some(meta), true)).await
}

/// Has the server take a client whose end of the stream is here.
pub(super) async fn take(proxy: &StreamServerProxy, seat: Seat, meta: Option<Box<RawValue>>) -> Result<Stream, OpenError> {
    let limits = &proxy.inner.limits;
    let (id, server) = (Uuid::new_v4(), seat.claim.session.clone());
    let mut stream = server.open_stream()?;
    let path = format!("{}/accept/{}", proxy.prefix(), seat.claim.name.segment());
    stream.write_frame(&encode(&Open { id: Some(id.to_string()), meta, ..Open::to(path) }));
    let answer = tokio::time::timeout(limits.reply_timeout, session::reply(&server, &mut stream)).await;
    let answer = answer.unwrap_or_else(|_| Err(session::late(&server))).and_then(|reply| accepted(&server, reply));
    seat.replied(answer.is_ok());
    if let Err(error) = answer {
        stream.reset(not_wanted(&error).number());
        return Err(error);
    }
    let client = Client::new(id, seat, Permit::default(), None);
    client.accepted();
    client.tell_connected();
    session::watch(&server, &stream, Arc::new(client));
    Ok(stream)
}

/// What the server said, if it takes the client.
fn accepted(server: &Session, mut reply: Reply) -> Result<Reply, OpenError> {
    match reply.error.take() {
        Some(error) => Err(allowed(server, error)),
        None => Ok(reply),
    }
}

/// What the server's end of a stream is reset with whose client is refused.
pub(super) fn not_wanted(error: &OpenError) -> Code {
    if error.is(Code::Timeout) { Code::Timeout } else { Code::Cancelled }
}

/// A client of a server, from when it is asked for until both ends of its stream are gone.
pub(super) struct Client {
    id: Uuid,
    seat: Seat,
    _permit: Permit,
    /// It asks for a stream that goes on over other connections.
    resumes: bool,
    /// What that is.
    carrier: Option<Deed>,
    /// The session that it is of, where that is at another node. Few are, so it lies elsewhere.
    #[cfg(feature = "admin")]
    session: Option<Box<Uuid>>,
    /// How it stands: one word, for there are as many of these as streams.
    state: AtomicU64,
}

impl Client {
    fn new(id: Uuid, seat: Seat, permit: Permit, resume: Option<&RawValue>) -> Self {
        Self {
            id,
            seat,
            _permit: permit,
            resumes: resume.is_some(),
            carrier: resume.and_then(carrier),
            #[cfg(feature = "admin")]
            session: None,
            state: AtomicU64::new(ASKS),
        }
    }

    /// What the server is asked for this client, who has the place: its session, the frame of the open, and who takes the answer.
    pub(super) fn asks(seat: Seat, permit: Permit, session: &Session, open: &Open) -> Result<Ask, OpenError> {
        // Another node's visitor by HTTP, which went by what that node knew.
        if session.is_node() && open.http && !seat.claim.http {
            return Err(not_found());
        }
        if let Some(lacking) = open.need.iter().find(|need| !seat.claim.capabilities.contains(need)) {
            return Err(unsupported(lacking));
        }
        let (whose, claim) = (session.whose(open, &permit), seat.claim.clone());
        let fields = Fields::new()
            .raw("path", Some(&claim.path))
            .id("id", whose.id)
            .raw("meta", open.meta.as_deref())
            .texts("need", &open.need)
            .raw("resume", open.resume.as_deref())
            .raw("seal", open.seal.as_deref())
            .peer(whose.session, whose.sub);
        #[cfg(feature = "admin")]
        let of = whose.session;
        let client = Self::new(whose.id, seat, permit, open.resume.as_deref());
        #[cfg(feature = "admin")]
        let client = client.let_in(session, of)?;
        Ok((claim.session.clone(), fields.frame(), Arc::new(client)))
    }

    /// Of that session, unless an operator has ended the stream that goes on here.
    #[cfg(feature = "admin")]
    fn let_in(mut self, session: &Session, of: Uuid) -> Result<Self, OpenError> {
        if self.carrier == Some(Deed::CarrierMove) && session.is_barred(of, || self.goes_to().path) {
            return Err(barred());
        }
        self.session = session.is_node().then(|| Box::new(of));
        Ok(self)
    }

    /// The server takes it: how it ends counts from now on.
    fn accepted(&self) {
        self.state.store(FINISHED, Ordering::Relaxed);
    }

    #[cfg(feature = "admin")]
    fn goes_to(&self) -> Destination {
        let claim = &self.seat.claim;
        let prefix = claim.prefix().to_owned();
        let (path, name) = (format!("{prefix}/connect/{}", claim.name.segment()), claim.name.as_str().to_owned());
        Destination { prefix, name, path, session: self.session.as_deref().copied() }
    }

    fn tell_connected(&self) {
        let claim = &self.seat.claim;
        claim.tell(|| Event::ClientConnected { name: claim.name.clone(), id: self.id, at: SystemTime::now() });
    }
}

impl Watch for Client {
    fn ended(&self, how: Ended) {
        let how = match how {
            Ended::Reset(code) => RESET | u64::from(code),
            Ended::Lost => LOST,
        };
        // The first word counts.
        let _ = self.state.compare_exchange(FINISHED, how, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn moved(&self, moved: Moved) {
        self.seat.claim.count(moved);
    }

    #[cfg(feature = "admin")]
    fn destination(&self) -> Option<Destination> {
        Some(self.goes_to())
    }

    fn answered(&self, mut answer: Answer<'_>) {
        let server = &self.seat.claim.session;
        let reply = answer.reply(server).and_then(|reply| accepted(server, reply));
        self.seat.replied(reply.is_ok());
        match reply {
            Ok(reply) => {
                let resumes = self.resumes && reply.resume.is_some();
                // Id and instance are the proxy's word, whatever the server said.
                let fields = Fields::new()
                    .id("id", self.id)
                    .instance("instance", self.seat.claim.title.instance)
                    .raw("resume", reply.resume.as_deref())
                    .raw("seal", reply.seal.as_deref());
                let frame = fields.frame();
                if answer.join(server, &frame, resumes, || self.accepted()) {
                    if let Some(carrier) = self.carrier.filter(|_| resumes) {
                        server.process.counters.done(carrier);
                    }
                    self.tell_connected();
                }
            }
            Err(error) => {
                let code = not_wanted(&error);
                answer.refuse(server, error, code);
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let reason = match *self.state.get_mut() {
            ASKS => return,
            FINISHED => Reason::Finished,
            LOST => Reason::Lost,
            reset => Reason::Reset((reset ^ RESET) as u32),
        };
        let claim = &self.seat.claim;
        claim.tell(|| Event::ClientDisconnected { name: claim.name.clone(), id: self.id, reason, at: SystemTime::now() });
    }
}

const FINISHED: u64 = 0;
const LOST: u64 = 1;
/// It is not connected yet.
const ASKS: u64 = 2;
/// In front of a code.
const RESET: u64 = 1 << 32;

/// Why a stream does not go on that an operator ended.
#[cfg(feature = "admin")]
pub(super) fn barred() -> OpenError {
    OpenError::new(Code::Forbidden, "whoever runs the proxy ended this stream")
}

/// Whether it is the next connection of a stream that goes on.
#[cfg(all(feature = "admin", feature = "cluster"))]
pub(super) fn moves(open: &Open) -> bool {
    open.resume.as_deref().and_then(carrier) == Some(Deed::CarrierMove)
}

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

/// What a connection is to a stream that goes on over others: its first, or one that it moves to. What is only about one, to find a direct way, is neither.
fn carrier(resume: &RawValue) -> Option<Deed> {
    #[derive(Deserialize)]
    struct Said {
        id: Option<IgnoredAny>,
        join: Option<IgnoredAny>,
    }
    match serde_json::from_str(resume.get()) {
        Ok(Said { join: Some(_), .. }) => Some(Deed::CarrierMove),
        Ok(Said { id: Some(_), .. }) => Some(Deed::Resumable),
        _ => None,
    }
}

/// What to do about a server that lacks what an open needs.
fn unsupported(lacking: &str) -> OpenError {
    let said = match lacking {
        "seal" => {
            let other = "connect without a key and without `sealed`, if the proxy may read the bytes";
            format!("the server takes no sealed streams: start it with `sealed`, or {other}")
        }
        _ => format!("the server does not have {lacking:?}, which this open needs"),
    };
    OpenError::new(Code::Unsupported, said)
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
