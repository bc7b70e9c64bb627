//! One node of a cluster at work: the protocol, the table, and those who wait for it.

mod tenure;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, SetOnce, broadcast, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{Adapter, Core, Event, NodeId, Outcome, Place, Secret, Share, State, Stranger, Time, Timing, Title, Whereabouts, Why};
use tenure::Granted;
pub use tenure::{Tenure, Validity};

/// A node of a cluster: claims names, and knows where all are. Cheap to clone, every clone is the same; the last one dropped ends it, and others find that out.
///
/// See [`Core`].
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
    _task: Arc<AbortOnDropHandle<()>>,
}

struct Shared {
    begun: Instant,
    state: Mutex<Inner>,
    /// What it may serve, it may serve until then: microseconds since `begun`.
    serves_until: AtomicU64,
    /// There is something to write, or another time to be woken at.
    stirred: Notify,
    /// A write has its outcome.
    answered: Notify,
    news: broadcast::Sender<Place>,
    /// Why it has no place among the others.
    unwelcome: SetOnce<Stranger>,
}

struct Inner {
    core: Core,
    waiting: HashMap<u64, (Place, Answer)>,
    held: HashMap<Place, Granted>,
}

type Answer = oneshot::Sender<Result<Granted, Why>>;

/// A claim, until it was answered; given up when dropped before that.
struct Waiting<'a> {
    node: &'a Node,
    place: &'a Place,
    claim: u64,
    is_over: bool,
}

