//! A session with another node of the cluster: what it may that a peer may not, and what both say of a client (docs/cluster.md, section 5).
//!
//! Such a node has shown that it has the cluster's secret before the first byte came here, so its word counts as the proxy's own.

#[cfg(feature = "cluster")]
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "cluster")]
use browser_stream_mux::Stream;
use browser_stream_mux::{Code, Config, Role, StreamId};
use bytes::Bytes;
use rand::Rng;
use serde::Deserialize;
#[cfg(feature = "cluster")]
use tokio::time::timeout;
use uuid::Uuid;

#[cfg(feature = "cluster")]
use super::{Fields, Frame, opening};
use super::{Instance, Open, Peer, Permit, Reply, Session, State, open::parse};
use crate::{error::OpenError, limits::Limits};

/// What is at the other end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    /// A peer, that came.
    Peer,
    /// Another node of the cluster; which side of the mux this one is, says who dialed.
    #[cfg_attr(not(feature = "cluster"), expect(dead_code))]
    Node(Role),
}

/// Of which client a stream is, as its server is told.
pub(crate) struct Whose<'a> {
    pub id: Uuid,
    pub session: Uuid,
    pub sub: Option<&'a str>,
}

impl Party {
    pub fn is_node(self) -> bool {
        matches!(self, Self::Node(_))
    }

    pub fn role(self) -> Role {
        match self {
            Self::Peer => Role::Acceptor,
            Self::Node(role) => role,
        }
    }

    /// How the mux finds out that nobody is there any more.
    pub fn liveness(self, limits: &Limits) -> Config {
        let spread = rand::rng().random_range(0.8..1.2);
        let (ping_interval, silence_max) = match self {
            Self::Peer => (limits.ping_interval, limits.silence_max),
            Self::Node(_) => (NODE_PING, NODE_SILENCE_MAX),
        };
        // Silence alone decides: a peer under load may answer late, and whatever else it sends shows that it lives.
        Config { ping_interval: Some(ping_interval.mul_f64(spread)), ping_timeout: None, silence_max }
    }
}

impl Session {
    /// Whether another node of the cluster is at the other end.
    pub(crate) fn is_node(&self) -> bool {
        self.party.is_node()
    }

    /// Whose the stream is that came with this: what a node says of it, or what is known of the session itself, whatever a peer says.
    pub(crate) fn whose<'a>(&self, open: &'a Open, permit: &'a Permit) -> Whose<'a> {
        if self.is_node()
            && let Some(peer) = &open.peer
            && let (Some(Ok(id)), Ok(session)) = (open.id.as_deref().map(Uuid::parse_str), Uuid::parse_str(&peer.session))
        {
            return Whose { id, session, sub: peer.sub.as_deref() };
        }
        Whose { id: Uuid::new_v4(), session: self.id, sub: permit.sub().map(AsRef::as_ref) }
    }

    /// Bytes that an open or reply of the other end's may have.
    pub(super) fn open_bytes_max(&self) -> usize {
        open_bytes_max(self.party, &self.process.limits)
    }

    /// What the other end said when it opened a stream.
    pub(super) fn parse_open(&self, body: &Bytes) -> Result<Open, OpenError> {
        let depth_max = self.process.limits.open_depth_max;
        let mut open = Open::parse(body, depth_max)?;
        if self.is_node() {
            open.peer = Some(told(&open, parse(body, depth_max, "open")?)?);
        }
        Ok(open)
    }

    /// What the other end answered. Which life of a server that is, a node says.
    pub(super) fn parse_reply(&self, body: &Bytes) -> Result<Reply, OpenError> {
        #[derive(Deserialize)]
        struct Said {
            instance: Option<Instance>,
        }
        let depth_max = self.process.limits.open_depth_max;
        let mut reply = Reply::parse(body, depth_max)?;
        if self.is_node() {
            reply.instance = parse::<Said>(body, depth_max, "reply")?.instance;
        }
        Ok(reply)
    }
}

