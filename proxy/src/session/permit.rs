//! What a peer may do at this moment, and how much of it.

use std::{collections::HashMap, sync::Arc};

use browser_stream_mux::{Code, StreamId};

use super::{
    Session, State,
    authority::Bearer,
    badge::{Badge, Held},
    subject::{Owned, Thing},
};
use crate::{counters::Refusal, error::OpenError, token::Verb};

/// What a peer was allowed to do, until it is dropped. Without an authorizer it is nothing, and one word long: there are as many as streams.
#[derive(Default)]
#[must_use = "dropping it says that nothing is held by that right any more"]
pub(crate) struct Permit(Option<Box<Granted>>);

struct Granted {
    bearer: Arc<Bearer>,
    held: Option<Held>,
}

/// The streams of a session that count in the quota of whoever its peer is.
#[derive(Default)]
pub(super) struct Counted(HashMap<StreamId, Owned>);

impl Permit {
    fn of(badge: &Badge, session: &Session, verb: Verb, name: &str, holds: Option<StreamId>) -> Result<Self, OpenError> {
        let (bearer, held) = badge.lets(session, verb, name, holds)?;
        Ok(Self(Some(Box::new(Granted { bearer, held }))))
    }

    /// Who was allowed it, if that is somebody.
    pub fn sub(&self) -> Option<&Arc<str>> {
        self.0.as_ref()?.bearer.identity.sub.as_ref()
    }

    /// Whether what is held by it is over because its token was taken back.
    pub fn is_revoked(&self) -> bool {
        self.0.as_ref().and_then(|granted| granted.held.as_ref()).is_some_and(|(session, _)| session.is_revoked())
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        if let Some((session, number)) = self.held.take()
            && let Some(badge) = &session.badge
        {
            badge.gives_up(number);
        }
    }
}

impl State {
    fn takes_place(&mut self, id: StreamId, stream: Owned) {
        // One that has ended by now counts no more.
        if self.mux.get(id).is_some() {
            self.owned.get_or_insert_default().0.insert(id, stream);
        }
    }

    /// That stream counts no more.
    pub(super) fn gives_back(&mut self, id: StreamId) {
        if let Some(owned) = &mut self.owned {
            owned.0.remove(&id);
        }
    }
}

impl Session {
    /// One more stream of the peer's goes where its path says, if its quota has one: given back when it is refused, or ends.
    pub(super) fn admit(&self, id: StreamId) -> Result<(), OpenError> {
        let Some(badge) = &self.badge else { return Ok(()) };
        if let Some(stream) = self.counted(badge.told().and_then(|bearer| bearer.opens()))? {
            self.state.lock().takes_place(id, stream);
        }
        Ok(())
    }

    /// That stream counts no more.
    pub(super) fn gives_back(&self, id: StreamId) {
        if self.badge.is_some() {
            self.state.lock().gives_back(id);
        }
    }

    /// Lets the peer do this with a stream that goes on when the right is gone.
    pub(crate) fn permit(&self, verb: Verb, name: &str) -> Result<Permit, OpenError> {
        match &self.badge {
            None => Ok(Permit::default()),
            Some(badge) => self.counted(Permit::of(badge, self, verb, name, None)),
        }
    }

    /// The same with one that is reset `forbidden` then.
    pub(super) fn permit_to_hold(&self, verb: Verb, name: &str, stream: StreamId) -> Result<Permit, OpenError> {
        match &self.badge {
            None => Ok(Permit::default()),
            Some(badge) => self.counted(Permit::of(badge, self, verb, name, Some(stream))),
        }
    }

    /// What this stream may do beside what it was permitted, if it may; with that right it ends, too.
    pub(super) fn permit_beside(&self, of: &str, stream: StreamId) -> Option<Permit> {
        Permit::of(self.badge.as_ref()?, self, Verb::Admin, of, Some(stream)).ok()
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