impl Node {
    /// Starts a node that others reach at `address`; it joins as soon as the table answers.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(adapter: Arc<dyn Adapter>, address: &str, timing: Timing) -> Self {
        Self::run(Core::new(Uuid::new_v4(), address, timing), adapter)
    }

    /// The same for one that shows the others that it has the cluster's `secret`, and does not join where others are that have another.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start_with(adapter: Arc<dyn Adapter>, address: &str, secret: Secret, timing: Timing) -> Self {
        Self::run(Core::new(Uuid::new_v4(), address, timing).with_secret(secret), adapter)
    }

    fn run(core: Core, adapter: Arc<dyn Adapter>) -> Self {
        let shared = Arc::new(Shared {
            begun: Instant::now(),
            state: Mutex::new(Inner { core, waiting: HashMap::new(), held: HashMap::new() }),
            serves_until: AtomicU64::new(0),
            stirred: Notify::new(),
            answered: Notify::new(),
            news: broadcast::Sender::new(NEWS_AHEAD),
            unwelcome: SetOnce::new(),
        });
        let task = tokio::spawn(run(shared.clone(), adapter));
        Self { shared, _task: Arc::new(AbortOnDropHandle::new(task)) }
    }

    /// This node, in its present life.
    pub fn id(&self) -> NodeId {
        self.shared.state.lock().core.id()
    }

    /// Where others reach it.
    #[cfg(feature = "admin")]
    pub(crate) fn address(&self) -> Arc<str> {
        self.shared.state.lock().core.address()
    }

    /// Whether it may serve the names that it has, and have more.
    pub fn is_in(&self) -> bool {
        self.shared.serves_now()
    }

    /// Whether its last renewal was taken: one that is in and not well may be out soon.
    pub fn is_well(&self) -> bool {
        self.is_in() && self.shared.state.lock().core.is_well()
    }

    /// Resolves when it has joined the others. Cancel-safe.
    pub async fn joined(&self) {
        loop {
            let answered = self.shared.answered.notified();
            if self.is_in() {
                return;
            }
            answered.await;
        }
    }

    /// Resolves when it has left, or does not join, for others were there before it that have another secret: with one of those. Cancel-safe.
    pub async fn unwelcome(&self) -> Stranger {
        self.shared.unwelcome.wait().await.clone()
    }

    /// Takes a name, or finds out why not. Dropping the future gives the claim up.
    pub async fn claim(&self, place: &Place, title: Title, http: bool) -> Result<Tenure, Why> {
        self.ask(place, |core, now| core.claim(now, place, title, http)).await
    }

    /// The same for a name that several nodes may have at once, by terms that are then [`Tenure::terms`]. At one node it is claimed once, and not again before that was given up.
    pub async fn share(&self, place: &Place, share: Share) -> Result<Tenure, Why> {
        let title = Title { instance: Uuid::new_v4(), attempt: 0, generation: None, sub: None };
        self.ask(place, |core, now| core.share(now, place, title, share)).await
    }

    async fn ask(&self, place: &Place, ask: impl FnOnce(&mut Core, Time) -> u64) -> Result<Tenure, Why> {
        let (answer, answered) = oneshot::channel();
        let claim = self.shared.stir(|inner, now| {
            let claim = ask(&mut inner.core, now);
            inner.waiting.insert(claim, (place.clone(), answer));
            claim
        });
        let mut waiting = Waiting { node: self, place, claim, is_over: false };
        let granted = answered.await.unwrap_or(Err(Why::Unavailable));
        waiting.is_over = true;
        Ok(Tenure { node: self.clone(), place: place.clone(), granted: granted? })
    }

    /// Where a name is, as far as the table has told; `None` for one that is free.
    pub fn whereabouts(&self, place: &Place) -> Option<Whereabouts> {
        let now = self.shared.now();
        self.shared.state.lock().core.whereabouts(now, place)
    }

    /// The same of a name that another node has, or had and keeps for its owner.
    pub fn elsewhere(&self, place: &Place) -> Option<Whereabouts> {
        let now = self.shared.now();
        let inner = self.shared.state.lock();
        let (me, found) = (inner.core.id(), inner.core.whereabouts(now, place)?);
        if found.node.process != me.process {
            return Some(found);
        }
        // An earlier life of this very process serves nobody, whatever the table says of it.
        (found.node != me).then_some(Whereabouts { address: None, state: State::Suspended, ..found })
    }

    /// How many nodes there are, as far as the table has told, and how many names they have.
    pub fn count(&self) -> (usize, usize) {
        self.shared.state.lock().core.count()
    }

    /// The other nodes that are there, as far as the table has told, and where they are reached.
    pub fn others(&self) -> Vec<(NodeId, Arc<str>)> {
        self.shared.state.lock().core.others().collect()
    }

    /// The names of that prefix that other nodes have, or keep for their owners, and are `wanted`: at most so many.
    pub fn all_elsewhere(&self, prefix: &str, most: usize, mut wanted: impl FnMut(&str) -> bool) -> Vec<(Arc<str>, State)> {
        let now = self.shared.now();
        let inner = self.shared.state.lock();
        let names = inner.core.elsewhere(now, prefix).filter(|(place, _)| wanted(&place.name));
        names.map(|(place, state)| (place.name.clone(), state)).take(most).collect()
    }

    /// The names of that prefix that are kept for their owners though their nodes are dead: which had them, and the generations of their leases. Of all nodes one tells them.
    #[cfg(feature = "admin")]
    pub(crate) fn kept(&self, prefix: &str) -> Vec<(Arc<str>, NodeId, Option<u64>)> {
        let now = self.shared.now();
        let inner = self.shared.state.lock();
        if !inner.core.speaks_for_dead() {
            return Vec::new();
        }
        inner.core.kept(now, prefix).map(|(place, row)| (place.name.clone(), row.node, row.title.generation)).collect()
    }

    /// The names about which something is different from now on. Who is too slow is told how many it missed.
    pub fn news(&self) -> broadcast::Receiver<Place> {
        self.shared.news.subscribe()
    }

    /// Goes: all names that it still has are lost to it, and others need not wait to see that. Resolves when the table has taken that, or was not to be reached.
    pub async fn leave(&self) {
        self.shared.stir(|inner, now| inner.core.leave(now));
        loop {
            let answered = self.shared.answered.notified();
            if self.shared.state.lock().core.is_quiet() {
                return;
            }
            answered.await;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.node.shared.free(self.place, self.claim);
        }
    }
}

impl Shared {
    fn now(&self) -> Time {
        self.begun.elapsed()
    }

    fn serves_now(&self) -> bool {
        self.now().as_micros() < u128::from(self.serves_until.load(Ordering::Acquire))
    }

    /// Has the core do something, and the task see to what follows.
    fn stir<T>(&self, act: impl FnOnce(&mut Inner, Time) -> T) -> T {
        let done = self.with(act);
        self.stirred.notify_one();
        done
    }

