//! A token on a second session stream: it is judged as a new one on the first is.

use browser_stream_mux::StreamError;
use harness::{Control, Peer, until, within};
use serde_json::json;

use super::{Guard, comes_to, introduced, later, now};

/// A peer that Ann's token was shown for, on its session stream or before its first byte; its session stream is over.
async fn known(guard: &Guard, token: &str, is_shown: bool) -> Peer {
    if is_shown {
        return guard.proxy.peer_shown(token);
    }
    let peer = guard.proxy.peer();
    peer.ask("/session", json!({ "token": token })).await.expect("a token that holds");
    peer
}

#[tokio::test(start_paused = true)]
async fn threat_17_a_bad_token_on_a_second_session_stream_neither_ends_nor_prolongs_what_is_known() {
    for is_shown in [false, true] {
        let guard = Guard::new();
        let short = guard.token(json!({ "exp": now() + 100, "listen": ["*"], "connect": ["*"] }));
        let peer = known(&guard, &short, is_shown).await;
        let Control { stream: mut control, .. } = peer.claim("NAME").await.expect("hers");
        for bad in ["nonsense".to_owned(), guard.token(json!({ "exp": now() - 60 }))] {
            assert_eq!(introduced(&peer, &bad).await.err().as_deref(), Some("unauthorized"));
            assert_eq!(
                comes_to(&peer, "/browser-server/connect/OTHER", json!({ "wait": 0 })).await,
                "not_found",
                "she is known all the same"
            );
        }
        later(300).await;
        assert_eq!(within(control.read_chunk()).await, Err(StreamError::Lost), "her time is over, shown before: {is_shown}");
        assert!(guard.proxy.sessions.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn threat_17_who_showed_a_bad_token_since_is_still_found_by_who_takes_tokens_back() {
    for is_shown in [false, true] {
        let guard = Guard::new();
        let peer = known(&guard, &guard.token(json!({ "listen": ["*"] })), is_shown).await;
        let Control { stream: mut control, .. } = peer.claim("NAME").await.expect("hers");
        assert_eq!(introduced(&peer, "nonsense").await.err().as_deref(), Some("unauthorized"));
        assert_eq!(guard.proxy.sessions.revoke(|identity| identity.sub.as_deref() == Some("ann")), 1);
        assert_eq!(within(control.read_chunk()).await, Err(StreamError::Lost));
    }
}

#[tokio::test(start_paused = true)]
async fn threat_17_somebody_elses_token_on_a_second_session_stream_ends_the_session() {
    for is_shown in [false, true] {
        let guard = Guard::new();
        let peer = known(&guard, &guard.token(json!({ "listen": ["*"] })), is_shown).await;
        let Control { stream: mut control, .. } = peer.claim("NAME").await.expect("hers");
        let bobs = guard.token(json!({ "sub": "bob", "listen": ["*"] }));
        assert!(introduced(&peer, &bobs).await.is_err());
        assert_eq!(within(control.read_chunk()).await, Err(StreamError::Lost));
        until(|| guard.proxy.sessions.is_empty()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn threat_08_one_session_that_shows_its_token_twice_has_one_place() {
    let guard = Guard::new();
    let one = guard.token(json!({ "connect": ["*"], "quota": { "sessions": 1 } }));
    let peer = guard.proxy.peer_shown(&one);
    let (known, session) = peer.ask("/session", json!({ "token": one })).await.expect("the same");
    assert_eq!(known["sub"], "ann");
    drop(session);
    assert!(introduced(&peer, &one).await.is_ok());
    assert_eq!(guard.proxy.peer_shown(&one).ask("/session", json!({})).await.err().as_deref(), Some("limit"));
    peer.vanish();
    until(|| guard.proxy.sessions.is_empty()).await;
    assert!(guard.proxy.peer().ask("/session", json!({ "token": one })).await.is_ok());
}
