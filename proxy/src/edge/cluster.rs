//! The proxy as one of several: its names are those of all, streams go from node to node, and what is said to many is heard at all of them.

#[cfg(feature = "admin")]
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};

use browser_stream_mux::{Code, Stream};
use browser_stream_protocol::channel::Accepted;
use futures::{FutureExt, future::BoxFuture};
use subtle::ConstantTimeEq;
use tokio::{net::TcpListener, time::timeout};
use uuid::Uuid;

#[cfg(feature = "admin")]
use super::admin;
use super::{
    over_http,
    proxy::{Inner, Proxy},
};
use crate::{
    cluster::{Bus, LinkError, Links, Node, NodeId, Post, Secret, Timing},
    error::OpenError,
    feature::channel::Ways,
    route::{Name, StreamRouter},
    session::{Open, Session},
};

/// What makes a proxy one of several, once it is.
pub(super) type Seat = Arc<OnceLock<Membership>>;

/// What makes a proxy one of several.
pub(super) struct Membership {
    node: Node,
    secret: Secret,
    links: Links,
    post: OnceLock<Post>,
    proxy: Weak<Inner>,
}

/// How another node is reached.
pub(super) enum Way {
    /// Over a link that there is.
    Link(Arc<Session>),
    /// Where the table says.
    Node(NodeId, Arc<str>),
}

/// How channels of other nodes are read: over the links with those.
struct OverLinks {
    node: Node,
    links: Links,
    /// The path there, without the name.
    path: String,
}

impl Proxy {
    /// The same as a node of a cluster, whose `secret` all of its nodes have: it has the names of all its prefixes in common with them, and goes where they are. To be called once,
    /// in a runtime and before it serves; then [`serve_cluster`](Self::serve_cluster) lets others in.
    ///
    /// # Errors
    /// The system has no randomness.
    #[doc(hidden)]
    pub fn with_cluster(self, node: Node, secret: Secret) -> Result<Self, LinkError> {
        let links = Links::new(&self.inner.sessions, node.id().process, secret.clone())?;
        for names in &self.inner.names {
            names.join(&node, &links);
        }
        self.inner.readiness.follows(node.clone());
        let membership = Membership { node, links, secret, post: OnceLock::new(), proxy: Arc::downgrade(&self.inner) };
        let _ = self.inner.membership.set(membership);
        Ok(self)
    }

    /// The same with its channels, its rooms and its swarm in common with those nodes that `bus` reaches. To be called once, behind [`with_cluster`](Self::with_cluster) and before
    /// it serves.
    #[doc(hidden)]
    #[must_use]
    pub fn with_bus(self, bus: Arc<dyn Bus>) -> Self {
        if let Some(Membership { node, secret, links, post, .. }) = self.inner.membership.get() {
            let post = post.get_or_init(|| Post::start(bus, node.id().process, Timing::default()));
            let channels = &self.inner.channels;
            channels.span(node, post, Arc::new(OverLinks { node: node.clone(), links: links.clone(), path: channels.path_of_nodes() }));
            self.inner.rooms.span(post, secret);
            self.inner.tracker.span(post);
        }
        self
    }

    /// Serves the other nodes of its cluster until the proxy goes down.
    #[doc(hidden)]
    pub async fn serve_cluster(&self, listener: TcpListener) {
        if let Some(membership) = self.inner.membership.get() {
            let _ = self.inner.stop.run_until_cancelled(membership.links.serve(listener)).await;
        }
    }
}

/// Adds what other nodes ask for, from when the proxy has its seat among them.
pub(super) fn mount(router: StreamRouter) -> (StreamRouter, Seat) {
    let seat = Seat::default();
    let router = router.route_of_nodes(over_http::PATH_OF_NODES, over_http::ForNodes::new(&seat));
    #[cfg(feature = "admin")]
    let router = router.route_of_nodes(admin::PATH_OF_NODES, admin::ForNodes::new(&seat));
    (router, seat)
}

impl Membership {
    /// Whether the node may have names, how many nodes there are, and how many names all of them have.
    #[cfg(feature = "metrics")]
    pub(super) fn standing(&self) -> (bool, usize, usize) {
        let (nodes, names) = self.node.count();
        (self.node.is_in(), nodes, names)
    }

    /// The other nodes, by their ids, and where they are reached.
    #[cfg(feature = "admin")]
    pub(super) fn others(&self) -> BTreeMap<String, String> {
        self.node.others().into_iter().map(|(id, address)| (id.to_string(), address.to_string())).collect()
    }

