//! The session stream: what a peer says of itself first, and the notes of either side for as long as it stays open (PROTOCOL.md, section 7).

use std::{fmt, sync::Arc};

use browser_stream_mux::{Code, FrameError, Stream};
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::{Open, Session, State, authority::Bearer, encode, opening, parse};
use crate::{counters::Refusal, error::OpenError, token::Token};

/// What the proxy answers to `/session`.
#[derive(Serialize)]
struct Welcome {
    session: String,
    /// The process that answers, the same for all its sessions.
    node: String,
    capabilities: [&'static str; 0],
    limits: Told,
    /// Who the peer is, where the proxy asks.
    #[serde(flatten)]
    who: Option<serde_json::Value>,
}

/// The limits that a library does well to know.
#[derive(Serialize)]
struct Told {
    streams_per_session_max: usize,
    names_per_session_max: usize,
    open_bytes_max: usize,
}

/// A note, in either direction on any stream that carries notes.
#[derive(Serialize, Deserialize)]
pub struct Note {
    /// What it says.
    pub note: String,
    /// With what value, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
}

/// Without the value, which may be a token.
impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Note").field("note", &self.note).finish_non_exhaustive()
    }
}

impl Note {
    /// A note without a value.
    pub fn new(note: &str) -> Self {
        Self { note: note.to_owned(), value: None }
    }

    /// A note with this value.
    pub fn with(note: &str, value: impl Into<serde_json::Value>) -> Self {
        Self { note: note.to_owned(), value: Some(value.into()) }
    }
}

/// Answers the session stream and listens to the peer's notes until it ends.
pub(super) async fn serve(session: Arc<Session>, mut stream: Stream, mut open: Open) {
    tracing::debug!(library = open.library.as_deref().map(tracing::field::debug), "session stream");
    let bearer = match session.introduce_once(open.token.take()).await {
        Ok(bearer) => bearer,
        Err(error) => return opening::refuse(&session, stream, error).await,
    };
    if !session.welcome(&stream, bearer.as_deref()) {
        return opening::refuse(&session, stream, session.twice()).await;
    }
    let limits = &session.process.limits;
    loop {
        match stream.read_frame(limits.open_bytes_max).await {
            Ok(Some(body)) => match parse::<Note>(&body, limits.open_depth_max, "note") {
                Ok(Note { note, value: Some(serde_json::Value::String(token)) }) if note == "token" => {
                    session.renew(Token::new(token)).await
                }
                // The peer says that it goes: its connection's end tells the rest. Other notes belong to later versions.
                Ok(note) => tracing::debug!(note = ?note.note, "note"),
                Err(_) => break,
            },
            Ok(None) => return stream.finish(),
            Err(FrameError::Stream(_)) => return,
            Err(_) => break,
        }
    }
    session.count(Refusal::BadNote);
    stream.reset(Code::BadRequest.number());
}

impl State {
    /// Says something on the session stream, if the peer has one.
    pub(super) fn say(&mut self, note: &Note) {
        if let Some(id) = self.control {
            self.mux.send(id, frame(&encode(note)));
        }
    }

    /// Tells the peer, once for each, that it met with a bound of the proxy.
    pub(super) fn say_limit(&mut self, bound: Refusal) {
        let bit = 1_u128 << bound as u32;
        if self.control.is_some() && self.told & bit == 0 {
            self.told |= bit;
            self.say(&Note::with("limit", bound.name()));
        }
    }
}

impl Session {
    /// Who the peer is, unless there is another session stream, or one that is being answered.
    async fn introduce_once(self: &Arc<Self>, token: Option<Token>) -> Result<Option<Arc<Bearer>>, OpenError> {
        let Some(badge) = &self.badge else { return Ok(None) };
        if self.state.lock().control.is_some() || !badge.introduce() {
            return Err(self.twice());
        }
        let introduced = self.introduce(token).await;
        badge.introduced();
        introduced
    }

    fn twice(&self) -> OpenError {
        self.count(Refusal::BadOpen);
        OpenError::new(Code::BadRequest, "/session is open already: one per connection")
    }

    /// Answers on this session stream, unless there is another.
    fn welcome(&self, stream: &Stream, bearer: Option<&Bearer>) -> bool {
        let limits = &self.process.limits;
        let welcome = Welcome {
            session: self.id.to_string(),
            node: self.process.node.to_string(),
            capabilities: [],
            limits: Told {
                streams_per_session_max: limits.streams_per_session_max,
                names_per_session_max: limits.names_per_session_max,
                open_bytes_max: limits.open_bytes_max,
            },
            who: bearer.map(Bearer::told),
        };
        // Under one lock, so that no note stands before the reply.
        self.change(|state, effects| {
            // One that was given up by now must not stand in the way of the next.
            let live = state.mux.get(stream.id()).is_some();
            if live && *state.control.get_or_insert(stream.id()) != stream.id() {
                return false;
            }
            state.answered(stream.id());
            state.send(stream.id(), frame(&encode(&welcome)), effects);
            state.say_drain();
            true
        })
    }
}

/// A body with its length in front, as opens, replies and notes travel.
fn frame(body: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(2 + body.len());
    // Only our own short notes come here.
    frame.put_u16(body.len() as u16);
    frame.put_slice(body);
    frame.freeze()
}
