//! What stands in the table: a row for each life of a node, and one for each name that is held.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One life of a node: a process that was written off, or could not renew in time, goes on as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId {
    /// The process.
    pub process: Uuid,
    /// Which of its lives.
    pub life: u32,
}

/// A name below its prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Of the [`StreamServerProxy`](crate::StreamServerProxy).
    pub prefix: Arc<str>,
    /// As text.
    pub name: Arc<str>,
}

/// A row of the table; `None` where there is none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A node.
    Node(NodeId, Option<NodeRow>),
    /// Who has a name.
    Name(Place, Option<NameRow>),
}

/// What a node says of itself, or others of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeRow {
    /// It is there.
    Alive {
        /// Where others of the cluster reach it.
        address: Arc<str>,
        /// It has heard of every change up to this number, and serves nothing that it lost by those.
        heard: u64,
        /// That it has the cluster's secret: see [`Secret::proof_of_row`](super::Secret).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<Arc<str>>,
    },
    /// It has stopped for good, or was written off: what it held is anybody's, when its time has come.
    Fenced,
}

/// Who has a name, and by what right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameRow {
    /// Where its owner is, or was.
    pub node: NodeId,
    /// What it is held by.
    pub title: Title,
    /// Whether its owner is there.
    pub state: State,
    /// Whoever comes by HTTP is let in, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub http: bool,
    /// Nodes from which its owner has moved, and that may not have heard of that: they may serve that owner still, so nobody else gets the name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<NodeId>,
    /// Its owner had the name before this was written: it goes on with what it had. Of another row it may be known that its claim was never granted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub had: bool,
    /// What holds where several nodes may have it at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
}

/// A name that is not one server's: every node that has it goes by the same terms, those of whoever had it first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// What they have agreed on, in words of their own.
    pub terms: Arc<str>,
    /// Whether others may have it beside the first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_open: bool,
    /// The other nodes that have it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<NodeId>,
}

/// What a name is held by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Title {
    /// The life of the server.
    pub instance: Uuid,
    /// How often that life has claimed: the highest wins.
    pub attempt: u64,
    /// The generation of its lease, if it has one: with it the name is kept for a while when its node is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Who that is, where the proxies ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<Arc<str>>,
}

/// Whether the owner of a name is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It serves.
    Up,
    /// Its session is gone, and may come back.
    Suspended,
}

impl NameRow {
    /// The nodes that have it, or had it: more than one only where it is shared.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        let also = self.share.iter().flat_map(|share| share.also.iter().copied());
        std::iter::once(self.node).chain(also)
    }

    /// Whether that node is one of them.
    pub fn is_at(&self, node: NodeId) -> bool {
        self.nodes().any(|id| id == node)
    }
}

impl Title {
    /// Whether this is the same life of the same server as `other`, by the same lease: then the later attempt has the name.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.instance == other.instance && self.sub == other.sub && self.generation.is_some() && self.generation == other.generation
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.process.simple(), self.life)
    }
}
