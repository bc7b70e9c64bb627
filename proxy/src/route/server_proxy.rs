//! The stream server proxy: the names of one prefix, their events, and connecting to them from inside the process.

use std::{net::IpAddr, sync::Arc, sync::OnceLock, time::Duration};

use browser_stream_mux::{Code, Stream};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    Events, LeaseKey, Name, connect,
    http::{HttpPlace, HttpPlaces, Visitor},
    names::Listing,
    registry::Registry,
};
use crate::{error::OpenError, limits::Limits, session::Session};

/// Lets peers serve under names below one prefix, and connects others to them. Cheap to clone; every clone is the same.
///
/// ```
/// use browser_stream_server::{Event, OpenError, StreamRouter, StreamServerProxy};
/// use futures::StreamExt;
/// use tokio::io::AsyncWriteExt;
///
/// let names = StreamServerProxy::new("/browser-server"); // clones are the same
/// let router = StreamRouter::new().mount(names.clone());
///
/// # async fn example(names: StreamServerProxy) -> anyhow::Result<()> {
/// let mut events = names.events();
/// while let Some(event) = events.next().await {
///     if let Event::ServerCreated { name, .. } = event {
///         // To the tab that serves it, from inside this process.
///         names.connect(name.as_str()).await?.write_all(b"welcome").await?;
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct StreamServerProxy {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub prefix: String,
    pub registry: Arc<Registry>,
    pub key: LeaseKey,
    pub listing: Listing,
    /// Where servers that let in who comes by HTTP are found, if anywhere.
    pub http: OnceLock<HttpPlaces>,
    /// With the nodes that have other names, where this is one of several.
    #[cfg(feature = "cluster")]
    pub links: OnceLock<crate::cluster::Links>,
    pub limits: Arc<Limits>,
}

/// How to connect from inside the process.
///
/// ```
/// use std::time::Duration;
///
/// use browser_stream_server::{ConnectOptions, StreamServerProxy};
///
/// # async fn example(names: StreamServerProxy) -> anyhow::Result<()> {
/// let options = ConnectOptions::default().meta(&"from the program")?.wait(Duration::from_secs(10));
/// let stream = names.connect_with("NAME", options).await?;
/// # drop(stream);
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// What the server shall know of this client.
    pub meta: Option<Box<RawValue>>,
    /// How long to wait for a name that nobody holds; the default is 2 s.
    pub wait: Option<Duration>,
}

impl ConnectOptions {
    /// Tells the server `meta`, any value that JSON has.
    pub fn meta(mut self, meta: &impl Serialize) -> Result<Self, serde_json::Error> {
        self.meta = Some(serde_json::value::to_raw_value(meta)?);
        Ok(self)
    }

    /// Waits this long for a name that nobody holds; zero is not at all.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }
}

impl StreamServerProxy {
    /// A proxy for the names below `prefix`, such as `/browser-server`, with default limits and a random lease key.
    pub fn new(prefix: &str) -> Self {
        Self::with_limits(prefix, Arc::default())
    }

    /// The same with limits of one's own.
    pub fn with_limits(prefix: &str, limits: Arc<Limits>) -> Self {
        Self::with_lease_key(prefix, limits, LeaseKey::random())
    }

    /// The same with a key that outlives the process, so that servers have their names back after it was started again.
    pub fn with_lease_key(prefix: &str, limits: Arc<Limits>, key: LeaseKey) -> Self {
        let prefix = prefix.trim_end_matches('/').to_owned();
        let (registry, listing) = (Registry::new(&prefix, limits.clone()), Listing::new(&limits));
        let inner = Inner {
            prefix,
            registry,
            key,
            listing,
            http: OnceLock::new(),
            #[cfg(feature = "cluster")]
            links: OnceLock::new(),
            limits,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whether every peer may list the names below the prefix: not unless stated, for a name that nobody knows is one that nobody connects to.
    pub fn list_names(&self, allowed: bool) {
        self.inner.listing.allow(allowed);
    }

    /// The prefix, without a slash at its end.
    pub fn prefix(&self) -> &str {
        &self.inner.prefix
    }

    /// What happens to names from now on.
    pub fn events(&self) -> Events {
        Events::new(self.inner.registry.events())
    }

    /// Connects to a server as a client does: resolves when the server accepted, fails with the code that a client would get.
    ///
    /// Dropping the future resets the stream.
    pub async fn connect(&self, name: &str) -> Result<Stream, OpenError> {
        self.connect_with(name, ConnectOptions::default()).await
    }

    /// The same with options.
    pub async fn connect_with(&self, name: &str, options: ConnectOptions) -> Result<Stream, OpenError> {
        let name = Name::try_from(name).map_err(|error| OpenError::new(Code::BadRequest, error.to_string()))?;
        connect::from_inside(self, &name, options).await
    }

    /// Connects somebody who came by HTTP to a server that lets such in: as [`connect`](Self::connect) does, but a name that nobody holds is not waited for.
    pub(crate) async fn connect_http(&self, name: &Name, remote: Option<IpAddr>) -> Result<Stream, OpenError> {
        connect::by_http(self, name, Visitor::meta(remote)).await
    }

    /// Servers that let in who comes by HTTP are told from now on where that is. The first time counts.
    pub(crate) fn reached_at(&self, places: HttpPlaces) {
        let _ = self.inner.http.set(places);
    }

    /// Where others reach the server of that name by HTTP, if it lets them in.
    pub(super) fn http_place(&self, name: &Name) -> Option<HttpPlace> {
        self.inner.http.get()?.of(name)
    }

    /// Takes a name away from whoever holds it, as an operator; its owner is told `released`. One that is suspended is free at once. False if
    /// nobody held it.
    pub fn release(&self, name: &str) -> bool {
        Name::try_from(name).is_ok_and(|name| self.inner.registry.release(&name))
    }

    /// Keeps a name, as an operator: nobody gets it from now on, and whoever has it keeps it until it goes. False for what is no name, and where that was so.
    pub fn reserve(&self, name: &str) -> bool {
        Name::try_from(name).is_ok_and(|name| self.inner.registry.reserve(&name))
    }

    /// Gives a reserved name free: the first who stands by for it has it, or whoever comes. False if it was not reserved.
    pub fn unreserve(&self, name: &str) -> bool {
        Name::try_from(name).is_ok_and(|name| self.inner.registry.unreserve(&name))
    }

    /// Whether this session holds that name at this moment.
    pub(crate) fn is_held_by(&self, name: &str, session: &Session) -> bool {
        Name::try_from(name).is_ok_and(|name| self.inner.registry.is_held_by(&name, session))
    }

    /// How many of its names are reserved.
    #[cfg(feature = "admin")]
    pub(crate) fn reserved(&self) -> usize {
        self.inner.registry.reserved()
    }

    /// The names below the prefix that are not free, in no order.
    #[cfg(feature = "admin")]
    pub(crate) fn seen(&self) -> Vec<super::SeenName> {
        self.inner.registry.seen()
    }

    /// Has the names from now on in common with all nodes of that cluster; to be called once, in a runtime, before anybody comes.
    #[cfg(feature = "cluster")]
    #[doc(hidden)]
    pub fn join(&self, node: &crate::cluster::Node, links: &crate::cluster::Links) {
        let _ = self.inner.links.set(links.clone());
        self.inner.registry.join(node);
    }

    /// What happens to names from now on, but not to their clients.
    #[cfg(feature = "admin")]
    pub(crate) fn news(&self) -> tokio::sync::broadcast::Receiver<super::Event> {
        self.inner.registry.news()
    }
}
