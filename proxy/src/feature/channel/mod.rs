//! Channels: one publishes, many read, nothing is stored (PROTOCOL.md, section 12).
//!
//! A publisher's task takes what comes, makes records of it once (`batch`), and hands the same bytes to all readers (`hub`, `reader`), which queue them in
//! their sessions without a copy. A reader's task does nothing until its reader is behind.

#[cfg(feature = "cluster")]
mod abroad;
mod backlog;
mod batch;
mod census;
mod events;
mod hub;
mod members;
mod pair;
mod publish;
mod publisher;
mod reader;
mod registry;
mod routes;
mod stall;

use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use browser_stream_mux::Code;
use browser_stream_protocol::channel::{Accepted, CHANNEL_PREFIX, ChannelOptions, Policy, Subscription};
use tokio::sync::broadcast;
use uuid::Uuid;

use self::{
    hub::Hub,
    reader::Reader,
    registry::Registry,
    routes::{Publish, Subscribe},
};
use super::account::Accounts;
use crate::{
    counters::Counters,
    error::OpenError,
    limits::Limits,
    memory::Memory,
    route::{Name, StreamRouter},
};

#[cfg(feature = "cluster")]
pub use abroad::Ways;
pub use events::{ChannelEvent, ChannelEvents};

/// What an ended channel's members are told.
const STOPPED: &str = "the proxy ended the channel";

/// The channels of one prefix. Cheap to clone; every clone is the same.
///
/// A [`Proxy`](crate::Proxy) has them below `/channel`: [`Proxy::channels`](crate::Proxy::channels). Peers publish and subscribe there, and so does the program that the proxy runs in:
///
/// ```
/// # use std::sync::Arc;
/// # use browser_stream_server::{ChannelOptions, Channels, Limits};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// # let channels = Channels::new(Arc::new(Limits::default()));
/// let mut publisher = channels.publish("news", ChannelOptions::new().wait_for(1), &"of today").await?;
/// let mut subscription = channels.subscribe("news").await?;
/// publisher.send("something happened").await?;
/// let message = subscription.next().await?.expect("it is not the end");
/// assert_eq!(message.bytes, "something happened");
/// assert_eq!(message.publisher.meta::<String>().as_deref(), Some("of today"));
/// let status = channels.list().pop().expect("it is there");
/// assert_eq!((status.name.as_str(), status.publishers, status.messages), ("news", 1, 1));
///
/// tokio::spawn(publisher.end());
/// assert!(subscription.next().await?.is_none(), "a clean end");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Channels {
    inner: Arc<Inner>,
}

struct Inner {
    prefix: String,
    limits: Arc<Limits>,
    registry: Registry,
    accounts: Accounts,
    ground: OnceLock<Ground>,
    /// What is known of other nodes.
    #[cfg(feature = "cluster")]
    abroad: OnceLock<Arc<abroad::Abroad>>,
    events: broadcast::Sender<ChannelEvent>,
}

/// What a process has one of.
#[derive(Clone)]
struct Ground {
    memory: Arc<Memory>,
    counters: Arc<Counters>,
}

/// A channel as it is at this moment.
///
/// See [`Channels`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChannelStatus {
    /// Its name.
    pub name: Name,
    /// What happens where a subscriber falls behind.
    pub policy: Policy,
    /// Who publish.
    pub publishers: usize,
    /// Who subscribe.
    pub subscribers: usize,
    /// Bytes that are kept for who subscribes later.
    pub replay_bytes: usize,
    /// Bytes that wait to leave, over all subscribers; most of them are the same ones.
    pub queued_bytes: u64,
    /// Messages that were published.
    pub messages: u64,
    /// Bytes of messages.
    pub bytes: u64,
    /// Bytes that subscribers have taken, with what they are told beside messages.
    pub bytes_sent: u64,
    /// Since when somebody publishes there.
    pub since: SystemTime,
}

impl Channels {
    /// Channels below `/channel`.
    pub fn new(limits: Arc<Limits>) -> Self {
        Self::with_prefix(CHANNEL_PREFIX, limits)
    }

