//! A stream that a peer opened and that nobody has answered yet.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use browser_stream_mux::{Code, FrameError, Stream, StreamError};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serde::{Serialize, de::DeserializeOwned};
use tracing::{Instrument, Span, field};
use uuid::Uuid;

use super::{
    Begun, Frame, Open, Permit, Reply, Session, Watch,
    ask::{self, Behind},
    control,
    effect::{Effects, Fresh},
    encode,
};
use crate::{
    counters::Refusal,
    error::{OpenError, RefusalCode},
    token::Verb,
};

/// The path of the stream that carries a session's own notes.
const SESSION_PATH: &str = "/session";

/// A stream that a peer opened: answer it with [`accept`](Self::accept) or [`refuse`](Self::refuse).
///
/// Dropped without an answer it is reset `cancelled`, and `internal` by a panic.
///
/// ```
/// use browser_stream_server::{Code, OpenError, Opening, StreamRouter};
///
/// async fn lengths(opening: Opening) {
///     let Some(name) = opening.meta::<String>() else {
///         return opening.refuse(OpenError::new(Code::BadRequest, "say in `meta` what it is called")).await;
///     };
///     let (mut stream, mut bytes) = (opening.accept(), 0);
///     while let Ok(Some(chunk)) = stream.read_chunk().await {
///         bytes += chunk.len();
///     }
///     println!("{name}: {bytes} bytes");
/// }
///
/// let router = StreamRouter::new().route("/lengths", lengths);
/// ```
#[must_use = "the peer waits for an answer"]
pub struct Opening {
    session: Arc<Session>,
    stream: Stream,
    open: Open,
}

impl Opening {
    /// What the peer said.
    pub fn open(&self) -> &Open {
        &self.open
    }

    /// What the peer wants the acceptor to know, as a value; `None` if it said nothing or something of another shape.
    pub fn meta<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.open.meta.as_ref()?.get()).ok()
    }

    /// The session of the peer that opened the stream.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Lets the peer do this if it may, and for as long: with the right the stream ends. What it returns is its place in a quota.
    pub(crate) fn permit(&self, verb: Verb, name: &str) -> Result<Permit, OpenError> {
        self.session.permit_to_hold(verb, name, self.stream.id())
    }

    /// Lets it do what is not about its name, where the peer has the right `admin` for that; with the right the stream ends.
    pub(crate) fn permit_beside(&self, of: &str) -> Option<Permit> {
        self.session.permit_beside(of, self.stream.id())
    }

    /// Takes the stream under a fresh id; what the peer sent right behind its open comes out first.
    pub fn accept(self) -> Stream {
        self.accept_as(&Reply::accept(Uuid::new_v4().to_string()))
    }

    fn accept_as(self, reply: &impl Serialize) -> Stream {
        let mut stream = self.stream;
        self.session.answered(&stream);
        self.session.process.counters.accepted();
        stream.write_reply(&encode(reply));
        stream
    }

    /// Takes the stream with this reply; what the peer sent right behind its open comes out first.
    pub(crate) fn accept_with(self, reply: &impl Serialize) -> Stream {
        self.accept_as(reply)
    }

    /// Takes the stream with this reply, and the peer's session may go while it is open: what is said on it is about the peer, not for it.
    pub(crate) fn accept_aside(self, reply: &impl Serialize) -> Stream {
        self.session.set_aside(&self.stream);
        self.accept_as(reply)
    }

    /// Resolves when the peer gave the stream up, or has no more to say on it. Cancel-safe.
    pub(crate) async fn given_up(&mut self) {
        self.stream.peer_done().await;
    }

    /// Resolves when the peer gave the stream up or is gone; what it had to say may well be over before. Cancel-safe.
    pub(crate) async fn stopped(&self) {
        self.stream.stopped().await;
    }

    /// Refuses the stream: the peer gets the error, then the end. Resolves when the stream is gone, at most the linger time later.
    pub async fn refuse(self, error: OpenError) {
        refuse(&self.session, self.stream, error).await;
    }

    /// The parts, for who answers by hand.
    pub(crate) fn into_parts(self) -> (Arc<Session>, Stream, Open) {
        (self.session, self.stream, self.open)
    }
}

/// A stream whose open is here as a whole, as long as nothing waits for anything.
pub struct Beginning<'a> {
    open: &'a Open,
    behind: &'a mut Behind,
    then: &'a mut Effects,
}

