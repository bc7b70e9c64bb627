//! Sessions with other nodes of the cluster, among those with peers.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, Weak},
};

use browser_stream_mux::Role;

use super::{Process, Session, Sessions, node::Party, transport::Transport};
use crate::counters::Refusal;

impl Sessions {
    /// The same set, for who must not keep it.
    pub(crate) fn weak(&self) -> Weak<Process> {
        Arc::downgrade(&self.process)
    }

    /// That set, while somebody keeps it.
    pub(crate) fn of(process: &Weak<Process>) -> Option<Self> {
        Some(Self { process: process.upgrade()? })
    }

    /// One more refusal.
    pub(crate) fn count(&self, refusal: Refusal) {
        self.process.counters.count(refusal);
    }

    /// A session with the other node `agent`, on which this one has that side of the mux: it takes streams from now on, and is served for as long as the future is polled.
    pub(crate) fn link<T: Transport>(
        &self,
        transport: T,
        remote: Option<SocketAddr>,
        (agent, role): (Box<str>, Role),
    ) -> (Arc<Session>, impl Future<Output = ()> + Send + use<T>) {
        let session = self.session_of(remote, Some(agent), Party::Node(role));
        (session.clone(), self.begin(transport, session, None))
    }
}
