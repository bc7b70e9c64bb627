//! Links: connections from node to node, over which streams go between them (docs/cluster.md, section 5).
//!
//! A link is TLS ([`tls`]), a proof on both sides that each has the cluster's secret and is the one that is meant ([`proof`]), and then the mux, as a session that carries other
//! nodes' clients. Each direction has one of its own: the node that dials opens streams on it.

mod error;
mod line;
mod proof;
#[cfg(test)]
mod tests;
mod tls;

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use browser_stream_mux::{Code, Role};
use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_rustls::TlsStream;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::NodeId;
use crate::{
    counters::Refusal,
    error::OpenError,
    session::{Process, Session, Sessions, bare::Bare},
};
pub use error::LinkError;
use line::Line;
pub use proof::{Secret, SecretError};
use tls::Tls;

/// The links of one node with the others of its cluster. Cheap to clone; every clone is the same.
///
/// See [`Node`](super::Node).
#[derive(Clone)]
pub struct Links {
    inner: Arc<Inner>,
}

struct Inner {
    /// Links are sessions among those; they go with them.
    sessions: Weak<Process>,
    me: Uuid,
    secret: Secret,
    tls: Tls,
    /// To other processes: one to each, whichever of its lives it is in.
    lines: Mutex<HashMap<Uuid, Arc<Line>>>,
}

impl Links {
    /// None yet, for the process `me`, among whose `sessions` they will be.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new(sessions: &Sessions, me: Uuid, secret: Secret) -> Result<Self, LinkError> {
        let inner = Inner { sessions: sessions.weak(), me, secret, tls: Tls::new()?, lines: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The session to that node, if there is one at this moment.
    pub fn at_once(&self, node: NodeId) -> Option<Arc<Session>> {
        self.inner.lines.lock().get(&node.process)?.live()
    }

    /// The sessions to other processes that there are at this moment.
    pub fn live(&self) -> Vec<(Uuid, Arc<Session>)> {
        let lines = self.inner.lines.lock();
        lines.iter().filter_map(|(process, line)| Some((*process, line.live()?))).collect()
    }

    /// The session to that node, which is reached at `address`: the one that there is, or a new one, made at most once at a time.
    ///
    /// Cancel-safe: another caller goes on with the making.
    ///
    /// # Errors
    /// `unresponsive`, where there is none within [`DIAL_MAX`], and for a moment after that, longer each time; the log says why.
    pub async fn to(&self, node: NodeId, address: &str) -> Result<Arc<Session>, OpenError> {
        let line = self.line(node.process);
        if let Some(session) = line.live() {
            return Ok(session);
        }
        let mut attempts = line.attempts.lock().await;
        if let Some(session) = line.live() {
            return Ok(session);
        }
        if !attempts.may_dial() {
            return Err(unreachable());
        }
        match timeout(DIAL_MAX, self.dial(node.process, address)).await.unwrap_or(Err(LinkError::Late)) {
            Ok(session) => {
                attempts.succeeded();
                line.has(&session);
                Ok(session)
            }
            Err(error) => {
                tracing::warn!(%node, address, %error, "no link to another node");
                attempts.failed();
                Err(unreachable())
            }
        }
    }

    /// Serves the links that others make, until it is dropped: those that there are go on. Who does not show in time that it belongs here is counted and let go, and so is who
    /// has taken longest where too many are about to.
    pub async fn serve(&self, listener: TcpListener) {
        let mut strangers: VecDeque<AbortOnDropHandle<()>> = VecDeque::with_capacity(STRANGERS_MAX);
        loop {
            match listener.accept().await {
                Ok((socket, remote)) => {
                    strangers.retain(|stranger| !stranger.is_finished());
                    if strangers.len() >= STRANGERS_MAX && strangers.pop_front().is_some() {
                        self.count(Refusal::ClusterHandshake);
                    }
                    let links = self.clone();
                    strangers.push_back(AbortOnDropHandle::new(tokio::spawn(async move { links.meet(socket, remote).await })));
                }
                Err(error) => {
                    // Out of descriptors, as a rule.
                    tracing::warn!(%error, "a link of the cluster cannot be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn line(&self, process: Uuid) -> Arc<Line> {
        let mut lines = self.inner.lines.lock();
        if let Some(line) = lines.get(&process) {
            return line.clone();
        }
        // Processes come and go.
        lines.retain(|_, line| line.is_used());
        lines.entry(process).or_default().clone()
    }

    async fn dial(&self, meant: Uuid, address: &str) -> Result<Arc<Session>, LinkError> {
        let Inner { me, secret, tls, .. } = &*self.inner;
        if meant == *me {
            return Err(LinkError::Itself);
        }
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let (mut stream, binding) = tls.connect(socket).await?;
        proof::dial(&mut stream, secret, &binding, *me, meant).await?;
        self.begin(stream, meant, Role::Opener)
    }

    /// One that came: a node, if it can show that in time.
    async fn meet(&self, socket: TcpStream, remote: SocketAddr) {
        let begun = async {
            let Inner { me, secret, tls, .. } = &*self.inner;
            socket.set_nodelay(true)?;
            let (mut stream, binding) = tls.accept(socket).await?;
            let dialer = proof::answer(&mut stream, secret, &binding, *me).await?;
            self.begin(stream, dialer, Role::Acceptor)
        };
        match timeout(MEET_MAX, begun).await.unwrap_or(Err(LinkError::Late)) {
            Ok(_) => {}
            Err(error) => {
                self.count(if matches!(error, LinkError::Late) { Refusal::EstablishTimeout } else { Refusal::ClusterHandshake });
                tracing::debug!(%remote, %error, "who came to the cluster's port is no link");
            }
        }
    }

    /// From here it is a session, with a task of its own.
    fn begin(&self, stream: TlsStream<TcpStream>, process: Uuid, role: Role) -> Result<Arc<Session>, LinkError> {
        let sessions = Sessions::of(&self.inner.sessions).ok_or(LinkError::Over)?;
        let remote = stream.get_ref().0.peer_addr().ok();
        let agent = format!("node {}", process.simple()).into();
        let (session, served) = sessions.link(Bare::new(stream, sessions.buffers().clone()), remote, (agent, role));
        tracing::info!(%process, ?remote, is_dialed = role == Role::Opener, "link with another node");
        tokio::spawn(served);
        Ok(session)
    }

    fn count(&self, refusal: Refusal) {
        if let Some(sessions) = Sessions::of(&self.inner.sessions) {
            sessions.count(refusal);
        }
    }
}

/// For a client, which is to know nothing of nodes but that.
fn unreachable() -> OpenError {
    OpenError::new(Code::Unresponsive, "the server is at another proxy, which is not to be reached: try again")
}

/// How long a link may take to be made, from the first packet to the last proof.
pub const DIAL_MAX: Duration = Duration::from_secs(5);
/// How long who comes may take to show that it belongs here.
const MEET_MAX: Duration = Duration::from_secs(5);
/// Who may be about to, at once.
const STRANGERS_MAX: usize = 128;
/// Long enough to cost nothing.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
