//! What somebody has is not another's: seats, names, and what is left of them when a token is taken back.

use browser_stream_server::{Event, LeaseKey, Limits, Reason};
use harness::{Peer, Proxy, until};
use serde_json::{Value, json};

use super::{Guard, comes_to, introduced, later};

/// Somebody who may join all rooms.
async fn joins(guard: &Guard, sub: &str) -> Peer {
    guard.proxy.peer_shown(&guard.token(json!({ "sub": sub, "join": ["*"] })))
}

/// The open of one who shows the seat of this reply.
fn seat(reply: &Value) -> Value {
    json!({ "room": { "seat": { "id": reply["id"], "secret": reply["room"]["secret"], "got": 0 } } })
}

/// Who is in the room, and whether its connection is there.
fn members(guard: &Guard, room: &str) -> Vec<(Option<String>, bool)> {
    let told = |sub: Option<std::sync::Arc<str>>| sub.map(|sub| sub.to_string());
    guard.proxy.rooms.members(room).into_iter().map(|member| (told(member.sub), member.is_live)).collect()
}

fn is(sub: &str, is_live: bool) -> (Option<String>, bool) {
    (Some(sub.to_owned()), is_live)
}

#[tokio::test(start_paused = true)]
async fn threat_23_who_shows_somebody_elses_seat_gets_one_of_its_own() {
    let guard = Guard::new();
    let ann = joins(&guard, "ann").await;
    let (hers, _stream) = ann.ask("/room/join/NAME", json!({})).await.expect("it may");
    let bob = joins(&guard, "bob").await;
    let (his, _his) = bob.ask("/room/join/NAME", seat(&hers)).await.expect("as one who is new");
    assert_eq!((his["id"] == hers["id"], &his["room"]["resumed"]), (false, &json!(false)));
    assert_eq!(members(&guard, "NAME"), [is("ann", true), is("bob", true)], "her connection goes on");
    ann.vanish();
    until(|| members(&guard, "NAME")[0] == is("ann", false)).await;
    let (again, _again) = bob.ask("/room/join/NAME", seat(&hers)).await.expect("as one who is new");
    assert_eq!(again["room"]["resumed"], false);
    let (back, _back) = joins(&guard, "ann").await.ask("/room/join/NAME", seat(&hers)).await.expect("she may come back");
    assert_eq!((&back["id"], &back["room"]["resumed"]), (&hers["id"], &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn threat_23_who_was_nobody_and_is_somebody_now_has_another_seat() {
    let guard =
        Guard::with(|authorizer| authorizer.anonymous("join=*".parse::<browser_stream_server::token::Right>().into_iter().collect()));
    let peer = guard.proxy.peer();
    let (before, _before) = peer.ask("/room/join/NAME", json!({})).await.expect("anybody may");
    let _session = introduced(&peer, &guard.token(json!({ "join": ["*"] }))).await.expect("a token that holds");
    let (after, _after) = peer.ask("/room/join/NAME", seat(&before)).await.expect("it may");
    assert_eq!((after["id"] == before["id"], &after["room"]["resumed"]), (false, &json!(false)));
    assert_eq!(members(&guard, "NAME"), [(None, true), is("ann", true)]);
}

#[tokio::test(start_paused = true)]
async fn threat_23_where_a_seat_was_moved_is_told_whose_it_is() {
    let guard = Guard::new();
    let ann = joins(&guard, "ann").await;
    let (hers, _stream) = ann.ask("/room/join/HERE", json!({})).await.expect("it may");
    let id = guard.proxy.rooms.members("HERE")[0].id;
    guard.proxy.rooms.move_to("HERE", id, "THERE").expect("there is room");
    let (his, _his) = joins(&guard, "bob").await.ask("/room/join/HERE", seat(&hers)).await.expect("as one who is new");
    assert_eq!(members(&guard, "HERE"), [is("bob", true)], "{his}");
    let (told, _told) = ann.ask("/room/join/HERE", seat(&hers)).await.expect("she is told where");
    assert_eq!((&told["id"], &told["room"]["resumed"]), (&hers["id"], &json!(true)));
}

const INSTANCE: &str = "404142434445464748494a4b4c4d4e4f";

/// Somebody who may serve under all names.
async fn serves(guard: &Guard, sub: &str) -> Peer {
    guard.proxy.peer_shown(&guard.token(json!({ "sub": sub, "listen": ["*"] })))
}

/// What a claim of `NAME` came to that says this.
async fn claims(peer: &Peer, fields: Value) -> String {
    comes_to(peer, "/browser-server/listen/NAME", fields).await
}

#[tokio::test(start_paused = true)]
async fn threat_33_a_lease_is_of_no_use_to_another_sub() {
    let guard = Guard::new();
    let (ann, bob) = (serves(&guard, "ann").await, serves(&guard, "bob").await);
    let control = ann.claim_with("NAME", json!({ "lease": true, "instance": INSTANCE })).await.expect("free");
    let stolen = [
        json!({ "lease": control.reply["lease"], "attempt": 5 }),
        // As one whose reply got lost, with the instance that it takes for a secret.
        json!({ "lease": true, "instance": INSTANCE, "attempt": 5 }),
    ];
    for fields in &stolen {
        assert_eq!(claims(&bob, fields.clone()).await, "name_taken", "{fields}");
    }
    ann.vanish();
    until(|| guard.proxy.sessions.len() == 1).await;
    for fields in &stolen {
        assert_eq!(claims(&bob, fields.clone()).await, "name_reserved", "{fields}");
    }
    assert_eq!(claims(&serves(&guard, "ann").await, stolen[0].clone()).await, "granted");
}

#[tokio::test(start_paused = true)]
async fn threat_33_a_lease_is_of_no_use_to_another_sub_after_a_restart_either() {
    let key = LeaseKey::random();
    let guard = |key: &LeaseKey| Guard::over(Proxy::keyed(key.clone(), Limits::default(), |router| router), |authorizer| authorizer);
    let before = guard(&key);
    let control = serves(&before, "ann").await.claim_with("NAME", json!({ "lease": true })).await.expect("free");
    let after = guard(&key);
    let carl = serves(&after, "carl").await;
    let _squats = carl.claim("NAME").await.expect("free");
    let shows = json!({ "lease": control.reply["lease"], "attempt": 1 });
    assert_eq!(claims(&serves(&after, "bob").await, shows.clone()).await, "name_taken");
    assert_eq!(claims(&serves(&after, "ann").await, shows).await, "granted");
}

#[tokio::test(start_paused = true)]
async fn threat_17_nothing_is_kept_for_one_whose_token_was_taken_back() {
    let mut guard = Guard::new();
    let ann = guard.proxy.peer_shown(&guard.token(json!({ "listen": ["*"], "join": ["*"] })));
    let _control = ann.claim_with("NAME", json!({ "lease": true })).await.expect("free");
    let (_, _stream) = ann.ask("/room/join/NAME", json!({})).await.expect("it may");
    let bob = serves(&guard, "bob").await;
    assert_eq!(claims(&bob, json!({})).await, "name_taken");
    assert_eq!(guard.proxy.sessions.revoke(|identity| identity.sub.as_deref() == Some("ann")), 1);
    until(|| guard.proxy.sessions.len() == 1).await;
    later(1).await;
    assert!(members(&guard, "NAME").is_empty(), "its seat is free");
    assert!(matches!(guard.proxy.event().await, Event::ServerCreated { .. }));
    assert!(matches!(guard.proxy.event().await, Event::ServerDestroyed { reason: Reason::Revoked, .. }), "no operator did it");
    assert_eq!(claims(&bob, json!({})).await, "granted");
}
