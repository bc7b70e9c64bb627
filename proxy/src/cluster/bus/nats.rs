//! A bus on core NATS.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_nats::{Client, ConnectOptions};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use tokio::{
    sync::{OnceCell, mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{Bus, Mail, Subject};
use crate::cluster::{NatsError, NatsOptions};

/// A bus on a NATS server, which it connects to when it can: what is said meanwhile is dropped, and what is listened to is heard from then on. The connection is its own, so that
/// no renewal of a node's lease waits behind what is said in rooms.
///
/// See [`Post`](super::Post).
pub struct NatsBus {
    wire: Arc<Wire>,
    outbox: mpsc::UnboundedSender<Errand>,
    _task: AbortOnDropHandle<()>,
}

/// What the publishing task does, in order.
enum Errand {
    Parcel(String, Bytes),
    Flush(oneshot::Sender<()>),
}

struct Wire {
    options: NatsOptions,
    prefix: String,
    client: OnceCell<Client>,
    /// Bytes that were sent and that NATS has not taken yet.
    queued: AtomicUsize,
    dropped: AtomicU64,
    /// It was said that NATS is not there.
    is_said: AtomicBool,
}

/// So many bytes wait for NATS to take them; what is beyond is dropped, and told as such by who misses it.
const QUEUED_MAX: usize = 16 * 1024 * 1024;
/// What a parcel takes beside its bytes while it waits.
const PARCEL_COSTS: usize = 256;
/// NATS takes 1 MiB unless told otherwise. Shorter ones let others in between.
const PARCEL_MAX: usize = 256 * 1024;
const FLUSH_MAX: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(500);

impl NatsBus {
    /// A bus at the server of that URL, for all nodes that name the same `cluster`.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(url: &str, cluster: &str) -> Self {
        Self::with(NatsOptions::new(url, cluster))
    }

    /// The same with more to say: the cluster is that of the bucket.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn with(options: NatsOptions) -> Self {
        let prefix = format!("bss.{}", Subject::new("bus", &[&options.bucket]).as_str());
        let (queued, dropped, is_said) = Default::default();
        let wire = Arc::new(Wire { options, prefix, client: OnceCell::new(), queued, dropped, is_said });
        let (outbox, parcels) = mpsc::unbounded_channel();
        let task = AbortOnDropHandle::new(tokio::spawn(publish(wire.clone(), parcels)));
        Self { wire, outbox, _task: task }
    }
}

impl Wire {
    /// The connection, as soon as there was one: it makes itself anew whenever it breaks.
    async fn client(&self) -> &Client {
        loop {
            match self.client.get_or_try_init(|| self.connect().boxed()).await {
                Ok(client) => return client,
                Err(error) => {
                    if !self.is_said.swap(true, Ordering::Relaxed) {
                        tracing::warn!("{error}; until then rooms, channels and swarms are those of this node alone");
                    }
                    sleep(RETRY).await;
                }
            }
        }
    }

    async fn connect(&self) -> Result<Client, NatsError> {
        // What this node says comes not back to it.
        self.options.connect(ConnectOptions::new().name("bss bus").no_echo()).await
    }

    fn subject(&self, subject: &Subject) -> String {
        format!("{}.{}", self.prefix, subject.as_str())
    }
}

impl Bus for NatsBus {
    fn send(&self, subject: &Subject, parcel: Bytes) {
        let bytes = parcel.len() + PARCEL_COSTS;
        if self.wire.queued.fetch_add(bytes, Ordering::AcqRel) + bytes > QUEUED_MAX
            || self.outbox.send(Errand::Parcel(self.wire.subject(subject), parcel)).is_err()
        {
            self.wire.queued.fetch_sub(bytes, Ordering::AcqRel);
            self.wire.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn listen(&self, subject: &Subject) -> BoxStream<'static, Mail> {
        let (wire, subject) = (self.wire.clone(), self.wire.subject(subject));
        let listening = async move {
            let client = wire.client().await;
            loop {
                if let Ok(subscriber) = client.subscribe(subject.clone()).await {
                    // It stays subscribed over all its connections; what is missed in between is found out by the numbers.
                    let parcels = subscriber.map(|message| Mail::Parcel(message.payload));
                    return futures::stream::iter([Mail::Listening]).chain(parcels);
                }
                sleep(RETRY).await;
            }
        };
        listening.flatten_stream().boxed()
    }

    fn flush(&self) -> BoxFuture<'static, ()> {
        let (done, flushed) = oneshot::channel();
        let is_sent = self.outbox.send(Errand::Flush(done)).is_ok();
        async move {
            if is_sent {
                // Where NATS does not take it by then, it is not there.
                let _ = timeout(FLUSH_MAX, flushed).await;
            }
        }
        .boxed()
    }

    fn dropped(&self) -> u64 {
        self.wire.dropped.load(Ordering::Relaxed)
    }

    fn parcel_max(&self) -> usize {
        let most = self.wire.client.get().map_or(0, Client::max_payload);
        if most == 0 { PARCEL_MAX } else { most.min(PARCEL_MAX) }
    }
}

/// Hands NATS what was sent, in order.
async fn publish(wire: Arc<Wire>, mut errands: mpsc::UnboundedReceiver<Errand>) {
    while let Some(errand) = errands.recv().await {
        let (subject, parcel) = match errand {
            Errand::Parcel(subject, parcel) => (subject, parcel),
            Errand::Flush(done) => {
                // One that is not there has nothing to flush.
                let _ = wire.client().await.flush().await;
                let _ = done.send(());
                continue;
            }
        };
        let bytes = parcel.len() + PARCEL_COSTS;
        let published = wire.client().await.publish(subject, parcel).await;
        wire.queued.fetch_sub(bytes, Ordering::AcqRel);
        if published.is_err() {
            wire.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