#[cfg(feature = "cluster")]
impl Session {
    /// Asks the node at the other end for something of its own, for whom `sub` is of this one's: what it answers, and the stream on which the rest comes.
    pub(crate) async fn ask_node<T: serde::de::DeserializeOwned>(
        self: &Arc<Self>,
        open: &Open,
        sub: Option<&str>,
    ) -> Result<(T, Stream), OpenError> {
        let mut stream = self.open_stream()?;
        let frame = passed_on(open, &Whose { id: Uuid::new_v4(), session: self.id, sub }, Duration::ZERO);
        stream.write_frame(&frame[LENGTH_BYTES..]);
        let limits = &self.process.limits;
        let read = timeout(limits.reply_timeout + NODE_MARGIN, stream.peek_frame(self.open_bytes_max())).await;
        let read = read.map_err(|_| opening::late(self))?;
        let body = read.clone().unwrap_or_default();
        opening::read_reply(self, read)?.error.map_or(Ok(()), Err)?;
        Ok((parse(&body, limits.open_depth_max, "reply")?, stream))
    }
}

impl State {
    /// Whether the proxy opened it.
    pub(super) fn is_ours(&self, id: StreamId) -> bool {
        id.is_multiple_of(2) == (self.party.role() == Role::Acceptor)
    }

    /// A rung of the ladder of queued bytes: higher for a node, behind which many peers are.
    pub(super) fn rung(&self, bytes: usize) -> usize {
        if self.party.is_node() { bytes.saturating_mul(NODE_COUNTS_AS) } else { bytes }
    }

    /// As [`Session::open_bytes_max`].
    pub(super) fn open_bytes_max(&self) -> usize {
        open_bytes_max(self.party, &self.process.limits)
    }

    /// How long the reply to an open of ours may take: at a node as long as it may wait for a name, and then for its server.
    pub(super) fn reply_timeout(&self) -> Duration {
        let limits = &self.process.limits;
        if self.party.is_node() { limits.wait_max + limits.reply_timeout + NODE_MARGIN } else { limits.reply_timeout }
    }
}

/// The open that another node is sent for a client of ours: what the client said, who it is, and how long it still waits.
#[cfg(feature = "cluster")]
pub(crate) fn passed_on(open: &Open, whose: &Whose<'_>, wait: Duration) -> Frame {
    Fields::new()
        .text("path", &open.path)
        .id("id", whose.id)
        .raw("meta", open.meta.as_deref())
        .number("wait", wait.as_millis())
        .texts("need", &open.need)
        .flag("http", open.http)
        .raw("resume", open.resume.as_deref())
        .raw("seal", open.seal.as_deref())
        .peer(whose.session, whose.sub)
        .frame()
}

fn open_bytes_max(party: Party, limits: &Limits) -> usize {
    limits.open_bytes_max + if party.is_node() { NODE_ADDS_BYTES } else { 0 }
}

/// What a node says beside what its client said.
#[derive(Deserialize)]
struct Told {
    peer: ToldPeer,
}

#[derive(Deserialize)]
struct ToldPeer {
    session: String,
    sub: Option<String>,
}

fn told(open: &Open, Told { peer }: Told) -> Result<Peer, OpenError> {
    let is_id = |text: &str| Uuid::parse_str(text).is_ok();
    if !open.id.as_deref().is_some_and(is_id) || !is_id(&peer.session) {
        return Err(OpenError::new(Code::BadRequest, "open: a node says whose it is by two ids"));
    }
    Ok(Peer { session: peer.session, sub: peer.sub })
}

/// In front of a frame.
#[cfg(feature = "cluster")]
const LENGTH_BYTES: usize = 2;
/// A link holds what so many sessions may.
const NODE_COUNTS_AS: usize = 8;
/// An id, a session, a subject (each of whose bytes may be escaped), the life of a server, how long to wait.
const NODE_ADDS_BYTES: usize = 2 * 1024;
/// On the way there and back.
const NODE_MARGIN: Duration = Duration::from_secs(2);
const NODE_PING: Duration = Duration::from_secs(4);
/// As long as others take to write a node off that says nothing.
const NODE_SILENCE_MAX: Duration = Duration::from_secs(15);