impl<'a> Beginning<'a> {
    pub(crate) fn open(&self) -> &'a Open {
        self.open
    }

    /// Whether nothing is left to ask about its peer.
    #[inline]
    pub(crate) fn is_known(&self) -> bool {
        self.behind.session().badge.as_ref().is_none_or(|badge| badge.is_settled())
    }

    /// Whether another node passed it on.
    #[cfg(feature = "cluster")]
    pub(crate) fn is_of_node(&self) -> bool {
        self.behind.session().is_node()
    }

    /// Opens a stream for it to the session that `asks` names, with the frame that it makes for the client's session. What comes of it is told to the third.
    pub(crate) fn ask(self, asks: impl FnOnce(&Session) -> Result<Ask, OpenError>) -> Begun {
        let Self { behind, then, .. } = self;
        let session = behind.session();
        let asked = session
            .admit(behind.id())
            .and_then(|()| asks(session))
            .and_then(|(server, frame, watch)| ask::ask(&server, &frame, behind, watch, then));
        asked.map_or_else(Begun::Refused, |()| Begun::Done)
    }
}

/// Which session is asked, with which frame, and who takes the answer.
pub(crate) type Ask = (Arc<Session>, Frame, Arc<dyn Watch>);

/// Answers a stream with an error, discards what still comes without crediting it, and lets go of it (PROTOCOL.md, section 3).
pub(crate) async fn refuse(session: &Arc<Session>, mut stream: Stream, error: OpenError) {
    let number = error.number();
    refusing(session, &error);
    session.gives_back(stream.id());
    stream.write_frame(&encode(&Reply::refuse(error)));
    let_go(session, stream, number).await;
}

/// Notes that an open is refused.
pub(super) fn refusing(session: &Session, error: &OpenError) {
    tracing::debug!(session = %session.id, code = %error.code, "open refused");
    session.process.counters.refused(error.code);
    if error.is(Code::Draining) {
        session.count(Refusal::Draining);
    }
}

/// The rest of a refusal, behind the error.
pub(super) async fn let_go(session: &Arc<Session>, mut stream: Stream, number: u32) {
    session.answered(&stream);
    stream.finish();
    session.discard(&stream);
    // A reset would take the error with it, so it is for those alone that go on as if nothing had been said.
    if tokio::time::timeout(session.process.limits.refused_linger, stream.peer_done()).await.is_err() {
        stream.reset(number);
    }
}

/// Reads the reply that the peer of `session` gives to an open of ours; a refusal of the peer's is a reply too, an error is the proxy's own word.
pub(crate) async fn reply(session: &Session, stream: &mut Stream) -> Result<Reply, OpenError> {
    read_reply(session, stream.peek_frame(session.open_bytes_max()).await)
}

/// The same for what was read where the reply should be.
pub(super) fn read_reply(session: &Session, read: Result<Bytes, FrameError>) -> Result<Reply, OpenError> {
    let internal = |why| {
        session.count(Refusal::BadReply);
        Err(OpenError::new(Code::Internal, why))
    };
    let body = match read {
        Ok(body) => body,
        Err(FrameError::TooLong(_)) => return internal("the server's reply is too long"),
        Err(FrameError::Finished) => {
            return internal("the server ended the stream without a reply");
        }
        Err(FrameError::Stream(StreamError::Lost)) => {
            return Err(OpenError::new(Code::Unresponsive, "the server went away before it answered"));
        }
        Err(FrameError::Stream(StreamError::Reset(number))) => {
            return Err(OpenError { code: refusal(session, number), message: "the server reset the stream before it answered".into() });
        }
        Err(FrameError::Stream(StreamError::Finished)) => {
            return internal("the stream was finished before it was answered");
        }
    };
    session.parse_reply(&body).or_else(|_| internal("the server's reply is malformed"))
}

/// The reply to an open of ours did not come in time.
pub(crate) fn late(session: &Session) -> OpenError {
    session.count(Refusal::ReplyTimeout);
    OpenError::new(Code::Timeout, "the server did not answer in time: its page may be frozen")
}

/// What a reset instead of a reply refuses with: the application's own code, else `busy`. A stock peer that has no room for a stream resets it without a code,
/// and a session that ends resets what it did not look at: both may be tried again. A node's code is the proxy's own.
fn refusal(session: &Session, number: u32) -> RefusalCode {
    match RefusalCode::from_number(number) {
        application @ RefusalCode::Application(_) => application,
        known if session.is_node() => known,
        RefusalCode::Known(_) => Code::Busy.into(),
    }
}

