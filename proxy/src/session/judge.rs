//! Asking the authorizer about a peer, and what its answer changes: at the start, by a new token, and when a token's time is over.

use std::sync::{Arc, atomic::Ordering};

use browser_stream_mux::{Code, End as Ended, StreamId};
use tokio::time::{Duration, Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Goodbye, Note, Phase, Session,
    authority::{Authority, Bearer},
    badge::{Badge, Question, Settled},
};
use crate::{
    counters::Refusal,
    error::OpenError,
    token::{Asking, Identity, Refused, Token},
};

/// Why a session ends whose peer is nobody any more.
const EXPIRED: &str = "unauthorized: the token expired";
const REVOKED: &str = "unauthorized: the token was revoked";
const UNKNOWN: &str = "unauthorized: no token that holds here came in time";
const OTHER: &str = "unauthorized: the new token is somebody else's";

/// Where something is taken back again and again while a token is judged, it is judged so often.
const ASKED_MAX: u32 = 3;

impl Session {
    /// Who the peer is, when something that needs a right is asked for: one that has said nothing is asked about as one without a token.
    pub(super) async fn known(self: &Arc<Self>) -> Result<(), OpenError> {
        let Some((badge, _)) = self.authority() else { return Ok(()) };
        if badge.is_settled() {
            return self.counted(badge.settled(Duration::ZERO).await.map(drop));
        }
        // A session stream that came before this one is looked at first.
        tokio::task::yield_now().await;
        if let Some(question) = badge.asks_first() {
            self.ask_about(question);
        }
        self.counted(badge.settled(self.process.limits.open_timeout).await.map(drop))
    }

    /// Who the peer says it is on its session stream; without a token, what is known already, or what is known of one without.
    pub(super) async fn introduce(self: &Arc<Self>, token: Option<Token>) -> Result<Option<Arc<Bearer>>, OpenError> {
        let Some((badge, authority)) = self.authority() else { return Ok(None) };
        if let Some(token) = token {
            // What it showed before is judged first: one session has one place in its quota.
            if badge.is_asking() {
                let _ = badge.settled(self.process.limits.open_timeout).await;
            }
            return self.counted(self.decide(badge, authority, badge.asks(token)).await.map(Some));
        }
        if let Some(question) = badge.asks_first() {
            self.ask_about(question);
        }
        self.counted(badge.settled(self.process.limits.open_timeout).await.map(Some))
    }

    /// The peer showed this before its first byte.
    pub(super) fn shown(self: &Arc<Self>, token: Token) {
        if let Some((badge, _)) = self.authority() {
            self.ask_about(badge.asks_shown(token));
        }
    }

    /// Closes it if its peer is nobody by the time when it has to be somebody.
    pub(super) fn is_to_be_known(&self) {
        let Some(most) = self.process.known_within.get().copied() else { return };
        let me = self.me.clone();
        let Some(over) = self.badge.as_ref().map(|badge| badge.over.clone()) else { return };
        tokio::spawn(async move {
            let is_late = over.run_until_cancelled(tokio::time::sleep(most)).await.is_some();
            if let Some(session) = me.upgrade().filter(|session| is_late && session.identity().is_none()) {
                session.process.counters.count(Refusal::EstablishTimeout);
                session.dismiss(UNKNOWN);
            }
        });
    }

    /// Puts that question to the authorizer, and sees to what it says.
    fn ask_about(self: &Arc<Self>, question: Question) {
        let session = self.clone();
        tokio::spawn(async move {
            let Some((badge, authority)) = session.authority() else { return };
            // Whoever opens something hears of it.
            let _ = session.decide(badge, authority, question).await;
        });
    }

    /// A new token in place of the one by which the peer is known.
    pub(super) async fn renew(self: &Arc<Self>, token: Token) {
        let Some((badge, authority)) = self.authority() else { return };
        match self.counted(self.decide(badge, authority, badge.asks(token)).await) {
            Ok(bearer) => self.say(&Note::with("renewed", bearer.told())),
            // What the peer is known by holds on for as long as it does.
            Err(error) => self.say(&Note::with("refused", serde_json::json!(error))),
        }
    }

    /// Ends the session if its peer is one of these.
    pub(crate) fn revoke(&self, is_meant: impl Fn(&Identity) -> bool) -> bool {
        let Some(badge) = &self.badge else { return false };
        if !badge.bearer().is_some_and(|bearer| is_meant(&bearer.identity)) {
            return false;
        }
        // Before its streams are lost: whoever sees to what they held keeps nothing for it.
        badge.is_revoked.store(true, Ordering::Release);
        let is_live = self.is_live();
        if is_live {
            self.dismiss(REVOKED);
        }
        is_live
    }

    /// Whether the peer is over because what it was known by was taken back.
    pub(crate) fn is_revoked(&self) -> bool {
        self.badge.as_ref().is_some_and(|badge| badge.is_revoked.load(Ordering::Acquire))
    }

    /// Who the peer is; `None` where nobody asks, or it is not known.
    pub fn identity(&self) -> Option<Identity> {
        Some(self.badge.as_ref()?.bearer()?.identity.clone())
    }

    fn authority(&self) -> Option<(&Badge, &Authority)> {
        self.badge.as_deref().zip(self.process.authority.get())
    }

