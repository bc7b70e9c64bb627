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
    slot::{Hold, Slot},
};
use crate::{counters::Refusal, error::OpenError};

/// A connect in a name's queue.
pub(super) struct Waiter {
    pub answer: oneshot::Sender<Result<Found, OpenError>>,
    /// Its client goes to another node if the name is there.
    pub roams: bool,
    /// Until then it waits for a name that nobody holds.
    pub until: Instant,
}

/// Whom a server serves: kept with its claim, so that a client's coming and going needs no look at the map.
pub(super) struct Places {
    /// Whether connects are served: not before the claim's reply has left, nor while it is paused.
    pub open: bool,
    pub clients: usize,
    pub clients_max: usize,
    unreplied: usize,
    /// The owner knows its lease for sure, or somebody else may know its instance.
    pub heard: bool,
    /// Somebody may wait for a place.
    awaited: bool,
}

/// A client's place at a server: taken when its turn came, given back when dropped.
pub(in super::super) struct Seat {
    pub claim: Arc<ClaimInfo>,
    replied: AtomicBool,
}

/// What a connect that waits for a name comes to.
pub(in super::super) enum Found {
    /// A place at its server.
    Here(Seat),
    /// The server is at another node.
    #[cfg(feature = "cluster")]
    There(super::There),
}

type Answer = oneshot::Receiver<Result<Found, OpenError>>;

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
    /// `unresponsive` when it stays suspended; `timeout` when it leaves too many opens unanswered; `draining` when the proxy goes down, or is a node that hears
    /// of no names any more.
    /// Dropping the future gives up the place in the queue.
    pub async fn seat(self: &Arc<Self>, name: &Name, wait: Duration) -> Result<Seat, OpenError> {
        match self.find(name, wait, false).await? {
            Found::Here(seat) => Ok(seat),
            // Nobody is sent there who does not roam.
            #[cfg(feature = "cluster")]
            Found::There(_) => Err(not_found()),
        }
    }

    /// The same; one that `roams` is told if the server is at another node.
    pub async fn find(self: &Arc<Self>, name: &Name, wait: Duration, roams: bool) -> Result<Found, OpenError> {
        let begun = Instant::now();
        let (mut ticket, mut turn) = self.queue(name, begun + wait, roams)?;
        // For an unclaimed name until `wait`; for one that is held but does not serve now, longer.
        for deadline in [wait, self.limits.wait_max.max(wait)] {
            loop {
                match tokio::time::timeout_at(begun + deadline, &mut turn).await {
                    Ok(Ok(Ok(Found::Here(seat)))) if seat.is_void() => (ticket, turn) = self.queue(name, begun + wait, roams)?,
                    Ok(Ok(found)) => return found,
                    // The sender goes only with an answer, or with the map itself.
                    Ok(Err(_)) => {
                        return Err(OpenError::new(Code::Internal, "the queue for this name is gone"));
                    }
                    Err(_) if !self.is_held(name, roams) => return Err(self.nobody(roams)),
                    Err(_) => break,
                }
            }
        }
        drop(ticket);
        Err(self.in_vain(name, roams))
    }

    /// A place, where nobody waits and the server takes more: the usual case needs no queue.
    pub fn seat_now(&self, name: &str) -> Option<Result<Seat, OpenError>> {
        let slot = self.slots.get(name)?;
        let Slot { hold: Hold::Up(claim), waiting, .. } = slot.value() else { return None };
        if !waiting.is_empty() {
            return None;
        }
        let seat = claim.seat(&mut claim.places.lock())?;
        drop(slot);
        // A void one is for who waits.
        if seat.as_ref().is_ok_and(Seat::is_void) { None } else { Some(seat) }
    }

    /// Whether whoever holds the name, or may come back to it, lets in who comes by HTTP.
    pub fn takes_http(&self, name: &Name) -> bool {
        let is_let_in = self.slots.get(name).is_some_and(|slot| slot.takes_http());
        #[cfg(feature = "cluster")]
        let is_let_in = is_let_in || self.takes_http_elsewhere(name);
        is_let_in
    }

    /// Whether somebody holds the name, or may come back to it; elsewhere, too, to one who roams.
    fn is_held(&self, name: &Name, roams: bool) -> bool {
        self.slots.get(name).is_some_and(|slot| !matches!(slot.hold, Hold::Free)) || roams && self.is_elsewhere(name)
    }

    /// Puts a connect into the name's queue; it may be served at once.
    fn queue(self: &Arc<Self>, name: &Name, until: Instant, roams: bool) -> Result<(Ticket, Answer), OpenError> {
        let (answer, turn) = oneshot::channel();
        let number = self.tickets.fetch_add(1, Ordering::Relaxed);
        let ticket = Ticket { registry: self.clone(), name: name.clone(), number };
        let mut slot = self.slots.entry(name.clone()).or_default();
        let goes_on = !self.sends_away(roams);
        if goes_on {
            slot.waiting.insert(number, Waiter { answer, roams, until });
        }
        drop(slot);
        if !goes_on {
            return Err(draining());
        }
        self.serve(name);
        #[cfg(feature = "cluster")]
        if roams {
            self.send_on(name);
        }
        Ok((ticket, turn))
    }

    /// Whether the process goes down, and a connect is to go elsewhere. Not one that another node passed on: the proxy of its client stays, and the name is to be reached until
    /// its owner has taken it along.
    pub(super) fn sends_away(&self, roams: bool) -> bool {
        self.draining.load(Ordering::Acquire) && (roams || !self.is_of_many())
    }

    /// Why a connect has waited for nothing.
    fn in_vain(&self, name: &Name, roams: bool) -> OpenError {
        match self.slots.get(name).as_deref().map(|slot| &slot.hold) {
            Some(Hold::Suspended(_)) => unresponsive(),
            Some(Hold::Free) | None if roams && self.is_elsewhere(name) => unresponsive(),
            Some(Hold::Up(claim)) if claim.places.lock().open => {
                claim.session.count(Refusal::Unreplied);
                OpenError::new(Code::Timeout, "the server leaves too many clients unanswered")
            }
            Some(Hold::Up(_)) => OpenError::new(Code::Busy, "the server takes no clients just now"),
            Some(Hold::Free) | None => self.nobody(roams),
        }
    }

    /// Why nobody is found who has a name: who roams would learn of it at a node that is in the cluster.
    pub fn nobody(&self, roams: bool) -> OpenError {
        #[cfg(feature = "cluster")]
        if let Some(unheard) = self.unheard().filter(|_| roams) {
            return unheard;
        }
        let _ = roams;
        not_found()
    }

    /// Gives out places for as long as somebody waits and the server takes more.
    fn serve(self: &Arc<Self>, name: &Name) {
        let mut answers = Vec::new();
        if let Some(mut slot) = self.slots.get_mut(name) {
            let Slot { hold: Hold::Up(claim), waiting, .. } = slot.value_mut() else {
                return;
            };
            let mut places = claim.places.lock();
            while let Some(first) = waiting.first_entry() {
                if first.get().answer.is_closed() {
                    first.remove();
                    continue;
                }
                let Some(seat) = claim.seat(&mut places) else { break };
                answers.push((first.remove().answer, seat));
            }
            // Whoever makes room from now on serves those that are left.
            places.awaited = !waiting.is_empty();
        }
        // Out here, because a place whose taker has gone comes back through the map.
        for (answer, seat) in answers {
            let _ = answer.send(seat.map(Found::Here));
        }
    }

    /// Whether another node has the name, or keeps it for its owner.
    #[cfg(not(feature = "cluster"))]
    fn is_elsewhere(&self, _: &Name) -> bool {
        false
    }

    /// Whether this is a node of a cluster.
    #[cfg(not(feature = "cluster"))]
    fn is_of_many(&self) -> bool {
        false
    }
}

