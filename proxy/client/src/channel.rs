//! Publishes in channels and subscribes to them.

use std::{
    future::{Future, IntoFuture},
    sync::Arc,
    time::Duration,
};

use browser_stream_mux::{Code, Stream as Carrier};
use browser_stream_protocol::{
    Name, OpenError,
    channel::{Accepted, CHANNEL_PREFIX, ChannelOptions, Publisher, Subscription},
};
use futures::{FutureExt, future::BoxFuture};
use serde::Serialize;
use serde_json::value::to_raw_value;
use tokio::time::{Instant, timeout_at};

use crate::{
    ConnectError, Peer,
    answer::answer,
    wire::{Meta, Open, encode, name},
};

/// How long the proxy waits for somebody who publishes, unless a subscriber says otherwise.
const WAIT: Duration = Duration::from_secs(2);
/// The longest wait that the proxy grants.
const WAIT_MAX: Duration = Duration::from_secs(15);
/// How long the proxy may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// Channels of the proxy: one publishes, any number subscribe, and nothing is stored. Clones share the peer.
///
/// ```no_run
/// use browser_stream_client::{Channel, ChannelOptions, Peer, Policy};
///
/// # async fn example() -> anyhow::Result<()> {
/// let channel = Channel::new(&Peer::dial("ws://127.0.0.1:8080/mux").await?);
/// let options = ChannelOptions::new().policy(Policy::Drop).replay(64 * 1024);
/// let mut publisher = channel.publish("ticks", options).meta(&"every second").await?;
/// let mut subscription = channel.subscribe("ticks").await?;
///
/// publisher.send("tick").await?;
/// let message = subscription.next().await?.expect("there is more");
/// assert_eq!(message.bytes, "tick");
/// let told = publisher.end().await?; // when all have taken all
/// println!("{} bytes went to subscribers", told.delivered);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Channel {
    peer: Peer,
    prefix: Arc<str>,
}

impl Channel {
    /// The channels that this peer reaches.
    pub fn new(peer: &Peer) -> Self {
        Self { peer: peer.clone(), prefix: CHANNEL_PREFIX.into() }
    }

    /// The same for channels below another prefix of the proxy's than `/channel`.
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.trim_end_matches('/').into();
        self
    }

    /// Publishes in the channel of that name, which is put into NFC first. What this returns is awaited for the [`Publisher`].
    ///
    /// Refused `name_taken` where somebody publishes there already, unless both have said [`ChannelOptions::many`].
    pub fn publish(&self, name: impl Into<String>, options: ChannelOptions) -> Publish {
        Publish { channel: self.clone(), name: name.into(), options, meta: Ok(None) }
    }

    /// Subscribes to the channel of that name, which is put into NFC first. What this returns is awaited for the [`Subscription`].
    ///
    /// Refused `not_found` where nobody publishes there within the wait.
    pub fn subscribe(&self, name: impl Into<String>) -> Subscribe {
        Subscribe { channel: self.clone(), name: name.into(), wait: WAIT }
    }

    async fn open(&self, verb: &str, given: &str, mut open: Open<'_>, wait: Duration) -> Result<(Carrier, Accepted), ConnectError> {
        let name: Name = name(given)?;
        let path = format!("{}/{verb}/{}", self.prefix, name.segment());
        open.path = &path;
        let open = encode(&open)?;
        let shared = self.peer.shared();
        let deadline = Instant::now() + wait + ANSWER_MAX;
        let mut live = within(deadline, shared.live()).await?;
        loop {
            let asked = async {
                let mut carrier = shared.open().await?;
                carrier.write_frame(&open);
                let accepted: Accepted = answer(&mut carrier).await?;
                Ok::<_, ConnectError>((carrier, accepted))
            };
            match shared.patiently(within(deadline, asked)).await {
                // A proxy that goes down is no answer, unless there is no other in time: the next one is asked.
                Err(ConnectError::Refused(error)) if error.is(Code::Draining) => {
                    let newer = timeout_at(deadline, shared.newer(live.generation)).await;
                    live = newer.map_err(|_| error)??;
                }
                answer => return answer,
            }
        }
    }
}

async fn within<T, E: Into<ConnectError>>(deadline: Instant, future: impl Future<Output = Result<T, E>>) -> Result<T, ConnectError> {
    match timeout_at(deadline, future).await {
        Ok(result) => result.map_err(E::into),
        Err(_) => Err(OpenError::new(Code::Timeout, "the proxy did not answer in time").into()),
    }
}

/// A publisher that is to be: await it.
///
/// See [`Channel`].
#[must_use = "nothing is opened until it is awaited"]
pub struct Publish {
    channel: Channel,
    name: String,
    options: ChannelOptions,
    meta: Result<Option<Meta>, String>,
}

impl Publish {
    /// Tells every subscriber this: any JSON.
    pub fn meta(mut self, meta: &impl Serialize) -> Self {
        self.meta = to_raw_value(meta).map(Some).map_err(|error| error.to_string());
        self
    }
}

impl IntoFuture for Publish {
    type Output = Result<Publisher, ConnectError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let meta = self.meta.map_err(|why| OpenError::new(Code::BadRequest, format!("meta is no JSON: {why}")))?;
            let open = Open { meta: meta.as_deref(), channel: Some(&self.options), ..Open::default() };
            let (stream, accepted) = self.channel.open("publish", &self.name, open, Duration::ZERO).await?;
            Ok(Publisher::new(stream, accepted))
        }
        .boxed()
    }
}

/// A subscription that is to be: await it.
///
/// See [`Channel`].
#[must_use = "nothing is opened until it is awaited"]
pub struct Subscribe {
    channel: Channel,
    name: String,
    wait: Duration,
}

impl Subscribe {
    /// How long to wait for somebody who publishes: 0 to 15 s, 2 s unless stated.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait.min(WAIT_MAX);
        self
    }
}

impl IntoFuture for Subscribe {
    type Output = Result<Subscription, ConnectError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let open = Open { wait: u64::try_from(self.wait.as_millis()).ok(), ..Open::default() };
            let (stream, accepted) = self.channel.open("subscribe", &self.name, open, self.wait).await?;
            Ok(Subscription::new(stream, accepted))
        }
        .boxed()
    }
}
