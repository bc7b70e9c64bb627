//! The map of names: who holds one, who waits for one, and whose turn it is (PROTOCOL.md, sections 5 and 9).

mod claim;
#[cfg(feature = "cluster")]
mod elsewhere;
mod operator;
mod seat;
mod slot;
mod standby;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use browser_stream_mux::Code;
use dashmap::DashMap;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, broadcast},
    time::{Instant, sleep},
};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{Event, Name, Reason, lease::EXACT_MAX, tenure::Tenure};
use crate::{counters::Refusal, error::OpenError, limits::Limits, session::Session};
use claim::Place;
pub(super) use claim::{Applicant, Claim, ClaimInfo, Right, Taken};
#[cfg(feature = "cluster")]
pub(super) use elsewhere::{Elsewhere, There};
#[cfg(feature = "admin")]
pub(crate) use operator::SeenName;
#[cfg(feature = "cluster")]
pub(super) use seat::Found;
use seat::Places;
pub(super) use seat::{Seat, not_found};
use slot::{Hold, Slot, Standing, Suspended, Title};
pub(super) use standby::Claimed;
use standby::Freed;
pub(super) use watch::Presence;

/// Behind a prefix, in front of a name.
const ACCEPT: &str = "/accept/";

/// The names of one prefix. No guard of the map is held across an await or a callback.
pub(super) struct Registry {
    slots: DashMap<Name, Slot>,
    /// In front of a name in the path on which its server is told of a client.
    accept: String,
    tickets: AtomicU64,
    /// The newest lease: as many microseconds since 1970, or more, so that a proxy that is started again makes newer ones.
    generations: AtomicU64,
    /// What was newest at the start: every older lease is from before.
    started: (u64, Instant),
    /// Names that may still be suspended.
    suspendable: Arc<Semaphore>,
    draining: AtomicBool,
    /// Names that an operator keeps.
    reserved: AtomicUsize,
    /// Where the names are that are not here, if this is a node of a cluster.
    #[cfg(feature = "cluster")]
    elsewhere: std::sync::OnceLock<Elsewhere>,
    limits: Arc<Limits>,
    events: broadcast::Sender<Event>,
    /// Those of names alone: who listens makes nobody pay for each client.
    news: broadcast::Sender<Event>,
}

impl Registry {
    pub fn new(prefix: &str, limits: Arc<Limits>) -> Arc<Self> {
        let (events, news) = (broadcast::Sender::new(limits.events_buffer), broadcast::Sender::new(limits.events_buffer));
        let newest = microseconds();
        Arc::new(Self {
            slots: DashMap::new(),
            accept: format!("{prefix}{ACCEPT}"),
            tickets: AtomicU64::new(0),
            generations: AtomicU64::new(newest),
            started: (newest, Instant::now()),
            suspendable: Arc::new(Semaphore::new(limits.suspended_names_max.min(Semaphore::MAX_PERMITS))),
            draining: AtomicBool::new(false),
            reserved: AtomicUsize::new(0),
            #[cfg(feature = "cluster")]
            elsewhere: std::sync::OnceLock::new(),
            limits,
            events,
            news,
        })
    }

    /// What happens to these names from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Whether anybody hears of clients.
    fn is_heard(&self) -> bool {
        self.events.receiver_count() > 0 || tracing::enabled!(tracing::Level::DEBUG)
    }

    /// Tells the subscribers; nobody waits for them.
    pub fn emit(&self, event: Event) {
        // An event as text escapes names: no peer writes lines of its own into the log.
        match event {
            Event::ClientConnected { .. } | Event::ClientDisconnected { .. } => tracing::debug!("{event}"),
            _ => {
                tracing::info!("{event}");
                if self.news.receiver_count() > 0 {
                    let _ = self.news.send(event.clone());
                }
            }
        }
        // An error says that nobody has subscribed.
        let _ = self.events.send(event);
    }

    /// Takes the name for this session, or takes it back: of two that race exactly one gets it, the other the code that PROTOCOL.md,
    /// section 9, has for it, or a place in the queue for the name if it stands by.
    pub fn claim(self: &Arc<Self>, name: &Name, applicant: Applicant, stands_by: bool) -> Result<Claimed, OpenError> {
        let place = self.place(&applicant.session)?;
        let mut slot = self.slots.entry(name.clone()).or_default();
        if self.draining.load(Ordering::Acquire) {
            drop(slot);
            self.tidy(name);
            return Err(draining());
        }
        match slot.judge(&applicant, self.honoured_before()) {
            Ok(standing) => {
                let claim = self.install(&mut slot, name, applicant, place, standing);
                drop(slot);
                Ok(Claimed::Now(claim))
            }
            Err(Code::NameTaken | Code::NameReserved) if stands_by => self.stand_by(&mut slot, name, applicant, place),
            Err(_) if slot.is_reserved => Err(operator::reserved()),
            Err(code) => Err(refused(code)),
        }
    }

