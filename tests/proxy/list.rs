//! Who lists the names of a prefix.

use browser_stream_server::Limits;
use harness::{Proxy, note, until};
use serde_json::{Value, json};

const NAMES: &str = "/browser-server/names";

/// All that is told, in order of names, but for the last word, which stands last.
async fn told(peer: &harness::Peer) -> Vec<Value> {
    let (_, mut listing) = peer.ask(NAMES, json!({})).await.expect("listed");
    let mut told = Vec::new();
    while let Some(note) = note(&mut listing).await {
        told.push(note);
    }
    let end = told.len() - 1;
    told[..end].sort_by_key(|note| note["value"].to_string());
    told
}

#[tokio::test(start_paused = true)]
async fn threat_14_names_are_told_to_nobody_unless_that_was_allowed() {
    let proxy = Proxy::new();
    let (owner, peer) = (proxy.peer(), proxy.peer());
    let _control = owner.claim("NAME").await.expect("free");
    assert_eq!(peer.ask(NAMES, json!({})).await.err().as_deref(), Some("forbidden"));
    proxy.names.list_names(true);
    assert_eq!(told(&peer).await, [json!({"note": "up", "value": "NAME"}), json!({"note": "all"})]);
    proxy.names.list_names(false);
    assert_eq!(peer.ask(NAMES, json!({})).await.err().as_deref(), Some("forbidden"));
}

#[tokio::test(start_paused = true)]
async fn what_is_held_and_what_is_kept_is_told_and_what_is_only_waited_for_is_not() {
    let proxy = Proxy::new();
    proxy.names.list_names(true);
    let (owner, lost, peer) = (proxy.peer(), proxy.peer(), proxy.peer());
    let _control = owner.claim("B").await.expect("free");
    let _kept = lost.claim_with("A", json!({ "lease": true })).await.expect("free");
    let (_, _watching) = peer.ask("/browser-server/watch/C", json!({})).await.expect("watched");
    lost.vanish();
    until(|| proxy.sessions.list().len() == 2).await;
    let (a, b) = (json!({"note": "suspended", "value": "A"}), json!({"note": "up", "value": "B"}));
    assert_eq!(told(&peer).await, [a, b, json!({"note": "all"})]);
}

#[tokio::test(start_paused = true)]
async fn listings_are_bounded_in_length_and_in_number() {
    let mut limits = Limits::default();
    (limits.listings_max, limits.listed_names_max) = (2, 3);
    let proxy = Proxy::with(limits, |router| router);
    proxy.names.list_names(true);
    let (owner, peer) = (proxy.peer(), proxy.peer());
    let mut controls = Vec::new();
    for number in 0..4 {
        controls.push(owner.claim(&number.to_string()).await.expect("free"));
    }
    let told = told(&peer).await;
    assert_eq!((told.len(), &told[3]), (4, &json!({"note": "more"})));
    let first = peer.ask(NAMES, json!({})).await.expect("listed");
    let _second = peer.ask(NAMES, json!({})).await.expect("listed");
    // Neither has said that it is through.
    assert_eq!(peer.ask(NAMES, json!({})).await.err().as_deref(), Some("limit"));
    assert_eq!(proxy.refused("listings"), 1);
    drop(first);
    let mut third = peer.ask(NAMES, json!({})).await;
    while third.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        third = peer.ask(NAMES, json!({})).await;
    }
    let (_, mut third) = third.expect("there is a place again");
    assert!(note(&mut third).await.is_some());
}
