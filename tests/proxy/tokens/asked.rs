//! When the authorizer is asked, how often, and what is taken back meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use browser_stream_server::{
    Limits,
    token::{Asking, Authorizer, Identity, Refused, Rights},
};
use futures::{FutureExt, future::BoxFuture};
use harness::{Proxy, note, reply, until};
use serde_json::json;
use tokio::{sync::Semaphore, time::Instant};

use super::{comes_to, later, refused};

const CONNECT: &str = "/browser-server/connect/NAME";

/// Answers when the test lets it, what held when it was asked.
struct Gate(Arc<Shared>);

struct Shared {
    asked: AtomicUsize,
    /// Judgements that have begun and were neither answered nor given up.
    begun: AtomicUsize,
    /// Tokens that begin so were taken back.
    is_taken_back: AtomicBool,
    /// It has no answer.
    is_lost: AtomicBool,
    answers: Semaphore,
}

struct Begun<'a>(&'a Shared);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.begun.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Authorizer for Gate {
    fn authorize(&self, asking: Asking) -> BoxFuture<'_, Result<Identity, Refused>> {
        let shared = &*self.0;
        let is_lost = shared.is_lost.load(Ordering::SeqCst);
        async move {
            let token = asking.token.ok_or(Refused::Missing)?;
            let is_taken_back = shared.is_taken_back.load(Ordering::SeqCst) && token.as_str().starts_with("taken");
            shared.asked.fetch_add(1, Ordering::SeqCst);
            shared.begun.fetch_add(1, Ordering::SeqCst);
            let _begun = Begun(shared);
            shared.answers.acquire().await.expect("it is not closed").forget();
            match token.as_str() {
                _ if is_lost => Err(Refused::Unavailable),
                "bad" => Err(Refused::Signature),
                _ if is_taken_back => Err(Refused::Revoked),
                _ => {
                    let mut identity = Identity::new("ann", Rights::all());
                    identity.id = Some(token.as_str().into());
                    identity.quota.sessions = (token.as_str() == "once").then_some(1);
                    Ok(identity)
                }
            }
        }
        .boxed()
    }
}

/// A proxy that judges so many tokens at once, and what the test has to do with its authorizer, which answers so often by itself.
fn gated(most: usize, answers: usize) -> (Proxy, Arc<Shared>) {
    let mut limits = Limits::default();
    limits.judgements_max = most;
    let (asked, begun, is_taken_back, is_lost) = Default::default();
    let shared = Arc::new(Shared { asked, begun, is_taken_back, is_lost, answers: Semaphore::new(answers) });
    let proxy = Proxy::with(limits, |router| router);
    let _ = proxy.sessions.clone().with_authorizer(Gate(shared.clone()));
    (proxy, shared)
}

