//! Claims that wait for a name.

use std::time::Duration;

use browser_stream_server::Limits;
use harness::{Proxy, note, reply, until};
use serde_json::json;
use tokio::time::sleep;

const LISTEN: &str = "/browser-server/listen/NAME";

/// How many streams of peers are live.
fn streams(proxy: &Proxy) -> usize {
    proxy.sessions.list().iter().map(|session| session.streams()).sum()
}

#[tokio::test(start_paused = true)]
async fn those_who_stand_by_have_the_name_in_order() {
    let mut proxy = Proxy::new();
    let peers = [proxy.peer(), proxy.peer(), proxy.peer()];
    let mut first = peers[0].claim_with("NAME", json!({ "standby": true })).await.unwrap();
    let mut second = peers[1].begin(LISTEN, json!({ "standby": true }));
    until(|| streams(&proxy) == 2).await;
    let mut third = peers[2].begin(LISTEN, json!({ "standby": true, "lease": true }));
    until(|| streams(&proxy) == 3).await;
    assert_eq!(proxy.peer().claim("NAME").await.err().as_deref(), Some("name_taken"), "who does not stand by is refused");
    first.stream.finish();
    reply(&mut second).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(100), reply_to(&mut third)).await.is_err());
    drop(second);
    assert!(reply(&mut third).await.unwrap()["lease"].is_object());
    for kind in ["created", "destroyed", "created", "destroyed", "created"] {
        assert_eq!(proxy.event().await.kind(), format!("server.{kind}"));
    }
}

/// The next frame, however long it takes.
async fn reply_to(stream: &mut browser_stream_server::Stream) {
    let _ = stream.read_frame(9000).await;
}

#[tokio::test(start_paused = true)]
async fn one_who_stands_by_serves_those_who_wait_for_the_name() {
    let proxy = Proxy::new();
    let (owner, mut next, client) = (proxy.peer(), proxy.peer(), proxy.peer());
    let mut control = owner.claim("NAME").await.unwrap().stream;
    control.write_frame(br#"{"note":"pause"}"#);
    let mut standing = next.begin(LISTEN, json!({ "standby": true }));
    until(|| streams(&proxy) == 2).await;
    let mut waiting = client.begin("/browser-server/connect/NAME", json!({}));
    sleep(Duration::from_secs(5)).await;
    control.finish();
    reply(&mut standing).await.unwrap();
    let _stream = next.accept().await;
    reply(&mut waiting).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_standing_by_is_passed_over() {
    let proxy = Proxy::new();
    let (owner, resets, finishes, vanishes, last) = (proxy.peer(), proxy.peer(), proxy.peer(), proxy.peer(), proxy.peer());
    let mut control = owner.claim("NAME").await.unwrap().stream;
    let mut standing: Vec<_> = [&resets, &finishes, &vanishes, &last].map(|peer| peer.begin(LISTEN, json!({ "standby": true }))).into();
    until(|| streams(&proxy) == 5).await;
    standing[0].reset(9u32);
    standing[1].finish();
    assert_eq!(reply(&mut standing[1]).await.err().as_deref(), Some("cancelled"));
    vanishes.vanish();
    until(|| proxy.sessions.len() == 4).await;
    control.finish();
    reply(&mut standing[3]).await.unwrap();
    assert_eq!(note(&mut control).await, None);
}

#[tokio::test(start_paused = true)]
async fn one_who_stands_by_for_a_suspended_name_has_it_after_the_grace_unless_the_owner_comes() {
    let proxy = Proxy::new();
    let (owner, next) = (proxy.peer(), proxy.peer());
    let first = owner.claim_with("NAME", json!({ "lease": true })).await.unwrap();
    let lease = &first.reply["lease"];
    owner.vanish();
    until(|| proxy.sessions.len() == 1).await;
    let mut standing = next.begin(LISTEN, json!({ "standby": true }));
    sleep(Duration::from_secs(100)).await;
    let back = proxy.peer();
    // Who has the lease need not stand in the queue.
    let control = back.claim_with("NAME", json!({ "lease": lease, "attempt": 1, "standby": true })).await.unwrap();
    sleep(Duration::from_secs(100)).await;
    drop(control);
    back.vanish();
    sleep(Duration::from_secs(100)).await;
    reply(&mut standing).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn threat_08_so_many_stand_by_for_a_name_and_no_more() {
    let mut limits = Limits::default();
    (limits.standbys_per_name_max, limits.names_per_session_max) = (2, 3);
    let proxy = Proxy::with(limits, |router| router);
    let (peer, other) = (proxy.peer(), proxy.peer());
    let _control = peer.claim("NAME").await.unwrap();
    let _standing = [peer.begin(LISTEN, json!({ "standby": true })), peer.begin(LISTEN, json!({ "standby": true }))];
    until(|| streams(&proxy) == 3).await;
    assert_eq!(peer.claim("OTHER").await.err().as_deref(), Some("limit"), "they count among the names of their session");
    assert_eq!((proxy.refused("names_per_session"), proxy.refused("standbys_per_name")), (1, 0));
    let refused = other.claim_with("NAME", json!({ "standby": true })).await.err();
    assert_eq!((refused.as_deref(), proxy.refused("standbys_per_name")), (Some("limit"), 1));
}