    /// The proxy, as long as that is there.
    pub(super) fn proxy(&self) -> Option<Arc<Inner>> {
        self.proxy.upgrade()
    }

    /// The process of this node, which is the same in all of its lives.
    pub(super) fn process(&self) -> Uuid {
        self.node.id().process
    }

    /// Whether it knows which others there are.
    pub(super) fn is_in(&self) -> bool {
        self.node.is_in()
    }

    /// Where others reach it.
    #[cfg(feature = "admin")]
    pub(super) fn address(&self) -> Arc<str> {
        self.node.address()
    }

    /// The other nodes, each process once in its newest life, and where they are reached.
    #[cfg(feature = "admin")]
    pub(super) fn neighbours(&self) -> Vec<(NodeId, Arc<str>)> {
        let me = self.process();
        let newest: BTreeMap<Uuid, (NodeId, Arc<str>)> = {
            let mut others = self.node.others();
            others.sort_unstable_by_key(|(id, _)| *id);
            others.into_iter().filter(|(id, _)| id.process != me).map(|other| (other.0.process, other)).collect()
        };
        newest.into_values().collect()
    }

    /// The link with a node.
    #[cfg(feature = "admin")]
    pub(super) async fn link(&self, (id, address): &(NodeId, Arc<str>)) -> Result<Arc<Session>, OpenError> {
        self.links.to(*id, address).await
    }

    /// A mark of this node on something of its own: who has not the cluster's secret can neither make one nor see whose it is.
    pub(super) fn mark(&self, thing: Uuid) -> [u8; MARK_BYTES] {
        self.mark_of(self.process(), thing)
    }

    fn mark_of(&self, process: Uuid, thing: Uuid) -> [u8; MARK_BYTES] {
        let key = self.secret.derive(&[b"mark 1", process.as_bytes().as_slice(), thing.as_bytes()].concat());
        std::array::from_fn(|at| key[at])
    }

    /// The way to the node whose mark that is; `None` where it is of no other that there is.
    pub(super) fn marked(&self, thing: Uuid, mark: &[u8; MARK_BYTES]) -> Option<Way> {
        let is_of = |process: Uuid| bool::from(self.mark_of(process, thing).ct_eq(mark));
        // One that is out of the cluster has links and sessions still.
        if let Some((_, link)) = self.links.live().into_iter().find(|(process, _)| is_of(*process)) {
            return Some(Way::Link(link));
        }
        let newest = self.node.others().into_iter().filter(|(id, _)| is_of(id.process)).max_by_key(|(id, _)| *id);
        newest.map(|(id, address)| Way::Node(id, address))
    }

    /// The link that this way leads to.
    pub(super) async fn take(&self, way: Way) -> Result<Arc<Session>, OpenError> {
        match way {
            Way::Link(link) => Ok(link),
            Way::Node(id, address) => self.links.to(id, &address).await,
        }
    }

    /// What it told other nodes over the bus: parcels, their bytes, and parcels that were dropped.
    #[cfg(feature = "metrics")]
    pub(super) fn said(&self) -> [u64; 3] {
        self.post.get().map(Post::sent).unwrap_or_default()
    }

    /// Leaves its cluster: nobody has to wait to see that it is gone.
    pub(super) async fn end(&self) {
        let goes = async {
            if let Some(post) = self.post.get() {
                post.leave().await;
            }
        };
        let (left, ()) = tokio::join!(timeout(LEAVE_MAX, self.node.leave()), goes);
        if left.is_err() {
            tracing::warn!(
                "the cluster could not be told that this node goes: its names are free, or kept for their owners, when it is written off"
            );
        }
    }
}

impl Ways for OverLinks {
    fn read(&self, process: Uuid, name: &Name) -> BoxFuture<'static, Result<(Accepted, Stream), OpenError>> {
        // Who is there says so on the bus before the table tells of it, and after.
        let found = self.node.others().into_iter().find(|(id, _)| id.process == process);
        let (links, path) = (self.links.clone(), format!("{}/{}", self.path, name.segment()));
        async move {
            let (id, address) = found.ok_or_else(|| OpenError::new(Code::Unresponsive, "the table does not tell where that node is"))?;
            links.to(id, &address).await?.ask_node(&Open::to(path), None).await
        }
        .boxed()
    }
}

/// Too many to be guessed.
pub(super) const MARK_BYTES: usize = 16;
/// A write is given up after 2 s.
const LEAVE_MAX: std::time::Duration = std::time::Duration::from_secs(3);
