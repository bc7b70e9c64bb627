//! Which nodes are there, as far as a bus tells.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use parking_lot::Mutex;
use tokio::{
    sync::broadcast,
    time::{Instant, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{Bus, Mail, Subject};
use crate::cluster::Timing;

/// A node's place on a bus: what it says is heard by the others, and it knows which those are. Cheap to clone, every clone is the same; when the last one is dropped the others are told.
///
/// ```
/// # use browser_stream_server::cluster::{Loopback, Post, Timing};
/// # use uuid::Uuid;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let bus = Loopback::new();
/// let one = Post::start(bus.node(), Uuid::new_v4(), Timing::default());
/// let two = Post::start(bus.node(), Uuid::new_v4(), Timing::default());
/// let _ = two.news().recv().await;
/// assert_eq!(two.nodes(), [one.node()]);
/// # }
/// ```
#[derive(Clone)]
pub struct Post {
    inner: Arc<Inner>,
    _task: Arc<AbortOnDropHandle<()>>,
}

struct Inner {
    bus: Arc<dyn Bus>,
    node: Uuid,
    /// When each other was heard last.
    nodes: Mutex<HashMap<Uuid, Instant>>,
    news: broadcast::Sender<News>,
    /// It said that it goes, and says nothing else any more.
    has_left: AtomicBool,
    /// Parcels about something, and their bytes: each once, however many hear it.
    sent: [AtomicU64; 2],
}

/// What becomes of other nodes.
///
/// See [`Post`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is heard from now on, for the first time or again.
    Came(Uuid),
    /// It was not heard for too long, or said that it goes.
    Gone(Uuid),
}

/// What is said of a node.
const HERE: u8 = 1;
const GOES: u8 = 0;
/// News that were told and not yet looked at.
const NEWS_AHEAD: usize = 1024;

impl Post {
    /// A place for the node with this id, which is the process's and new for each.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(bus: Arc<dyn Bus>, node: Uuid, timing: Timing) -> Self {
        let (nodes, has_left, sent) = Default::default();
        let inner = Arc::new(Inner { bus, node, nodes, news: broadcast::Sender::new(NEWS_AHEAD), has_left, sent });
        let task = tokio::spawn(run(inner.clone(), timing));
        Self { inner, _task: Arc::new(AbortOnDropHandle::new(task)) }
    }

    /// This node.
    pub fn node(&self) -> Uuid {
        self.inner.node
    }

    /// The others that are there.
    pub fn nodes(&self) -> Vec<Uuid> {
        self.inner.nodes.lock().keys().copied().collect()
    }

    /// Whether that one is.
    pub fn has(&self, node: Uuid) -> bool {
        self.inner.nodes.lock().contains_key(&node)
    }

    /// What becomes of the others from now on.
    pub fn news(&self) -> broadcast::Receiver<News> {
        self.inner.news.subscribe()
    }

    /// Goes: the others need not wait to see that. Resolves when that is on its way.
    pub async fn leave(&self) {
        self.inner.has_left.store(true, Ordering::Release);
        self.inner.say(GOES);
        self.inner.bus.flush().await;
    }

    pub(crate) fn bus(&self) -> &dyn Bus {
        &*self.inner.bus
    }

    /// Parcels that were sent so far, their bytes, and how many of them the bus knows to be dropped.
    pub fn sent(&self) -> [u64; 3] {
        let [parcels, bytes] = &self.inner.sent;
        [parcels.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed), self.inner.bus.dropped()]
    }

    pub(super) fn send(&self, subject: &Subject, parcel: Bytes) {
        let [parcels, bytes] = &self.inner.sent;
        parcels.fetch_add(1, Ordering::Relaxed);
        bytes.fetch_add(parcel.len() as u64, Ordering::Relaxed);
        self.inner.bus.send(subject, parcel);
    }
}

impl Inner {
    fn say(&self, what: u8) {
        if what == HERE && self.has_left.load(Ordering::Acquire) {
            return;
        }
        let mut out = BytesMut::with_capacity(17);
        out.put_u8(what);
        out.put_slice(self.node.as_bytes());
        self.bus.send(&nodes(), out.freeze());
    }

    /// Takes what another said of itself.
    fn hear(&self, said: &[u8]) {
        let Some((&what, node)) = said.split_first() else { return };
        let Ok(node) = Uuid::from_slice(node) else { return };
        if node == self.node {
            return;
        }
        let mut nodes = self.nodes.lock();
        let news = match what {
            HERE => nodes.insert(node, Instant::now()).is_none().then_some(News::Came(node)),
            _ => nodes.remove(&node).map(|_| News::Gone(node)),
        };
        drop(nodes);
        let Some(news) = news else { return };
        if matches!(news, News::Came(_)) {
            // So that it need not wait to know of this one.
            self.say(HERE);
        }
        // Nobody listening is no fault.
        let _ = self.news.send(news);
    }

    fn look(&self, lease: Duration) {
        let now = Instant::now();
        let gone: Vec<Uuid> = {
            let mut nodes = self.nodes.lock();
            nodes.extract_if(|_, heard| now.duration_since(*heard) >= lease).map(|(node, _)| node).collect()
        };
        for node in gone {
            let _ = self.news.send(News::Gone(node));
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.say(GOES);
    }
}

async fn run(inner: Arc<Inner>, timing: Timing) {
    let mut mail = inner.bus.listen(&nodes());
    let mut due = Instant::now();
    loop {
        tokio::select! {
            Some(mail) = mail.next() => match mail {
                Mail::Listening => inner.say(HERE),
                Mail::Parcel(said) => inner.hear(&said),
            },
            () = sleep_until(due) => {
                inner.say(HERE);
                inner.look(timing.lease);
                due = Instant::now() + timing.renew;
            }
        }
    }
}

fn nodes() -> Subject {
    Subject::new("nodes", &[])
}
