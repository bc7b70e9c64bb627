//! Who the peer of a session is, where the proxy wants to know, and what it holds by right of that (PROTOCOL.md, section 7).

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicBool},
};

use browser_stream_mux::{Code, StreamId};
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Duration, Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    Session,
    authority::{Authority, Bearer},
};
use crate::{
    error::OpenError,
    token::{Refused, Token, Verb},
};

/// What is known of one peer.
#[derive(Default)]
pub(super) struct Badge {
    known: Mutex<Known>,
    /// Its standing is another.
    changed: Notify,
    /// Nobody needs to know any more.
    pub over: CancellationToken,
    /// What it was known by was taken back.
    pub is_revoked: AtomicBool,
}

#[derive(Default)]
struct Known {
    standing: Standing,
    /// A session stream is being answered.
    is_introduced: bool,
    /// The session closes, whatever is answered now.
    is_closed: bool,
    /// What it holds, and by which right; what it gives up is taken off.
    holds: HashMap<u64, Hold>,
    /// The number of the last hold, and of the last question to the authorizer.
    held: u64,
    asked: u64,
    judged_at: Option<Instant>,
    /// Sees to its end.
    ending: Option<AbortOnDropHandle<()>>,
}

/// A stream that is ended with a right.
struct Hold {
    stream: StreamId,
    verb: Verb,
    name: Arc<str>,
}

/// A question to the authorizer: of two answers the later question's counts.
pub(super) struct Question {
    number: u64,
    /// What the peer shows, if anything.
    pub token: Option<Token>,
    /// The peer hears of the answer by what it opens: where there is none yet, its next open has the same asked again.
    is_repeated: bool,
}

/// What is held by right, until it is given up: the session, and the number of it there.
pub(super) type Held = (Arc<Session>, u64);

#[derive(Clone, Default)]
enum Standing {
    /// Nobody has asked.
    #[default]
    Unasked,
    /// The authorizer is being asked.
    Asking,
    Is(Arc<Bearer>),
    Refused(OpenError),
    /// The authorizer had no answer about what the peer shows: it is asked again as soon as the peer opens something.
    Unjudged(OpenError, Option<Token>),
}

/// What an answer of the authorizer's comes to.
pub(super) enum Settled {
    /// It counts. What the peer holds and may not any more is to be ended.
    Now(Vec<StreamId>),
    /// It is about somebody else than the peer is.
    Other,
    /// It may be older than what was taken back since: the same is to be asked again.
    Again,
    /// It came too late to count: what holds is this.
    Before(Result<Arc<Bearer>, OpenError>),
}

/// An authorizer is asked at most so often about one session: signatures cost time.
const JUDGED_EVERY: Duration = Duration::from_millis(100);

impl Standing {
    /// What it is to one who asks now.
    fn told(&self) -> Result<Arc<Bearer>, OpenError> {
        match self {
            Self::Is(bearer) => Ok(bearer.clone()),
            Self::Refused(error) | Self::Unjudged(error, _) => Err(error.clone()),
            Self::Unasked | Self::Asking => Err(Refused::Unavailable.into()),
        }
    }
}

impl Known {
    fn asks(&mut self, token: Option<Token>, is_repeated: bool) -> Question {
        if !self.is_closed && !matches!(self.standing, Standing::Is(_)) {
            self.standing = Standing::Asking;
        }
        self.asked += 1;
        Question { number: self.asked, token, is_repeated }
    }

    fn holds(&mut self, session: &Session, hold: Hold) -> Option<Held> {
        let session = session.me.upgrade()?;
        self.held += 1;
        self.holds.insert(self.held, hold);
        Some((session, self.held))
    }
}

impl Badge {
    /// Whether it is known by now who the peer is.
    pub fn is_settled(&self) -> bool {
        matches!(self.known.lock().standing, Standing::Is(_) | Standing::Refused(_))
    }

    /// Who the peer is, as far as that is known.
    pub fn bearer(&self) -> Option<Arc<Bearer>> {
        match &self.known.lock().standing {
            Standing::Is(bearer) => Some(bearer.clone()),
            _ => None,
        }
    }

    /// A session stream is to be answered; false if one is being answered already.
    pub fn introduce(&self) -> bool {
        !std::mem::replace(&mut self.known.lock().is_introduced, true)
    }

    /// It is answered, or refused.
    pub fn introduced(&self) {
        self.known.lock().is_introduced = false;
    }

    /// Whether the authorizer is being asked about one who is nobody yet.
    pub fn is_asking(&self) -> bool {
        matches!(self.known.lock().standing, Standing::Asking)
    }

