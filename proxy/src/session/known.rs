//! What is known of a peer: how far it is, and for how long it is somebody who may have what lives by itself, such as a login elsewhere.

use std::time::Duration;

use tokio::time::Instant;

use super::Session;
use crate::token::Verb;

impl Session {
    /// Asks the peer for a sign of life, so that soon it is known how far it is.
    pub(crate) fn ping(&self) {
        self.change(|state, _| state.mux.ping(Instant::now().into_std()));
    }

    /// How long the last ping to the peer and back took: one hop.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.state.lock().mux.rtt()
    }

    /// How long the peer may have what is for those who may do one of these with some name: no longer than what it is known by holds, nor than `most`. `None` if it may
    /// do none of them.
    pub(crate) fn lets_for(&self, verbs: &[Verb], most: Duration) -> Option<Duration> {
        let Some(badge) = &self.badge else { return Some(most) };
        let bearer = badge.bearer()?;
        let may = verbs.iter().any(|verb| !bearer.identity.rights.of(*verb).is_empty());
        let left = bearer.until.map_or(most, |until| until.saturating_duration_since(Instant::now()));
        may.then(|| left.min(most)).filter(|left| left.as_secs() > 0)
    }
}
