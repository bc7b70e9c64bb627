//! A bus in memory, for nodes of one process: it does to parcels what it is told to.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use parking_lot::Mutex;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{Bus, Mail, Subject};

/// A bus in memory. Cheap to clone; every clone is the same.
///
/// See [`Post`](super::Post).
#[derive(Clone, Default)]
pub struct Loopback {
    inner: Arc<Inner>,
}

/// What becomes of a parcel, by who sends it, who should hear it, and its subject; nodes are numbered from 0 in the order in which they were made.
///
/// See [`Loopback`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It comes.
    None,
    /// It comes so much later.
    Late(Duration),
    /// It does not come.
    Lost,
}

type Judge = Arc<dyn Fn(usize, usize, &Subject) -> Fault + Send + Sync>;
type Ear = (usize, mpsc::UnboundedSender<Bytes>);

#[derive(Default)]
struct Inner {
    nodes: Mutex<usize>,
    ears: Mutex<HashMap<Subject, Vec<Ear>>>,
    judge: Mutex<Option<Judge>>,
    /// When the last parcel of a node reaches another that was held up.
    late: Mutex<HashMap<(usize, usize), Instant>>,
    carried: Mutex<HashMap<String, (u64, u64)>>,
    parcel_max: Mutex<Option<usize>>,
}

/// One node's way to the bus.
struct Way {
    inner: Arc<Inner>,
    node: usize,
}

const PARCEL_MAX: usize = 256 * 1024;

impl Loopback {
    /// A bus without nodes that loses nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more node's way to it.
    pub fn node(&self) -> Arc<dyn Bus> {
        let mut nodes = self.inner.nodes.lock();
        *nodes += 1;
        Arc::new(Way { inner: self.inner.clone(), node: *nodes - 1 })
    }

    /// Parcels are no longer than this from now on.
    pub fn cut(&self, parcel_max: usize) {
        *self.inner.parcel_max.lock() = Some(parcel_max);
    }

    /// From now on this says what becomes of each parcel.
    pub fn judge(&self, judge: impl Fn(usize, usize, &Subject) -> Fault + Send + Sync + 'static) {
        *self.inner.judge.lock() = Some(Arc::new(judge));
    }

    /// How many parcels were sent on subjects of a kind, and how many bytes, however many heard them.
    pub fn carried(&self, kind: &str) -> (u64, u64) {
        self.inner.carried.lock().get(kind).copied().unwrap_or_default()
    }
}

impl Bus for Way {
    fn send(&self, subject: &Subject, parcel: Bytes) {
        let kind = subject.as_str().split('.').next().unwrap_or_default();
        let mut carried = self.inner.carried.lock();
        let (parcels, bytes) = carried.entry(kind.to_owned()).or_default();
        (*parcels, *bytes) = (*parcels + 1, *bytes + parcel.len() as u64);
        drop(carried);
        let judge = self.inner.judge.lock().clone();
        let mut ears = self.inner.ears.lock();
        let Some(ears) = ears.get_mut(subject) else { return };
        ears.retain(|(node, ear)| {
            if *node == self.node {
                return !ear.is_closed();
            }
            let fault = judge.as_ref().map_or(Fault::None, |judge| judge(self.node, *node, subject));
            let late = match fault {
                Fault::None => Duration::ZERO,
                Fault::Late(late) => late,
                Fault::Lost => return !ear.is_closed(),
            };
            self.carry((self.node, *node), ear, late, parcel.clone())
        });
    }

    fn listen(&self, subject: &Subject) -> BoxStream<'static, Mail> {
        let (ear, mut parcels) = mpsc::unbounded_channel();
        self.inner.ears.lock().entry(subject.clone()).or_default().push((self.node, ear));
        let heard = futures::stream::poll_fn(move |cx| parcels.poll_recv(cx)).map(Mail::Parcel);
        futures::stream::iter([Mail::Listening]).chain(heard).boxed()
    }

    fn flush(&self) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }

    fn parcel_max(&self) -> usize {
        self.inner.parcel_max.lock().unwrap_or(PARCEL_MAX)
    }
}

impl Way {
    /// Has a parcel heard at its time, behind those that the same node sent before; false where nobody listens.
    fn carry(&self, way: (usize, usize), ear: &mpsc::UnboundedSender<Bytes>, late: Duration, parcel: Bytes) -> bool {
        let now = Instant::now();
        let mut last = self.inner.late.lock();
        let behind = last.get(&way).filter(|&&last| last >= now).map(|&last| last + Duration::from_millis(1));
        if late.is_zero() && behind.is_none() {
            return ear.send(parcel).is_ok();
        }
        let at = behind.map_or(now + late, |behind| behind.max(now + late));
        last.insert(way, at);
        let ear = ear.clone();
        tokio::spawn(async move {
            sleep_until(at).await;
            // Nobody listening is no fault.
            let _ = ear.send(parcel);
        });
        true
    }
}
