//! Who the peer of a session is, where the proxy wants to know, and what it holds by right of that (PROTOCOL.md, section 7).

use std::{collections::HashMap, sync::Arc};

use browser_stream_mux::{Code, StreamId};
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Duration, Instant, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Session,
    subject::{Owned, Subject, Subjects, Thing},
};
use crate::{
    counters::Refusal,
    error::OpenError,
    token::{Authorizer, Identity, Refused, Verb},
};

/// Who decides, and how much everybody has.
pub(crate) struct Authority {
    pub(super) authorizer: Arc<dyn Authorizer>,
    subjects: Subjects,
}

/// What is known of one peer.
#[derive(Default)]
pub(super) struct Badge {
    known: Mutex<Known>,
    /// Its standing is another.
    changed: Notify,
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
    /// The number of the last hold, and of the last question to the authorizer: of two answers the later question's counts.
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

#[derive(Clone, Default)]
enum Standing {
    /// Nobody has asked.
    #[default]
    Unasked,
    /// The authorizer is being asked.
    Asking,
    Is(Arc<Bearer>),
    Refused(OpenError),
}

/// What an answer of the authorizer's comes to.
pub(super) enum Settled {
    /// It counts. What the peer holds and may not any more is to be ended.
    Now(Vec<StreamId>),
    /// It is about somebody else than the peer is.
    Other,
    /// It came too late to count: what holds is this.
    Before(Result<Arc<Bearer>, OpenError>),
}

/// Somebody whom the authorizer knows, and its account.
pub(crate) struct Bearer {
    pub identity: Identity,
    /// When that ends.
    pub until: Option<Instant>,
    /// Its account, and its session's place there.
    account: Option<(Arc<Subject>, Arc<Owned>)>,
}

/// What a peer was allowed to do: its place in a quota, until it is dropped. Without an authorizer it is nothing, and one word long: there are as many as streams.
#[derive(Default)]
#[must_use = "dropping it gives the place back"]
pub(crate) struct Permit(Option<Box<Granted>>);

struct Granted {
    bearer: Arc<Bearer>,
    _stream: Option<Owned>,
    /// The session, and the number of what it holds.
    hold: Option<(Arc<Session>, u64)>,
}

/// An authorizer is asked at most so often about one session: signatures cost time.
const JUDGED_EVERY: Duration = Duration::from_millis(100);

/// More would not go into the frames that it stands in.
const SUB_BYTES_MAX: usize = 256;

impl Authority {
    pub fn new(authorizer: impl Authorizer) -> Self {
        Self { authorizer: Arc::new(authorizer), subjects: Subjects::default() }
    }

    /// One whom the authorizer knows, if it may have one more session; where its session `was` the same one's before, it has its place already.
    pub(super) fn bearer(&self, identity: Identity, was: Option<&Bearer>) -> Result<Bearer, OpenError> {
        let sub = identity.sub.as_ref();
        if sub.is_some_and(|sub| sub.is_empty() || sub.len() > SUB_BYTES_MAX) {
            return Err(OpenError::new(Code::Internal, format!("the authorizer gives a sub of no or of more than {SUB_BYTES_MAX} bytes")));
        }
        let account = match sub {
            Some(_) if was.is_some_and(|was| was.identity.sub == identity.sub) => was.and_then(|was| was.account.clone()),
            Some(sub) => {
                let subject = self.subjects.of(sub);
                let session = subject.take(Thing::Session, identity.quota.sessions).ok_or_else(|| over("sessions"))?;
                Some((subject, Arc::new(session)))
            }
            None => None,
        };
        let until = identity.expires.and_then(|life| Instant::now().checked_add(life));
        Ok(Bearer { identity, until, account })
    }
}

fn over(what: &str) -> OpenError {
    OpenError::new(Code::Limit, format!("your token allows no more {what}: end some, or get one that allows more"))
}

impl Bearer {
    /// One more of these, if its quota has one.
    fn take(&self, thing: Thing, most: Option<u32>, what: &str) -> Result<Option<Owned>, OpenError> {
        let Some((subject, _)) = &self.account else { return Ok(None) };
        subject.take(thing, most).map(Some).ok_or_else(|| over(what))
    }

