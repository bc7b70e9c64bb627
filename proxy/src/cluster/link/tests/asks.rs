//! What a node may ask another for, and what that does for it: with routes and names as programs have them, and the table in memory.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use browser_stream_mux::{Code, Config, Role, Session as Mux, Stream};
use harness::{Control, Peer, note, reply, within};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{secret, until};
use crate::{
    cluster::{
        Links, Local, Node, Place, State, Timing,
        link::{proof, tls::Tls},
    },
    error::OpenError,
    limits::Limits,
    route::{StreamRouter, StreamServerProxy},
    session::{Opening, Sessions, bare::Bare, websocket::Any},
};

/// A node with all that a program's has.
struct Whole {
    sessions: Sessions,
    names: StreamServerProxy,
    node: Node,
    port: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

/// What another node says over its link.
struct Dialed {
    mux: Mux,
    _running: AbortOnDropHandle<()>,
}

impl Whole {
    async fn new(table: &Local) -> Self {
        Self::of(table, Limits::default()).await
    }

    async fn of(table: &Local, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address");
        let (names, limits) = {
            let limits = Arc::new(limits);
            (StreamServerProxy::with_limits("/browser-server", limits.clone()), limits)
        };
        let echo = async |opening: Opening| drop(opening.accept());
        let router = StreamRouter::new().mount(names.clone()).route("/echo", move |opening| Box::pin(echo(opening)));
        let sessions = Sessions::new(limits, Arc::new(router));
        let node = Node::start(Arc::new(table.clone()), &port.to_string(), Timing::default());
        let links = Links::new(&sessions, node.id().process, secret()).expect("TLS");
        names.join(&node, &links);
        let serving = AbortOnDropHandle::new(tokio::spawn(async move { links.serve(listener).await }));
        until("it is in", || node.is_in()).await;
        Self { sessions, names, node, port, _serving: serving }
    }

    /// One with the server of a name, and that.
    async fn with_server(table: &Local) -> (Self, Peer, Control) {
        let there = Self::new(table).await;
        let server = there.peer();
        let control = server.claim("NAME").await.expect("it is free");
        (there, server, control)
    }

    fn peer(&self) -> Peer {
        let (near, far) = tokio::io::duplex(1 << 16);
        tokio::spawn(self.sessions.run(Bare::new(Any(far), self.sessions.buffers().clone()), None));
        Peer::over(near)
    }

    fn knows_the_name(&self) -> bool {
        self.knows_it_is().is_some()
    }

    fn knows_it_is(&self) -> Option<State> {
        self.node.whereabouts(&Place { prefix: "/browser-server".into(), name: "NAME".into() }).map(|found| found.state)
    }

    /// What a visitor by HTTP is told.
    async fn refuses(&self) -> OpenError {
        let name = "NAME".try_into().expect("a name");
        within(self.names.connect_http(&name, None)).await.expect_err("nobody serves it")
    }

    fn links(&self) -> usize {
        self.sessions.list().iter().filter(|session| session.is_node()).count()
    }

    /// A link with it, of which the test speaks the other end.
    async fn dial(&self) -> Dialed {
        let socket = TcpStream::connect(self.port).await.expect("it listens");
        let (mut stream, binding) = Tls::new().expect("TLS").connect(socket).await.expect("TLS");
        proof::dial(&mut stream, &secret(), &binding, Uuid::new_v4(), self.node.id().process).await.expect("a node");
        let (mux, run) = Mux::new(stream, Role::Opener, Config::default());
        Dialed { mux, _running: AbortOnDropHandle::new(tokio::spawn(async move { drop(run.await) })) }
    }
}

impl Dialed {
    /// Asks for a client of that session.
    fn begin(&self, path: &str, session: Uuid, mut fields: Value) -> Stream {
        fields["path"] = path.into();
        fields["id"] = json!(Uuid::new_v4());
        fields["peer"] = json!({ "session": session });
        let mut stream = self.mux.open().expect("an id");
        stream.write_frame(fields.to_string().as_bytes());
        stream
    }