    /// Has the core do something, then tells those whom that concerns.
    fn with<T>(&self, act: impl FnOnce(&mut Inner, Time) -> T) -> T {
        let mut inner = self.state.lock();
        let was_in = inner.core.serves_until().is_some();
        let done = act(&mut inner, self.now());
        let is_in = inner.core.serves_until().is_some();
        match is_in {
            true if !was_in => {
                let (nodes, names) = inner.core.count();
                tracing::info!(node = %inner.core.id(), nodes, names, "in the cluster: names can be claimed here");
            }
            false if was_in && !inner.core.has_left() => {
                tracing::warn!("out of the cluster, for NATS took no renewal in time: the names of this node are others' to claim")
            }
            _ => {}
        }
        let until = inner.core.serves_until().map_or(0, |until| u64::try_from(until.as_micros()).unwrap_or(u64::MAX));
        self.serves_until.store(until, Ordering::Release);
        while let Some(event) = inner.core.next_event() {
            self.happened(&mut inner, event);
        }
        done
    }

    fn happened(&self, inner: &mut Inner, event: Event) {
        match event {
            Event::Granted { claim, hold } => {
                // Who has gone in this very moment gives it up.
                if let Some((place, answer)) = inner.waiting.remove(&claim) {
                    let granted = Granted { hold, lost: Arc::default(), terms: inner.core.terms(&place).cloned() };
                    inner.held.insert(place, granted.clone());
                    let _ = answer.send(Ok(granted));
                }
            }
            Event::Refused { claim, why } => {
                if let Some((_, answer)) = inner.waiting.remove(&claim) {
                    let _ = answer.send(Err(why));
                }
            }
            Event::Lost { place, hold, why } => {
                if let Some(held) = inner.forget(&place, hold.serial) {
                    let _ = held.lost.set(why);
                }
            }
            Event::Changed(place) => {
                let _ = self.news.send(place);
            }
            Event::Stranger(Stranger { node, address }) => tracing::warn!(
                %node,
                ?address,
                "a node shares the table and does not show this cluster's secret: no client gets there; give it the same --cluster-secret, or a --cluster-bucket of its own"
            ),
            Event::Unwelcome(stranger) => {
                let _ = self.unwelcome.set(stranger);
            }
        }
    }

    /// Nobody wants a name any more that was claimed under this number, or still is.
    fn free(&self, place: &Place, claim: u64) {
        self.stir(|inner, now| {
            inner.waiting.remove(&claim);
            inner.forget(place, claim);
            inner.core.give_up(now, place, claim);
        });
    }
}

impl Inner {
    /// The hold of that number, if it is the newest of its name.
    fn forget(&mut self, place: &Place, claim: u64) -> Option<Granted> {
        self.held.get(place).filter(|held| held.hold.serial == claim)?;
        self.held.remove(place)
    }
}

/// Carries out what the core wants written, hands in what the table tells, and wakes it in time.
async fn run(shared: Arc<Shared>, adapter: Arc<dyn Adapter>) {
    let mut changes = adapter.changes();
    let mut flying: FuturesUnordered<BoxFuture<'static, (u64, Outcome)>> = FuturesUnordered::new();
    loop {
        let deadline = {
            let mut inner = shared.state.lock();
            while let Some((number, write)) = inner.core.next_write() {
                flying.push(adapter.write(write).map(move |outcome| (number, outcome)).boxed());
            }
            inner.core.deadline()
        };
        // A time without end is no instant.
        let at = shared.begun + deadline.min(FAR);
        tokio::select! {
            Some((number, outcome)) = flying.next() => {
                shared.with(|inner, now| inner.core.answered(now, number, outcome));
                shared.answered.notify_waiters();
            }
            Some(change) = changes.next() => shared.with(|inner, now| inner.core.changed(now, change)),
            () = sleep_until(at) => shared.with(|inner, now| inner.core.tick(now)),
            () = shared.stirred.notified() => {}
        }
    }
}

/// Names that are told and not yet looked at.
const NEWS_AHEAD: usize = 1024;
/// A hundred years.
const FAR: Time = Time::from_secs(100 * 365 * 86_400);
