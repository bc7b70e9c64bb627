//! That such a session is as one whose requests all come to its own node.

use std::{future::ready, time::Duration};

use axum::body::{Body, Bytes};
use futures::{StreamExt, stream};
use harness::{Memory, Peer, Way, pattern, until, within};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::oneshot,
};

use super::{Down, Nodes, PING, PONG};

#[tokio::test]
async fn bodies_are_taken_in_order_whichever_node_they_come_to_and_answered_when_they_were() {
    let nodes = Nodes::new(|_| {}).await;
    let mut down = nodes.down(0).await;
    let secret = down.secret.clone();
    // The second half of the ping first, and both at nodes that have no session.
    let (second, first) = tokio::join!(nodes.up(1, &secret, 1, PING[5..].to_vec()), async {
        until(|| nodes.proxies[0].sessions().list().len() == 2).await;
        nodes.up(2, &secret, 0, PING[..5].to_vec()).await
    });
    assert_eq!((first, second), (204, 204));
    down.pong().await;
    for at in 0..3 {
        assert_eq!(nodes.up(at, &secret, 1, "again, and not taken again").await, 204);
        assert_eq!(nodes.up(at, &secret, 2 + at as u64, "").await, 204);
    }
    assert_eq!((nodes.passed(0).await, nodes.passed(1).await, nodes.passed(2).await), (0, 3, 3));
    drop(down);
    // What is left are the links.
    until(|| nodes.proxies[0].sessions().list().len() == 2).await;
    for at in 0..3 {
        assert_eq!(nodes.up(at, &secret, 5, "").await, 410, "it is over at node {at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_a_session_over_http_are_whole_though_each_body_comes_to_the_next_node() {
    let nodes = Nodes::new(|_| {}).await;
    talk(&nodes, || {}).await;
    // At its own node they need not go on.
    assert_eq!(nodes.passed(0).await, 0);
    assert!(nodes.passed(1).await > 5 && nodes.passed(2).await > 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_goes_down_is_handed_what_is_for_its_sessions_until_their_streams_have_ended() {
    let nodes = Nodes::new(|_| {}).await;
    let proxy = nodes.proxies[0].clone();
    talk(&nodes, || drop(tokio::spawn(async move { proxy.shutdown(Duration::from_secs(600)).await }))).await;
    assert_eq!(nodes.metric(0, "bss_draining").await, 1);
}

/// A server in memory at node 1 echoes what a client says whose session is over HTTP at node 0; `meanwhile` is done when they know each other.
async fn talk(nodes: &Nodes, meanwhile: impl FnOnce()) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let sessions = nodes.proxies[1].sessions().clone();
    tokio::spawn(async move { sessions.run(Memory(far), None).await });
    let mut server = Peer::over(near);
    let _control = server.claim("NAME").await.expect("it is free");
    let echo = async {
        let (_, mut stream) = server.next().await;
        stream.write_frame(b"{}");
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.expect("a clean end");
        stream.write_all(&got).await.expect("taken");
        stream.finish();
        stream.peer_done().await;
    };
    let (near, far) = tokio::io::duplex(1 << 20);
    let (client, sent) = (Peer::over(near), pattern(1, 3_000_000));
    let asks = async {
        let mut stream = client.connect("NAME").await.expect("accepted");
        meanwhile();
        stream.write_all(&sent).await.expect("taken");
        stream.finish();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.expect("a clean end");
        assert!(got == sent);
    };
    tokio::select! {
        _ = within(async { tokio::join!(echo, asks) }) => {}
        () = carry(nodes, nodes.down(0).await, far) => panic!("it does not end by itself"),
    }
}

/// Carries a mux as a page does, two bodies at once, each to the next node.
async fn carry(nodes: &Nodes, mut down: Down, io: DuplexStream) {
    let secret = down.secret.clone();
    let (mut reads, mut writes) = tokio::io::split(io);
    let receive = async {
        loop {
            writes.write_all(&down.take()).await.expect("the peer takes it");
            let Some(chunk) = down.body.next().await else { return };
            down.raw.extend_from_slice(&chunk.expect("no error"));
        }
    };
    let bodies = stream::unfold((&mut reads, 0), async |(reads, number)| {
        let mut body = vec![0; 256 << 10];
        let read = reads.read(&mut body).await.expect("no error");
        body.truncate(read);
        (read > 0).then_some(((number, body), (reads, number + 1)))
    });
    let send = bodies.map(|(number, body)| nodes.up(number as usize % 3, &secret, number, body)).buffer_unordered(2);
    let send = send.for_each(async |status| assert_eq!(status, 204));
    tokio::join!(receive, send);
}

#[tokio::test]
async fn a_node_that_is_out_of_the_cluster_has_its_sessions_still_and_others_reach_them_over_the_links_that_there_are() {
    let nodes = Nodes::new(|_| {}).await;
    let mut down = nodes.down(0).await;
    let secret = down.secret.clone();
    assert_eq!(nodes.up(1, &secret, 0, "").await, 204);
    nodes.nodes[0].leave().await;
    until(|| nodes.nodes[1..].iter().all(|node| node.others().len() == 1)).await;
    assert_eq!(nodes.up(1, &secret, 1, PING.to_vec()).await, 204);
    down.pong().await;
    assert_eq!(nodes.up(2, &secret, 2, "").await, 410, "it has no link, and nobody tells it where to");
}

#[tokio::test]
async fn a_body_whose_link_broke_before_its_answer_comes_again_and_is_taken_once() {
    let nodes = Nodes::new(|_| {}).await;
    let mut down = nodes.down(0).await;
    let secret = down.secret.clone();
    let (asks, asked) = oneshot::channel();
    let (goes_on, gate) = oneshot::channel();
    let rest = async {
        // The other node has accepted it, or nobody would want more.
        asks.send(()).expect("it is waited for");
        gate.await.map(|()| Bytes::from_static(&PING[5..]))
    };
    let body = stream::once(ready(Ok(Bytes::from_static(&PING[..5])))).chain(stream::once(rest));
    let breaks = async {
        asked.await.expect("it goes on");
        nodes.links[0].stall(Way::Down);
        goes_on.send(()).expect("it is waited for");
        down.pong().await;
        nodes.links[0].cut();
    };
    let (status, ()) = tokio::join!(nodes.up(1, &secret, 0, Body::from_stream(body)), breaks);
    assert_eq!(status, 503, "nobody knows what became of it");
    within(async { while nodes.up(1, &secret, 0, PING.to_vec()).await != 204 {} }).await;
    let (ping, pong) = ([&PING[..11], &[8]].concat(), [&PONG[..11], &[8]].concat());
    assert_eq!(nodes.up(2, &secret, 1, ping).await, 204);
    down.says(&[&PONG[..], &pong].concat()).await;
}

#[tokio::test]
async fn what_is_for_a_node_that_is_not_to_be_reached_may_come_again_until_the_table_says_that_it_is_gone() {
    let nodes = Nodes::new(|_| {}).await;
    let down = nodes.down(0).await;
    // It stops to listen, as one does that dies.
    nodes.proxies[0].shutdown(Duration::ZERO).await;
    let (mut statuses, begun) = (Vec::new(), std::time::Instant::now());
    while statuses.last() != Some(&410) {
        statuses.push(nodes.up(1, &down.secret, 0, Body::from("")).await);
        assert!(begun.elapsed() < Duration::from_secs(60), "{statuses:?}");
    }
    assert!(statuses.iter().all(|status| [410, 503].contains(status)), "{statuses:?}");
}