    async fn ask(&self, path: &str, fields: Value) -> Result<Value, String> {
        within(reply(&mut self.begin(path, Uuid::new_v4(), fields))).await
    }
}

#[tokio::test]
async fn a_node_asks_for_servers_and_for_nothing_else() {
    let there = Whole::new(&Local::new()).await;
    let link = there.dial().await;
    for path in ["/browser-server/listen/NAME", "/browser-server/watch/NAME", "/browser-server/names", "/echo", "/elsewhere"] {
        assert_eq!(link.ask(path, json!({})).await, Err("not_found".to_owned()), "{path}");
    }
    assert!(!there.knows_the_name(), "it was not claimed");
}

#[tokio::test]
async fn a_visitor_of_a_server_that_is_away_is_told_so_at_whichever_node_and_one_who_is_not_let_in_is_not() {
    for (http, told) in [(true, Code::Unresponsive), (false, Code::NotFound)] {
        let (table, limits) = (Local::new(), Limits { wait_max: Duration::from_millis(200), ..Limits::default() });
        let (here, there) = (Whole::of(&table, limits.clone()).await, Whole::of(&table, limits).await);
        let server = here.peer();
        let control = server.claim_with("NAME", json!({ "http": http, "lease": true, "attempt": 0 })).await.expect("it is free");
        server.vanish();
        until("both know that it is away", || [&here, &there].iter().all(|node| node.knows_it_is() == Some(State::Suspended))).await;
        for node in [&here, &there] {
            let refused = node.refuses().await;
            assert!(refused.is(told), "http: {http}: {refused}");
        }
        drop(control);
    }
}

#[tokio::test]
async fn a_node_passes_nobody_on_whom_another_passed_on() {
    let table = Local::new();
    let (third, mut server, _control) = Whole::with_server(&table).await;
    let there = Whole::new(&table).await;
    until("it knows where the name is", || there.knows_the_name()).await;
    let link = there.dial().await;
    let begun = Instant::now();
    let answer = link.ask("/browser-server/connect/NAME", json!({ "wait": 200 })).await;
    assert_eq!((answer, there.links(), third.links()), (Err("not_found".to_owned()), 1, 0));
    assert!(begun.elapsed() >= Duration::from_millis(200), "it may come there meanwhile");
    // A client of its own it takes there.
    let client = there.peer();
    let (near, _far) = tokio::join!(client.connect("NAME"), server.accept());
    near.expect("accepted");
    assert_eq!((there.links(), third.links()), (2, 1));
}

#[tokio::test]
async fn a_node_that_goes_down_serves_other_nodes_clients_what_it_has_and_tells_none_to_go() {
    let (there, mut server, mut control) = Whole::with_server(&Local::new()).await;
    let (link, path) = (there.dial().await, "/browser-server/connect/NAME");
    // The server does not hear that it is to go, and has a stream that keeps it.
    let mut kept = link.begin(path, Uuid::new_v4(), json!({}));
    let (kept, _far) = tokio::join!(reply(&mut kept), server.accept());
    kept.expect("accepted");
    control.stream.write_frame(br#"{"note":"pause"}"#);
    let is_paused = json!({ "wait": 0 });
    let mut waits = link.begin(path, Uuid::new_v4(), is_paused);
    let streams = || there.sessions.list().iter().find(|session| session.is_node()).map(|link| link.streams());
    until("it waits", || streams() == Some(2)).await;
    there.sessions.drain(Duration::from_secs(60));
    assert_eq!(link.ask("/browser-server/connect/NOBODY", json!({ "wait": 100 })).await, Err("not_found".to_owned()));
    control.stream.write_frame(br#"{"note":"resume"}"#);
    let (came, _far) = tokio::join!(within(reply(&mut waits)), server.accept());
    came.expect("it had its turn");
    // Its owner takes it along.
    control.stream.finish();
    assert_eq!(within(note(&mut control.stream)).await, None);
    assert_eq!(link.ask(path, json!({ "wait": 100 })).await, Err("not_found".to_owned()));
}

#[cfg(feature = "admin")]
#[tokio::test]
async fn a_stream_that_an_operator_ends_at_its_servers_node_is_over_for_its_client_alone() {
    let (there, mut server, _control) = Whole::with_server(&Local::new()).await;
    let link = there.dial().await;
    let (client, other) = (Uuid::new_v4(), Uuid::new_v4());
    let goes_on = |session, resume: Value| link.begin("/browser-server/connect/NAME", session, json!({ "resume": resume }));
    let mut accepts = async || {
        let (_, mut far) = within(server.next()).await;
        far.write_frame(br#"{"resume":{}}"#);
        far
    };
    let (mut first, mut second) = (goes_on(client, json!({ "id": 1 })), goes_on(other, json!({ "id": 2 })));
    let _fars = (accepts().await, accepts().await);
    within(reply(&mut first)).await.expect("accepted");
    within(reply(&mut second)).await.expect("accepted");
    let session = there.sessions.list().into_iter().find(|session| session.is_node()).expect("the link");
    assert!(session.cut(first.id()));
    let mut moves = goes_on(other, json!({ "join": 2 }));
    let _far = accepts().await;
    within(reply(&mut moves)).await.expect("nobody ended that");
    let ended = within(reply(&mut goes_on(client, json!({ "join": 1 })))).await;
    assert_eq!(ended, Err("forbidden".to_owned()));
}
