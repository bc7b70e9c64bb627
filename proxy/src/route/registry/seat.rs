//! A client's place at a server, and the queue for one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use browser_stream_mux::Code;
use tokio::{sync::oneshot, time::Instant};

use super::{
    ClaimInfo, Name, Registry, draining,
    slot::{Hold, Owner, Slot},
};
use crate::{error::OpenError, refusals::Refusal};

/// A connect in a name's queue.
pub(super) struct Waiter {
    pub answer: oneshot::Sender<Result<Seat, OpenError>>,
    /// Until then it waits for a name that nobody holds.
    pub until: Instant,
}

/// A client's place at a server: taken when its turn came, given back when dropped.
pub(in super::super) struct Seat {
    pub claim: Arc<ClaimInfo>,
    replied: AtomicBool,
}

/// A place in a queue, left when dropped.
struct Ticket {
    registry: Arc<Registry>,
    name: Name,
    number: u64,
}

impl Registry {
    /// A place at the server of that name, when its turn comes.
    ///
    /// `not_found` when nobody held the name after `wait`; `busy` when the server has all the clients it takes, or stays paused;
    /// `unresponsive` when it stays suspended; `timeout` when it leaves too many opens unanswered; `draining` when the proxy goes down.
    /// Dropping the future gives up the place in the queue.
    pub async fn seat(self: &Arc<Self>, name: &Name, wait: Duration) -> Result<Seat, OpenError> {
        let begun = Instant::now();
        let (mut ticket, mut turn) = self.queue(name, begun + wait)?;
        // For an unclaimed name until `wait`; for one that is held but does not serve now, longer.
        for deadline in [wait, self.limits.wait_max.max(wait)] {
            loop {
                match tokio::time::timeout_at(begun + deadline, &mut turn).await {
                    Ok(Ok(Ok(seat))) if seat.is_void() => (ticket, turn) = self.queue(name, begun + wait)?,
                    Ok(Ok(seat)) => return seat,
                    // The sender goes only with an answer, or with the map itself.
                    Ok(Err(_)) => {
                        return Err(OpenError::new(Code::Internal, "the queue for this name is gone"));
                    }
                    Err(_) if !self.is_held(name) => return Err(not_found()),
                    Err(_) => break,
                }
            }
        }
        drop(ticket);
        Err(self.in_vain(name))
    }

    /// A place, where nobody waits and the server takes more: the usual case needs no queue.
    pub fn seat_now(&self, name: &Name) -> Option<Result<Seat, OpenError>> {
        let mut slot = self.slots.get_mut(name)?;
        let Slot { hold: Hold::Up(owner), waiting, .. } = slot.value_mut() else { return None };
        if !waiting.is_empty() || !owner.open || owner.unreplied >= self.limits.unreplied_opens_max {
            return None;
        }
        let seat = owner.seat();
        drop(slot);
        // A void one is for who waits.
        if seat.as_ref().is_ok_and(Seat::is_void) { None } else { Some(seat) }
    }

    /// Whether somebody holds the name, or may come back to it.
    fn is_held(&self, name: &Name) -> bool {
        self.slots.get(name).is_some_and(|slot| !matches!(slot.hold, Hold::Free))
    }

    /// Puts a connect into the name's queue; it may be served at once.
    fn queue(self: &Arc<Self>, name: &Name, until: Instant) -> Result<(Ticket, oneshot::Receiver<Result<Seat, OpenError>>), OpenError> {
        let (answer, turn) = oneshot::channel();
        let number = self.tickets.fetch_add(1, Ordering::Relaxed);
        let ticket = Ticket { registry: self.clone(), name: name.clone(), number };
        let mut slot = self.slots.entry(name.clone()).or_default();
        let goes_on = !self.draining.load(Ordering::Acquire);
        if goes_on {
            slot.waiting.insert(number, Waiter { answer, until });
        }
        drop(slot);
        if !goes_on {
            return Err(draining());
        }
        self.serve(name);
        Ok((ticket, turn))
    }

    /// Why a connect has waited for nothing.
    fn in_vain(&self, name: &Name) -> OpenError {
        match self.slots.get(name).as_deref().map(|slot| &slot.hold) {
            Some(Hold::Suspended(_)) => {
                OpenError::new(Code::Unresponsive, "the server's connection is gone, and it did not come back in time: try again")
            }
            Some(Hold::Up(owner)) if owner.open => {
                owner.claim.session.count(Refusal::Unreplied);
                OpenError::new(Code::Timeout, "the server leaves too many clients unanswered")
            }
            Some(Hold::Up(_)) => OpenError::new(Code::Busy, "the server takes no clients just now"),
            Some(Hold::Free) | None => not_found(),
        }
    }

    /// Gives out places for as long as somebody waits and the server takes more.
    fn serve(self: &Arc<Self>, name: &Name) {
        let mut answers = Vec::new();
        if let Some(mut slot) = self.slots.get_mut(name) {
            let Slot { hold: Hold::Up(owner), waiting, .. } = slot.value_mut() else {
                return;
            };
            while owner.open && owner.unreplied < self.limits.unreplied_opens_max {
                let Some((_, Waiter { answer, .. })) = waiting.pop_first() else {
                    break;
                };
                if answer.is_closed() {
                    continue;
                }
                answers.push((answer, owner.seat()));
            }
        }
        // Out here, because a place whose taker has gone comes back through the map.
        for (answer, seat) in answers {
            let _ = answer.send(seat);
        }
    }

    /// Changes what the map knows of this very claim, then serves whom that helps.
    pub(super) fn with_owner(self: &Arc<Self>, claim: &Arc<ClaimInfo>, change: impl FnOnce(&mut Owner)) {
        let mut waits = false;
        if let Some(mut slot) = self.slots.get_mut(&claim.name) {
            if let Some(owner) = slot.owner_of(claim) {
                change(owner);
            }
            waits = !slot.waiting.is_empty();
        }
        // Who comes to wait from now on sees to it.
        if waits {
            self.serve(&claim.name);
        }
    }
}

impl Owner {
    /// A place at this server, unless it has all the clients that it takes.
    fn seat(&mut self) -> Result<Seat, OpenError> {
        if self.clients >= self.clients_max {
            self.claim.session.count(Refusal::ClientsMax);
            return Err(OpenError::new(Code::Busy, "the server has all the clients that it takes"));
        }
        self.clients += 1;
        self.unreplied += 1;
        Ok(Seat { claim: self.claim.clone(), replied: AtomicBool::new(false) })
    }
}

impl Seat {
    /// Whether the server's connection is over, which its claim has not heard yet: then nobody gets a place any more until that is settled.
    fn is_void(&self) -> bool {
        let over = !self.claim.session.is_live();
        if over {
            self.claim.registry().with_owner(&self.claim, |owner| owner.open = false);
        }
        over
    }

    /// The server has answered: the next connect may have its turn. A client that was accepted hears of the server's instance.
    pub fn replied(&self, accepted: bool) {
        if !self.replied.swap(true, Ordering::Relaxed) {
            self.claim.registry().with_owner(&self.claim, |owner| {
                owner.unreplied -= 1;
                owner.heard |= accepted;
            });
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let waited = !*self.replied.get_mut();
        self.claim.registry().with_owner(&self.claim, |owner| {
            owner.clients -= 1;
            owner.unreplied -= usize::from(waited);
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(mut slot) = self.registry.slots.get_mut(&self.name) {
            slot.waiting.remove(&self.number);
        }
        self.registry.tidy(&self.name);
    }
}

pub(super) fn not_found() -> OpenError {
    OpenError::new(Code::NotFound, "nobody serves under this name: is the server's page open?")
}
