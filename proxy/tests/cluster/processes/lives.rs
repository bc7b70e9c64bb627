//! Nodes that are killed, and NATS that is gone: what goes on, what stops, and what comes back.

use std::time::Duration;

use browser_stream_client::{ConnectError, Peer, StreamError};
use browser_stream_server::Code;
use harness::within;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};

use super::{super::PATIENCE, Cluster, meets, next, plain, refused};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_whose_node_is_killed_has_its_name_at_another_at_once() {
    let mut cluster = Cluster::start(3).await;
    let [server, client, _]: [Peer; 3] = cluster.peers().await;
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    let (mut mine, theirs) = plain(&client, &mut listener).await;
    drop(plain(&client, &mut listener).await);
    // As a load balancer has it.
    cluster.nodes[0].front.aim(cluster.nodes[2].address);
    cluster.nodes[0].kill();
    within(mine.read_chunk()).await.expect_err("its carrier is gone");
    drop(theirs);
    let killed = Instant::now();
    loop {
        match meets(&client, &mut listener, Duration::from_secs(15)).await {
            Ok(_) => break,
            Err(ConnectError::Refused(error)) => assert!(error.is(Code::Unresponsive), "{error}"),
            Err(error) => panic!("{error}"),
        }
        assert!(killed.elapsed() < PATIENCE);
    }
    // Long before the dead node is written off.
    assert!(killed.elapsed() < Duration::from_secs(12), "after {:?}", killed.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_a_killed_node_are_kept_for_their_lease_and_free_without_one() {
    let mut cluster = Cluster::start(2).await;
    let (leaves, stays) = (cluster.peer(0).await, cluster.peer(1).await);
    let kept = leaves.server().listen("KEPT").await.expect("the name is free");
    let bare = leaves.server().listen("BARE").lease(false).await.expect("the name is free");
    cluster.nodes[0].kill();
    assert_eq!(refused(&stays, "BARE").await, Code::NameTaken);
    let killed = Instant::now();
    while stays.server().listen("BARE").lease(false).await.is_err() {
        assert!(killed.elapsed() < PATIENCE, "it is not free");
        sleep(Duration::from_millis(200)).await;
    }
    assert!(killed.elapsed() < Duration::from_secs(25), "after {:?}", killed.elapsed());
    assert_eq!(refused(&stays, "KEPT").await, Code::NameReserved);
    drop((kept, bare));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_nats_streams_go_on_and_no_name_is_given_until_it_is_back() {
    let mut cluster = Cluster::start(2).await;
    let [server, client]: [Peer; 2] = cluster.peers().await;
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    let (mut mine, mut theirs) = plain(&client, &mut listener).await;
    cluster.nats.stop().await;
    for node in &cluster.nodes {
        node.is_ready(false).await;
    }
    // Past the time for which nodes serve their names without it.
    sleep(Duration::from_secs(14)).await;
    mine.write_all(b"still there?").await.expect("taken");
    let mut got = [0; 12];
    within(theirs.read_exact(&mut got)).await.expect("it comes");
    theirs.write_all(b"yes").await.expect("taken");
    within(mine.read_exact(&mut got[..3])).await.expect("it comes");
    // A claim is put off for as long as the node has nothing to give.
    let fresh = cluster.peer(1).await;
    let claiming = tokio::time::timeout(Duration::from_secs(4), fresh.server().listen("OTHER").into_future()).await;
    assert!(claiming.is_err() || claiming.is_ok_and(|claimed| claimed.is_err()));
    cluster.nats.again().await;
    for node in &cluster.nodes {
        node.is_ready(true).await;
    }
    // Its owner claimed it again by itself.
    let back = Instant::now();
    while let Err(error) = meets(&client, &mut listener, Duration::from_secs(5)).await {
        assert!(back.elapsed() < PATIENCE, "{error}");
    }
    drop(fresh.server().listen("OTHER").await.expect("the name is free"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_from_nats_sends_its_owners_to_another() {
    let cluster = Cluster::start(2).await;
    let [server, client]: [Peer; 2] = cluster.peers().await;
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    let (mut mine, mut theirs) = plain(&client, &mut listener).await;
    cluster.nodes[0].cut_off();
    cluster.nodes[0].is_ready(false).await;
    // As a load balancer does that looks at `/readyz`.
    cluster.nodes[0].front.aim(cluster.nodes[1].address);
    // Until its node has to stop it is served there, then at the other.
    let begun = Instant::now();
    let mut met = begun;
    loop {
        match meets(&client, &mut listener, Duration::from_secs(5)).await {
            Ok(_) if begun.elapsed() >= Duration::from_secs(16) => break,
            Ok(_) => met = Instant::now(),
            Err(error) => assert!(met.elapsed() < PATIENCE, "{error}"),
        }
        sleep(Duration::from_millis(100)).await;
    }
    // What was open at the node goes on.
    mine.write_all(b"still there?").await.expect("taken");
    let mut got = [0; 12];
    within(theirs.read_exact(&mut got)).await.expect("it comes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_breaks_ends_its_streams_and_those_that_resume_go_on_over_the_next() {
    let cluster = Cluster::start(2).await;
    let [server, client]: [Peer; 2] = cluster.peers().await;
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    let (mut plain, _theirs) = plain(&client, &mut listener).await;
    let connecting = client.client().connect("NAME").into_future();
    let (mine, theirs) = tokio::join!(within(connecting), async { next(&mut listener).await.accept() });
    let (mut mine, mut theirs) = (mine.expect("accepted"), theirs);
    cluster.nodes[0].links.cut();
    let end = within(plain.read_chunk()).await;
    assert!(
        matches!(end, Err(StreamError::Lost)) || matches!(end, Err(StreamError::Reset(code)) if code == Code::Lost.number()),
        "{end:?}"
    );
    mine.write_all(b"still there?").await.expect("taken");
    let mut got = [0; 12];
    within(theirs.read_exact(&mut got)).await.expect("it comes");
    assert_eq!(&got, b"still there?");
    // More than one where the first that came next was given up on a busy machine.
    assert!(mine.moves() >= 1);
    // Nodes that do not reach one another, though both reach NATS.
    cluster.nodes[0].links.refuse(true);
    cluster.nodes[0].links.cut();
    let refused = within(client.client().connect("NAME").resume(false).into_future()).await.expect_err("not to be reached");
    assert!(matches!(&refused, ConnectError::Refused(error) if error.is(Code::Unresponsive)), "{refused}");
    cluster.nodes[0].links.refuse(false);
    let (_mine, _theirs) = meets(&client, &mut listener, Duration::from_secs(5)).await.expect("to be reached again");
}
