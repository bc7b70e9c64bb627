//! The server's side: which stream a carrier belongs to that comes in.

use std::{pin::pin, sync::Arc, time::Duration};

use browser_stream_mux::Stream;
use browser_stream_protocol::OpenError;
use bytes::{Bytes, BytesMut};
use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;
use tokio::{
    sync::{
        Notify,
        mpsc::{self, UnboundedReceiver, UnboundedSender},
    },
    time::{sleep_until, timeout_at},
};
use tokio_util::task::TaskTracker;

use super::{
    carrier::Carrier,
    driver::Driver,
    field::{Asking, Taken},
    shell::{Resumable, Shell, error, now},
};
use crate::{
    connection::refuse,
    peer::Shared,
    resume::{
        Birth, Born, Budget, Endpoint, Identity, Join, Joined, Kind, Letters, Limits, Newcomer, Nonce, Pass, Reason, Record, Registry,
        Secret, StreamId, Tombstone,
    },
    seal,
};

/// The resumable streams of one peer, over all its sessions.
pub(crate) struct Resumption {
    registry: Mutex<Registry<UnboundedSender<Box<Arrival>>>>,
    limits: Arc<Limits>,
    budget: Budget,
    /// A stream lives that did not, perhaps one that had ended.
    changed: Notify,
}

/// A carrier that came in for a stream. Boxed on its way: a channel has room for 32 from the start, and most streams never see one.
pub(super) enum Arrival {
    /// With its birth open: to be answered.
    Born { stream: Stream, early: u32, grace: Duration },
    /// Answered already; it said JOIN, and what stood behind that.
    Joined { stream: Stream, join: Join, rest: Bytes },
}

/// A new stream that nobody accepted yet. Dropped, it never was.
pub(crate) struct Newborn {
    shared: Arc<Shared>,
    birth: Birth,
    grace: Duration,
    /// Its further carriers; `None` once it was answered.
    arrivals: Option<UnboundedReceiver<Box<Arrival>>>,
}

/// The reply that takes a carrier.
#[derive(Serialize)]
struct Reply {
    resume: Taken,
    #[serde(skip_serializing_if = "Option::is_none")]
    seal: Option<seal::Field>,
}

impl Resumption {
    /// None yet; each waits for its other end so long at most, and never longer than the specification says.
    pub(crate) fn new(grace: Option<Duration>) -> Self {
        let usual = Limits::default();
        let limits = Arc::new(Limits { grace: grace.map_or(usual.grace, |grace| grace.min(usual.grace)), ..usual });
        Self { registry: Mutex::new(Registry::new(Arc::clone(&limits))), limits, budget: Budget::default(), changed: Notify::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Registry<UnboundedSender<Box<Arrival>>>> {
        self.registry.lock()
    }

    /// What sealed the stream with this id, if it is there and was sealed.
    pub(crate) fn letters(&self, id: StreamId) -> Option<Letters> {
        self.lock().identity(id)?.letters.clone()
    }

    /// Resolves when none of `streams`, which are these, runs any more, and no client of one that ended may come back for its outcome.
    pub(crate) async fn settled(&self, streams: &TaskTracker) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            streams.close();
            streams.wait().await;
            let Some(until) = self.lock().unknown_until(now()) else { return };
            tokio::select! {
                () = sleep_until(until.into()) => {}
                () = changed => {}
            }
        }
    }

    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }
}

impl Newborn {
    /// A birth open came in, for a stream with this secret: the stream if it is a new one, else it is seen to.
    pub(crate) fn find(
        shared: &Arc<Shared>,
        name: Arc<str>,
        asking: &Asking,
        secret: Secret,
        letters: Option<Letters>,
        stream: Stream,
    ) -> Option<(Stream, Self)> {
        let resumption = &shared.resumption;
        let identity = Arc::new(Identity { id: asking.id, secret, name, letters });
        let (birth, grace) = (Birth { identity, early: asking.early }, asking.grace.min(resumption.limits.grace));
        let mut registry = resumption.lock();
        let early = birth.early;
        match registry.birth(&birth, now()) {
            Born::New => {
                let (sender, arrivals) = mpsc::unbounded_channel();
                registry.insert(Arc::clone(&birth.identity), sender);
                return Some((stream, Self { shared: Arc::clone(shared), birth, grace, arrivals: Some(arrivals) }));
            }
            Born::Known(known) => send(known, Arrival::Born { stream, early, grace }),
            Born::Ended(tombstone) => revive(shared, &mut registry, tombstone, Arrival::Born { stream, early, grace }),
            Born::Refused(reason) => {
                drop(registry);
                refuse(stream, error(&reason));
            }
        }
        None
    }

