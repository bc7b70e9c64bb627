//! What there is, as rows of tables: one for each session, name, stream, channel, room and member.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A peer that is connected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionRow {
    /// Its session's id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Its address, as the proxy sees it.
    pub address: Option<String>,
    /// Who it is, where the proxy asks.
    pub sub: Option<String>,
    /// Milliseconds since 1970.
    pub since_ms: u64,
    /// Between the last ping that was answered and its answer.
    pub rtt_ms: Option<f64>,
    /// Streams that are live, whoever opened them.
    pub streams: usize,
    /// Names that it holds.
    pub names: usize,
    /// Bytes of payload that came from it.
    pub received: u64,
    /// Bytes of payload that went to it.
    pub sent: u64,
    /// Bytes that wait to leave to it.
    pub queue: usize,
    /// What it calls itself.
    pub user_agent: Option<String>,
}

/// A name that is not free.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NameRow {
    /// Where that node is dead which had it: another one tells it in its place. In front of all others, by which [`merged`](super::merged) knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub node: Option<String>,
    /// The prefix and the name: what actions take.
    pub key: String,
    pub name: String,
    pub prefix: String,
    /// Whose it is; nobody's while its owner is away, or while it is reserved and free.
    #[schema(value_type = Option<String>)]
    pub session: Option<Uuid>,
    /// Milliseconds since 1970; nothing where nobody has it, and where the node is dead that had it.
    pub since_ms: Option<u64>,
    /// `listening`, `suspended` (its owner is away, or its node is dead, and it may come back) or `reserved` (nobody has it, and nobody gets it).
    pub state: &'static str,
    /// Nobody gets it who has not got it.
    pub reserved: bool,
    /// The number of its lease, if it has one.
    pub generation: Option<u64>,
    /// Who are connected to it.
    pub clients: usize,
    /// Bytes that clients sent to it.
    pub received: u64,
    /// Bytes that it sent to clients.
    pub sent: u64,
}

/// A stream.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StreamRow {
    /// The session and the number of the end that the proxy was asked at: `SESSION:NUMBER`.
    pub id: String,
    /// The session that opened it; nothing where the program did that the proxy runs in.
    #[schema(value_type = Option<String>)]
    pub opener: Option<Uuid>,
    /// The session that accepted it; nothing where the proxy did.
    #[schema(value_type = Option<String>)]
    pub acceptor: Option<Uuid>,
    /// The name that it is about: a server's, a channel's or a room's.
    pub name: Option<String>,
    /// The path that it was opened with; of a long one the beginning.
    pub path: String,
    /// Milliseconds since 1970.
    pub since_ms: u64,
    /// Bytes from the opener to the acceptor, the open included; none any more where it moved to a direct connection.
    pub received: u64,
    /// Bytes from the acceptor to the opener.
    pub sent: u64,
    /// Bytes that wait to leave, to either end.
    pub queue: usize,
    /// Whether its ends go on with it over other connections: one that went direct stays so here, and moves no bytes.
    pub resumable: bool,
    /// `stream`, `channel`, `room`, or `control` for what is about its peer.
    pub kind: &'static str,
}

/// A channel.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChannelRow {
    pub name: String,
    pub publishers: usize,
    pub subscribers: usize,
    /// Milliseconds since 1970.
    pub since_ms: u64,
    /// Bytes of messages that were published.
    pub received: u64,
    /// Bytes that subscribers have taken.
    pub sent: u64,
    /// Bytes that wait to leave, over all subscribers.
    pub queue: u64,
    /// What happens where a subscriber falls behind.
    pub policy: String,
}

/// A room.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RoomRow {
    pub name: String,
    pub members: usize,
    /// Those of them whose connections are there.
    pub live: usize,
    /// Milliseconds since 1970.
    pub since_ms: u64,
    /// Events that were sent in it.
    pub emits: u64,
}

/// A member of a room.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemberRow {
    /// Its id, which stays the same while it has its seat.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// The session of its newest connection.
    #[schema(value_type = String)]
    pub session: Uuid,
    /// What its profile calls it: its `alias`, `nickname` or `name`.
    pub alias: Option<String>,
    /// Whether its connection is there.
    pub live: bool,
    /// Milliseconds since 1970.
    pub since_ms: u64,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct EventRow {
    /// One more than the last one's.
    pub number: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// Such as `server.created`, `session.ended`, `room.created`, `admin.action`.
    pub kind: String,
    /// The rest, for people.
    pub text: String,
    /// The session that it is about.
    #[schema(value_type = Option<String>)]
    pub session: Option<Uuid>,
    /// The name, channel or room that it is about.
    pub name: Option<String>,
}

/// A row of a table: what it goes by, and the texts that are searched.
pub(super) trait Row: Serialize {
    /// No two rows of a table have the same.
    fn key(&self) -> String;

    /// What a person may look for.
    fn texts(&self) -> Vec<&str>;
}

impl Row for SessionRow {
    fn key(&self) -> String {
        self.id.to_string()
    }

    fn texts(&self) -> Vec<&str> {
        [&self.address, &self.sub, &self.user_agent].into_iter().flatten().map(String::as_str).collect()
    }
}

impl Row for NameRow {
    fn key(&self) -> String {
        self.key.clone()
    }

    fn texts(&self) -> Vec<&str> {
        vec![self.state]
    }
}

impl Row for StreamRow {
    fn key(&self) -> String {
        self.id.clone()
    }

    fn texts(&self) -> Vec<&str> {
        std::iter::once(self.path.as_str()).chain(self.name.as_deref()).chain([self.kind]).collect()
    }
}

impl Row for ChannelRow {
    fn key(&self) -> String {
        self.name.clone()
    }

    fn texts(&self) -> Vec<&str> {
        Vec::new()
    }
}

impl Row for RoomRow {
    fn key(&self) -> String {
        self.name.clone()
    }

    fn texts(&self) -> Vec<&str> {
        Vec::new()
    }
}

impl Row for MemberRow {
    fn key(&self) -> String {
        self.id.to_string()
    }

    fn texts(&self) -> Vec<&str> {
        self.alias.iter().map(String::as_str).collect()
    }
}