    /// Channels below another prefix.
    pub fn with_prefix(prefix: &str, limits: Arc<Limits>) -> Self {
        let (events, _) = broadcast::channel(limits.events_buffer.max(1));
        let (registry, accounts) = (Registry::new(limits.channels_max), Accounts::new(&limits));
        let prefix = prefix.trim_end_matches('/').to_owned();
        let inner = Inner {
            prefix,
            limits,
            registry,
            accounts,
            ground: OnceLock::new(),
            #[cfg(feature = "cluster")]
            abroad: OnceLock::new(),
            events,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Adds their routes.
    ///
    /// # Panics
    /// If there are routes of the same patterns already.
    pub fn mount(&self, router: StreamRouter) -> StreamRouter {
        let prefix = &self.inner.prefix;
        #[cfg(feature = "cluster")]
        let router = router.route_of_nodes(&format!("{}/{{name}}", self.path_of_nodes()), abroad::Read(self.clone()));
        router
            .route(&format!("{prefix}/publish/{{name}}"), Publish(self.clone()))
            .route(&format!("{prefix}/subscribe/{{name}}"), Subscribe(self.clone()))
    }

    /// What happens to channels from now on.
    pub fn events(&self) -> ChannelEvents {
        ChannelEvents::new(self.inner.events.subscribe())
    }

    /// The channels that there are, in no order.
    pub fn list(&self) -> Vec<ChannelStatus> {
        let status = |(name, hub): (Name, Arc<Hub>)| {
            let census = hub.census();
            ChannelStatus {
                name,
                policy: hub.policy,
                publishers: census.publishers,
                subscribers: census.readers,
                replay_bytes: census.replay_bytes,
                queued_bytes: census.queued_bytes,
                messages: census.messages,
                bytes: census.bytes,
                bytes_sent: census.bytes_sent,
                since: census.since,
            }
        };
        self.inner.registry.list().into_iter().map(status).collect()
    }

    /// How many there are.
    #[cfg(feature = "admin")]
    pub(crate) fn count(&self) -> usize {
        self.inner.registry.count()
    }

    /// Ends a channel, as an operator: subscribers and publishers are told `gone`. False if nobody publishes there.
    pub fn end(&self, name: &str) -> bool {
        let hub = Name::try_from(name).ok().and_then(|name| self.inner.registry.find(&name));
        hub.inspect(|hub| hub.stopped.cancel()).is_some()
    }

    /// Subscribes from inside the process; waits two seconds for somebody who publishes.
    ///
    /// # Errors
    /// `bad_request` for a name that cannot be, `not_found` where nobody publishes, `limit`, `draining`.
    pub async fn subscribe(&self, name: &str) -> Result<Subscription, OpenError> {
        let name = Name::try_from(name).map_err(|error| bad(&error))?;
        let (near, far) = pair::pair(&self.ground().memory);
        let (id, mut far) = (Uuid::new_v4(), Some(far));
        loop {
            #[cfg(feature = "cluster")]
            self.seek(&name);
            let hub = self.inner.registry.wait(&name, self.inner.limits.wait_default).await?;
            let Ok(reader) = hub.subscribe(id, || far.take()) else {
                self.inner.registry.forget(&name, &hub);
                continue;
            };
            let (reader, accepted) = (reader?, Accepted::new(id, hub.info(None)));
            tokio::spawn(self.clone().run_reader(name, hub, reader));
            return Ok(Subscription::new(near, accepted));
        }
    }

    /// What the sessions of the process count in, from now on.
    pub(crate) fn belong_to(&self, memory: &Arc<Memory>, counters: &Arc<Counters>) {
        self.inner.ground.get_or_init(|| Ground { memory: memory.clone(), counters: counters.clone() });
    }

    /// The process goes down: whoever waits for a channel is told so. Those that there are go on as long as their sessions do.
    pub(crate) fn drain(&self) {
        self.inner.registry.drain();
    }

    fn ground(&self) -> Ground {
        let alone = || Ground { memory: Arc::new(Memory::new(self.inner.limits.memory_budget_bytes)), counters: Arc::default() };
        self.inner.ground.get_or_init(alone).clone()
    }

    fn tell(&self, event: ChannelEvent) {
        // Nobody listening is no fault.
        let _ = self.inner.events.send(event);
    }

    fn check(&self, options: &ChannelOptions) -> Result<(), OpenError> {
        let Limits { channel_readers_max, channel_replay_bytes_max, .. } = *self.inner.limits;
        if options.wait_for as usize > channel_readers_max {
            return Err(bad(&format!("wait_for: {channel_readers_max} at most, for no more may subscribe")));
        }
        if options.replay as usize > channel_replay_bytes_max {
            return Err(bad(&format!("replay: {channel_replay_bytes_max} bytes at most")));
        }
        Ok(())
    }

    async fn run_reader(self, name: Name, hub: Arc<Hub>, reader: Arc<Reader>) {
        let seat = Seat { hub: &hub, reader: &reader };
        #[cfg(feature = "cluster")]
        self.reads(&name, &reader);
        self.tell(ChannelEvent::SubscriberJoined { name: name.clone(), id: reader.id });
        let code = reader.attend(self.inner.limits.channel_stall_max, || hub.caught_up()).await;
        seat.leave(code);
        #[cfg(feature = "cluster")]
        self.tell_nodes(&name);
        self.tell(ChannelEvent::SubscriberLeft { name, id: reader.id, code });
        reader.close(self.inner.limits.refused_linger).await;
    }
}

/// A reader's place, freed whatever happens.
struct Seat<'a> {
    hub: &'a Hub,
    reader: &'a Reader,
}

impl Seat<'_> {
    fn leave(self, code: u32) {
        self.hub.part(self.reader, code);
        std::mem::forget(self);
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.hub.part(self.reader, Code::Internal.number());
    }
}

fn bad(why: &impl ToString) -> OpenError {
    OpenError::new(Code::BadRequest, why.to_string())
}
