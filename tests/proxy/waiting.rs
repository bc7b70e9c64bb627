//! Connects that wait: for a name, for a paused server, for their turn, for an answer.

use std::time::Duration;

use browser_stream_server::Limits;
use harness::{Proxy, reply, within};
use serde_json::json;
use tokio::time::Instant;

const CONNECT: &str = "/browser-server/connect/NAME";

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_first_is_served_when_the_server_comes() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let mut early = client.begin(CONNECT, json!({}));
    early.write_chunk("before anybody listened".into()).await.unwrap();
    early.finish();
    let _control = owner.claim("NAME").await.unwrap();
    let (_, mut stream) = owner.accept().await;
    reply(&mut early).await.unwrap();
    assert_eq!(within(stream.read_chunk()).await.unwrap().unwrap(), "before anybody listened");
    assert_eq!(within(stream.read_chunk()).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn nobody_serves_is_known_after_the_wait_that_was_asked_for() {
    let proxy = Proxy::new();
    let client = proxy.peer();
    for (wait, expected) in [(json!({}), 2000), (json!({"wait": 0}), 0), (json!({"wait": 7500}), 7500), (json!({"wait": 15000}), 15000)] {
        let begun = Instant::now();
        assert_eq!(client.connect_with("NAME", wait).await.err().as_deref(), Some("not_found"));
        let waited = begun.elapsed().as_millis() as u64;
        assert!((expected..expected + 50).contains(&waited), "{waited} ms, not {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_none_is_bad_request() {
    let proxy = Proxy::new();
    let client = proxy.peer();
    for wait in [json!(-1), json!(15001), json!(1e300), json!("5"), json!([])] {
        let refused = client.connect_with("NAME", json!({ "wait": wait })).await.err();
        assert_eq!(refused.as_deref(), Some("bad_request"), "{wait}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_server_is_waited_for_and_then_busy() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let mut control = owner.claim("NAME").await.unwrap().stream;
    control.write_frame(br#"{"note":"pause"}"#);
    let begun = Instant::now();
    assert_eq!(client.connect("NAME").await.err().as_deref(), Some("busy"));
    assert_eq!(begun.elapsed().as_secs(), 15);
    let mut waiting = client.begin(CONNECT, json!({}));
    tokio::time::sleep(Duration::from_secs(5)).await;
    control.write_frame(br#"{"note":"resume"}"#);
    let _accepted = owner.accept().await;
    reply(&mut waiting).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_a_timeout_and_its_half_is_reset() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let _control = owner.claim("NAME").await.unwrap();
    let begun = Instant::now();
    let (connected, (_, mut stream)) = tokio::join!(client.connect("NAME"), owner.next());
    assert_eq!(connected.err().as_deref(), Some("timeout"));
    assert_eq!(proxy.refused("reply_timeout"), 1);
    assert_eq!(begun.elapsed().as_secs(), 15);
    assert_eq!(within(stream.read_chunk()).await, Err(browser_stream_server::StreamError::Reset(10)));
}

#[tokio::test(start_paused = true)]
async fn each_client_has_its_own_time_for_an_answer_whoever_else_was_answered() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let _control = owner.claim("NAME").await.unwrap();
    let begun = Instant::now();
    let mut first = client.begin(CONNECT, json!({}));
    let _unanswered = owner.next().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let mut second = client.begin(CONNECT, json!({}));
    let _accepted = owner.accept().await;
    reply(&mut second).await.unwrap();
    let mut third = client.begin(CONNECT, json!({}));
    let _unanswered = owner.next().await;
    for (waiting, seconds) in [(&mut first, 15), (&mut third, 25)] {
        assert_eq!(reply(waiting).await.err().as_deref(), Some("timeout"));
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
    let (late, _) = tokio::join!(client.connect("NAME"), owner.next());
    assert_eq!((late.err().as_deref(), begun.elapsed().as_secs()), (Some("timeout"), 40));
    assert_eq!(proxy.refused("reply_timeout"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_gets_no_more_unanswered_opens_than_it_may_and_waiters_keep_their_order() {
    let mut limits = Limits::default();
    limits.unreplied_opens_max = 2;
    let proxy = Proxy::with(limits, |router| router);
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let _control = owner.claim("NAME").await.unwrap();
    let mut waiting: Vec<_> = (0..5).map(|number| client.begin(CONNECT, json!({ "meta": number }))).collect();
    let (first, mut a) = owner.next().await;
    let (second, mut b) = owner.next().await;
    assert_eq!((&first["meta"], &second["meta"]), (&json!(0), &json!(1)));
    assert!(tokio::time::timeout(Duration::from_secs(1), owner.next()).await.is_err(), "the third waits its turn");
    b.write_frame(b"{}");
    assert_eq!(owner.next().await.0["meta"], 2);
    a.write_frame(b"{}");
    assert_eq!(owner.next().await.0["meta"], 3);
    reply(&mut waiting[0]).await.unwrap();
    reply(&mut waiting[1]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn threat_08_whose_turn_does_not_come_at_a_server_that_answers_nobody_is_told_timeout() {
    let mut limits = Limits::default();
    (limits.unreplied_opens_max, limits.wait_max) = (2, Duration::from_secs(5));
    let proxy = Proxy::with(limits, |router| router);
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let _control = owner.claim("NAME").await.unwrap();
    let _waiting: Vec<_> = (0..2).map(|_| client.begin(CONNECT, json!({}))).collect();
    let (_, mut first) = owner.next().await;
    let begun = Instant::now();
    assert_eq!(client.connect("NAME").await.err().as_deref(), Some("timeout"));
    assert_eq!((begun.elapsed().as_secs(), proxy.refused("unreplied")), (5, 1));
    let mut next = client.begin(CONNECT, json!({}));
    first.write_frame(b"{}");
    let (_second, _third) = (owner.next().await, owner.accept().await);
    reply(&mut next).await.unwrap();
    assert_eq!((proxy.refused("unreplied"), proxy.refused("reply_timeout")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gives_up_waiting_leaves_nothing_behind() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    for _ in 0..100 {
        client.begin(CONNECT, json!({})).reset(9u32);
    }
    let mut waiting = client.begin(CONNECT, json!({ "meta": "last" }));
    let _control = owner.claim("NAME").await.unwrap();
    let (open, _stream) = owner.accept().await;
    assert_eq!(open["meta"], "last");
    reply(&mut waiting).await.unwrap();
    assert_eq!(proxy.refused("unreplied"), 0);
    harness::until(|| proxy.sessions.list().iter().map(|session| session.streams()).sum::<usize>() == 3).await;
}

#[tokio::test(start_paused = true)]
async fn who_waited_long_enough_is_told_when_a_paused_server_goes() {
    let proxy = Proxy::new();
    let (owner, client) = (proxy.peer(), proxy.peer());
    let mut control = owner.claim("NAME").await.unwrap().stream;
    control.write_frame(br#"{"note":"pause"}"#);
    let mut waiting = client.begin(CONNECT, json!({ "wait": 1000 }));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let begun = Instant::now();
    control.finish();
    assert_eq!(reply(&mut waiting).await.err().as_deref(), Some("not_found"));
    assert!(begun.elapsed() < Duration::from_millis(100));
}
