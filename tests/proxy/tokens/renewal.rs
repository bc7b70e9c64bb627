//! How long a token holds: renewed, expired, taken back.

use std::time::Duration;

use browser_stream_mux::{Stream, StreamError};
use browser_stream_server::token::{Asking, Authorizer, Identity, Refused, Right, Rights};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use harness::{Control, Proxy, note, until, within};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Guard, Known, comes_to, later, now};

/// The next note on the session stream.
async fn told(known: &mut Known) -> Value {
    note(&mut known.session).await.expect("a note before the end")
}

async fn ended(stream: &mut Stream) -> StreamError {
    loop {
        match within(stream.read_chunk()).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("finished, where it was to be cut"),
            Err(error) => return error,
        }
    }
}

/// Whose tokens say how many seconds they hold.
struct Timed;

impl Authorizer for Timed {
    fn authorize(&self, asking: Asking) -> BoxFuture<'_, Result<Identity, Refused>> {
        let seconds = asking.token.and_then(|token| token.as_str().parse().ok());
        let mut identity = Identity::new("ann", Rights::all());
        identity.expires = seconds.map(Duration::from_secs);
        std::future::ready(seconds.map(|_| identity).ok_or(Refused::Missing)).boxed()
    }
}

async fn timed(seconds: u64) -> (Proxy, Known) {
    let (proxy, token) = (Proxy::new(), seconds.to_string());
    let _ = proxy.sessions.clone().with_authorizer(Timed);
    let peer = proxy.peer();
    let (reply, session) = peer.ask("/session", json!({ "token": token })).await.expect("a number");
    assert_eq!(reply["expires_ms"], seconds * 1000);
    (proxy, Known { peer, session, reply })
}

#[tokio::test(start_paused = true)]
async fn a_renewed_token_keeps_streams_claims_and_seats_for_as_long_as_it_holds() {
    let (proxy, mut owner) = timed(100).await;
    let Control { stream: mut control, .. } = owner.claim("NAME").await.expect("free");
    let client = proxy.peer_shown("10000");
    let mut near = client.begin("/browser-server/connect/NAME", json!({}));
    let (_, mut far) = owner.peer.accept().await;
    harness::reply(&mut near).await.expect("accepted");
    let (_, mut seat) = owner.ask("/room/join/NAME", json!({})).await.expect("it may");
    let begun = Instant::now();
    for round in 1..=5 {
        assert_eq!(told(&mut owner).await, json!({ "note": "token", "value": 50_000 }), "half of its life is over");
        assert_eq!(begun.elapsed().as_secs(), round * 50);
        owner.renew("100");
        assert_eq!(told(&mut owner).await, json!({ "note": "renewed", "value": { "sub": "ann", "expires_ms": 100_000 } }));
        assert!(near.write_now(Bytes::from_static(b"still here")));
        assert_eq!(within(far.read_chunk()).await.expect("it goes on").expect("before the end"), "still here");
    }
    control.finish();
    assert_eq!(note(&mut control).await, None, "the claim was held until now");
    assert!(proxy.rooms.members("NAME").iter().all(|member| member.is_live));
    seat.finish();
}