    /// Asks the authorizer, and sees to what it says: who the peer is then, or why what it shows does not hold.
    async fn decide(self: &Arc<Self>, badge: &Badge, authority: &Authority, question: Question) -> Result<Arc<Bearer>, OpenError> {
        for _ in 0..ASKED_MAX {
            let asked = authority.revocations();
            let judged = self.judge(badge, authority, question.token.clone()).await;
            if let Some(settled) = self.settle(badge, &question, judged, (authority, asked)) {
                return settled;
            }
        }
        let none: Result<_, OpenError> = Err(Refused::Unavailable.into());
        self.settle(badge, &question, none.clone(), (authority, 0)).unwrap_or(none)
    }

    async fn judge(&self, badge: &Badge, authority: &Authority, token: Option<Token>) -> Result<Arc<Bearer>, OpenError> {
        let judging = async {
            badge.turn().await;
            authority.judge(Asking::new(token, self.remote, self.id)).await
        };
        // Whoever is gone needs no answer.
        let Some(identity) = badge.over.run_until_cancelled(judging).await else {
            return Err(OpenError::new(Code::Lost, "the session is over"));
        };
        authority.bearer(identity?, badge.bearer().as_deref()).map(Arc::new)
    }

    /// From now on the peer is this one, and has what that may have; one that shows somebody else's token is nobody. `None`: the authorizer is to be asked again.
    fn settle(
        self: &Arc<Self>,
        badge: &Badge,
        question: &Question,
        judged: Result<Arc<Bearer>, OpenError>,
        asked: (&Authority, u64),
    ) -> Option<Result<Arc<Bearer>, OpenError>> {
        let until = judged.as_ref().ok().and_then(|bearer| bearer.until);
        let ending = until.map(|until| self.ends(until));
        Some(match badge.settle(question, &judged, asked, ending) {
            Settled::Now(lost) => {
                lost.into_iter().for_each(|stream| self.forbid(stream));
                judged
            }
            Settled::Again => return None,
            Settled::Before(holds) => holds,
            Settled::Other => {
                self.dismiss(OTHER);
                Err(unauthorized(OTHER))
            }
        })
    }

    /// Asks for a new token in time, and ends the session when that of the peer is over.
    fn ends(self: &Arc<Self>, until: Instant) -> AbortOnDropHandle<()> {
        let (session, asks) = (Arc::downgrade(self), asks_for_more(Instant::now(), until));
        AbortOnDropHandle::new(tokio::spawn(async move {
            sleep_until(asks).await;
            let Some(peer) = session.upgrade() else { return };
            peer.say(&Note::with("token", milliseconds(until)));
            drop(peer);
            sleep_until(until).await;
            if let Some(peer) = session.upgrade() {
                peer.dismiss(EXPIRED);
            }
        }))
    }

    /// Closes the connection of one that is nobody any more.
    fn dismiss(&self, reason: &'static str) {
        {
            let mut state = self.state.lock();
            if state.phase != Phase::Live {
                return;
            }
            state.say(&Note::with("bye", Code::Unauthorized.as_str()));
            state.phase = Phase::Closing(Goodbye { code: 1008, reason });
        }
        if let Some(badge) = &self.badge {
            badge.close(unauthorized(reason));
        }
        self.wake.notify_one();
    }

    /// Ends a stream of the peer's for want of a right: whoever has it hears that as if the peer had reset it.
    fn forbid(&self, id: StreamId) {
        self.change(|state, _| {
            if let Some(cell) = state.mux.value_mut(id).and_then(|end| end.cell().cloned()) {
                cell.ended(Ended::Reset(Code::Forbidden.number()));
            }
            state.mux.reset(id, Code::Forbidden.number());
        });
    }

    /// Says something on the session stream, if the peer has one.
    fn say(&self, note: &Note) {
        self.change(|state, _| state.say(note));
    }
}

impl Bearer {
    /// Who the peer is, as it is told itself.
    pub(super) fn told(&self) -> serde_json::Value {
        let mut told = serde_json::Map::new();
        told.extend(self.identity.sub.as_ref().map(|sub| ("sub".to_owned(), sub.as_ref().into())));
        told.extend(self.until.map(|until| ("expires_ms".to_owned(), milliseconds(until).into())));
        told.into()
    }
}

fn unauthorized(reason: &'static str) -> OpenError {
    OpenError::new(Code::Unauthorized, reason.trim_start_matches("unauthorized: "))
}

fn milliseconds(until: Instant) -> u64 {
    u64::try_from(until.saturating_duration_since(Instant::now()).as_millis()).unwrap_or(u64::MAX)
}

/// When the peer is asked for a new token: after 80 % of its life, or a minute before its end if that is sooner, but not in the first half of it.
fn asks_for_more(now: Instant, until: Instant) -> Instant {
    let life = until.saturating_duration_since(now);
    now + life.mul_f64(0.8).min(life.saturating_sub(Duration::from_secs(60))).max(life / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_new_token_is_asked_for_in_time_and_not_at_once() {
        let now = Instant::now();
        for (life, asks) in [(3600, 2880), (300, 240), (100, 50), (250, 190), (40, 20), (0, 0)] {
            let until = now + Duration::from_secs(life);
            assert_eq!((asks_for_more(now, until) - now).as_secs(), asks, "of {life} s");
        }
    }
}
