//! Clients whose server is at another node, in one process: what its node does for them, and what it does not.

use std::time::Duration;

use browser_stream_server::{ConnectOptions, Event};
use harness::{Peer, Proxy, reply, until, within};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use super::{place, together::Together};

/// The first node has the server, and the others know.
async fn served(count: usize) -> (Together, Peer, harness::Control) {
    let cluster = Together::linked(count).await;
    let server = cluster.proxies[0].peer();
    let control = server.claim("NAME").await.expect("it is free");
    until(|| cluster.nodes.iter().all(|node| node.whereabouts(&place("NAME")).is_some())).await;
    (cluster, server, control)
}

fn live(proxy: &Proxy) -> usize {
    proxy.sessions.list().iter().map(|session| session.streams()).sum()
}

#[tokio::test]
async fn the_program_at_one_node_connects_to_a_server_at_another() {
    let (cluster, mut server, _control) = served(2).await;
    let options = ConnectOptions::default().meta(&"from the program").expect("JSON");
    let (mine, (open, mut theirs)) = tokio::join!(cluster.proxies[1].names.connect_with("NAME", options), server.accept());
    let mut mine = mine.expect("accepted");
    assert_eq!(open["meta"], "from the program");
    mine.write_all(b"hello").await.expect("taken");
    let mut got = [0; 5];
    within(theirs.read_exact(&mut got)).await.expect("it comes");
    assert_eq!(&got, b"hello");
    let nobody = ConnectOptions::default().wait(Duration::ZERO);
    let refused = cluster.proxies[1].names.connect_with("NOBODY", nobody).await.expect_err("nobody has it");
    assert!(refused.is(browser_stream_server::Code::NotFound), "{refused}");
}

#[tokio::test]
async fn a_client_is_the_same_at_both_nodes_and_its_life_is_told_where_its_server_is() {
    let (mut cluster, mut server, control) = served(2).await;
    assert!(matches!(cluster.proxies[0].event().await, Event::ServerCreated { .. }));
    let client = cluster.proxies[1].peer();
    let asked = json!({ "meta": 7, "id": "f0f0f0f0-0000-4000-8000-000000000000", "peer": { "session": "forged" } });
    let (connected, (open, theirs)) = tokio::join!(client.connect_with("NAME", asked), server.accept());
    let (reply, mine) = connected.expect("accepted");
    let Event::ClientConnected { id, .. } = cluster.proxies[0].event().await else { panic!("a client") };
    assert_eq!((&reply["id"], &open["id"]), (&json!(id.to_string()), &json!(id.to_string())), "the proxy's own word");
    let session = cluster.proxies[1].sessions.list().into_iter().find(|session| session.remote().is_none()).expect("the client's");
    assert_eq!(open["peer"]["session"], session.id().to_string());
    assert_eq!(reply["instance"].as_str().map(str::len), Some(32), "{reply}");
    drop((mine, theirs));
    assert!(matches!(cluster.proxies[0].event().await, Event::ClientDisconnected { .. }));
    drop(control);
}

#[tokio::test]
async fn a_client_that_waits_goes_where_the_name_comes_to() {
    let cluster = Together::linked(2).await;
    let (mut server, client) = (cluster.proxies[0].peer(), cluster.proxies[1].peer());
    let mut waiting = client.begin("/browser-server/connect/NAME", json!({ "wait": 15_000 }));
    until(|| live(&cluster.proxies[1]) == 1).await;
    let _control = server.claim("NAME").await.expect("it is free");
    let (came, _theirs) = tokio::join!(within(reply(&mut waiting)), server.accept());
    assert!(came.is_ok(), "{came:?}");
}

#[tokio::test]
async fn a_name_at_a_node_that_goes_down_is_reached_until_its_owner_has_moved() {
    let (cluster, mut server, _control) = served(2).await;
    let client = cluster.proxies[1].peer();
    // One that does not hear that it is to go, and has a stream that keeps it.
    let (first, (_, kept)) = tokio::join!(client.connect("NAME"), server.accept());
    let first = first.expect("accepted");
    cluster.proxies[0].sessions.drain(Duration::from_secs(30));
    let (second, accepted) = tokio::join!(client.connect("NAME"), server.accept());
    assert!(second.is_ok(), "{:?}", second.err());
    drop((first, kept, accepted));
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_is_tried_as_long_as_a_server_that_is_away() {
    let cluster = Together::of(2, async |_| (None, "127.0.0.1:1".to_owned())).await;
    let (server, client) = (cluster.proxies[0].peer(), cluster.proxies[1].peer());
    let _control = server.claim("NAME").await.expect("it is free");
    until(|| cluster.nodes[1].whereabouts(&place("NAME")).is_some()).await;
    let begun = Instant::now();
    assert_eq!(client.connect("NAME").await.err().as_deref(), Some("unresponsive"));
    assert!((14..25).contains(&begun.elapsed().as_secs()), "after {:?}", begun.elapsed());
}
