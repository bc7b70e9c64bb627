//! Connects to servers by name.

use std::{future::IntoFuture, sync::Arc, time::Duration};

use browser_stream_mux::{Body, Code};
use browser_stream_protocol::OpenError;
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use serde::Serialize;
use serde_json::value::to_raw_value;

use crate::{
    ConnectError, DialError, Peer, SendError, Stream,
    request::{Opened, Request},
    seal::{Address, BadAddress, MemoryPins, Pins, Sealing},
    wire::{Meta, name},
};

/// Where servers live, unless another prefix is given.
pub(crate) const PREFIX: &str = "/browser-server";
/// How long the proxy waits for a name that nobody holds, unless a client says otherwise.
const WAIT: Duration = Duration::from_secs(2);
/// The longest wait that the proxy grants.
const WAIT_MAX: Duration = Duration::from_secs(15);
/// The most bytes that may go along with an open.
const EARLY_MAX: usize = 64 * 1024;

/// Connects to the servers of one prefix. Clones share the peer.
#[derive(Clone)]
pub struct StreamClient {
    peer: Peer,
    prefix: Arc<str>,
    pins: Arc<dyn Pins>,
}

impl StreamClient {
    /// A client over a peer of its own. For options, or to serve over the same connection, see [`Peer::dial`].
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn dial(url: impl AsRef<str>) -> Result<Self, DialError> {
        Ok(Peer::dial(url).await?.client())
    }

    /// A client over this peer.
    pub fn new(peer: &Peer) -> Self {
        Self { peer: peer.clone(), prefix: PREFIX.into(), pins: Arc::new(MemoryPins::default()) }
    }

    /// The same for servers below another prefix of the proxy's than `/browser-server`.
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The same, with a memory of its own for the keys of servers that are connected to sealed and without an address: a client and its clones remember them while
    /// they live, unless told otherwise. See [`FilePins`](crate::seal::FilePins).
    pub fn with_pins(mut self, pins: impl Pins + 'static) -> Self {
        self.pins = Arc::new(pins);
        self
    }

    pub(crate) fn pins(&self) -> &Arc<dyn Pins> {
        &self.pins
    }

    /// Connects to the server of that name, which is put into NFC first; sealed if it is an address, `NAME#key`. Options are set on what it returns, which is awaited for the [`Stream`].
    pub fn connect(&self, name: impl Into<String>) -> Connect {
        let (client, name) = (self.clone(), name.into());
        Connect { client, name, meta: Ok(None), wait: WAIT, early: Bytes::new(), is_plain: false, sealing: None }
    }

    /// Sends all of `body` to the server of that name over a stream of its own, in pieces of 64 KiB and at the server's speed.
    ///
    /// Resolves when all was taken and our direction is finished, with the stream, to read what the server answers. Dropped, it resets the stream
    /// `cancelled`. For more options, or to read while it sends: [`connect`](Self::connect), then [`Stream::send`].
    ///
    /// # Errors
    /// [`SendError::Connect`] before anything was sent; [`SendError::Body`] as soon as the stream ends, or the body fails.
    pub fn send(
        &self,
        name: impl Into<String>,
        body: impl Into<Body>,
        meta: &impl Serialize,
    ) -> BoxFuture<'static, Result<Stream, SendError>> {
        let (connect, body) = (self.connect(name).meta(meta), body.into());
        async move {
            let mut stream = connect.await?;
            stream.send(body).await?;
            Ok(stream)
        }
        .boxed()
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What it connects over.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }
}

/// A stream that is to be opened: await it.
///
/// ```no_run
/// # use std::time::Duration;
/// # use browser_stream_client::{ConnectError, StreamClient};
/// # async fn example(client: StreamClient) -> Result<(), ConnectError> {
/// let stream = client.connect("NAME").meta(&["any", "JSON"]).wait(Duration::ZERO).await?;
/// # Ok(()) }
/// ```
///
/// Without a connection to the proxy it waits for one. Dropped, it gives the open up and the server, if it has it, sees `cancelled`.
///
/// See [`StreamClient`].
#[must_use = "nothing is opened until it is awaited"]
pub struct Connect {
    client: StreamClient,
    name: String,
    meta: Result<Option<Meta>, String>,
    wait: Duration,
    early: Bytes,
    is_plain: bool,
    sealing: Option<Sealing>,
}

impl Connect {
    /// Tells the server this: any JSON.
    pub fn meta(mut self, meta: &impl Serialize) -> Self {
        self.meta = to_raw_value(meta).map(Some).map_err(|error| error.to_string());
        self
    }

    /// How long to wait for a name that nobody serves yet: 0 to 15 s, 2 s unless stated.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait.min(WAIT_MAX);
        self
    }

    /// Sends these bytes right behind the open, without waiting for the answer: 64 KiB at most. They are the first of the stream.
    pub fn early(mut self, bytes: impl Into<Bytes>) -> Self {
        self.early = bytes.into();
        self
    }

    /// Whether the stream is to survive broken connections, if the server can do that, too: yes unless stated.
    pub fn resume(mut self, resume: bool) -> Self {
        self.is_plain = !resume;
        self
    }

    /// Seals the stream, and says so much more about it. Under a name without a key the pins tell the server's, or it is asked and then pinned.
    pub fn sealed(mut self, sealing: Sealing) -> Self {
        self.sealing = Some(sealing);
        self
    }

    async fn open(mut self) -> Result<Stream, ConnectError> {
        let address: Address = self.name.parse().map_err(|error: BadAddress| bad(error.to_string()))?;
        let sealing = self.sealing.take().or_else(|| address.key.map(|_| Sealing::new()));
        let name = name(&address.name)?;
        let meta = self.meta.map_err(|why| bad(format!("meta is no JSON: {why}")))?;
        if self.early.len() > EARLY_MAX {
            return Err(bad(format!("{} bytes with the open, {EARLY_MAX} at most", self.early.len())).into());
        }
        let path = format!("{}/connect/{}", self.client.prefix, name.segment());
        let Self { client, wait, early, is_plain, .. } = self;
        let mut request = Request { path, name, meta, wait, early, is_plain, envelope: None };
        let Some(sealing) = sealing else {
            let Opened { carriage, id, .. } = request.open(&client.peer).await?;
            return Ok(Stream::new(carriage, id, request.meta));
        };
        // Nothing goes before the seal is on.
        let early = std::mem::take(&mut request.early);
        let Opened { mut carriage, id, mut seal } = sealing.open(&client, &mut request, address.key).await?;
        if let Some(seal) = &mut seal {
            seal.write(&mut carriage, &early);
        }
        Ok(Stream::new(carriage, id, request.meta).sealed_by(seal))
    }
}

impl IntoFuture for Connect {
    type Output = Result<Stream, ConnectError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.open().boxed()
    }
}

fn bad(message: String) -> OpenError {
    OpenError::new(Code::BadRequest, message)
}
