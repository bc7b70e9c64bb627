//! The map of names: who holds one, who waits for one, and whose turn it is.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use browser_stream_mux::Code;
use dashmap::DashMap;
use tokio::{
    sync::{broadcast, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Event, Name, Reason};
use crate::{error::OpenError, limits::Limits, refusals::Refusal, session::Session};

/// The names of one prefix. No guard of the map is held across an await or a callback.
pub(super) struct Registry {
    slots: DashMap<Name, Slot>,
    tickets: AtomicU64,
    limits: Arc<Limits>,
    events: broadcast::Sender<Event>,
}

/// One name: its owner, if any, and who waits for it, first come first served.
#[derive(Default)]
struct Slot {
    owner: Option<Owner>,
    waiting: BTreeMap<u64, Waiter>,
}

/// A connect in a name's queue.
struct Waiter {
    answer: oneshot::Sender<Result<Seat, OpenError>>,
    /// Until then it waits for a name that nobody holds.
    until: Instant,
}

/// What the map knows of a claim.
struct Owner {
    claim: Arc<ClaimInfo>,
    /// Whether connects are served: not before the claim's reply has left, nor while it is paused.
    open: bool,
    clients: usize,
    clients_max: usize,
    unreplied: usize,
}

/// A claim, as those see it who open streams to its owner.
pub(super) struct ClaimInfo {
    registry: Arc<Registry>,
    pub name: Name,
    pub id: Uuid,
    pub session: Arc<Session>,
    pub capabilities: Vec<String>,
    /// Set when an operator takes the name away.
    pub released: CancellationToken,
}

/// Holds a name for as long as it lives.
#[must_use = "dropping a claim frees the name"]
pub(super) struct Claim {
    registry: Arc<Registry>,
    name: Name,
    pub info: Arc<ClaimInfo>,
    /// Why it ended, for `server.destroyed`.
    pub reason: Reason,
}

/// A client's place at a server: taken when its turn came, given back when dropped.
pub(super) struct Seat {
    pub claim: Arc<ClaimInfo>,
    replied: AtomicBool,
}

impl Registry {
    pub fn new(limits: Arc<Limits>) -> Arc<Self> {
        let events = broadcast::Sender::new(limits.events_buffer);
        Arc::new(Self { slots: DashMap::new(), tickets: AtomicU64::new(0), limits, events })
    }

    /// What happens to these names from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Tells the subscribers; nobody waits for them.
    pub fn emit(&self, event: Event) {
        // The debug form escapes names: no peer writes lines of its own into the log.
        match event {
            Event::ClientConnected { .. } | Event::ClientDisconnected { .. } => tracing::debug!(?event, "{}", event.kind()),
            _ => tracing::info!(?event, "{}", event.kind()),
        }
        // An error says that nobody has subscribed.
        let _ = self.events.send(event);
    }

    /// Takes the name for this session: of two that race exactly one gets it, the other `name_taken`.
    pub fn claim(self: &Arc<Self>, name: &Name, session: &Arc<Session>, capabilities: Vec<String>) -> Result<Claim, OpenError> {
        if session.names.fetch_add(1, Ordering::Relaxed) >= self.limits.names_per_session_max {
            session.names.fetch_sub(1, Ordering::Relaxed);
            session.count(Refusal::NamesPerSession);
            let most = self.limits.names_per_session_max;
            return Err(OpenError::new(Code::Limit, format!("one connection holds at most {most} names")));
        }
        let info = Arc::new(ClaimInfo {
            registry: self.clone(),
            name: name.clone(),
            id: Uuid::new_v4(),
            session: session.clone(),
            capabilities,
            released: CancellationToken::new(),
        });
        let mut slot = self.slots.entry(name.clone()).or_default();
        if slot.owner.is_some() {
            drop(slot);
            session.names.fetch_sub(1, Ordering::Relaxed);
            return Err(OpenError::new(Code::NameTaken, "somebody serves under this name already: choose another, or end that server"));
        }
        slot.owner = Some(Owner { claim: info.clone(), open: false, clients: 0, clients_max: self.limits.clients_max, unreplied: 0 });
        // While the slot is ours, so that created and destroyed alternate for everybody.
        self.emit(Event::ServerCreated { name: name.clone(), id: info.id, at: SystemTime::now() });
        drop(slot);
        Ok(Claim { registry: self.clone(), name: name.clone(), info, reason: Reason::Lost })
    }

    /// Who holds the name now.
    pub fn owner(&self, name: &Name) -> Option<Arc<ClaimInfo>> {
        self.slots.get(name)?.owner.as_ref().map(|owner| owner.claim.clone())
    }

    /// A place at the server of that name, when its turn comes.
    ///
    /// `not_found` when nobody held the name after `wait`; `busy` when the server has all the clients it takes, or stays paused;
    /// `timeout` when it leaves too many opens unanswered. Dropping the future gives up the place in the queue.
    pub async fn seat(self: &Arc<Self>, name: &Name, wait: std::time::Duration) -> Result<Seat, OpenError> {
        let begun = Instant::now();
        let (mut ticket, mut turn) = self.queue(name, begun + wait);
        // For an unclaimed name until `wait`; for one that is held but does not serve now, longer.
        for deadline in [wait, self.limits.wait_max.max(wait)] {
            match tokio::time::timeout_at(begun + deadline, &mut turn).await {
                Ok(Ok(seat)) => return seat,
                // The sender goes only with an answer, or with the map itself.
                Ok(Err(_)) => {
                    return Err(OpenError::new(Code::Internal, "the queue for this name is gone"));
                }
                Err(_) if self.owner(name).is_none() => return Err(not_found()),
                Err(_) => {}
            }
        }
        ticket.done = true;
        Err(match self.leave(name, ticket.number) {
            Some(server) => {
                server.session.count(Refusal::Unreplied);
                OpenError::new(Code::Timeout, "the server leaves too many clients unanswered")
            }
            None => OpenError::new(Code::Busy, "the server takes no clients just now"),
        })
    }

    /// A place, where nobody waits and the server takes more: the usual case needs no queue.
    pub fn seat_now(&self, name: &Name) -> Option<Result<Seat, OpenError>> {
        let mut slot = self.slots.get_mut(name)?;
        let Slot { owner: Some(owner), waiting } = slot.value_mut() else { return None };
        if !waiting.is_empty() || !owner.open || owner.unreplied >= self.limits.unreplied_opens_max {
            return None;
        }
        Some(owner.seat())
    }

    /// Puts a connect into the name's queue; it may be served at once.
    fn queue(self: &Arc<Self>, name: &Name, until: Instant) -> (Ticket, oneshot::Receiver<Result<Seat, OpenError>>) {
        let (answer, turn) = oneshot::channel();
        let number = self.tickets.fetch_add(1, Ordering::Relaxed);
        self.slots.entry(name.clone()).or_default().waiting.insert(number, Waiter { answer, until });
        self.serve(name);
        (Ticket { registry: self.clone(), name: name.clone(), number, done: false }, turn)
    }

    /// Takes a connect out of the queue; the server that it waited for, if that serves just now.
    fn leave(&self, name: &Name, ticket: u64) -> Option<Arc<ClaimInfo>> {
        let server = self.slots.get_mut(name).and_then(|mut slot| {
            slot.waiting.remove(&ticket);
            slot.owner.as_ref().filter(|owner| owner.open).map(|owner| owner.claim.clone())
        });
        self.tidy(name);
        server
    }

    /// Gives out places for as long as somebody waits and the server takes more.
    fn serve(self: &Arc<Self>, name: &Name) {
        let mut answers = Vec::new();
        if let Some(mut slot) = self.slots.get_mut(name) {
            let Slot { owner: Some(owner), waiting } = slot.value_mut() else {
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
    fn with_owner(self: &Arc<Self>, name: &Name, claim: &Arc<ClaimInfo>, change: impl FnOnce(&mut Owner)) {
        if let Some(mut slot) = self.slots.get_mut(name)
            && let Some(owner) = slot.owner.as_mut().filter(|owner| Arc::ptr_eq(&owner.claim, claim))
        {
            change(owner);
        }
        self.serve(name);
    }

    /// Forgets a name that nobody holds and nobody waits for.
    fn tidy(&self, name: &Name) {
        self.slots.remove_if(name, |_, slot| slot.owner.is_none() && slot.waiting.is_empty());
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

impl Claim {
    /// Serves connects from now on, or stops for a while.
    pub fn set_open(&self, open: bool) {
        self.registry.with_owner(&self.name, &self.info, |owner| owner.open = open);
    }

    /// Takes at most this many clients at once from now on; those beyond stay.
    pub fn set_clients_max(&self, clients_max: usize) {
        self.registry.with_owner(&self.name, &self.info, |owner| owner.clients_max = clients_max);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut late = Vec::new();
        if let Some(mut slot) = self.registry.slots.get_mut(&self.name)
            && slot.owner.as_ref().is_some_and(|owner| Arc::ptr_eq(&owner.claim, &self.info))
        {
            slot.owner = None;
            let now = Instant::now();
            late.extend(slot.waiting.extract_if(.., |_, waiter| waiter.until <= now));
            let (name, id) = (self.name.clone(), self.info.id);
            self.registry.emit(Event::ServerDestroyed { name, id, reason: self.reason, at: SystemTime::now() });
        }
        for (_, waiter) in late {
            let _ = waiter.answer.send(Err(not_found()));
        }
        self.registry.tidy(&self.name);
        self.info.session.names.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ClaimInfo {
    /// Tells the subscribers of its name's events.
    pub fn emit(&self, event: Event) {
        self.registry.emit(event);
    }
}

impl Seat {
    /// The server has answered: the next connect may have its turn.
    pub fn replied(&self) {
        if !self.replied.swap(true, Ordering::Relaxed) {
            self.claim.registry.with_owner(&self.claim.name, &self.claim, |owner| owner.unreplied -= 1);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let waited = !*self.replied.get_mut();
        self.claim.registry.with_owner(&self.claim.name, &self.claim, |owner| {
            owner.clients -= 1;
            owner.unreplied -= usize::from(waited);
        });
    }
}

fn not_found() -> OpenError {
    OpenError::new(Code::NotFound, "nobody serves under this name: is the server's page open?")
}

/// A place in a queue, left when dropped.
struct Ticket {
    registry: Arc<Registry>,
    name: Name,
    number: u64,
    done: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.done {
            self.registry.leave(&self.name, self.number);
        }
    }
}