    /// Takes a name away from whoever holds it, or held it. False if nobody did.
    pub fn release(self: &Arc<Self>, name: &Name) -> bool {
        let Some(mut slot) = self.slots.get_mut(name) else { return false };
        match &slot.hold {
            Hold::Free => false,
            // Its own task frees it.
            Hold::Up(claim) => {
                claim.take(Taken::Released);
                true
            }
            Hold::Suspended(suspended) => {
                let id = suspended.title.id;
                let freed = self.free(&mut slot, name, id, Reason::Released);
                drop(slot);
                freed.settle();
                self.tidy(name);
                true
            }
        }
    }

    /// Whether this session holds that name at this moment.
    pub fn is_held_by(&self, name: &Name, session: &Session) -> bool {
        let slot = self.slots.get(name);
        slot.is_some_and(|slot| matches!(&slot.hold, Hold::Up(claim) if claim.session.id() == session.id()))
    }

    /// Nobody gets a name from now on, and nobody waits for one any more: all are told `draining`, but for those whom another node passed on.
    pub fn drain(&self) {
        // Whoever looks at it under the lock of a slot either sees it, or is seen below.
        self.draining.store(true, Ordering::Release);
        let (mut clients, mut claims) = (Vec::new(), Vec::new());
        for mut slot in self.slots.iter_mut() {
            clients.extend(slot.waiting.extract_if(.., |_, waiter| self.sends_away(waiter.roams)).map(|(_, waiter)| waiter));
            claims.extend(std::mem::take(&mut slot.standby).into_values());
        }
        for client in clients {
            let _ = client.answer.send(Err(draining()));
        }
        for claim in claims {
            claim.refuse(draining());
        }
    }

    /// One more name for this session, if it may have it.
    fn place(&self, session: &Session) -> Result<Place, OpenError> {
        let most = self.limits.names_per_session_max;
        Place::take(&session.names, session.owns_name()?, most).ok_or_else(|| {
            session.count(Refusal::NamesPerSession);
            OpenError::new(Code::Limit, format!("one connection holds at most {most} names"))
        })
    }

    /// Leases older than this have a name back from one who claimed it without: those from before the start, while they can still be within
    /// their grace.
    fn honoured_before(&self) -> u64 {
        let (newest, at) = self.started;
        if at.elapsed() < self.limits.lease_grace { newest } else { 0 }
    }

