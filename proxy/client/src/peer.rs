//! One connection to a proxy, shared by everything that uses it, and made anew when it breaks.

mod arrive;
mod routes;
mod session;
mod supervise;

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use browser_stream_mux::Session as Mux;
use browser_stream_protocol::OpenError;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Notify, watch},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Dial, DialError, State, States, StreamClient, StreamServer,
    dial::{Dialer, Io, Options},
    resumable::Resumption,
    token::{Shown, Tokens},
};
pub(crate) use routes::Route;
use routes::Routes;

/// Silence that makes us ask, where an answer is waited for: as long as on a carrier of a resumable stream.
const QUIET: Duration = Duration::from_secs(5);

/// A program's connection to a proxy: any number of clients and servers share it. Clones are the same peer.
///
/// When the connection breaks it is made again, at once, then after waits of up to min(5 s, 100 ms × 2^k) each; where the proxy names a delay that
/// is kept. Resumable streams go on over the next connection, others end [`Lost`](crate::StreamError::Lost) with theirs; names that servers hold are
/// claimed again. When the last peer, client, server, listener and resumable stream that we opened is dropped nothing is opened or dialled any more, and
/// the connection ends with its last stream.
///
/// ```no_run
/// use browser_stream_client::{Peer, State};
/// use futures::StreamExt;
///
/// # async fn example() -> anyhow::Result<()> {
/// let peer = Peer::dial("wss://proxy.example/mux").token("…").await?;
/// let mut states = peer.states();
/// tokio::spawn(async move {
///     while let Some(state) = states.next().await {
///         match state {
///             State::Open => println!("connected"),
///             State::Waiting { delay, .. } => println!("the next attempt is in {delay:?}"),
///             State::Closed(Some(error)) => println!("the proxy does not want us: {error}"),
///             _ => {}
///         }
///     }
/// });
/// let stream = peer.client().connect("NAME").await?;
/// let listener = peer.server().listen("OTHER").await?; // over the same connection
/// # drop((stream, listener));
/// peer.close().await; // sends what was written
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Peer {
    shared: Arc<Shared>,
    _handle: Arc<Handle>,
}

/// Tells when nobody holds the peer any more.
struct Handle(CancellationToken);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// What a peer's handles and its tasks share.
pub(crate) struct Shared {
    pub(crate) tasks: TaskTracker,
    /// Those of them that hold names, and have something to say when the peer is closed: they end first.
    pub(crate) names: TaskTracker,
    /// Those of resumable streams: as well.
    pub(crate) streams: TaskTracker,
    pub(crate) routes: Arc<Routes>,
    /// Streams that survive their connections.
    pub(crate) resumption: Resumption,
    stays_down: bool,
    tokens: Tokens,
    link: watch::Sender<Link>,
    state: watch::Sender<State>,
    /// The session's ids are used up: another one is needed.
    used_up: Notify,
    /// The peer was closed.
    stop: CancellationToken,
    /// Nobody holds the peer any more.
    unheld: CancellationToken,
}

/// What a stream can be opened on.
enum Link {
    Down,
    Up(Live),
    Closed(Option<DialError>),
}

/// A session that takes streams, and its place in the succession of sessions.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) generation: u64,
    pub(crate) mux: Mux,
}

/// There is no session and there will be none.
#[derive(Clone, Debug)]
pub(crate) struct Closed(pub(crate) Option<DialError>);

impl Peer {
    /// Dials a proxy: `ws://…`, `wss://…`, or the same with http. Options are set on what it returns, which is awaited for the peer.
    ///
    /// The first connection must succeed; from then on the peer comes back by itself.
    pub fn dial(url: impl AsRef<str>) -> Dial {
        Dial::new(url.as_ref())
    }

