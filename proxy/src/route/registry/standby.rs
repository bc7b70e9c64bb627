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
use crate::{counters::Refusal, error::OpenError};

/// What a claim that may be granted comes to.
pub(in super::super) enum Claimed {
    /// The name is its own.
    Now(Claim),
    /// It stands by.
    Later(Turn),
}

/// A claim in a name's queue.
pub(in super::super) struct Standby {
    pub(super) answer: oneshot::Sender<Result<Claim, OpenError>>,
    applicant: Applicant,
    place: Place,
}

/// A place in the queue for a name, left when dropped.
pub(in super::super) struct Turn {
    registry: Arc<Registry>,
    name: Name,
    number: u64,
    answer: oneshot::Receiver<Result<Claim, OpenError>>,
}

/// What is to be done when a name has become free, and its slot's lock too.
#[derive(Default)]
pub(super) struct Freed {
    next: Option<(oneshot::Sender<Result<Claim, OpenError>>, Claim)>,
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
        let most = self.limits.standbys_per_name_max;
        if slot.standby.len() >= most {
            applicant.session.count(Refusal::StandbysPerName);
            return Err(OpenError::new(Code::Limit, format!("at most {most} stand by for one name")));
        }
        let (answer, turn) = oneshot::channel();
        let number = self.tickets.fetch_add(1, Ordering::Relaxed);
        slot.standby.insert(number, Standby { answer, applicant, place });
        Ok(Claimed::Later(Turn { registry: self.clone(), name: name.clone(), number, answer: turn }))
    }

    /// A free name goes to the first who stands by; if none does, clients that waited long enough for it wait no more.
    pub(super) fn hand_on(self: &Arc<Self>, slot: &mut Slot, name: &Name) -> Freed {
        let mut freed = Freed::default();
        while !slot.is_reserved
            && let Some((_, standby)) = slot.standby.pop_first()
        {
            if standby.answer.is_closed() {
                freed._given_up.push(standby);
                continue;
            }
            let Standby { answer, applicant, place } = standby;
            freed.next = Some((answer, self.install(slot, name, applicant, place, Standing::New)));
            return freed;
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
    }
}

impl Turn {
    /// Resolves when the name is the claim's own, or with `draining`. Dropping the future gives up the place in the queue.
    pub async fn come(mut self) -> Result<Claim, OpenError> {
        match (&mut self.answer).await {
            Ok(answer) => answer,
            // The sender goes only with an answer, or with the map itself.
            Err(_) => Err(OpenError::new(Code::Internal, "the queue for this name is gone")),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let left = self.registry.slots.get_mut(&self.name).and_then(|mut slot| slot.standby.remove(&self.number));
        if left.is_some() {
            self.registry.tidy(&self.name);
        }
    }
}
