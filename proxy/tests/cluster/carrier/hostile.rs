//! Those who would have another session, another node, or more than their share.

use std::{convert::Infallible, io, time::Duration};

use axum::body::{Body, Bytes};
use futures::{StreamExt, future::join_all, stream};
use harness::{Memory, Peer};
use serde_json::json;

use super::{Nodes, PING};

#[tokio::test]
async fn threat_33_who_makes_up_a_secret_or_its_mark_is_told_that_there_is_none_and_no_other_node_hears_of_it() {
    let nodes = Nodes::new(|_| {}).await;
    let (mut down, other) = (nodes.down(0).await, nodes.down(1).await);
    let secret = down.secret.clone();
    let (random, mark) = secret.split_once('.').expect("a mark");
    let foreign = other.secret.split_once('.').expect("a mark").1;
    let made_up = "5e0c7a52-0c4d-4d0e-9a0b-0123456789ab";
    let upper = secret.to_uppercase();
    let tries = [
        format!("{made_up}.{mark}"),
        format!("{random}.{foreign}"),
        format!("{random}.{}", "0".repeat(mark.len())),
        format!("{random}.{}", &mark[1..]),
        format!("{secret}00"),
        format!("{secret}.{mark}"),
        format!("{random}."),
        format!(".{mark}"),
        random.to_owned(),
        upper,
        String::new(),
    ];
    for connection in &tries {
        for at in 0..3 {
            assert_eq!(nodes.up(at, connection, 0, PING.to_vec()).await, 410, "{connection:?} at node {at}");
        }
    }
    for at in 0..3 {
        assert_eq!(nodes.metric(at, r#"bss_refusals_total{limit="http_up"}"#).await, tries.len() as u64);
    }
    assert_eq!(nodes.up(2, &secret, 0, PING.to_vec()).await, 204);
    down.pong().await;
    let sessions = nodes.proxies.each_ref().map(|proxy| proxy.sessions().len());
    assert_eq!(sessions, [2, 1, 1], "two peers, and one link: from node 2 to node 0");
}

#[tokio::test]
async fn threat_13_a_body_that_is_refused_at_another_node_changes_nothing() {
    let nodes = Nodes::new(|limits| {
        limits.http_up_bytes_max = 100_000;
        limits.establish_timeout = Duration::from_secs(2);
    })
    .await;
    let mut down = nodes.down(0).await;
    let secret = down.secret.clone();
    let parts = |parts: Vec<Result<Bytes, io::Error>>| Body::from_stream(stream::iter(parts));
    let cut = || Err(io::Error::from(io::ErrorKind::ConnectionReset));
    for number in ["", "-1", "+1", "0x0", " 0 1", "4", "18446744073709551616"] {
        assert_eq!(nodes.up_as(1, &secret, number, PING.to_vec()).await, 400, "{number}");
    }
    assert_eq!(nodes.up(1, &secret, 0, vec![0; 100_001]).await, 413);
    assert_eq!(nodes.up(1, &secret, 0, parts(vec![Ok(vec![0; 100_000].into()), Ok("x".into())])).await, 413);
    assert_eq!(nodes.up(1, &secret, 0, parts(vec![Ok(PING.to_vec().into()), cut()])).await, 408);
    let stalls = stream::iter([Ok::<_, Infallible>(Bytes::from_static(&PING))]).chain(stream::pending());
    assert_eq!(nodes.up(1, &secret, 0, Body::from_stream(stalls)).await, 408);
    assert_eq!(nodes.metric(1, r#"bss_refusals_total{limit="http_up"}"#).await, 11);
    assert_eq!(nodes.passed(1).await, 0);
    assert_eq!(nodes.up(1, &secret, 0, PING.to_vec()).await, 204, "none of them was taken");
    down.pong().await;
}

#[tokio::test]
async fn threat_15_a_flood_of_slow_bodies_at_another_node_is_held_to_its_number_and_to_their_time() {
    let nodes = Nodes::new(|limits| limits.establish_timeout = Duration::from_secs(1)).await;
    let down = nodes.down(0).await;
    let slow = || Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    let flood = join_all((0..24).map(|at| nodes.up(1 + at % 2, &down.secret, 0, slow()))).await;
    let count = |code| flood.iter().filter(|status| **status == code).count();
    assert_eq!((count(408), count(429)), (4, 20), "{flood:?}");
    assert_eq!(nodes.up(2, &down.secret, 0, PING.to_vec()).await, 204, "there is room again");
}

#[tokio::test]
async fn threat_35_no_peer_finds_the_path_of_what_nodes_pass_on() {
    let nodes = Nodes::new(|_| {}).await;
    let down = nodes.down(0).await;
    let (near, far) = tokio::io::duplex(1 << 16);
    let sessions = nodes.proxies[0].sessions().clone();
    tokio::spawn(async move { sessions.run(Memory(far), None).await });
    let passed = json!({ "meta": { "connection": down.secret, "number": 0 } });
    assert_eq!(Peer::over(near).ask("/carrier/up", passed).await.err().as_deref(), Some("not_found"));
}