    /// Takes the stream: its program's end.
    pub(crate) fn accept(mut self, stream: Stream) -> Resumable {
        let Birth { identity, early } = &self.birth;
        let resumption = &self.shared.resumption;
        let endpoint = Endpoint::accept(Arc::clone(identity), Arc::clone(&resumption.limits), &resumption.budget, self.grace, now());
        let shell = Shell::new(endpoint);
        // It is answered here only.
        let arrivals = self.arrivals.take().unwrap_or_else(|| mpsc::unbounded_channel().1);
        begin(&self.shared, &shell, arrivals, Arrival::Born { stream, early: *early, grace: self.grace });
        Resumable::new(&shell)
    }

    /// Refuses it, however often it is asked for again.
    pub(crate) fn refuse(mut self, stream: Stream, error: &OpenError) {
        let reason = Reason::new(&error.code.to_string(), &error.message);
        self.shared.resumption.lock().refuse(Arc::clone(&self.birth.identity), reason, self.grace, now());
        refuse(stream, error.clone());
        while let Some(arrival) = self.arrivals.as_mut().and_then(|arrivals| arrivals.try_recv().ok()) {
            if let Arrival::Born { stream, .. } = *arrival {
                refuse(stream, error.clone());
            }
        }
        self.arrivals = None;
    }
}

impl Drop for Newborn {
    fn drop(&mut self) {
        if self.arrivals.is_some() {
            self.shared.resumption.lock().forget(self.birth.identity.id);
        }
    }
}

/// One more carrier of some stream: reads which one it is. Anything but JOIN, or none in time, ends it, as does a newer carrier that needs its place.
pub(crate) async fn join(shared: Arc<Shared>, name: Arc<str>, mut stream: Stream, pass: Pass) {
    answer(&mut stream, Taken::join(), None);
    let place = pass.place().clone();
    let mut newcomer = Newcomer::new(pass, &shared.resumption.limits, now());
    loop {
        let deadline = newcomer.deadline().into();
        let read = tokio::select! {
            biased;
            () = place.withdrawn() => return,
            read = timeout_at(deadline, stream.read_chunk()) => read,
        };
        let Ok(Ok(Some(mut bytes))) = read else { return };
        match newcomer.received(&mut bytes) {
            Err(_) => return,
            Ok(Err(again)) => newcomer = again,
            Ok(Ok(join)) => return joined(&shared, &name, stream, join, bytes),
        }
    }
}

fn joined(shared: &Arc<Shared>, name: &str, mut stream: Stream, join: Join, rest: Bytes) {
    let mut registry = shared.resumption.lock();
    match registry.join(join.stream, Some(name), now()) {
        Joined::Known(known) => send(known, Arrival::Joined { stream, join, rest }),
        Joined::Ended(tombstone) => revive(shared, &mut registry, tombstone, Arrival::Joined { stream, join, rest }),
        Joined::Gone => {
            let mut record = BytesMut::new();
            Record::Gone.encode(&mut record);
            stream.write_now(record.freeze());
            stream.finish();
        }
    }
}

/// Gives an ended stream a task again, for as long as a carrier is there.
fn revive(shared: &Arc<Shared>, registry: &mut Registry<UnboundedSender<Box<Arrival>>>, tombstone: Tombstone, arrival: Arrival) {
    let endpoint = Endpoint::revive(tombstone, Arc::clone(&shared.resumption.limits), now());
    let (sender, arrivals) = mpsc::unbounded_channel();
    registry.insert(Arc::clone(endpoint.identity()), sender);
    begin(shared, &Shell::new(endpoint), arrivals, arrival);
}

fn begin(shared: &Arc<Shared>, shell: &Arc<Shell>, arrivals: UnboundedReceiver<Box<Arrival>>, first: Arrival) {
    let mut driver = Driver::new(Arc::clone(shell), Arc::clone(shared), None, arrivals);
    driver.arrived(first);
    shared.streams.spawn(driver.run());
    shared.resumption.changed.notify_waiters();
}

fn send(known: &UnboundedSender<Box<Arrival>>, arrival: Arrival) {
    // A stream in the registry has a task, or an application that has yet to answer.
    let _ = known.send(Box::new(arrival));
}

fn answer(stream: &mut Stream, resume: Taken, letters: Option<&Letters>) {
    let seal = letters.map(|letters| seal::Field::answer(&letters.answer));
    // A reply of a few bytes always has a form.
    stream.write_reply(&serde_json::to_vec(&Reply { resume, seal }).unwrap_or_default());
}

impl Driver {
    /// A carrier came for this stream.
    pub(super) fn arrived(&mut self, arrival: Arrival) {
        let id = self.number();
        let mut core = self.shell.lock();
        let (stream, place) = match arrival {
            Arrival::Born { mut stream, early, grace } => {
                answer(&mut stream, Taken::with(grace), core.endpoint.identity().letters.as_ref());
                core.endpoint.born(id, early, now());
                (stream, None)
            }
            Arrival::Joined { stream, join, rest } => {
                let place = join.place().clone();
                core.endpoint.joined(id, Kind::Proxy, join, Nonce(rand::random()), now());
                core.endpoint.received(id, rest, now());
                (stream, Some(place))
            }
        };
        drop(core);
        self.carriers.push(Carrier::accepted(id, stream, place));
    }
}