    /// Whether it may do this, and if not, what it is told.
    fn may(&self, verb: Verb, name: &str) -> Result<(), OpenError> {
        if self.identity.rights.allow(verb, name) {
            return Ok(());
        }
        if self.identity.sub.is_none() {
            return Err(Refused::Missing.into());
        }
        Err(OpenError::new(Code::Forbidden, format!("your token does not allow this: it needs the right `{verb}` for this name")))
    }

    /// The same for one more stream.
    fn opens(&self, verb: Verb, name: &str) -> Result<Option<Owned>, OpenError> {
        self.may(verb, name)?;
        let quota = &self.identity.quota;
        if let (Some((subject, _)), Some(per_second)) = (&self.account, quota.opens_per_s)
            && !subject.opens(per_second)
        {
            return Err(OpenError::new(Code::Limit, "your token allows no more opens in this second: open more slowly"));
        }
        self.take(Thing::Stream, quota.streams, "streams")
    }
}

impl Standing {
    /// What it is to one who asks now.
    fn told(&self) -> Result<Arc<Bearer>, OpenError> {
        match self {
            Self::Is(bearer) => Ok(bearer.clone()),
            Self::Refused(error) => Err(error.clone()),
            Self::Unasked | Self::Asking => Err(Refused::Unavailable.into()),
        }
    }
}

impl Known {
    fn next(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    fn holds(&mut self, session: &Session, hold: Hold) -> Option<(Arc<Session>, u64)> {
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

    /// The authorizer is asked from now on: the number of the question. Opens wait for what it says, unless the peer is known: that holds on meanwhile.
    pub fn asks(&self) -> u64 {
        let mut known = self.known.lock();
        if !known.is_closed && matches!(known.standing, Standing::Unasked | Standing::Refused(_)) {
            known.standing = Standing::Asking;
        }
        known.next()
    }

    /// The same if it never was; `None` if it was, or is being asked.
    pub fn asks_first(&self) -> Option<u64> {
        let mut known = self.known.lock();
        matches!(known.standing, Standing::Unasked).then(|| {
            known.standing = Standing::Asking;
            known.next()
        })
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

    /// The authorizer has answered that question. Who is known stays known where the answer is no: for as long as its own token holds, and as the same one.
    pub fn settle(&self, question: u64, judged: &Result<Arc<Bearer>, OpenError>, ending: Option<AbortOnDropHandle<()>>) -> Settled {
        let lost = {
            let mut known = self.known.lock();
            if known.asked != question {
                return Settled::Before(known.standing.told());
            }
            match (judged, &known.standing) {
                (Err(_), Standing::Is(_)) => return Settled::Now(Vec::new()),
                (Ok(new), Standing::Is(old)) if old.identity.sub.is_some() && old.identity.sub != new.identity.sub => {
                    return Settled::Other;
                }
                _ => {}
            }
            let may = |hold: &Hold| judged.as_ref().is_ok_and(|bearer| bearer.identity.rights.allow(hold.verb, &hold.name));
            let lost = known.holds.values().filter(|hold| !may(hold)).map(|hold| hold.stream).collect();
            known.ending = ending;
            known.standing = judged.clone().map_or_else(Standing::Refused, Standing::Is);
            lost
        };
        self.changed.notify_waiters();
        Settled::Now(lost)
    }

    /// The session closes: nothing more is allowed, and what is held goes with it.
    pub fn close(&self, why: OpenError) {
        let mut known = self.known.lock();
        known.next();
        known.is_closed = true;
        known.standing = Standing::Refused(why);
    }

    /// Who the peer is, as soon as that is known. Cancel-safe.
    pub async fn settled(&self, most: Duration) -> Result<Arc<Bearer>, OpenError> {
        let settled = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                match &self.known.lock().standing {
                    Standing::Is(bearer) => return Ok(bearer.clone()),
                    Standing::Refused(error) => return Err(error.clone()),
                    Standing::Unasked | Standing::Asking => {}
                }
                changed.await;
            }
        };
        let late = |_| OpenError::new(Code::Timeout, "the token could not be judged in time: try again");
        timeout(most, settled).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
    }

    /// Lets the peer do this if it may, on this stream; one that `holds` something is ended with the right.
    fn permit(&self, session: &Session, verb: Verb, name: &str, holds: Option<StreamId>) -> Result<Permit, OpenError> {
        let mut known = self.known.lock();
        let bearer = known.standing.told()?;
        let stream = bearer.opens(verb, name)?;
        let hold = holds.and_then(|stream| known.holds(session, Hold { stream, verb, name: name.into() }));
        Ok(Permit(Some(Box::new(Granted { bearer, _stream: stream, hold }))))
    }
}

impl Permit {
    /// Who was allowed it, if that is somebody.
    pub fn sub(&self) -> Option<&Arc<str>> {
        self.0.as_ref()?.bearer.identity.sub.as_ref()
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        if let Some((session, number)) = self.hold.take()
            && let Some(badge) = &session.badge
        {
            badge.known.lock().holds.remove(&number);
        }
    }
}

impl Session {
    /// Lets the peer do this with a stream that goes on when the right is gone.
    pub(crate) fn permit(&self, verb: Verb, name: &str) -> Result<Permit, OpenError> {
        match &self.badge {
            None => Ok(Permit::default()),
            Some(badge) => self.counted(badge.permit(self, verb, name, None)),
        }
    }