impl Shared {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn threat_17_what_is_taken_back_while_it_is_judged_is_judged_again() {
    let (proxy, gate) = gated(64, 0);
    let peer = proxy.peer_shown("taken");
    until(|| gate.begun() == 1).await;
    gate.is_taken_back.store(true, Ordering::SeqCst);
    assert_eq!(proxy.sessions.revoke(|identity| identity.id.as_deref() == Some("taken")), 0, "nobody is known by it yet");
    gate.answers.add_permits(2);
    assert_eq!(comes_to(&peer, CONNECT, json!({ "wait": 0 })).await, "unauthorized");
    assert_eq!(gate.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn threat_17_a_new_token_that_is_taken_back_while_it_is_judged_is_judged_again() {
    let (proxy, gate) = gated(64, 1);
    let peer = proxy.peer();
    let (_, mut session) = peer.ask("/session", json!({ "token": "first" })).await.expect("it holds");
    session.write_frame(json!({ "note": "token", "value": "taken" }).to_string().as_bytes());
    until(|| gate.begun() == 1).await;
    gate.is_taken_back.store(true, Ordering::SeqCst);
    assert_eq!(proxy.sessions.revoke(|identity| identity.id.as_deref() == Some("taken")), 0);
    gate.answers.add_permits(2);
    assert_eq!(note(&mut session).await.expect("a note")["note"], "refused");
    assert_eq!(proxy.sessions.revoke(|identity| identity.id.as_deref() == Some("first")), 1, "the first holds on");
}

#[tokio::test(start_paused = true)]
async fn threat_17_who_takes_back_again_and_again_lets_nobody_in_and_asks_no_more_than_three_times() {
    let (proxy, gate) = gated(64, 0);
    let peer = proxy.peer();
    let _opening = peer.begin("/session", json!({ "token": "word" }));
    for round in 1..=3 {
        until(|| gate.asked() == round && gate.begun() == 1).await;
        assert_eq!(proxy.sessions.revoke(|_| true), 0);
        gate.answers.add_permits(1);
    }
    until(|| gate.begun() == 0).await;
    assert_eq!(comes_to(&peer, CONNECT, json!({ "wait": 0 })).await, "busy");
    assert_eq!(gate.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn threat_17_so_many_tokens_are_judged_at_once_in_the_whole_process() {
    let (proxy, gate) = gated(2, 0);
    let peers: Vec<_> = (0..5).map(|_| proxy.peer_shown("word")).collect();
    until(|| gate.begun() == 2).await;
    later(1).await;
    assert_eq!((gate.begun(), gate.asked()), (2, 2), "three wait for their turn");
    gate.answers.add_permits(5);
    for peer in &peers {
        assert_eq!(comes_to(peer, CONNECT, json!({ "wait": 0 })).await, "not_found");
    }
    assert_eq!(gate.asked(), 5);
}

#[tokio::test(start_paused = true)]
async fn threat_17_whose_turn_does_not_come_in_time_is_told_busy() {
    let (proxy, gate) = gated(1, 0);
    let (first, second, third) = (proxy.peer(), proxy.peer(), proxy.peer());
    let _first = first.begin("/session", json!({ "token": "word" }));
    until(|| gate.begun() == 1).await;
    later(1).await;
    let _second = second.begin("/session", json!({ "token": "word" }));
    later(1).await;
    assert_eq!(refused(&third, "/session", json!({ "token": "word" })).await.0, "busy");
    assert_eq!(gate.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn threat_17_a_judgement_ends_with_its_session() {
    let (proxy, gate) = gated(1, 0);
    let gone = proxy.peer_shown("word");
    until(|| gate.begun() == 1).await;
    let begun = Instant::now();
    gone.vanish();
    until(|| gate.begun() == 0).await;
    assert!(begun.elapsed().as_secs() < 5, "it was given up, not over: {:?}", begun.elapsed());
    gate.answers.add_permits(1);
    assert_eq!(comes_to(&proxy.peer_shown("word"), CONNECT, json!({ "wait": 0 })).await, "not_found");
}

#[tokio::test(start_paused = true)]
async fn threat_17_a_token_that_could_not_be_judged_is_judged_at_the_next_open_and_a_bad_one_is_not() {
    for (token, comes) in [("word", "not_found"), ("bad", "unauthorized")] {
        let (proxy, gate) = gated(64, 8);
        gate.is_lost.store(true, Ordering::SeqCst);
        let peer = proxy.peer_shown(token);
        assert_eq!(comes_to(&peer, CONNECT, json!({ "wait": 0 })).await, "busy");
        gate.is_lost.store(false, Ordering::SeqCst);
        let before = gate.asked();
        for _ in 0..3 {
            assert_eq!(comes_to(&peer, CONNECT, json!({ "wait": 0 })).await, comes);
        }
        assert_eq!(gate.asked(), before + 1);
        let (proxy, gate) = gated(64, 0);
        let peer = proxy.peer_shown(token);
        assert_eq!(comes_to(&peer, CONNECT, json!({ "wait": 0 })).await, "timeout");
        gate.answers.add_permits(1);
        assert_eq!(comes_to(&peer, CONNECT, json!({ "wait": 0 })).await, comes, "the same where it took too long");
    }
}

#[tokio::test(start_paused = true)]
async fn threat_08_a_token_that_is_shown_twice_is_judged_twice_in_turn_and_takes_one_place() {
    let (proxy, gate) = gated(64, 0);
    let peer = proxy.peer_shown("once");
    until(|| gate.begun() == 1).await;
    let mut session = peer.begin("/session", json!({ "token": "once" }));
    later(1).await;
    assert_eq!(gate.begun(), 1, "the second waits for the first");
    gate.answers.add_permits(3);
    assert_eq!(reply(&mut session).await.expect("one place is enough")["sub"], "ann");
    assert_eq!(refused(&proxy.peer(), "/session", json!({ "token": "once" })).await.0, "limit");
}