/// The streams of one session that are being answered, polled by its reading task: what many of them say leaves together.
#[derive(Default)]
pub(super) struct Openings(Option<FuturesUnordered<BoxFuture<'static, ()>>>);

impl Openings {
    /// Hands a stream to whoever takes it, once its open is here.
    pub fn add(&mut self, session: &Arc<Session>, fresh: Fresh, then: &mut Effects) {
        let span = tracing::debug_span!("stream", id = fresh.id(), path = field::Empty);
        let (stream, open) = match fresh {
            Fresh::Part(id, cell) => (Stream::new(id, cell, session.clone()), None),
            Fresh::Whole(body, mut behind) => {
                let begun = span.in_scope(|| begin(session, &body, &mut behind, then));
                let Some(open) = begun else { return };
                let Some(stream) = behind.into_stream(body.len()) else { return };
                (stream, Some(open))
            }
        };
        let (session, number) = (session.clone(), session.id);
        let answering = async move {
            // A panic in a route ends its stream (reset `internal` as it unwinds) and nothing else.
            if AssertUnwindSafe(answer(session, stream, open)).catch_unwind().await.is_err() {
                tracing::error!(session = %number, "a route panicked; its stream was reset");
            }
        };
        // Room for a span only where there is one.
        self.0.get_or_insert_default().push(if span.is_disabled() { answering.boxed() } else { answering.instrument(span).boxed() });
    }

    /// Goes on with those that can.
    pub fn poll(&mut self, cx: &mut Context<'_>) {
        let Some(openings) = &mut self.0 else { return };
        while let Poll::Ready(Some(())) = openings.poll_next_unpin(cx) {}
        if openings.is_empty() {
            self.0 = None;
        }
    }

    /// The session is over: those that are left find that out in a task of their own.
    pub fn abandon(&mut self) {
        if let Some(mut left) = self.0.take() {
            tokio::spawn(async move { while left.next().await.is_some() {} });
        }
    }
}

/// What an open that is here as a whole asks for, or why it is refused; `None` if that is seen to already.
fn begin(session: &Arc<Session>, body: &Bytes, behind: &mut Behind, then: &mut Effects) -> Option<Result<Open, Refused>> {
    let process = &session.process;
    match session.parse_open(body).inspect(told) {
        Ok(open) if open.path == SESSION_PATH || goes_down(session) => Some(Ok(open)),
        Ok(open) => match process.opens.at_once(Beginning { open: &open, behind, then }) {
            Begun::Done => None,
            Begun::Later => Some(Ok(open)),
            Begun::Refused(error) => Some(Err((None, error))),
        },
        Err(error) => Some(Err((Some(Refusal::BadOpen), error))),
    }
}

/// Whether opens are refused since the process goes down. Those of other nodes are not: a name is to be reached until its owner has taken it elsewhere.
fn goes_down(session: &Session) -> bool {
    session.process.draining.load(Ordering::Relaxed) && !session.is_node()
}

/// Says in the stream's span what it is for, escaped: no peer writes lines of its own into the log.
fn told(open: &Open) {
    if tracing::enabled!(tracing::Level::DEBUG) {
        Span::current().record("path", field::debug(&open.path));
    }
}

/// Why a stream is refused, and what that counts as.
type Refused = (Option<Refusal>, OpenError);

/// Reads the open of a stream, of which less than all was here.
async fn read_open(session: &Session, stream: &mut Stream) -> Result<Result<Open, Refused>, StreamError> {
    let limits = &session.process.limits;
    let bad = |why: String| Ok(Err((Some(Refusal::BadOpen), OpenError::new(Code::BadRequest, why))));
    match tokio::time::timeout(limits.open_timeout, stream.peek_frame(session.open_bytes_max())).await {
        Ok(Ok(body)) => Ok(session.parse_open(&body).inspect(told).map_err(|error| (Some(Refusal::BadOpen), error))),
        Ok(Err(FrameError::TooLong(length))) => bad(format!("open: {length} bytes, at most {} are taken", session.open_bytes_max())),
        Ok(Err(FrameError::Finished)) => bad("open: the stream ended before its open did".into()),
        Ok(Err(FrameError::Stream(error))) => Err(error),
        Err(_) => {
            let why = format!("open: not complete after {} s", limits.open_timeout.as_secs());
            Ok(Err((Some(Refusal::OpenTimeout), OpenError::new(Code::BadRequest, why))))
        }
    }
}

async fn answer(session: Arc<Session>, mut stream: Stream, open: Option<Result<Open, Refused>>) {
    let open = match open {
        Some(open) => open,
        None => match Box::pin(read_open(&session, &mut stream)).await {
            Ok(open) => open,
            // Nobody is left who waits for an answer.
            Err(_) => return,
        },
    };
    if let Ok(open) = &open {
        session.called(stream.id(), &open.path);
    }
    // What few streams need lies in boxes, so that all have room for little.
    match open {
        Ok(open) if open.path == SESSION_PATH => Box::pin(control::serve(session, stream, open)).await,
        Ok(_) if goes_down(&session) => {
            let error = OpenError::new(Code::Draining, "the proxy goes down: try again on a new connection");
            Box::pin(refuse(&session, stream, error)).await;
        }
        Ok(open) => {
            if session.badge.is_some()
                && let Err(error) = Box::pin(session.known()).await.and_then(|()| session.admit(stream.id()))
            {
                return Box::pin(refuse(&session, stream, error)).await;
            }
            session.process.opens.clone().opened(Opening { session, stream, open }).await
        }
        Err((refusal, error)) => {
            if let Some(refusal) = refusal {
                session.count(refusal);
            }
            Box::pin(refuse(&session, stream, error)).await;
        }
    }
}