    /// The same with one that is reset `forbidden` then.
    pub(super) fn permit_to_hold(&self, verb: Verb, name: &str, stream: StreamId) -> Result<Permit, OpenError> {
        match &self.badge {
            None => Ok(Permit::default()),
            Some(badge) => self.counted(badge.permit(self, verb, name, Some(stream))),
        }
    }

    /// What this stream may do beside what it was permitted, if it may; with that right it ends, too.
    pub(super) fn permit_beside(&self, of: &str, stream: StreamId) -> Option<Permit> {
        let mut known = self.badge.as_ref()?.known.lock();
        let bearer = match &known.standing {
            Standing::Is(bearer) if bearer.identity.rights.allow(Verb::Admin, of) => bearer.clone(),
            _ => return None,
        };
        let hold = known.holds(self, Hold { stream, verb: Verb::Admin, name: of.into() });
        Some(Permit(Some(Box::new(Granted { bearer, _stream: None, hold }))))
    }

    /// Whether the peer sees that there is such a thing.
    pub(crate) fn sees(&self, verb: Verb, name: &str) -> bool {
        self.badge.as_ref().is_none_or(|badge| badge.bearer().is_some_and(|bearer| bearer.identity.rights.allow(verb, name)))
    }

    /// Whether the peer may do what nobody may without being let.
    pub(crate) fn is_admin(&self, of: &str) -> bool {
        self.badge.as_ref().is_some_and(|badge| badge.bearer().is_some_and(|bearer| bearer.identity.rights.allow(Verb::Admin, of)))
    }

    /// One more name in the quota of whoever the peer is.
    pub(crate) fn owns_name(&self) -> Result<Option<Owned>, OpenError> {
        let Some(bearer) = self.badge.as_ref().and_then(|badge| badge.bearer()) else { return Ok(None) };
        self.counted(bearer.take(Thing::Name, bearer.identity.quota.names, "names"))
    }

    /// Counts what is refused for want of a right.
    pub(super) fn counted<T>(&self, judged: Result<T, OpenError>) -> Result<T, OpenError> {
        if let Err(error) = &judged {
            let kinds = [(Code::Unauthorized, Refusal::Unauthorized), (Code::Forbidden, Refusal::Forbidden), (Code::Limit, Refusal::Quota)];
            kinds.into_iter().filter(|(code, _)| error.is(*code)).for_each(|(_, refusal)| self.count(refusal));
        }
        judged
    }
}
