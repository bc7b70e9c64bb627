//! What whoever runs the proxy asks of its sessions: how much they move, and whether somebody may know.

use std::net::SocketAddr;

use browser_stream_mux::Counts;
use uuid::Uuid;

use super::Sessions;
use crate::{
    error::OpenError,
    token::{Asking, Identity, Token},
};

/// What sessions moved so far, and what they hold at this moment.
#[derive(Default)]
pub(crate) struct Traffic {
    pub counts: Counts,
    /// Those of peers.
    pub sessions: usize,
    /// Streams that are live, each of which has an end at two sessions as a rule.
    pub streams: usize,
    /// Streams that peers opened.
    pub opened: usize,
    /// Bytes that wait to leave.
    pub queued: usize,
}

impl Sessions {
    /// Has the authorizer say who shows this outside of any session, in the turn that sessions have; `None` where there is no authorizer.
    pub(crate) async fn judge(&self, token: Token, remote: Option<SocketAddr>) -> Option<Result<Identity, OpenError>> {
        let authority = self.process.authority.get()?;
        Some(authority.judge(Asking::new(Some(token), remote, Uuid::nil())).await)
    }

    /// All that went over these sessions so far, over those that are over, too, and what their peers have open and queued.
    pub(crate) fn traffic(&self) -> Traffic {
        let mut traffic = Traffic::default();
        let past = self.process.past.lock();
        traffic.counts = *past;
        for session in &self.process.live {
            let state = session.state.lock();
            traffic.counts += state.mux.counts();
            traffic.streams += state.mux.len();
            traffic.queued += state.mux.queued();
            // What another node opened here a peer opened there.
            if !session.is_node() {
                traffic.opened += state.mux.opened_by_peer();
                traffic.sessions += 1;
            }
        }
        traffic
    }
}