    /// The authorizer is asked from now on about what the peer shows on its session stream. Opens wait for what it says, unless the peer is known: that holds on
    /// meanwhile.
    pub fn asks(&self, token: Token) -> Question {
        self.known.lock().asks(Some(token), false)
    }

    /// The same about what it showed before its first byte.
    pub fn asks_shown(&self, token: Token) -> Question {
        self.known.lock().asks(Some(token), true)
    }

    /// The same about one that is there without, or about whom there was no answer; `None` if there was, or the authorizer is being asked.
    pub fn asks_first(&self) -> Option<Question> {
        let mut known = self.known.lock();
        let token = match &known.standing {
            Standing::Unasked => None,
            Standing::Unjudged(_, token) => token.clone(),
            _ => return None,
        };
        Some(known.asks(token, true))
    }

    /// Resolves when the authorizer may be asked once more.
    pub async fn turn(&self) {
        let due = {
            let mut known = self.known.lock();
            let now = Instant::now();
            let due = known.judged_at.map(|at| at + JUDGED_EVERY).filter(|due| *due > now);
            known.judged_at = Some(due.unwrap_or(now));
            due
        };
        if let Some(due) = due {
            tokio::time::sleep_until(due).await;
        }
    }

    /// The authorizer, which was `asked` when so often something had been taken back, has answered that question. Who is known stays known where the answer is no:
    /// for as long as its own token holds, and as the same one.
    pub fn settle(
        &self,
        question: &Question,
        judged: &Result<Arc<Bearer>, OpenError>,
        (authority, asked): (&Authority, u64),
        ending: Option<AbortOnDropHandle<()>>,
    ) -> Settled {
        let lost = {
            let mut known = self.known.lock();
            if known.asked != question.number {
                return Settled::Before(known.standing.told());
            }
            match (judged, &known.standing) {
                // Under the lock: who takes back sees either this here, or is seen by it.
                (Ok(_), _) if authority.revocations() != asked => return Settled::Again,
                (Err(_), Standing::Is(_)) => return Settled::Now(Vec::new()),
                (Ok(new), Standing::Is(old)) if old.identity.sub.is_some() && old.identity.sub != new.identity.sub => {
                    return Settled::Other;
                }
                _ => {}
            }
            let may = |hold: &Hold| judged.as_ref().is_ok_and(|bearer| bearer.identity.rights.allow(hold.verb, &hold.name));
            let lost = known.holds.values().filter(|hold| !may(hold)).map(|hold| hold.stream).collect();
            known.ending = ending;
            known.standing = match judged.clone() {
                Ok(bearer) => Standing::Is(bearer),
                Err(error) if question.is_repeated && [Code::Busy, Code::Timeout].iter().any(|code| error.is(*code)) => {
                    Standing::Unjudged(error, question.token.clone())
                }
                Err(error) => Standing::Refused(error),
            };
            lost
        };
        self.changed.notify_waiters();
        Settled::Now(lost)
    }

    /// The session closes: nothing more is allowed, and what is held goes with it.
    pub fn close(&self, why: OpenError) {
        {
            let mut known = self.known.lock();
            known.asked += 1;
            known.is_closed = true;
            known.standing = Standing::Refused(why);
        }
        self.changed.notify_waiters();
        self.over.cancel();
    }

    /// Who the peer is, as soon as that is known. Cancel-safe.
    pub async fn settled(&self, most: Duration) -> Result<Arc<Bearer>, OpenError> {
        let settled = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                match &self.known.lock().standing {
                    Standing::Unasked | Standing::Asking => {}
                    standing => return standing.told(),
                }
                changed.await;
            }
        };
        let late = |_| OpenError::new(Code::Timeout, "the token could not be judged in time: try again");
        timeout(most, settled).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
    }

    /// What the peer is to one who asks now.
    pub fn told(&self) -> Result<Arc<Bearer>, OpenError> {
        self.known.lock().standing.told()
    }

    /// Lets the peer do this if it may; a stream that `holds` something by that is ended with the right.
    pub fn lets(
        &self,
        session: &Session,
        verb: Verb,
        name: &str,
        holds: Option<StreamId>,
    ) -> Result<(Arc<Bearer>, Option<Held>), OpenError> {
        let mut known = self.known.lock();
        let bearer = known.standing.told()?;
        bearer.may(verb, name)?;
        let held = holds.and_then(|stream| known.holds(session, Hold { stream, verb, name: name.into() }));
        Ok((bearer, held))
    }

    /// It is held no more.
    pub fn gives_up(&self, number: u64) {
        self.known.lock().holds.remove(&number);
    }
}