impl Places {
    /// Of a server that serves nobody yet.
    pub fn new(clients_max: usize, heard: bool) -> Self {
        Self { open: false, clients: 0, clients_max, unreplied: 0, heard, awaited: true }
    }
}

impl ClaimInfo {
    /// A place at this server, or why it has none for anybody; `None` where that is to be waited for.
    fn seat(self: &Arc<Self>, places: &mut Places) -> Option<Result<Seat, OpenError>> {
        if !places.open || places.unreplied >= self.registry().limits.unreplied_opens_max || !self.validity().holds() {
            return None;
        }
        if places.clients >= places.clients_max {
            self.session.count(Refusal::ClientsMax);
            return Some(Err(OpenError::new(Code::Busy, "the server has all the clients that it takes")));
        }
        places.clients += 1;
        places.unreplied += 1;
        Some(Ok(Seat { claim: self.clone(), replied: AtomicBool::new(false) }))
    }

    /// Changes whom its holder serves, then serves whom that helps.
    pub(super) fn with_places(&self, change: impl FnOnce(&mut Places)) {
        let awaited = {
            let mut places = self.places.lock();
            change(&mut places);
            places.awaited
        };
        if awaited {
            self.registry().serve(&self.name);
        }
    }
}

impl Seat {
    /// Whether the server's connection is over, which its claim has not heard yet: then nobody gets a place any more until that is settled.
    fn is_void(&self) -> bool {
        let over = !self.claim.session.is_live();
        if over {
            self.claim.with_places(|places| places.open = false);
        }
        over
    }

    /// The server has answered: the next connect may have its turn. A client that was accepted hears of the server's instance.
    pub fn replied(&self, accepted: bool) {
        if !self.replied.swap(true, Ordering::Relaxed) {
            self.claim.with_places(|places| {
                places.unreplied -= 1;
                places.heard |= accepted;
            });
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let waited = !*self.replied.get_mut();
        self.claim.with_places(|places| {
            places.clients -= 1;
            places.unreplied -= usize::from(waited);
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

fn unresponsive() -> OpenError {
    OpenError::new(Code::Unresponsive, "the server's connection is gone, and it did not come back in time: try again")
}

pub(in super::super) fn not_found() -> OpenError {
    OpenError::new(Code::NotFound, "nobody serves under this name: is the server's page open?")
}
