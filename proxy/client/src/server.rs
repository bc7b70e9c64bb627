//! Serves under names.

use std::{future::IntoFuture, sync::Arc, time::Duration};

use browser_stream_mux::Code;
use browser_stream_protocol::OpenError;
use futures::{FutureExt, future::BoxFuture};
use tokio::time::timeout;

use crate::{
    DialError, ListenError, Listener, Peer,
    claim::{Claim, Wishes},
    client::PREFIX,
    seal::Keys,
    wire::name,
};

/// How long a claim may take that does not stand by.
const CLAIM_MAX: Duration = Duration::from_secs(30);
/// Clients at the same time, unless stated.
const CLIENTS_MAX: u32 = 10_000;

/// Serves below one prefix, under any number of names. Clones share the peer.
///
/// ```no_run
/// use browser_stream_client::{Code, StreamServer};
/// use futures::TryStreamExt;
///
/// # async fn example() -> anyhow::Result<()> {
/// let server = StreamServer::dial("ws://127.0.0.1:8080/mux").await?;
/// let mut listener = server.listen("NAME").clients_max(100).await?;
/// while let Some(connection) = listener.try_next().await? {
///     // Who it is, by its token, where the proxy asks for one.
///     let sub = connection.peer().and_then(|peer| peer.sub.clone());
///     let Some(topic) = connection.meta::<String>() else {
///         connection.refuse(Code::BadRequest, "say in `meta` what it is about");
///         continue;
///     };
///     tokio::spawn(async move {
///         let mut stream = connection.accept();
///         stream.write_chunk(format!("{topic}, {sub:?}?").into()).await?;
///         stream.finish();
///         Ok::<_, browser_stream_client::StreamError>(())
///     });
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct StreamServer {
    peer: Peer,
    prefix: Arc<str>,
}

impl StreamServer {
    /// A server over a peer of its own. For options, or to connect over the same connection, see [`Peer::dial`].
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn dial(url: impl AsRef<str>) -> Result<Self, DialError> {
        Ok(Peer::dial(url).await?.server())
    }

    /// A server over this peer.
    pub fn new(peer: &Peer) -> Self {
        Self { peer: peer.clone(), prefix: PREFIX.into() }
    }

    /// The same below another prefix of the proxy's than `/browser-server`.
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Claims that name, which is put into NFC first. Options are set on what it returns, which is awaited for the [`Listener`]. An address, and any other text
    /// with a `#`, is no name: `bad_request`.
    pub fn listen(&self, name: impl Into<String>) -> Listen {
        let wishes = Wishes { clients_max: CLIENTS_MAX, is_paused: false, is_over: false };
        Listen { server: self.clone(), name: name.into(), wishes, leased: true, standby: false, http: false, keys: None }
    }

    /// What it serves over.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }
}

/// A name that is to be claimed: await it.
///
/// Without a connection to the proxy it waits for one. Dropped, it gives the claim up.
///
/// See [`StreamServer`].
#[must_use = "nothing is claimed until it is awaited"]
pub struct Listen {
    server: StreamServer,
    name: String,
    wishes: Wishes,
    leased: bool,
    standby: bool,
    http: bool,
    keys: Option<Keys>,
}

impl Listen {
    /// Clients at the same time: 10,000 unless stated. The proxy tells the one too many `busy`.
    pub fn clients_max(mut self, clients: u32) -> Self {
        self.wishes.clients_max = clients;
        self
    }

    /// Begins paused: see [`Listener::pause`].
    pub fn paused(mut self) -> Self {
        self.wishes.is_paused = true;
        self
    }

    /// Whether the name is kept for us while our connection is down, 120 s at most: yes unless stated. If not, anybody may have it then.
    pub fn lease(mut self, lease: bool) -> Self {
        self.leased = lease;
        self
    }

    /// Waits for the name, however long, where somebody else has it.
    pub fn standby(mut self) -> Self {
        self.standby = true;
        self
    }

    /// Lets in who comes by HTTP, without asking for a token: each request is a client, whose stream is a connection of HTTP/1.1. [`Listener::http`] tells where that is.
    ///
    /// One that is refused is answered 503 for `busy`, 403 for `forbidden`, and by an application code from 400 to 599 with that status: 502 says that what is behind the server does not answer.
    pub fn http(mut self) -> Self {
        self.http = true;
        self
    }

    /// Takes sealed streams only, by these keys: clients need the address, [`Keys::address`] of the name, or pin the key that they are told first.
    pub fn sealed(mut self, keys: &Keys) -> Self {
        self.keys = Some(keys.clone());
        self
    }

    async fn claim(self) -> Result<Listener, ListenError> {
        if let Some((name, _)) = self.name.split_once('#') {
            let why = format!(
                "a # stands between a name and its key, and servers have names: listen under {name}, and sealed by its keys if need be"
            );
            return Err(OpenError::new(Code::BadRequest, why).into());
        }
        let name = name(&self.name)?;
        let (peer, prefix) = (self.server.peer, self.server.prefix);
        let path = |verb| format!("{prefix}/{verb}/{}", name.segment());
        let most = if self.standby { Duration::MAX } else { CLAIM_MAX };
        let routes = &peer.shared().routes;
        let Ok(Some((route, connections))) = timeout(most, routes.take(path("accept"), name.as_str(), self.keys.as_ref())).await else {
            return Err(OpenError::new(Code::NameTaken, "this peer serves under that name already").into());
        };
        let claim = Claim::new(Arc::clone(peer.shared()), path("listen"), self.leased, (self.standby, self.http), self.keys.is_some());
        let (claim, held) = claim.begin(&self.wishes, most).await?;
        let told = (held.id.clone(), held.http.clone());
        Ok(Listener::new(peer, name, told, connections, self.wishes, |wishes| claim.keep(held, route, wishes)))
    }
}

impl IntoFuture for Listen {
    type Output = Result<Listener, ListenError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.claim().boxed()
    }
}
