//! For how long a peer is somebody who may have what lives by itself, such as a login elsewhere.

use std::time::Duration;

use tokio::time::Instant;

use super::Session;
use crate::token::Verb;

impl Session {
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
