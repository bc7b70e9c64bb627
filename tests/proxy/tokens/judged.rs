//! Who a peer is: what it shows, what is wrong with that, and who asks before it is known.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use browser_stream_server::token::{Asking, Authorizer, Identity, Refused, Rights, SigningKey};
use futures::{FutureExt, future::BoxFuture};
use harness::{Proxy, reply};
use serde_json::json;

use super::{Guard, comes_to, introduced, now, refused};

const CONNECT: &str = "/browser-server/connect/NAME";

#[tokio::test(start_paused = true)]
async fn threat_17_a_token_that_is_none_or_does_not_hold_is_unauthorized_and_its_peer_may_show_another() {
    let guard = Guard::with(|authorizer| authorizer.audience("here"));
    let good = guard.token(json!({ "aud": "here", "connect": ["*"] }));
    let mut changed = good.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let header = good.split('.').next().expect("a header");
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).expect("claims"));
    let of = |claims| guard.token(claims);
    let stranger = SigningKey::ed25519().sign(&json!({ "sub": "ann", "exp": now() + 60, "aud": "here" })).expect("a token");
    for (token, says) in [
        (None, "wants a token"),
        (Some(String::new()), "malformed"),
        (Some("NAME".to_owned()), "malformed"),
        (Some(format!("{header}..")), "signature"),
        (Some(unsigned), "malformed"),
        (Some(String::from_utf8(changed).expect("text")), "signature"),
        (Some(stranger), "unknown key"),
        (Some(of(json!({ "aud": "here", "exp": now() - 60 }))), "expired"),
        (Some(of(json!({ "aud": "here", "nbf": now() + 60 }))), "not valid yet"),
        (Some(of(json!({ "aud": "elsewhere" }))), "another audience"),
        (Some(of(json!({}))), "another audience"),
        (Some(of(json!({ "aud": "here", "sub": null }))), "malformed"),
        (Some(of(json!({ "aud": "here", "exp": "tomorrow" }))), "malformed"),
        (Some(of(json!({ "aud": "here", "connect": "NAME" }))), "malformed"),
        (Some(of(json!({ "aud": "here", "connect": vec!["*"; 65] }))), "at most 64 patterns"),
    ] {
        let peer = guard.proxy.peer();
        let (code, message) = refused(&peer, "/session", json!({ "token": token })).await;
        assert_eq!(code, "unauthorized", "{token:?}");
        assert!(message.contains(says), "{token:?}: {message}");
        assert!(token.is_none_or(|token| token.is_empty() || token == "NAME" || !message.contains(&token)), "no error shows a token");
        for path in [CONNECT, "/browser-server/listen/NAME", "/browser-server/names", "/room/join/NAME", "/elsewhere"] {
            assert_eq!(comes_to(&peer, path, json!({ "wait": 0 })).await, "unauthorized", "{path}");
        }
        let (known, _session) = peer.ask("/session", json!({ "token": good })).await.expect("another token");
        assert_eq!(known["sub"], "ann");
        assert_eq!(comes_to(&peer, CONNECT, json!({ "wait": 0 })).await, "not_found");
    }
    assert!(guard.proxy.refused("unauthorized") > 0);
}

#[tokio::test(start_paused = true)]
async fn threat_17_a_token_for_another_name_is_forbidden_and_says_which_right_is_missing() {
    let guard = Guard::new();
    let ann = guard.peer(json!({ "listen": ["ann-*"], "connect": ["ann-*"] })).await;
    assert_eq!((&ann.reply["sub"], ann.reply["expires_ms"].as_u64().map(|left| left / 60_000)), (&json!("ann"), Some(60)));
    let _control = ann.claim("ann-desk").await.expect("hers");
    for (path, right) in [("listen/bob", "`listen`"), ("connect/bob", "`connect`"), ("watch/bob", "`connect`")] {
        let (code, message) = refused(&ann, &format!("/browser-server/{path}"), json!({ "wait": 0 })).await;
        assert_eq!(code, "forbidden", "{path}");
        assert!(message.contains(right), "{path}: {message}");
    }
    assert_eq!(comes_to(&ann, "/browser-server/listen/bob", json!({ "standby": true })).await, "forbidden");
    assert_eq!(guard.proxy.refused("forbidden"), 4);
}

