//! Whoever runs a cluster asks any of its nodes, and sees and reaches what all have.

use std::{collections::BTreeSet, time::Duration};

use browser_stream_client::{
    Listener, Peer, Stream,
    room::{Joined, News, Room},
};
use browser_stream_server::Code;
use harness::within;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    super::{PATIENCE, until},
    Cluster, Node, refused,
};

/// What is answered there once all nodes are heard: one that is slow at this moment is named, and left out.
async fn whole(node: &Node, path: &str) -> Value {
    let begun = Instant::now();
    loop {
        let (status, said) = node.asked("GET", path, "").await;
        assert_eq!(status, 200, "{path}: {said}");
        if said["missing"] == json!([]) {
            return said;
        }
        assert!(begun.elapsed() < PATIENCE, "not in time: {path}: {said}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// The rows of a list.
async fn rows(node: &Node, path: &str) -> Vec<Value> {
    whole(node, path).await["rows"].as_array().expect("rows").clone()
}

fn texts(rows: &[Value], field: &str) -> Vec<String> {
    rows.iter().map(|row| row[field].as_str().unwrap_or_default().to_owned()).collect()
}

/// Asks until that holds of the rows.
async fn rows_until(node: &Node, path: &str, is: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let rows = rows(node, path).await;
        if is(&rows) {
            return rows;
        }
        assert!(begun.elapsed() < PATIENCE, "not in time: {path}: {rows:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// A server at each node, whose name says at which.
async fn servers(peers: &[Peer; 3]) -> Vec<Listener> {
    let mut servers = Vec::new();
    for (at, peer) in peers.iter().enumerate() {
        servers.push(within(peer.server().listen(format!("of-{at}")).into_future()).await.expect("the name is free"));
    }
    servers
}

/// What the nodes are called, in their order.
async fn called(cluster: &Cluster) -> Vec<String> {
    let mut called = Vec::new();
    for node in &cluster.nodes {
        let (_, overview) = node.asked("GET", "overview?node=self", "").await;
        called.push(overview["node"].as_str().expect("it has others").to_owned());
    }
    called
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_asked_at_one_node_has_the_rows_of_all_and_says_whose_they_are() {
    let cluster = Cluster::start(3).await;
    let peers = cluster.peers().await;
    let _servers = servers(&peers).await;
    let nodes = called(&cluster).await;
    let first = &cluster.nodes[0];
    let names = rows(first, "names").await;
    assert_eq!(texts(&names, "name"), ["of-0", "of-1", "of-2"]);
    assert_eq!(texts(&names, "node"), nodes);
    let sessions: BTreeSet<String> = texts(&rows(first, "sessions?search=127.0.0.1").await, "node").into_iter().collect();
    assert_eq!(sessions.len(), 3);
    let overview = whole(first, "overview").await;
    assert_eq!((&overview["names"], &overview["node"]), (&json!(3), &json!(nodes[0])), "{overview}");

    // In parts, each row once.
    let (mut path, mut seen) = ("names?limit=1".to_owned(), Vec::new());
    loop {
        let part = whole(first, &path).await;
        assert_eq!(part["total"], 3);
        seen.extend(texts(part["rows"].as_array().expect("rows"), "name"));
        match part["next"].as_str() {
            Some(next) => path = format!("names?limit=1&after={}", next.replace('/', "%2F")),
            None => break,
        }
    }
    assert_eq!(seen, ["of-0", "of-1", "of-2"]);
    assert_eq!(texts(&rows(first, "names?search=of-2").await, "name"), ["of-2"]);

    // Of one of them alone: by its id, or its address, or itself.
    let [own, address] = [0, 2].map(|at| cluster.nodes[at].links.address().to_string());
    let calls = [(nodes[1].as_str(), "of-1"), (&nodes[1][..4], "of-1"), ("self", "of-0"), (&own, "of-0"), (&address, "of-2")];
    for (node, whose) in calls {
        assert_eq!(texts(&rows(first, &format!("names?node={node}")).await, "name"), [whose], "{node}");
    }
    let (status, said) = first.asked("GET", "names?node=nobody", "").await;
    assert_eq!((status, &said["code"]), (404, &json!("node_unknown")));
    let (status, said) = first.asked("GET", "names?limit=0", "").await;
    assert_eq!((status, &said["code"]), (400, &json!("bad_request")));
    let session = names[2]["session"].as_str().expect("an owner");
    let (status, single) = first.asked("GET", &format!("sessions/{session}"), "").await;
    assert_eq!((status, &single["id"], &single["node"]), (200, &json!(session), &json!(nodes[2])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_is_a_row_for_each_node_that_has_members_of_it_who_are_all_told() {
    let cluster = Cluster::start(3).await;
    let peers: [Peer; 3] = cluster.peers().await;
    let mut rooms = Vec::new();
    for at in [1, 2, 2] {
        rooms.push(within(Room::new(&peers[at]).join("hall").into_future()).await.expect("it may join"));
    }
    until("all know of all", || rooms.iter().all(|room| room.members().len() == 3)).await;
    let (nodes, first) = (called(&cluster).await, &cluster.nodes[0]);
    let told = rows(first, "rooms").await;
    let mut counts: Vec<(String, u64)> =
        texts(&told, "node").into_iter().zip(told.iter().map(|row| row["members"].as_u64().expect("a number"))).collect();
    counts.sort_by_key(|(node, _)| nodes.iter().position(|other| other == node));
    assert_eq!(counts, [(nodes[1].clone(), 1), (nodes[2].clone(), 2)]);
    let members = rows(first, "rooms/hall/members").await;
    let ids: BTreeSet<String> = texts(&members, "id").into_iter().collect();
    assert_eq!(ids, rooms.iter().map(Joined::id).collect());
    assert_eq!(first.asked("GET", "rooms/nobody/members", "").await.0, 404);

    // Whoever is asked: each member hears it, and once.
    for word in ["one", "two"] {
        assert_eq!(first.asked("POST", "rooms/hall/emit", &json!({ "event": "say", "args": [word] }).to_string()).await.0, 204);
    }
    for room in &mut rooms {
        assert_eq!([heard(room).await, heard(room).await], ["one", "two"]);
    }
    assert_eq!(first.asked("POST", "rooms/nobody/emit", r#"{"event":"say"}"#).await.0, 404);
    let path = format!("rooms/hall/members/{}", rooms[2].id());
    // One that has members of that room leaves another's to that one, and makes no room for it.
    assert_eq!(cluster.nodes[1].asked("PUT", &path, r#"{"room":"yard"}"#).await.0, 204);
    rows_until(first, "rooms/yard/members", |rows| texts(rows, "id") == [rooms[2].id()]).await;
    let yards: Vec<Value> = rows(first, "rooms").await.into_iter().filter(|row| row["name"] == "yard").collect();
    assert_eq!(texts(&yards, "node"), [nodes[2].clone()]);
    assert_eq!(first.asked("DELETE", &format!("rooms/hall/members/{}", rooms[1].id()), "").await.0, 204);
    rows_until(first, "rooms/hall/members", |rows| texts(rows, "id") == [rooms[0].id()]).await;
}

async fn heard(room: &mut Joined) -> String {
    loop {
        if let News::Event { args, .. } = within(room.next()).await.expect("it is in").expect("it is in") {
            let (text,): (String,) = args.to().expect("a text");
            return text;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_goes_to_the_node_that_has_the_thing_and_is_written_down_at_both() {
    let cluster = Cluster::start(3).await;
    let peers = cluster.peers().await;
    let _servers = servers(&peers).await;
    let (nodes, first) = (called(&cluster).await, &cluster.nodes[0]);
    let names = rows(first, "names").await;
    let session = names[2]["session"].as_str().expect("an owner");
    assert_eq!(first.asked("DELETE", &format!("sessions/{session}"), "").await.0, 204);
    let is_gone = |rows: &[Value]| !texts(rows, "id").iter().any(|id| id == session);
    rows_until(first, "sessions", is_gone).await;
    let (status, said) = first.asked("DELETE", &format!("sessions/{session}"), "").await;
    assert_eq!((status, &said["code"]), (404, &json!("not_found")), "{said}");
    let written = |node: usize| rows(first, if node == 0 { "events?search=admin.action&node=self" } else { "events?search=admin.action" });
    let here = texts(&written(0).await, "text");
    assert_eq!(here, [format!("had the node {} do DELETE /admin/api/sessions/{session}, by \"somebody at this machine\"", nodes[2])]);
    let all = written(2).await;
    let there: Vec<&Value> = all.iter().filter(|row| row["node"] == json!(nodes[2])).collect();
    let [there] = there[..] else { panic!("{all:?}") };
    assert_eq!(there["text"], format!("closed the session {session}, by \"somebody at node {}\"", nodes[0]));

    assert_eq!(first.asked("DELETE", "names/of-1", "").await.0, 204);
    rows_until(first, "names", |rows| !texts(rows, "name").contains(&"of-1".to_owned())).await;
    // What is reserved is so wherever somebody asks for it.
    assert_eq!(first.asked("PUT", "reserved/kept", "").await.0, 204);
    for peer in &peers[..2] {
        assert_eq!(refused(peer, "kept").await, Code::NameReserved);
    }
    assert_eq!(first.asked("DELETE", "reserved/kept", "").await.0, 204);
    let _kept = within(peers[1].server().listen("kept").into_future()).await.expect("it is free");

    // One goes down alone, and the one that was asked stays.
    assert_eq!(first.asked("POST", &format!("drain?node={}", nodes[1]), r#"{"deadline_s":60}"#).await.0, 204);
    let begun = Instant::now();
    while !cluster.nodes[1].readiness().await.contains("draining") {
        assert!(begun.elapsed() < PATIENCE, "it does not drain");
    }
    assert!(first.readiness().await.contains("200 OK"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_hangs_or_is_dead_is_named_and_the_rest_is_told_in_time() {
    let mut cluster = Cluster::start(3).await;
    let peers = cluster.peers().await;
    let _servers = servers(&peers).await;
    let nodes = called(&cluster).await;
    cluster.nodes[2].signal(rustix::process::Signal::STOP);
    let first = &cluster.nodes[0];
    // All at once: each waits for that node, which is written off in the end.
    let (list, overview, deed) = tokio::join!(
        first.asked("GET", "names", ""),
        first.asked("GET", "overview", ""),
        first.asked("DELETE", "sessions/01234567-89ab-cdef-0123-456789abcdef", "")
    );
    let (status, said) = list;
    assert_eq!((status, &said["missing"], &said["total"]), (200, &json!([nodes[2]]), &json!(2)), "{said}");
    assert_eq!(texts(said["rows"].as_array().expect("rows"), "name"), ["of-0", "of-1"]);
    let (_, overview) = overview;
    assert_eq!((&overview["names"], &overview["missing"]), (&json!(2), &json!([nodes[2]])));
    // Whether it has the session, nobody else knows.
    let (status, said) = deed;
    assert_eq!((status, &said["code"]), (504, &json!("node_silent")), "{said}");
    let written = texts(&rows(first, "events?search=admin.action&node=self").await, "text");
    let unanswered = "do DELETE /admin/api/sessions/01234567-89ab-cdef-0123-456789abcdef, and had no answer";
    assert_eq!(written, [format!("asked the node {} to {unanswered}, by \"somebody at this machine\"", nodes[2])]);
    cluster.nodes[2].kill();
    let (_, said) = cluster.nodes[0].asked("GET", "names", "").await;
    assert_eq!((&said["missing"], &said["total"]), (&json!([nodes[2]]), &json!(2)), "it is not written off yet: nobody waited for that");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_on_at_one_node_is_told_what_changes_at_another() {
    let cluster = Cluster::start(2).await;
    let nodes = called(&cluster).await;
    let looking = within(Peer::dial(cluster.nodes[0].admin_mux()).into_future()).await.expect("it is there");
    let connecting = looking.client().with_prefix("/admin").connect("live").resume(false).into_future();
    let mut page = Lines { stream: within(connecting).await.expect("who may look"), read: Vec::new() };
    page.stream.write_chunk("{\"watch\":[\"names\",\"events\"]}\n".into()).await.expect("taken");
    while page.next().await["table"] != "names" {}
    let peer = cluster.peer(1).await;
    let listener = within(peer.server().listen("there").into_future()).await.expect("the name is free");
    let (mut is_row, mut is_event, mut is_whole) = (false, false, false);
    while !is_row || !is_event || !is_whole {
        let line = page.next().await;
        let mut rows = line["rows"].as_array().into_iter().flatten().filter(|row| row["node"] == json!(nodes[1]));
        match line["table"].as_str() {
            Some("names") => is_row |= rows.any(|row| row["name"] == "there"),
            Some("events") => is_event |= rows.any(|row| row["kind"] == "server.created"),
            // A node that is slow at this moment is missing in one, and there again in the next.
            _ => is_whole |= line["overview"]["missing"] == json!([]),
        }
    }
    within(listener.end()).await.expect("it is given up");
    while page.next().await["gone"].as_array().is_none_or(|gone| !gone.contains(&json!("/browser-server/there"))) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_kept_for_an_owner_whose_node_died_is_told_once_whoever_is_asked_with_that_node() {
    let mut cluster = Cluster::start(3).await;
    let peers = cluster.peers().await;
    let _servers = servers(&peers).await;
    let nodes = called(&cluster).await;
    cluster.nodes[2].front.refuse(true);
    cluster.nodes[2].kill();
    for asked in 0..2 {
        let kept = |rows: &[Value]| rows.len() == 3 && texts(rows, "state")[2] == "suspended";
        let begun = Instant::now();
        let rows = loop {
            // Until it is written off, that node is one that does not answer.
            let (_, said) = cluster.nodes[asked].asked("GET", "names", "").await;
            match said["rows"].as_array() {
                Some(rows) if kept(rows) && said["missing"] == json!([]) => break rows.clone(),
                _ => assert!(begun.elapsed() < PATIENCE, "{said}"),
            }
            sleep(Duration::from_millis(200)).await;
        };
        assert_eq!((texts(&rows, "name"), texts(&rows, "node")), (["of-0", "of-1", "of-2"].map(str::to_owned).to_vec(), nodes.clone()));
        assert_eq!((&rows[2]["session"], &rows[2]["since_ms"]), (&Value::Null, &Value::Null));
        assert!(rows[2]["generation"].is_u64(), "{}", rows[2]);
    }
}

/// What a page is told.
struct Lines {
    stream: Stream,
    read: Vec<u8>,
}

impl Lines {
    async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return serde_json::from_slice(&line).expect("JSON");
            }
            let chunk = within(self.stream.read_chunk()).await.expect("it goes on").expect("more");
            self.read.extend_from_slice(&chunk);
        }
    }
}
