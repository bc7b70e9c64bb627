//! A stream that a peer opened and that nobody has answered yet.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use browser_stream_mux::{Cell, Code, FrameError, Stream, StreamId};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{Open, Reply, Session, control, encode};
use crate::{
    error::{OpenError, RefusalCode},
    refusals::Refusal,
};

/// The path of the stream that carries a session's own notes.
const SESSION_PATH: &str = "/session";

/// A stream that a peer opened: answer it with [`accept`](Self::accept) or [`refuse`](Self::refuse).
///
/// Dropped without an answer it is reset `cancelled`, and `internal` by a panic.
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

    /// Takes the stream under a fresh id; what the peer sent right behind its open comes out first.
    pub fn accept(self) -> Stream {
        self.accept_as(&Reply::accept(Uuid::new_v4().to_string()))
    }

    fn accept_as(self, reply: &impl Serialize) -> Stream {
        let mut stream = self.stream;
        self.session.answered(&stream);
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

    /// Refuses the stream: the peer gets the error, then the end. Resolves when the stream is gone, at most the linger time later.
    pub async fn refuse(self, error: OpenError) {
        refuse(&self.session, self.stream, error).await;
    }

    /// The parts, for who answers by hand.
    pub(crate) fn into_parts(self) -> (Arc<Session>, Stream, Open) {
        (self.session, self.stream, self.open)
    }
}

/// Answers a stream with an error, discards what still comes without crediting it, and lets go of it (PROTOCOL.md, section 3).
pub(crate) async fn refuse(session: &Arc<Session>, mut stream: Stream, error: OpenError) {
    tracing::debug!(session = %session.id, code = %error.code, "open refused");
    if error.is(Code::Draining) {
        session.count(Refusal::Draining);
    }
    let number = error.number();
    session.answered(&stream);
    stream.write_frame(&encode(&Reply::refuse(error)));
    stream.finish();
    session.discard(&stream);
    // A reset would take the error with it, so it is for those alone that go on as if nothing had been said.
    if tokio::time::timeout(session.process.limits.refused_linger, stream.peer_done()).await.is_err() {
        stream.reset(number);
    }
}

/// Reads the reply that the peer of `session` gives to an open of ours; a refusal of the peer's is a reply too, an error is the proxy's own word.
pub(crate) async fn reply(session: &Session, stream: &mut Stream) -> Result<Reply, OpenError> {
    let limits = &session.process.limits;
    let internal = |why| {
        session.count(Refusal::BadReply);
        Err(OpenError::new(Code::Internal, why))
    };
    let body = match stream.peek_frame(limits.open_bytes_max).await {
        Ok(body) => body,
        Err(FrameError::TooLong(_)) => return internal("the server's reply is too long"),
        Err(FrameError::Finished) => {
            return internal("the server ended the stream without a reply");
        }
        Err(FrameError::Stream(browser_stream_mux::StreamError::Lost)) => {
            return Err(OpenError::new(Code::Unresponsive, "the server went away before it answered"));
        }
        Err(FrameError::Stream(browser_stream_mux::StreamError::Reset(number))) => {
            return Err(OpenError { code: refusal(number), message: "the server reset the stream before it answered".into() });
        }
        Err(FrameError::Stream(browser_stream_mux::StreamError::Finished)) => {
            return internal("the stream was finished before it was answered");
        }
    };
    Reply::parse(&body, limits.open_depth_max).or_else(|_| internal("the server's reply is malformed"))
}

/// What a reset instead of a reply refuses with: the application's own code, else `busy`. A stock peer that has no room for a stream resets it without a code,
/// and a session that ends resets what it did not look at: both may be tried again.
fn refusal(number: u32) -> RefusalCode {
    match RefusalCode::from_number(number) {
        application @ RefusalCode::Application(_) => application,
        RefusalCode::Known(_) => Code::Busy.into(),
    }
}

/// The streams of one session that are being answered, polled by its reading task: what many of them say leaves together.
#[derive(Default)]
pub(super) struct Openings(Option<FuturesUnordered<BoxFuture<'static, ()>>>);

impl Openings {
    /// Reads the open of a stream and hands it to whoever takes it.
    pub fn add(&mut self, session: &Arc<Session>, id: StreamId, cell: Arc<Cell>) {
        let (session, number) = (session.clone(), session.id);
        let stream = Stream::new(id, cell, session.clone());
        self.0.get_or_insert_default().push(Box::pin(async move {
            // A panic in a route ends its stream (reset `internal` as it unwinds) and nothing else.
            if AssertUnwindSafe(answer(session, stream)).catch_unwind().await.is_err() {
                tracing::error!(session = %number, "a route panicked; its stream was reset");
            }
        }));
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

async fn answer(session: Arc<Session>, mut stream: Stream) {
    let limits = session.process.limits.clone();
    // Most opens are here as a whole: they need no timer.
    let read = match stream.peek_frame(limits.open_bytes_max).now_or_never() {
        Some(read) => Ok(read),
        None => tokio::time::timeout(limits.open_timeout, stream.peek_frame(limits.open_bytes_max)).await,
    };
    let bad = |why: String| (Refusal::BadOpen, OpenError::new(Code::BadRequest, why));
    let open = match read {
        Ok(Ok(body)) => Open::parse(&body, limits.open_depth_max).map_err(|error| (Refusal::BadOpen, error)),
        Ok(Err(FrameError::TooLong(length))) => Err(bad(format!("open: {length} bytes, at most {} are taken", limits.open_bytes_max))),
        Ok(Err(FrameError::Finished)) => Err(bad("open: the stream ended before its open did".into())),
        Ok(Err(FrameError::Stream(_))) => return,
        Err(_) => {
            let why = format!("open: not complete after {} s", limits.open_timeout.as_secs());
            Err((Refusal::OpenTimeout, OpenError::new(Code::BadRequest, why)))
        }
    };
    // What few streams need lies in boxes, so that all have room for little.
    match open {
        Ok(open) if open.path == SESSION_PATH => Box::pin(control::serve(session, stream, open)).await,
        Ok(_) if session.process.draining.load(Ordering::Relaxed) => {
            let error = OpenError::new(Code::Draining, "the proxy goes down: try again on a new connection");
            Box::pin(refuse(&session, stream, error)).await;
        }
        Ok(open) => session.process.opens.clone().opened(Opening { session, stream, open }).await,
        Err((refusal, error)) => {
            session.count(refusal);
            Box::pin(refuse(&session, stream, error)).await;
        }
    }
}
