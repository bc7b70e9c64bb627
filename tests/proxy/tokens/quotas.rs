//! How much one may have by its token, over all its sessions.

use browser_stream_server::{Limits, Opening};
use harness::{Proxy, until};
use serde_json::json;

use super::{Guard, Known, comes_to, later, refused};

#[tokio::test(start_paused = true)]
async fn threat_08_one_sub_has_so_many_sessions_names_and_streams_and_no_more_wherever_they_are() {
    let guard = Guard::new();
    let claims = json!({ "listen": ["*"], "connect": ["*"], "quota": { "sessions": 2, "names": 2, "streams": 4 } });
    let (mut one, two) = (guard.peer(claims.clone()).await, guard.peer(claims.clone()).await);
    let third = guard.proxy.peer();
    let (code, message) = refused(&third, "/session", json!({ "token": guard.token(claims.clone()) })).await;
    assert_eq!(code, "limit");
    assert!(message.contains("sessions"), "{message}");
    // A new token of a session that is there is none more.
    one.renew(&guard.token(claims.clone()));
    assert_eq!(harness::note(&mut one.session).await.expect("a note")["note"], "renewed");
    let first = one.claim("a").await.expect("free");
    let _second = two.claim("b").await.expect("free");
    let (code, message) = refused(&two, "/browser-server/listen/c", json!({})).await;
    assert_eq!(code, "limit");
    assert!(message.contains("names"), "{message}");
    let watch = |name: &str| format!("/browser-server/watch/{name}");
    let _watching = [two.ask(&watch("a"), json!({})).await, one.ask(&watch("b"), json!({})).await];
    let (code, message) = refused(&one, &watch("c"), json!({})).await;
    assert_eq!(code, "limit");
    assert!(message.contains("streams"), "{message}");
    assert_eq!(guard.proxy.refused("quota"), 3);
    // Somebody else has an account of its own.
    let bob = guard.peer(json!({ "sub": "bob", "connect": ["*"], "quota": { "streams": 1 } })).await;
    assert_eq!(comes_to(&bob, &watch("a"), json!({})).await, "granted");
    // What is given back may be had again.
    drop(first);
    let mut again = two.claim("c").await;
    while again.is_err() {
        later(1).await;
        again = two.claim("c").await;
    }
    let Known { peer, .. } = one;
    peer.vanish();
    until(|| guard.proxy.sessions.len() == 3).await;
    assert!(third.ask("/session", json!({ "token": guard.token(claims) })).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn threat_09_one_sub_opens_so_many_streams_in_a_second_over_all_its_sessions() {
    let guard = Guard::new();
    let claims = json!({ "connect": ["*"], "quota": { "opens_per_s": 5 } });
    let (one, two) = (guard.peer(claims.clone()).await, guard.peer(claims).await);
    let mut came = Vec::new();
    for round in 0..12 {
        let peer = if round % 2 == 0 { &one } else { &two };
        came.push(comes_to(peer, "/browser-server/connect/NAME", json!({ "wait": 0 })).await);
    }
    assert_eq!(came.iter().filter(|code| *code == "not_found").count(), 5, "{came:?}");
    assert_eq!(came.iter().filter(|code| *code == "limit").count(), 7, "{came:?}");
    later(2).await;
    assert_eq!(comes_to(&one, "/browser-server/connect/NAME", json!({ "wait": 0 })).await, "not_found");
}

#[tokio::test(start_paused = true)]
async fn threat_17_streams_count_wherever_they_go_the_programs_own_routes_included() {
    let own = |opening: Opening| async move { opening.accept().peer_done().await };
    let guard = Guard::over(Proxy::with(Limits::default(), |router| router.route("/own", own)), |authorizer| authorizer);
    guard.proxy.names.list_names(true);
    for path in ["/browser-server/names", "/room/list", "/own"] {
        let ann = guard.peer(json!({ "sub": path, "quota": { "streams": 2 } })).await;
        let open = [ann.ask(path, json!({})).await.expect("one"), ann.ask(path, json!({})).await.expect("two")];
        let (code, message) = refused(&ann, path, json!({})).await;
        assert_eq!(code, "limit", "{path}");
        assert!(message.contains("streams"), "{message}");
        drop(open);
        later(1).await;
        assert_eq!(comes_to(&ann, path, json!({})).await, "granted", "{path}: both were given back");
        let bob = guard.peer(json!({ "sub": format!("bob {path}"), "quota": { "opens_per_s": 5 } })).await;
        let mut came = Vec::new();
        for _ in 0..8 {
            came.push(comes_to(&bob, path, json!({})).await);
        }
        assert_eq!(came.iter().filter(|code| *code == "limit").count(), 3, "{path}: {came:?}");
    }
}
