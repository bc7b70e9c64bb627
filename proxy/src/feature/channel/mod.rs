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
mod publisher;
mod reader;
mod registry;
mod routes;
mod stall;

use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use browser_stream_mux::{Code, Stream};
use browser_stream_protocol::channel::{Accepted, CHANNEL_PREFIX, ChannelOptions, Ending, JOINED_MAX, Policy, Publisher, Subscription};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::broadcast;
use uuid::Uuid;

use self::{
    batch::Batcher,
    hub::Hub,
    publisher::{Publishing, Source},
    reader::Reader,
    registry::Registry,
    routes::{Publish, Subscribe},
};
use super::account::{Account, Accounts};
use crate::{
    counters::{Counters, Refusal},
    error::OpenError,
    limits::Limits,
    memory::Memory,
    route::{Name, StreamRouter},
    session::{Peer, encode},
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
/// let mut publisher = channels.publish("news", ChannelOptions::new().wait_for(1), &"of today")?;
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

/// Who publishes, as subscribers are told.
#[derive(Serialize)]
struct Who<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<Peer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
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

    /// Publishes from inside the process; `meta`, any JSON, is told to every subscriber.
    ///
    /// # Errors
    /// `bad_request` for a name, option or meta that cannot be, `name_taken` where somebody publishes already and both do not allow others, `limit`.
    pub fn publish(&self, name: &str, options: ChannelOptions, meta: &impl Serialize) -> Result<Publisher, OpenError> {
        let name = Name::try_from(name).map_err(|error| bad(&error))?;
        let meta = to_raw_value(meta).map_err(|error| bad(&format!("meta is no JSON: {error}")))?;
        self.check(&options)?;
        let (near, far) = pair::pair(&self.ground().memory);
        let id = Uuid::new_v4();
        let who = who(id, None, Some(&meta))?;
        let (hub, shared) = self.join(&name, &options, id, who)?;
        let accepted = Accepted::new(id, hub.info(Some(shared.number)));
        let publishing = self.publishing(hub, shared, options.wait_for, far, self.inner.accounts.of(Uuid::nil()));
        tokio::spawn(self.clone().run_publisher(name, publishing));
        Ok(Publisher::new(near, accepted))
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

    /// One more publisher of a channel, which may be new.
    fn join(
        &self,
        name: &Name,
        options: &ChannelOptions,
        id: Uuid,
        who: Bytes,
    ) -> Result<(Arc<Hub>, Arc<publisher::Publisher>), OpenError> {
        let Ground { memory, counters } = self.ground();
        #[cfg(feature = "cluster")]
        let options = &self.terms(name, options)?;
        loop {
            let make = || Hub::new(options, self.inner.limits.clone(), memory.clone(), counters.clone());
            let Some((hub, is_new)) = self.inner.registry.get_or_make(name, make) else {
                counters.count(Refusal::Channels);
                return Err(OpenError::new(Code::Limit, "there are as many channels as may be"));
            };
            // One that ended in this moment is not there the next time.
            if let Ok(joined) = hub.publish(options, id, who.clone()) {
                let shared = joined?;
                if is_new {
                    self.tell(ChannelEvent::Created { name: name.clone() });
                }
                self.tell(ChannelEvent::PublisherJoined { name: name.clone(), id });
                self.inner.registry.announce(name);
                #[cfg(feature = "cluster")]
                self.meet_nodes(name, &hub);
                return Ok((hub, shared));
            }
            self.inner.registry.forget(name, &hub);
        }
    }

    fn publishing(
        &self,
        hub: Arc<Hub>,
        publisher: Arc<publisher::Publisher>,
        wait_for: u32,
        stream: Stream,
        account: Account,
    ) -> Publishing {
        let Ground { memory, counters } = self.ground();
        let batcher = Batcher::new(publisher.number, self.inner.limits.channel_message_bytes_max, memory);
        Publishing::new(hub, publisher, Source::new(stream, batcher), account, wait_for, counters)
    }

    async fn run_publisher(self, name: Name, publishing: Publishing) {
        let (hub, id) = (publishing.hub.clone(), publishing.publisher.id);
        let left = |ending: &Ending| {
            self.tell(ChannelEvent::PublisherLeft { name: name.clone(), id, ending: ending.clone() });
            if hub.is_over() && self.inner.registry.forget(&name, &hub) {
                self.tell(ChannelEvent::Destroyed { name: name.clone(), ending: ending.clone() });
            }
            #[cfg(feature = "cluster")]
            self.tell_nodes(&name);
        };
        publishing.run(self.inner.limits.refused_linger, left).await;
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

/// What subscribers are told of a publisher.
fn who(id: Uuid, peer: Option<Peer>, meta: Option<&RawValue>) -> Result<Bytes, OpenError> {
    let who = encode(&Who { id: id.to_string(), peer, meta });
    if who.len() > JOINED_MAX {
        return Err(bad(&format!(
            "meta is {} bytes too long: what subscribers are told of a publisher has {JOINED_MAX} at most",
            who.len() - JOINED_MAX
        )));
    }
    Ok(who.into())
}

fn bad(why: &impl ToString) -> OpenError {
    OpenError::new(Code::BadRequest, why.to_string())
}
