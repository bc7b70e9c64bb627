//! The proxy as one of several: its names are those of all, and streams go from node to node.

use tokio::{net::TcpListener, time::timeout};

use super::proxy::Proxy;
use crate::cluster::{LinkError, Links, Node, Secret};

/// What makes a proxy one of several.
pub(super) struct Membership {
    node: Node,
    links: Links,
}

impl Proxy {
    /// The same as a node of a cluster, whose `secret` all of its nodes have: it has the names of all its prefixes in common with them, and goes where they are. To be called once,
    /// in a runtime and before it serves; then [`serve_cluster`](Self::serve_cluster) lets others in.
    ///
    /// # Errors
    /// The system has no randomness.
    #[doc(hidden)]
    pub fn with_cluster(self, node: Node, secret: Secret) -> Result<Self, LinkError> {
        let links = Links::new(&self.inner.sessions, node.id().process, secret)?;
        for names in &self.inner.names {
            names.join(&node, &links);
        }
        self.inner.readiness.follows(node.clone());
        let _ = self.inner.membership.set(Membership { node, links });
        Ok(self)
    }

    /// Serves the other nodes of its cluster until the proxy goes down.
    #[doc(hidden)]
    pub async fn serve_cluster(&self, listener: TcpListener) {
        if let Some(membership) = self.inner.membership.get() {
            let _ = self.inner.stop.run_until_cancelled(membership.links.serve(listener)).await;
        }
    }
}

impl Membership {
    /// Whether the node may have names, how many nodes there are, and how many names all of them have.
    #[cfg(feature = "metrics")]
    pub(super) fn standing(&self) -> (bool, usize, usize) {
        let (nodes, names) = self.node.count();
        (self.node.is_in(), nodes, names)
    }

    /// Leaves its cluster: nobody has to wait to see that it is gone.
    pub(super) async fn end(&self) {
        if timeout(LEAVE_MAX, self.node.leave()).await.is_err() {
            tracing::warn!(
                "the cluster could not be told that this node goes: its names are free, or kept for their owners, when it is written off"
            );
        }
    }
}

/// A write is given up after 2 s.
const LEAVE_MAX: std::time::Duration = std::time::Duration::from_secs(3);
