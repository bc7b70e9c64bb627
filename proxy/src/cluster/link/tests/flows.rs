//! What goes over a link.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use harness::{pattern, within};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::sleep,
};

use super::{Town, told, two, until};
use crate::limits::Limits;

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn a_stream_goes_from_a_client_at_one_node_to_a_server_at_another_and_back() {
    let (here, there, mut server, _control) = two().await;
    let client = here.peer();
    let fields = json!({ "meta": { "a": [1.0] } });
    let (connected, (open, mut far)) = tokio::join!(client.connect_with("NAME", fields), server.accept());
    let (reply, mut near) = connected.unwrap();
    let session = here.sessions.list().into_iter().find(|session| !session.is_node()).unwrap();
    assert_eq!(
        told(&open),
        (reply["id"].as_str().unwrap(), session.id().to_string().as_str()),
        "the client's own, by the other node's word"
    );
    assert_eq!(open["meta"], json!({ "a": [1.0] }));
    near.write_all(b"there").await.unwrap();
    near.finish();
    let mut read = Vec::new();
    within(far.read_to_end(&mut read)).await.unwrap();
    assert_eq!(read, b"there");
    // A client that has finished still hears its server.
    far.write_all(b"and back").await.unwrap();
    far.finish();
    read.clear();
    within(near.read_to_end(&mut read)).await.unwrap();
    assert_eq!(read, b"and back");
    assert_eq!((here.nodes(), there.nodes()), (1, 1), "one link");
}

#[tokio::test]
async fn a_peer_is_not_believed_whose_word_a_node_would_be() {
    let (_here, there, mut server, _control) = two().await;
    let client = there.peer();
    let claims = json!({ "id": "00000000-0000-4000-8000-000000000000", "peer": { "session": "00000000-0000-4000-8000-000000000001" } });
    let (connected, (open, _far)) = tokio::join!(client.connect_with("NAME", claims.clone()), server.accept());
    let (id, session) = told(&open);
    assert_eq!(connected.unwrap().0["id"], id);
    assert_ne!(id, claims["id"]);
    assert_ne!(session, claims["peer"]["session"]);
}

#[tokio::test]
async fn a_reader_that_reads_nothing_stops_its_writer_two_hops_away_within_the_windows() {
    let (here, there, mut server, _control) = two().await;
    let client = here.peer();
    let (near, (_, mut far)) = tokio::join!(client.connect("NAME"), server.accept());
    let mut near = near.unwrap();
    let (sent, written) = (pattern(7, 4 * MIB), Arc::new(AtomicUsize::new(0)));
    let (chunks, count) = (sent.clone(), written.clone());
    let writing = tokio::spawn(async move {
        for chunk in chunks.chunks(16 * 1024) {
            near.write_chunk(Bytes::copy_from_slice(chunk)).await.unwrap();
            count.fetch_add(chunk.len(), Ordering::Relaxed);
        }
        near.finish();
        near
    });
    // Stopped, and stays so.
    let mut before = usize::MAX;
    while before != written.load(Ordering::Relaxed) {
        before = written.load(Ordering::Relaxed);
        sleep(Duration::from_millis(200)).await;
    }
    assert!(before < MIB, "the writer got {before} bytes ahead of a reader that reads nothing");
    for (town, what) in [(&here, "the client's node"), (&there, "the server's node")] {
        let held: usize = town.sessions.list().iter().map(|session| session.queued()).sum();
        assert!(held <= 256 * 1024 + 16 * 1024, "{what} holds {held} bytes");
    }
    let mut read = Vec::new();
    within(far.read_to_end(&mut read)).await.unwrap();
    assert!(read == sent, "every byte comes when reading goes on");
    writing.await.unwrap();
}

#[tokio::test]
async fn what_a_peer_may_is_kept_where_it_came_in_and_a_link_carries_as_much_as_many() {
    let limits = Limits { streams_per_session_max: 10, opens_burst: 20, opens_per_second: 1, ..Limits::default() };
    let (here, there) = tokio::join!(Town::with(Limits::default(), super::secret()), Town::with(limits, super::secret()));
    let mut server = there.peer();
    let _control = server.claim("NAME").await.unwrap();
    here.finds("NAME", &there);
    let clients: Vec<_> = (0..10).map(|_| here.peer()).collect();
    let serving = tokio::spawn(async move {
        let mut far = Vec::new();
        while far.len() < 1000 {
            far.push(server.accept().await.1);
        }
        for mut stream in far.drain(..) {
            tokio::spawn(async move {
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                stream.write_all(&all).await.unwrap();
                stream.finish();
            });
        }
        server
    });
    let mut near = Vec::new();
    for _ in 0..100 {
        for client in &clients {
            near.push(client.begin("/browser-server/connect/NAME", json!({})));
        }
    }
    let mut done = JoinSet::new();
    for (seed, mut stream) in near.into_iter().enumerate() {
        done.spawn(async move {
            harness::reply(&mut stream).await.unwrap();
            let sent = pattern(seed as u64, 500);
            stream.write_all(&sent).await.unwrap();
            stream.finish();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).await.unwrap();
            assert!(back == sent);
        });
    }
    within(async {
        while let Some(done) = done.join_next().await {
            done.unwrap()
        }
    })
    .await;
    assert_eq!((there.refused("open_rate"), there.refused("streams_per_session")), (0, 0));
    assert_eq!((here.nodes(), there.nodes()), (1, 1), "one link");
    let _server = serving.await.unwrap();
    until("nothing is left on the link", || there.sessions.list().iter().all(|session| !session.is_node() || session.streams() == 0)).await;
}

#[tokio::test]
async fn a_small_stream_is_served_beside_those_that_never_pause() {
    let (here, _there, mut server, _control) = two().await;
    let (bulk, small) = (here.peer(), here.peer());
    let mut pouring = JoinSet::new();
    for _ in 0..4 {
        let (near, (_, mut far)) = tokio::join!(bulk.connect("NAME"), server.accept());
        let mut near = near.unwrap();
        pouring.spawn(async move {
            let chunk = Bytes::from(vec![7; 64 * 1024]);
            for _ in 0..8 * MIB / chunk.len() {
                near.write_chunk(chunk.clone()).await.unwrap();
            }
            near.finish();
            near.peer_done().await;
        });
        tokio::spawn(async move {
            while far.read_chunk().await.unwrap().is_some() {}
            far.finish();
        });
    }
    let (near, (_, mut far)) = tokio::join!(small.connect("NAME"), server.accept());
    let mut near = near.unwrap();
    for round in 0..10u8 {
        let mut there = [0; 100];
        near.write_all(&[round; 100]).await.unwrap();
        within(far.read_exact(&mut there)).await.unwrap();
        far.write_all(&there).await.unwrap();
        within(near.read_exact(&mut there)).await.unwrap();
        assert_eq!(there, [round; 100]);
    }
    assert!(pouring.try_join_next().is_none(), "ten rounds are over before the first of them has sent its eight mebibytes");
    within(async {
        while let Some(done) = pouring.join_next().await {
            done.unwrap()
        }
    })
    .await;
}
