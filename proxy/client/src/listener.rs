//! A name that is held, and the clients that come in under it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use browser_stream_mux::Code;
use browser_stream_protocol::Name;
use futures::{FutureExt, Stream};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{Connection, HttpPlace, ListenError, Peer, claim::Wishes};

/// A name that this program serves under: a stream of the [`Connection`]s of its clients.
///
/// When the connection to the proxy breaks the name is claimed again on the next one, and no item tells of it. The stream ends with an error when the
/// name is lost for good; without one behind [`end`](Self::end). Dropping the listener gives the name up; streams that it
/// brought go on, as long as their present connections: a resumable one comes back under the name.
///
/// ```
/// use browser_stream_client::Listener;
/// use futures::TryStreamExt;
///
/// async fn serve(mut listener: Listener) -> anyhow::Result<()> {
///     println!("serving {}", listener.name());
///     for _ in 0..10 {
///         let Some(connection) = listener.try_next().await? else { return Ok(()) };
///         drop(connection.accept());
///     }
///     Ok(listener.end().await?) // gives the name up; those who wait are told
/// }
/// ```
#[must_use = "dropping a listener gives its name up"]
pub struct Listener {
    name: Name,
    id: String,
    http: Option<HttpPlace>,
    connections: mpsc::Receiver<Connection>,
    wishes: watch::Sender<Wishes>,
    /// `None` once it was told.
    outcome: Option<oneshot::Receiver<Result<(), ListenError>>>,
    peer: Peer,
}

impl Listener {
    /// Spawns what `keep` returns, the task that holds the claim.
    pub(crate) fn new<K: Future<Output = Result<(), ListenError>> + Send + 'static>(
        peer: Peer,
        name: Name,
        (id, http): (String, Option<HttpPlace>),
        connections: mpsc::Receiver<Connection>,
        wishes: Wishes,
        keep: impl FnOnce(watch::Receiver<Wishes>) -> K,
    ) -> Self {
        let (wishes, heard) = watch::channel(wishes);
        let (tell, outcome) = oneshot::channel();
        let keeping = keep(heard);
        peer.shared().names.spawn(async move {
            // Nobody need be there to hear it.
            let _ = tell.send(keeping.await);
        });
        Self { name, id, http, connections, wishes, outcome: Some(outcome), peer }
    }

    /// The name, as it is.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The id that the proxy gave the claim.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where others reach it by HTTP, if it asked for that and the proxy has such a place.
    pub fn http(&self) -> Option<&HttpPlace> {
        self.http.as_ref()
    }

    /// Lets new clients wait, for as long as the proxy is willing to: 15 s.
    pub fn pause(&self) {
        self.wishes.send_modify(|wishes| wishes.is_paused = true);
    }

    /// Takes new clients again.
    pub fn resume(&self) {
        self.wishes.send_modify(|wishes| wishes.is_paused = false);
    }

    /// Clients at the same time from now on; those that are there stay.
    pub fn set_clients_max(&self, clients: u32) {
        self.wishes.send_modify(|wishes| wishes.clients_max = clients);
    }

    /// Resolves when each resumable stream that came to this peer has ended and been let go of, and its client knows how: what a server waits for before it
    /// gives its name up. The last word of a stream may be lost with a connection, and its client comes back under the name to hear it, for as long as it
    /// waits for its server at all. One that vanished, or that was cut when it said that it knows, is waited for as long: 180 s, or 60 s longer than
    /// [`Dial::grace`](crate::Dial::grace); a timeout around this is how much patience a program has. New clients wait meanwhile, as while the stream of them is not polled. Cancel-safe.
    pub async fn settled(&self) {
        let shared = self.peer.shared();
        shared.resumption.settled(&shared.streams).await;
    }

    /// Gives the name up: no new clients, live ones go on, as long as their present connections. Clients that wait to be accepted are refused `gone`. Resolves when the name is free; where there is no
    /// connection to the proxy, at once. Dropping the future only ends the waiting.
    ///
    /// # Errors
    /// Why the name was lost before it could be given up, unless the stream told it already.
    pub async fn end(mut self) -> Result<(), ListenError> {
        self.wishes.send_modify(|wishes| wishes.is_over = true);
        let refusing = async {
            while let Some(connection) = self.connections.recv().await {
                connection.refuse(Code::Gone, "the server ended");
            }
        };
        let Some(outcome) = self.outcome.take() else { return Ok(()) };
        let (outcome, ()) = tokio::join!(outcome, refusing);
        outcome.unwrap_or(Err(ListenError::Closed(None)))
    }
}

impl Stream for Listener {
    type Item = Result<Connection, ListenError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(connection) = ready!(self.connections.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(connection)));
        }
        let Some(outcome) = &mut self.outcome else { return Poll::Ready(None) };
        let outcome = ready!(outcome.poll_unpin(cx)).unwrap_or(Err(ListenError::Closed(None)));
        self.outcome = None;
        Poll::Ready(outcome.err().map(Err))
    }
}