#[tokio::test(start_paused = true)]
async fn threat_17_who_shows_nothing_may_do_what_anybody_may_and_no_more() {
    let anybody = ["connect=public-*", "subscribe=news"].map(|right| right.parse().expect("a right"));
    let guard = Guard::with(|authorizer| authorizer.anonymous(anybody.into_iter().collect()));
    let owner = guard.peer(json!({ "listen": ["*"] })).await;
    let _control = owner.claim("public-1").await.expect("free");
    let silent = guard.proxy.peer();
    let introduced = guard.proxy.peer();
    let (reply, _session) = introduced.ask("/session", json!({})).await.expect("anybody may come");
    assert!(reply.get("sub").is_none() && reply.get("expires_ms").is_none(), "{reply}");
    for peer in [&silent, &introduced] {
        assert_eq!(comes_to(peer, "/browser-server/connect/public-2", json!({ "wait": 0 })).await, "not_found");
        assert_eq!(comes_to(peer, "/channel/subscribe/news", json!({ "wait": 0 })).await, "not_found");
        let (code, message) = refused(peer, "/browser-server/connect/private", json!({ "wait": 0 })).await;
        assert_eq!(code, "unauthorized", "a token may help");
        assert!(message.contains("wants a token"), "{message}");
        assert_eq!(comes_to(peer, "/browser-server/listen/public-2", json!({})).await, "unauthorized");
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_may_show_its_token_before_its_first_byte_and_another_on_its_session_stream() {
    let guard = Guard::new();
    let peer = guard.proxy.peer_shown(&guard.token(json!({ "connect": ["a"] })));
    assert_eq!(comes_to(&peer, "/browser-server/connect/a", json!({ "wait": 0 })).await, "not_found");
    assert_eq!(comes_to(&peer, "/browser-server/connect/b", json!({ "wait": 0 })).await, "forbidden");
    let (reply, session) = peer.ask("/session", json!({})).await.expect("known already");
    assert_eq!(reply["sub"], "ann");
    drop(session);
    let wider = guard.token(json!({ "connect": ["b"] }));
    let (reply, _session) = introduced(&peer, &wider).await.expect("another token of hers");
    assert_eq!(reply["sub"], "ann");
    assert_eq!(comes_to(&peer, "/browser-server/connect/b", json!({ "wait": 0 })).await, "not_found");
    let bad = guard.proxy.peer_shown("nonsense");
    assert_eq!(comes_to(&bad, "/browser-server/connect/a", json!({ "wait": 0 })).await, "unauthorized");
}

/// Takes its time, and does what its token says.
#[derive(Default)]
struct Slow(Arc<AtomicUsize>);

impl Authorizer for Slow {
    fn authorize(&self, asking: Asking) -> BoxFuture<'_, Result<Identity, Refused>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        async move {
            let token = asking.token.ok_or(Refused::Missing)?;
            match token.as_str() {
                "panic" => panic!("as the test wants it"),
                "hang" => std::future::pending().await,
                "long" => return Ok(Identity::new("x".repeat(257), Rights::all())),
                _ => tokio::time::sleep(Duration::from_secs(3)).await,
            }
            if token.is("word") { Ok(Identity::new("ann", Rights::all())) } else { Err(Refused::Signature) }
        }
        .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn opens_that_come_right_behind_a_token_wait_until_it_is_judged_and_need_no_round_trip() {
    let (proxy, asked) = (Proxy::new(), Arc::<AtomicUsize>::default());
    let _ = proxy.sessions.clone().with_authorizer(Slow(asked.clone()));
    for (token, comes) in [("word", "granted"), ("other", "unauthorized")] {
        let peer = proxy.peer();
        let mut session = peer.begin("/session", json!({ "token": token }));
        let mut claim = peer.begin(&format!("/browser-server/listen/{token}"), json!({}));
        let mut again = peer.begin("/session", json!({ "token": "word" }));
        let begun = tokio::time::Instant::now();
        let answer = |answer: Result<_, String>| answer.map_or_else(|code| code, |_| "granted".to_owned());
        assert_eq!(answer(reply(&mut again).await), "bad_request", "one at a time");
        assert_eq!(answer(reply(&mut claim).await), comes);
        assert_eq!(answer(reply(&mut session).await), comes);
        assert_eq!(begun.elapsed().as_secs(), 3);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn an_authorizer_that_panics_or_hangs_lets_nobody_in_and_harms_nobody_else() {
    let proxy = Proxy::new();
    let _ = proxy.sessions.clone().with_authorizer(Slow::default());
    let other = proxy.peer();
    let _session = other.ask("/session", json!({ "token": "word" })).await.expect("known");
    for (token, code) in [("panic", "internal"), ("hang", "timeout"), ("long", "internal")] {
        let peer = proxy.peer();
        assert_eq!(refused(&peer, "/session", json!({ "token": token })).await.0, code, "{token}");
        assert_eq!(comes_to(&peer, CONNECT, json!({ "wait": 0 })).await, code, "{token}");
    }
    assert_eq!(comes_to(&other, CONNECT, json!({ "wait": 0 })).await, "not_found");
}

#[tokio::test(start_paused = true)]
async fn threat_17_one_session_has_ten_tokens_judged_in_a_second_and_no_more() {
    let (proxy, asked) = (Proxy::new(), Arc::<AtomicUsize>::default());
    let _ = proxy.sessions.clone().with_authorizer(Slow(asked.clone()));
    let peer = proxy.peer();
    let begun = tokio::time::Instant::now();
    for _ in 0..21 {
        assert_eq!(refused(&peer, "/session", json!({ "token": "long" })).await.0, "internal");
    }
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(asked.load(Ordering::Relaxed), 21);
}