    /// A peer over connections of another kind: `dial` makes one whenever one is needed. They carry the mux's bytes as they are, without a WebSocket.
    ///
    /// # Errors
    /// What the first call of `dial` fails with.
    pub async fn over<F, C, T>(dial: F) -> Result<Self, DialError>
    where
        F: Fn() -> C + Send + Sync + 'static,
        C: Future<Output = Result<T, DialError>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let dialer = Dialer::new(move || {
            let dialled = dial();
            async move { dialled.await.map(|io| Box::new(io) as Io) }
        });
        Self::begin(dialer, Options::default()).await
    }

    /// Connects to servers by name over this peer.
    pub fn client(&self) -> StreamClient {
        StreamClient::new(self)
    }

    /// Serves under names over this peer.
    pub fn server(&self) -> StreamServer {
        StreamServer::new(self)
    }

    /// Whether the connection is there, now and as it changes.
    pub fn states(&self) -> States {
        States::new(self.shared.state.subscribe())
    }

    /// Whether the connection is there.
    pub fn state(&self) -> State {
        self.shared.state.borrow().clone()
    }

    /// Shows the proxy this token from now on, on the connection that there is and on those to come. Streams and names go on.
    ///
    /// # Errors
    /// `bad_request` if it is too long.
    pub fn renew(&self, token: impl AsRef<str>) -> Result<(), OpenError> {
        self.shared.tokens.replace(token.as_ref())
    }

    /// Ends the connection, for all who share it: what credit allows still leaves, names are given up, streams that live on are lost. Resolves when
    /// nothing of the peer runs any more. Dropping the future only ends the waiting.
    pub async fn close(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// Resolves when each resumable stream has ended that has been let go of, and the names that were given up are free: what a program waits for before its own
    /// end. Streams and names that are still held are waited for as well. A client knows then how its streams ended; a server's last word may be lost with a
    /// connection, and its client comes back under the name to hear it: [`Listener::settled`](crate::Listener::settled) waits for that. Cancel-safe.
    pub async fn settled(&self) {
        self.shared.last_words().await;
    }

    pub(crate) async fn begin(dialer: Dialer, options: Options) -> Result<Self, DialError> {
        let Options { token, stays_down, grace } = options;
        let tokens = Tokens::from(token);
        let first = reach(&dialer, &tokens).await?;
        let is_known = first.1.is_known;
        let unheld = CancellationToken::new();
        let shared = Arc::new(Shared {
            tasks: TaskTracker::new(),
            names: TaskTracker::new(),
            streams: TaskTracker::new(),
            routes: Arc::default(),
            resumption: Resumption::new(grace),
            stays_down,
            tokens,
            link: watch::Sender::new(Link::Down),
            state: watch::Sender::new(State::Open),
            used_up: Notify::new(),
            stop: CancellationToken::new(),
            unheld: unheld.clone(),
        });
        shared.tasks.spawn(supervise::supervise(Arc::clone(&shared), dialer, first));
        let peer = Self { shared, _handle: Arc::new(Handle(unheld)) };
        // Who shows a token hears what the proxy makes of it.
        if is_known && let Err(Closed(Some(error))) = peer.shared.live().await {
            return Err(error);
        }
        Ok(peer)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// Makes a connection, once there is something to say on it.
async fn reach(dialer: &Dialer, tokens: &Tokens) -> Result<(Io, Shown), DialError> {
    let shown = tokens.show().await?;
    Ok((dialer.dial().await?, shown))
}

impl Shared {
    /// The session, waiting for one where there is none. Cancel-safe.
    pub(crate) async fn live(&self) -> Result<Live, Closed> {
        self.newer(0).await
    }

    /// A session that came behind the one of this generation. Cancel-safe.
    pub(crate) async fn newer(&self, generation: u64) -> Result<Live, Closed> {
        let mut links = self.link.subscribe();
        let found = links.wait_for(|link| match link {
            Link::Down => false,
            Link::Up(live) => live.generation > generation,
            Link::Closed(_) => true,
        });
        match found.await.as_deref() {
            Ok(Link::Up(live)) => Ok(live.clone()),
            Ok(Link::Closed(error)) => Err(Closed(error.clone())),
            Ok(Link::Down) | Err(_) => Err(Closed(None)),
        }
    }

    /// Resolves when there will be no session any more. Cancel-safe.
    pub(crate) async fn closed(&self) -> Closed {
        match self.newer(u64::MAX).await {
            Ok(_) => Closed(None),
            Err(closed) => closed,
        }
    }

    /// Resolves when no name is held and no resumable stream lives. Cancel-safe.
    pub(crate) async fn last_words(&self) {
        let all = [&self.names, &self.streams];
        while !all.iter().all(|tasks| tasks.is_empty()) {
            for tasks in all {
                tasks.close();
                tasks.wait().await;
            }
        }
    }

    /// Resolves when the peer is closed.
    pub(crate) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Asks the proxy for a sign of life: a session that gives none within 10 s is over, and another is dialled.
    pub(crate) fn ask(&self) {
        if let Link::Up(live) = &*self.link.borrow() {
            live.mux.ping();
        }
    }

    /// Waits for an answer of the proxy's; where none comes for a while, it is asked whether it is there at all.
    pub(crate) async fn patiently<T>(&self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        tokio::select! {
            answer = &mut answer => return answer,
            () = sleep(QUIET) => self.ask(),
        }
        answer.await
    }

    /// Why there will be no session any more, if there is a reason.
    pub(crate) fn closed_with(&self) -> Option<DialError> {
        match &*self.link.borrow() {
            Link::Closed(error) => error.clone(),
            Link::Down | Link::Up(_) => None,
        }
    }

    /// A new stream on the session that there is now, and that session's generation; `None` where it takes none.
    pub(crate) fn open_now(&self) -> Option<(browser_stream_mux::Stream, u64)> {
        let Link::Up(live) = &*self.link.borrow() else { return None };
        match live.mux.open() {
            Ok(stream) => Some((stream, live.generation)),
            Err(error) => {
                self.cannot_open(error);
                None
            }
        }
    }

    fn cannot_open(&self, error: browser_stream_mux::OpenError) {
        if error == browser_stream_mux::OpenError::Exhausted {
            self.used_up.notify_one();
        }
    }

    /// A new stream on the session that there is, or the next one that takes it. Cancel-safe.
    pub(crate) async fn open(&self) -> Result<browser_stream_mux::Stream, Closed> {
        let mut live = self.live().await?;
        loop {
            match live.mux.open() {
                Ok(stream) => return Ok(stream),
                Err(error) => self.cannot_open(error),
            }
            live = self.newer(live.generation).await?;
        }
    }
}