    /// A generation that no lease of this process has, and no earlier one's unless the clock was set back.
    fn next_generation(&self) -> u64 {
        let now = microseconds();
        let next = |newest: u64| now.max(newest + 1).min(EXACT_MAX);
        self.generations.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |newest| Some(next(newest))).map_or(now, next)
    }

    /// Makes the applicant the owner. Whoever it follows, if anybody, is told.
    fn install(self: &Arc<Self>, slot: &mut Slot, name: &Name, applicant: Applicant, place: Place, standing: Standing) -> Claim {
        let Applicant { session, sub, instance, attempt, right, capabilities, http, tenure } = applicant;
        let generation = match right {
            Right::None => None,
            Right::New => Some(self.next_generation()),
            Right::Made(generation) | Right::Held(generation) => Some(generation),
        };
        let id = match standing {
            Standing::Same(id) => id,
            Standing::New => Uuid::new_v4(),
        };
        let since_ms = slot.title().filter(|_| standing != Standing::New).map_or_else(|| microseconds() / 1000, |title| title.since_ms);
        let title = Title { id, instance, attempt, generation, since_ms };
        // Who shows a lease has heard of it.
        let places = Places::new(self.limits.clients_max, matches!(right, Right::Held(_)));
        let held = (places, tenure.validity());
        let info = Arc::new(ClaimInfo::new(self.clone(), name.clone(), title, (session, sub), (capabilities, http), held));
        let former = std::mem::replace(&mut slot.hold, Hold::Up(info.clone()));
        // All under the slot's lock, so that the events of a name come in order for everybody.
        let at = SystemTime::now();
        match (former, standing) {
            (Hold::Free, _) => self.emit(Event::ServerCreated { name: name.clone(), id, at }),
            (Hold::Suspended(_), Standing::Same(_)) => self.emit(Event::ServerResumed { name: name.clone(), id, at }),
            (Hold::Suspended(left), Standing::New) => self.follow(name, left.title.id, id, at),
            (Hold::Up(former), standing) => {
                if standing == Standing::New {
                    self.follow(name, former.title.id, id, at);
                }
                former.take(Taken::Superseded);
            }
        }
        self.announce(slot, name);
        Claim::new(info, place, tenure)
    }

    /// Tells that one claim of a name is over, for there is another.
    fn follow(&self, name: &Name, former: Uuid, id: Uuid, at: SystemTime) {
        self.emit(Event::ServerDestroyed { name: name.clone(), id: former, reason: Reason::Superseded, at });
        self.emit(Event::ServerCreated { name: name.clone(), id, at });
    }

    /// Ends a claim: suspends its name or frees it, unless somebody else has it by now.
    fn end(self: &Arc<Self>, claim: &mut Claim) {
        let (name, info) = (claim.info.name.clone(), claim.info.clone());
        let Some(mut slot) = self.slots.get_mut(&name) else { return };
        // Late clean-up: the name went on to another.
        if !slot.is_held_by(&info) {
            return;
        }
        let freed = match self.suspension(claim) {
            Some(suspended) => {
                slot.hold = Hold::Suspended(suspended);
                self.emit(Event::ServerSuspended { name: name.clone(), id: info.title.id, reason: claim.reason, at: SystemTime::now() });
                self.announce(&slot, &name);
                Freed::default()
            }
            None => self.free(&mut slot, &name, info.title.id, claim.reason),
        };
        drop(slot);
        // Before anybody hears that the name is free.
        claim.tenure = Tenure::default();
        freed.settle();
        self.tidy(&name);
    }

    /// What becomes of a claim that ended without being given up: `None` if it has no lease that its owner may know of, or there are too many.
    fn suspension(self: &Arc<Self>, claim: &mut Claim) -> Option<Suspended> {
        let went = matches!(claim.reason, Reason::Reset(_) | Reason::Lost);
        if !went || !claim.told || claim.info.title.generation.is_none() {
            return None;
        }
        // Without a runtime the process is at its end.
        let runtime = Handle::try_current().ok()?;
        let Ok(permit) = self.suspendable.clone().try_acquire_owned() else {
            claim.info.session.count(Refusal::SuspendedNames);
            return None;
        };
        let serial = self.tickets.fetch_add(1, Ordering::Relaxed);
        let (registry, name, grace) = (Arc::downgrade(self), claim.info.name.clone(), self.limits.lease_grace);
        let validity = claim.info.validity().clone();
        let lapse = runtime.spawn(async move {
            let reason = tokio::select! {
                loss = validity.lost() => loss.into(),
                () = sleep(grace) => Reason::Lost,
            };
            if let Some(registry) = registry.upgrade() {
                registry.lapse(&name, serial, reason);
            }
        });
        claim.tenure.suspend();
        Some(Suspended {
            title: claim.info.title,
            sub: claim.info.sub.clone(),
            http: claim.info.http,
            heard: claim.info.was_heard(),
            serial,
            _lapse: AbortOnDropHandle::new(lapse),
            tenure: std::mem::take(&mut claim.tenure),
            _place: claim.place.take(),
            _permit: permit,
        })
    }

    /// The grace is over, or the name is another node's: it is free, if it is still that suspension's.
    fn lapse(self: &Arc<Self>, name: &Name, serial: u64, reason: Reason) {
        let Some(mut slot) = self.slots.get_mut(name) else { return };
        let Hold::Suspended(Suspended { title, serial: found, .. }) = &slot.hold else { return };
        if *found != serial {
            return;
        }
        let id = title.id;
        let freed = self.free(&mut slot, name, id, reason);
        drop(slot);
        freed.settle();
        self.tidy(name);
    }

    /// The name is free: the first who stands by has it, or those are told who waited long enough.
    #[must_use = "to be settled when the slot's lock is free"]
    fn free(self: &Arc<Self>, slot: &mut Slot, name: &Name, id: Uuid, reason: Reason) -> Freed {
        slot.hold = Hold::Free;
        self.emit(Event::ServerDestroyed { name: name.clone(), id, reason, at: SystemTime::now() });
        let freed = self.hand_on(slot, name);
        self.announce(slot, name);
        freed
    }

    /// Forgets a name that nobody holds, waits for or watches.
    fn tidy(&self, name: &Name) {
        self.slots.remove_if(name, |_, slot| slot.is_idle());
    }
}

/// Since 1970, as a clock that may jump has it: for numbers that differ, never for times.
fn microseconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(EXACT_MAX).min(EXACT_MAX)
}

fn refused(code: Code) -> OpenError {
    let why = match code {
        Code::NameReserved => {
            "the name is kept for its server, whose connection went and may come back: try again in two minutes, stand by, or choose another. \
             End a server before its program ends, or listen with lease: false, and the name is free at once"
        }
        Code::Superseded => "the same lease is used elsewhere, with a higher attempt",
        _ => "somebody serves under this name already: choose another, stand by, or end that server",
    };
    OpenError::new(code, why)
}

fn draining() -> OpenError {
    OpenError::new(Code::Draining, "the proxy goes down: try again on a new connection")
}
