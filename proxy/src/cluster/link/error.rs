//! Why there is no link.

use std::io;

use uuid::Uuid;

/// Why two nodes have no link; the text is for whoever runs them, and says what to do.
///
/// See [`Links`](super::Links).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The connection cannot be made, or broke.
    #[error("{0}; check that nodes reach one another at --cluster-address")]
    Io(#[from] io::Error),
    /// TLS cannot be had.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The other side does not speak this protocol, or another version of it.
    #[error("that is no node of a cluster, or one of another version of bss")]
    Protocol,
    /// It did not come about in time.
    #[error("no link in time; check that nodes reach one another at --cluster-address")]
    Late,
    /// The other side ended it where its proof should be.
    #[error("the other side hung up instead of showing who it is: do all nodes have the same --cluster-secret?")]
    HungUp,
    /// The other side does not have the secret, or is not the one that the connection ends at.
    #[error("the other side does not have the cluster's secret: give all nodes the same --cluster-secret")]
    Secret,
    /// Another node answers there than was meant.
    #[error("node {} was meant, and {} answers: do two nodes have the same --cluster-address?", meant.simple(), found.simple())]
    Other {
        /// The one that was dialed.
        meant: Uuid,
        /// The one that is there.
        found: Uuid,
    },
    /// A node dials itself.
    #[error("a node was to dial itself")]
    Itself,
    /// The process goes down.
    #[error("the proxy goes down")]
    Over,
}
