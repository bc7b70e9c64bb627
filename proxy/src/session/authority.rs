//! Who decides what peers may do, and those whom it knows: what each may, and has.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use browser_stream_mux::Code;
use tokio::{
    sync::Semaphore,
    time::{Duration, Instant, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    objections::{Objection, Objections},
    subject::{Owned, Subject, Subjects, Thing},
};
use crate::{
    error::OpenError,
    limits::Limits,
    token::{Asking, Authorizer, Identity, Refused, Verb},
};

/// Who decides, and how much everybody has.
pub(crate) struct Authority {
    authorizer: Arc<dyn Authorizer>,
    subjects: Subjects,
    /// Judgements that may begin at this moment, over all sessions.
    places: Arc<Semaphore>,
    /// How long one may take.
    most: Duration,
    /// How often something was taken back.
    revocations: AtomicU64,
    /// What is logged of tokens that are refused.
    objections: Objections,
}

/// Somebody whom the authorizer knows, and its account.
pub(crate) struct Bearer {
    pub identity: Identity,
    /// When that ends.
    pub until: Option<Instant>,
    /// Its account, and its session's place there.
    account: Option<(Arc<Subject>, Arc<Owned>)>,
}

/// More would not go into the frames that it stands in.
const SUB_BYTES_MAX: usize = 256;

impl Authority {
    pub fn new(authorizer: impl Authorizer, limits: &Limits) -> Self {
        Self {
            authorizer: Arc::new(authorizer),
            subjects: Subjects::default(),
            places: Arc::new(Semaphore::new(limits.judgements_max.min(Semaphore::MAX_PERMITS))),
            most: limits.open_timeout,
            revocations: AtomicU64::new(0),
            objections: Objections::default(),
        }
    }

    /// Whoever decides.
    #[cfg(feature = "admin")]
    pub(super) fn authorizer(&self) -> Arc<dyn Authorizer> {
        self.authorizer.clone()
    }

    /// Something is taken back: what the authorizer was asked before may be answered wrongly.
    pub(super) fn revokes(&self) {
        self.revocations.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn revocations(&self) -> u64 {
        self.revocations.load(Ordering::SeqCst)
    }

    /// Has the authorizer say who that is, when its turn has come. Dropping the future gives the judgement up.
    pub(super) async fn judge(&self, asking: Asking) -> Result<Identity, OpenError> {
        let (most, session) = (self.most, asking.session);
        let Ok(Ok(place)) = timeout(most, self.places.clone().acquire_owned()).await else {
            return Err(OpenError::new(Code::Busy, "the proxy judges as many tokens as it may at once: try again"));
        };
        let (authorizer, objection) = (self.authorizer.clone(), Objection::to(&asking));
        // A panic there is that judgement's alone.
        let judging = AbortOnDropHandle::new(tokio::spawn(async move {
            let _place = place;
            timeout(most, authorizer.authorize(asking)).await
        }));
        match judging.await {
            Ok(Ok(judged)) => judged.map_err(|refused| {
                self.objections.tell(objection, &refused);
                refused.into()
            }),
            Ok(Err(_)) => Err(OpenError::new(Code::Timeout, "the token could not be judged in time: try again")),
            Err(_) => {
                tracing::error!(%session, "the authorizer panicked");
                Err(OpenError::new(Code::Internal, "the token could not be judged"))
            }
        }
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
    pub(super) fn take(&self, thing: Thing, most: Option<u32>, what: &str) -> Result<Option<Owned>, OpenError> {
        let Some((subject, _)) = &self.account else { return Ok(None) };
        subject.take(thing, most).map(Some).ok_or_else(|| over(what))
    }

    /// Whether it may do this, and if not, what it is told.
    pub(super) fn may(&self, verb: Verb, name: &str) -> Result<(), OpenError> {
        if self.identity.rights.allow(verb, name) {
            return Ok(());
        }
        if self.identity.sub.is_none() {
            return Err(Refused::Missing.into());
        }
        Err(OpenError::new(Code::Forbidden, format!("your token does not allow this: it needs the right `{verb}` for this name")))
    }

    /// One more stream, wherever it goes.
    pub(super) fn opens(&self) -> Result<Option<Owned>, OpenError> {
        let quota = &self.identity.quota;
        if let (Some((subject, _)), Some(per_second)) = (&self.account, quota.opens_per_s)
            && !subject.opens(per_second)
        {
            return Err(OpenError::new(Code::Limit, "your token allows no more opens in this second: open more slowly"));
        }
        self.take(Thing::Stream, quota.streams, "streams")
    }
}