#[tokio::test(start_paused = true)]
async fn threat_17_a_token_that_is_over_ends_its_session_and_says_so_first() {
    let (proxy, mut owner) = timed(100).await;
    let begun = Instant::now();
    let Control { stream: mut control, .. } = owner.claim_with("NAME", json!({ "lease": true })).await.expect("free");
    assert_eq!(told(&mut owner).await, json!({ "note": "token", "value": 50_000 }));
    assert_eq!(told(&mut owner).await, json!({ "note": "bye", "value": "unauthorized" }));
    assert_eq!(begun.elapsed().as_secs(), 100);
    assert_eq!(ended(&mut control).await, StreamError::Lost);
    until(|| proxy.sessions.is_empty()).await;
    // Its name is kept for it, as after any drop: it may come back with a new token.
    assert_eq!(proxy.peer_shown("60").claim("NAME").await.err().as_deref(), Some("name_reserved"));
    // One that has no session stream is closed, too.
    let (begun, shown) = (Instant::now(), proxy.peer_shown("30"));
    let Control { stream: mut control, .. } = shown.claim("OTHER").await.expect("free");
    assert_eq!(ended(&mut control).await, StreamError::Lost);
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn threat_17_what_a_new_token_does_not_allow_any_more_ends_and_connected_streams_go_on() {
    let guard = Guard::new();
    let all = json!({ "listen": ["*"], "connect": ["*"], "publish": ["*"], "subscribe": ["*"], "join": ["*"] });
    let mut server = guard.peer(json!({ "sub": "server", "listen": ["*"] })).await;
    let _control = server.claim("SERVER").await.expect("free");
    let mut ann = guard.peer(all).await;
    let mut near = ann.begin("/browser-server/connect/SERVER", json!({}));
    let (_, mut far) = server.peer.accept().await;
    harness::reply(&mut near).await.expect("accepted");
    let Control { stream: kept, .. } = ann.claim_with("a-1", json!({ "lease": true })).await.expect("free");
    let mut held = Vec::new();
    for (path, fields) in [
        ("/browser-server/listen/b-1", json!({ "lease": true })),
        ("/browser-server/watch/b-1", json!({})),
        ("/channel/publish/b-1", json!({})),
        ("/channel/subscribe/b-1", json!({})),
        ("/room/join/b-1", json!({})),
    ] {
        held.push(ann.ask(path, fields).await.unwrap_or_else(|code| panic!("{path}: {code}")).1);
    }
    let mut stands_by = ann.begin("/browser-server/listen/SERVER", json!({ "standby": true }));
    later(1).await;
    let only_a = json!({ "listen": ["a-*"], "connect": ["a-*"], "publish": ["a-*"], "subscribe": ["a-*"], "join": ["a-*"] });
    ann.renew(&guard.token(only_a));
    assert_eq!(told(&mut ann).await["note"], "renewed");
    for stream in &mut held {
        assert_eq!(ended(stream).await, StreamError::Reset(5), "forbidden");
    }
    assert_eq!(ended(&mut stands_by).await, StreamError::Reset(5));
    assert!(near.write_now(Bytes::from_static(b"on")));
    assert_eq!(within(far.read_chunk()).await.expect("it goes on").expect("before the end"), "on");
    until(|| guard.proxy.rooms.members("b-1").is_empty() && guard.proxy.channels.list().is_empty()).await;
    assert_eq!(comes_to(&ann, "/browser-server/connect/SERVER", json!({})).await, "forbidden");
    // A name that is not its owner's any more is not kept for it, either.
    let begun = Instant::now();
    while server.claim("b-1").await.is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(begun.elapsed().as_secs() < 1, "free at once: {:?}", begun.elapsed());
    assert_eq!(server.claim("a-1").await.err().as_deref(), Some("name_taken"));
    drop(kept);
}

#[tokio::test(start_paused = true)]
async fn threat_17_a_new_token_that_does_not_hold_changes_nothing_and_somebody_elses_ends_the_session() {
    let guard = Guard::new();
    let mut ann = guard.peer(json!({ "connect": ["*"] })).await;
    ann.renew(&guard.token(json!({ "exp": now() - 60 })));
    let refused = told(&mut ann).await;
    assert_eq!((&refused["note"], &refused["value"]["code"]), (&json!("refused"), &json!("unauthorized")));
    assert_eq!(comes_to(&ann, "/browser-server/connect/NAME", json!({ "wait": 0 })).await, "not_found");
    ann.renew(&guard.token(json!({ "sub": "bob", "connect": ["*"] })));
    assert_eq!(told(&mut ann).await, json!({ "note": "bye", "value": "unauthorized" }));
    until(|| guard.proxy.sessions.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn who_came_without_a_token_may_show_one_later() {
    let guard = Guard::with(|authorizer| authorizer.anonymous("connect=public".parse::<Right>().into_iter().collect()));
    let peer = guard.proxy.peer();
    let (reply, session) = peer.ask("/session", json!({})).await.expect("anybody may come");
    let mut visitor = Known { peer, session, reply };
    assert_eq!(comes_to(&visitor, "/browser-server/connect/NAME", json!({ "wait": 0 })).await, "unauthorized");
    visitor.renew(&guard.token(json!({ "connect": ["NAME"] })));
    assert_eq!(told(&mut visitor).await["value"]["sub"], "ann");
    assert_eq!(comes_to(&visitor, "/browser-server/connect/NAME", json!({ "wait": 0 })).await, "not_found");
}

#[tokio::test(start_paused = true)]
async fn threat_17_who_is_taken_back_is_closed_at_once_and_the_others_are_not() {
    let guard = Guard::new();
    let mut known = Vec::new();
    for (sub, jti) in [("ann", "1"), ("ann", "2"), ("bob", "3")] {
        known.push(guard.peer(json!({ "sub": sub, "jti": jti })).await);
    }
    let closed = guard.proxy.sessions.revoke(|identity| identity.id.as_deref() == Some("3") || identity.id.as_deref() == Some("1"));
    assert_eq!(closed, 2);
    for which in [0, 2] {
        assert_eq!(told(&mut known[which]).await, json!({ "note": "bye", "value": "unauthorized" }));
    }
    until(|| guard.proxy.sessions.len() == 1).await;
    assert_eq!(comes_to(&known[1], "/browser-server/connect/NAME", json!({})).await, "forbidden", "it is there, and has no rights");
    assert_eq!(guard.proxy.sessions.revoke(|_| true), 1);
}
