//! Nodes of a cluster in one process, with links over loopback. Who serves which name, and where, is for the tests to say: there is no table here.

mod asks;
mod ends;
mod flows;
mod strangers;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use browser_stream_mux::Code;
use futures::future::{BoxFuture, FutureExt};
use harness::{Peer, Shim};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{net::TcpListener, time::sleep};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{Links, NodeId, Secret};
use crate::{
    error::OpenError,
    limits::Limits,
    session::{self, Answer, Fields, Open, Opening, Opens, Permit, Session, Sessions, Watch, bare::Bare, passed_on, websocket::Any},
};

/// One node, as far as links know it.
struct Town {
    id: NodeId,
    port: SocketAddr,
    /// Where others reach it: its port, or what a test has put in front of that.
    address: String,
    routes: Routes,
    sessions: Sessions,
    links: Links,
    _serving: AbortOnDropHandle<()>,
}

/// Takes what peers and nodes open: servers that are here, and others by link.
#[derive(Clone, Default)]
struct Routes(Arc<Known>);

#[derive(Default)]
struct Known {
    servers: Mutex<HashMap<String, Arc<Session>>>,
    elsewhere: Mutex<HashMap<String, (NodeId, String)>>,
    links: OnceLock<Links>,
}

fn secret() -> Secret {
    Secret::new(b"a secret that all nodes have, and nobody else").expect("long enough")
}

impl Town {
    async fn new() -> Self {
        Self::with(Limits::default(), secret()).await
    }

    async fn with(limits: Limits, secret: Secret) -> Self {
        let routes = Routes::default();
        let sessions = Sessions::new(Arc::new(limits), Arc::new(routes.clone()));
        let id = NodeId { process: Uuid::new_v4(), life: 0 };
        let links = Links::new(&sessions, id.process, secret).expect("TLS");
        let _ = routes.0.links.set(links.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address");
        let serving = links.clone();
        let serving = AbortOnDropHandle::new(tokio::spawn(async move { serving.serve(listener).await }));
        Self { id, port, address: port.to_string(), routes, sessions, links, _serving: serving }
    }

    /// From now on others reach it through this.
    async fn behind_shim(&mut self) -> Shim {
        let shim = Shim::start(self.port, 1).await;
        self.address = shim.address().to_string();
        shim
    }

    /// Its peers find that name over there from now on.
    fn finds(&self, name: &str, there: &Self) {
        self.routes.0.elsewhere.lock().insert(name.to_owned(), (there.id, there.address.clone()));
    }

    fn peer(&self) -> Peer {
        let (near, far) = tokio::io::duplex(1 << 16);
        let buffers = self.sessions.buffers().clone();
        tokio::spawn(self.sessions.run(Bare::new(Any(far), buffers), None));
        Peer::over(near)
    }

    /// The session to that node.
    async fn to(&self, there: &Self) -> Result<Arc<Session>, OpenError> {
        self.links.to(there.id, &there.address).await
    }

    fn nodes(&self) -> usize {
        self.sessions.list().iter().filter(|session| session.is_node()).count()
    }

    fn refused(&self, reason: &str) -> u64 {
        self.sessions.refusals().find(|(name, _)| *name == reason).expect("a kind of refusal").1
    }
}

/// Two nodes, of which the first finds the server at the second.
async fn two() -> (Town, Town, Peer, harness::Control) {
    let (here, there) = tokio::join!(Town::new(), Town::new());
    let server = there.peer();
    let control = server.claim("NAME").await.expect("the name");
    here.finds("NAME", &there);
    (here, there, server, control)
}

impl Opens for Routes {
    fn opened(&self, opening: Opening) -> BoxFuture<'static, ()> {
        let known = self.0.clone();
        async move {
            let path = opening.open().path.clone();
            let Some((verb, name)) = path.trim_start_matches("/browser-server/").split_once('/') else { return };
            if verb == "listen" {
                known.servers.lock().insert(name.to_owned(), opening.session().clone());
                let mut control = opening.accept();
                tokio::spawn(async move { control.peer_done().await });
                return;
            }
            let (session, stream, open) = opening.into_parts();
            let failed = match known.ask(&session, &open, name).await {
                Ok(ask) => session::ask_for(&session, stream, ask).err(),
                Err(error) => Some((error, stream)),
            };
            if let Some((error, stream)) = failed {
                session::refuse(&session, stream, error).await;
            }
        }
        .boxed()
    }
}

impl Known {
    async fn ask(&self, session: &Session, open: &Open, name: &str) -> Result<session::Ask, OpenError> {
        let permit = Permit::default();
        let whose = session.whose(open, &permit);
        let here = self.servers.lock().get(name).cloned();
        let elsewhere = self.elsewhere.lock().get(name).cloned();
        let (server, frame) = match (here, elsewhere) {
            (Some(server), _) => {
                let path = format!("/browser-server/accept/{name}");
                let fields = Fields::new().text("path", &path).id("id", whose.id).raw("meta", open.meta.as_deref());
                (server, fields.peer(whose.session, whose.sub).frame())
            }
            (None, Some((node, address))) if !session.is_node() => {
                let link = self.links.get().expect("it is set").to(node, &address).await?;
                (link, passed_on(open, &whose, Duration::ZERO))
            }
            _ => return Err(OpenError::new(Code::NotFound, "nobody has that name here")),
        };
        Ok((server.clone(), frame, Arc::new(Joined { server, id: whose.id })))
    }
}

/// A client that is joined to its server, or to the node where that is.
struct Joined {
    server: Arc<Session>,
    id: Uuid,
}

impl Watch for Joined {
    fn answered(&self, mut answer: Answer<'_>) {
        match answer.reply(&self.server).and_then(|reply| reply.error.map_or(Ok(()), Err)) {
            Ok(()) => {
                answer.join(&self.server, &Fields::new().id("id", self.id).frame(), false, || {});
            }
            Err(error) => answer.refuse(&self.server, error, Code::Cancelled),
        }
    }
}

/// What an open says of its client: its id, and its session.
fn told(open: &Value) -> (&str, &str) {
    let text = |pointer: &str| open.pointer(pointer).and_then(Value::as_str).expect("a text");
    (text("/id"), text("/peer/session"))
}

/// Waits until it holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not in time: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}
