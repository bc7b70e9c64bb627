//! The proxy as one of several: its names are those of all, streams go from node to node, and what is said to many is heard at all of them.

use std::sync::{Arc, OnceLock};
#[cfg(feature = "admin")]
use std::{collections::BTreeMap, sync::Weak};

use browser_stream_mux::{Code, Stream};
use browser_stream_protocol::channel::Accepted;
use futures::{FutureExt, future::BoxFuture};
use tokio::{net::TcpListener, time::timeout};
use uuid::Uuid;

use super::proxy::Proxy;
#[cfg(feature = "admin")]
use super::{
    admin::{ForNodes, PATH_OF_NODES},
    proxy::Inner,
};
#[cfg(feature = "admin")]
use crate::{cluster::NodeId, session::Session};
use crate::{
    cluster::{Bus, LinkError, Links, Node, Post, Secret, Timing},
    error::OpenError,
    feature::channel::Ways,
    route::{Name, StreamRouter},
    session::Open,
};

/// What makes a proxy one of several, once it is.
pub(super) type Seat = Arc<OnceLock<Membership>>;

/// What makes a proxy one of several.
pub(super) struct Membership {
    node: Node,
    secret: Secret,
    links: Links,
    post: OnceLock<Post>,
    #[cfg(feature = "admin")]
    proxy: Weak<Inner>,
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
        let membership = Membership {
            node,
            secret,
            links,
            post: OnceLock::new(),
            #[cfg(feature = "admin")]
            proxy: Arc::downgrade(&self.inner),
        };
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
    #[cfg(feature = "admin")]
    let router = router.route_of_nodes(PATH_OF_NODES, ForNodes::new(&seat));
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
    #[cfg(feature = "admin")]
    pub(super) fn proxy(&self) -> Option<Arc<Inner>> {
        self.proxy.upgrade()
    }

    /// The process of this node, which is the same in all of its lives.
    #[cfg(feature = "admin")]
    pub(super) fn process(&self) -> Uuid {
        self.node.id().process
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

/// A write is given up after 2 s.
const LEAVE_MAX: std::time::Duration = std::time::Duration::from_secs(3);
