//! Claims that wait for a name: in order, each answered once.

use std::sync::{Arc, atomic::Ordering};

use browser_stream_mux::Code;
use tokio::{sync::oneshot, time::Instant};

use super::{
    Applicant, Claim, Name, Registry,
    claim::Place,
    seat::{Waiter, not_found},
    slot::{Slot, Standing},
};
use crate::{counters::Refusal, error::OpenError, session::Session};

/// What a claim that may be granted comes to.
pub(in super::super) enum Claimed {
    /// The name is its own.
    Now(Claim),
    /// It stands by.
    Later(Turn<Claim>),
}

/// A claim in a name's queue.
pub(in super::super) enum Standby {
    /// It is given the name.
    Given(Answer<Claim>, Box<(Applicant, Place)>),
    /// It is told that it may ask the table of the cluster for it.
    #[cfg(feature = "cluster")]
    Called(Answer<()>),
}

type Answer<T> = oneshot::Sender<Result<T, OpenError>>;

/// A place in the queue for a name, left when dropped.
pub(in super::super) struct Turn<T = Claim> {
    registry: Arc<Registry>,
    name: Name,
    number: u64,
    answer: oneshot::Receiver<Result<T, OpenError>>,
}

/// What is to be done when a name has become free, and its slot's lock too.
#[derive(Default)]
pub(super) struct Freed {
    next: Option<(Answer<Claim>, Claim)>,
    #[cfg(feature = "cluster")]
    called: Option<Answer<()>>,
    /// Clients that are told where the name is.
    #[cfg(feature = "cluster")]
    found: Vec<(Waiter, super::There)>,
    late: Vec<Waiter>,
    /// Claims that were given up: dropped where a drop may call back.
    _given_up: Vec<Standby>,
}

impl Registry {
    /// Puts a claim into the queue for a name that is not free.
    pub(super) fn stand_by(
        self: &Arc<Self>,
        slot: &mut Slot,
        name: &Name,
        applicant: Applicant,
        place: Place,
    ) -> Result<Claimed, OpenError> {
        self.check_queue(slot, &applicant.session)?;
        let number = self.tickets.fetch_add(1, Ordering::Relaxed);
        let turn = self.line_up(slot, name, number, |answer| Standby::Given(answer, Box::new((applicant, place))));
        Ok(Claimed::Later(turn))
    }

    /// Whether one more claim may wait for the name.
    pub(super) fn check_queue(&self, slot: &Slot, session: &Session) -> Result<(), OpenError> {
        let most = self.limits.standbys_per_name_max;
        if slot.standby.len() < most {
            return Ok(());
        }
        session.count(Refusal::StandbysPerName);
        Err(OpenError::new(Code::Limit, format!("at most {most} stand by for one name")))
    }

    /// Puts a claim into the queue, in front of those with a higher number.
    pub(super) fn line_up<T>(
        self: &Arc<Self>,
        slot: &mut Slot,
        name: &Name,
        number: u64,
        standby: impl FnOnce(Answer<T>) -> Standby,
    ) -> Turn<T> {
        let (answer, turn) = oneshot::channel();
        slot.standby.insert(number, standby(answer));
        Turn { registry: self.clone(), name: name.clone(), number, answer: turn }
    }

    /// A free name goes to the first who stands by; if none does, clients that waited long enough for it wait no more.
    pub(super) fn hand_on(self: &Arc<Self>, slot: &mut Slot, name: &Name) -> Freed {
        let mut freed = Freed::default();
        #[cfg(feature = "cluster")]
        if self.is_elsewhere(name) {
            freed.found = self.sends_on(slot, name);
            return freed;
        }
        while !slot.is_reserved
            && let Some((_, standby)) = slot.standby.pop_first()
        {
            match standby {
                given_up if given_up.is_closed() => freed._given_up.push(given_up),
                Standby::Given(answer, wants) => {
                    let (applicant, place) = *wants;
                    freed.next = Some((answer, self.install(slot, name, applicant, place, Standing::New)));
                    return freed;
                }
                #[cfg(feature = "cluster")]
                Standby::Called(answer) => {
                    freed.called = Some(answer);
                    return freed;
                }
            }
        }
        let now = Instant::now();
        freed.late.extend(slot.waiting.extract_if(.., |_, waiter| waiter.until <= now).map(|(_, waiter)| waiter));
        freed
    }
}

impl Freed {
    /// Tells those whom it concerns; with no lock held.
    pub fn settle(self) {
        for waiter in self.late {
            let _ = waiter.answer.send(Err(not_found()));
        }
        if let Some((answer, claim)) = self.next {
            // One that was given up in this moment comes back, and its drop hands the name on.
            let _ = answer.send(Ok(claim));
        }
        #[cfg(feature = "cluster")]
        {
            if let Some(answer) = self.called {
                let _ = answer.send(Ok(()));
            }
            super::elsewhere::tell(self.found);
        }
    }
}

impl Standby {
    fn is_closed(&self) -> bool {
        match self {
            Self::Given(answer, _) => answer.is_closed(),
            #[cfg(feature = "cluster")]
            Self::Called(answer) => answer.is_closed(),
        }
    }

    /// It waits for nothing.
    pub(super) fn refuse(self, error: OpenError) {
        match self {
            Self::Given(answer, _) => drop(answer.send(Err(error))),
            #[cfg(feature = "cluster")]
            Self::Called(answer) => drop(answer.send(Err(error))),
        }
    }
}

impl<T> Turn<T> {
    /// Resolves when its turn has come, or with `draining`. Dropping the future gives up the place in the queue.
    pub async fn come(mut self) -> Result<T, OpenError> {
        match (&mut self.answer).await {
            Ok(answer) => answer,
            // The sender goes only with an answer, or with the map itself.
            Err(_) => Err(OpenError::new(Code::Internal, "the queue for this name is gone")),
        }
    }
}

impl<T> Drop for Turn<T> {
    fn drop(&mut self) {
        let left = self.registry.slots.get_mut(&self.name).and_then(|mut slot| slot.standby.remove(&self.number));
        if left.is_some() {
            self.registry.tidy(&self.name);
        }
    }
}
