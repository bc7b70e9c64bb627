//! Who watches a name.

use std::time::Duration;

use browser_stream_server::Limits;
use harness::{Proxy, note, until, within};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const WATCH: &str = "/browser-server/watch/NAME";

fn says(word: &str) -> Option<Value> {
    Some(json!({ "note": word }))
}

#[tokio::test(start_paused = true)]
async fn a_watcher_is_told_what_holds_and_then_each_change() {
    let proxy = Proxy::new();
    let (watcher, owner, back) = (proxy.peer(), proxy.peer(), proxy.peer());
    let (reply, mut watching) = watcher.ask(WATCH, json!({})).await.unwrap();
    assert!(reply["id"].is_string());
    assert_eq!(note(&mut watching).await, says("gone"));
    let first = owner.claim_with("NAME", json!({ "lease": true })).await.unwrap();
    let lease = &first.reply["lease"];
    assert_eq!(note(&mut watching).await, says("up"));
    owner.vanish();
    assert_eq!(note(&mut watching).await, says("suspended"));
    let mut control = back.claim_with("NAME", json!({ "lease": lease, "attempt": 1 })).await.unwrap().stream;
    assert_eq!(note(&mut watching).await, says("up"));
    let (_, mut later) = watcher.ask(WATCH, json!({})).await.unwrap();
    assert_eq!(note(&mut later).await, says("up"));
    control.finish();
    for watching in [&mut watching, &mut later] {
        assert_eq!(note(watching).await, says("gone"));
    }
    watching.finish();
    assert_eq!(note(&mut watching).await, None, "the watcher's finish is answered");
    later.reset(9u32);
    drop(control);
    until(|| proxy.sessions.list().iter().all(|session| session.streams() == 0)).await;
}

#[tokio::test(start_paused = true)]
async fn a_name_that_flaps_is_told_ten_times_in_a_second_at_most() {
    let proxy = Proxy::new();
    let (watcher, owner) = (proxy.peer(), proxy.peer());
    let (_, mut watching) = watcher.ask(WATCH, json!({})).await.unwrap();
    let flapping = async {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(1) {
            let mut control = owner.claim("NAME").await.unwrap().stream;
            sleep(Duration::from_millis(3)).await;
            control.finish();
            assert_eq!(within(control.read_chunk()).await, Ok(None));
        }
        owner.claim("NAME").await.unwrap()
    };
    let _control = flapping.await;
    let mut told = Vec::new();
    while let Ok(Some(note)) = tokio::time::timeout(Duration::from_secs(1), note(&mut watching)).await {
        told.push(note["note"].as_str().unwrap().to_owned());
    }
    assert!((2..=12).contains(&told.len()), "{told:?}");
    assert_eq!(told.last().map(String::as_str), Some("up"));
    assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_takes_nothing_has_no_queue_and_gets_the_newest() {
    let mut limits = Limits::default();
    // A peer that takes nothing for ever is cut; this one takes its time.
    limits.write_stall_max = Duration::from_secs(3600);
    limits.silence_max = Duration::from_secs(3600);
    let proxy = Proxy::with(limits, |router| router);
    let owner = proxy.peer();
    let mut watcher = proxy.raw_with(64);
    watcher.open(1, r#"{"path":"/browser-server/watch/NAME"}"#).await;
    until(|| proxy.sessions.len() == 2).await;
    for _ in 0..200 {
        let mut control = owner.claim("NAME").await.unwrap().stream;
        sleep(Duration::from_millis(150)).await;
        control.finish();
        assert_eq!(within(control.read_chunk()).await, Ok(None));
        sleep(Duration::from_millis(150)).await;
    }
    let queued: usize = proxy.sessions.list().iter().map(|session| session.queued()).sum();
    assert!(queued < 512, "{queued} bytes are queued after 400 changes");
    let _control = owner.claim("NAME").await.unwrap();
    let mut told = String::new();
    while !told.ends_with(r#"{"note":"up"}"#) || told.matches("note").count() < 2 {
        let frame = watcher.next_where(|frame| frame.kind == harness::DATA && frame.stream == 1).await;
        told.push_str(&String::from_utf8_lossy(&frame.payload));
    }
    assert!(told.matches("note").count() < 6, "{told}");
}

#[tokio::test(start_paused = true)]
async fn threat_08_so_many_watch_a_name_and_no_more() {
    let mut limits = Limits::default();
    limits.watchers_per_name_max = 2;
    let proxy = Proxy::with(limits, |router| router);
    let peer = proxy.peer();
    let (_, first) = peer.ask(WATCH, json!({})).await.unwrap();
    let (_, _second) = peer.ask(WATCH, json!({})).await.unwrap();
    assert_eq!(peer.ask(WATCH, json!({})).await.err().as_deref(), Some("limit"));
    assert_eq!(proxy.refused("watchers_per_name"), 1);
    drop(first);
    until(|| proxy.sessions.list()[0].streams() == 1).await;
    peer.ask(WATCH, json!({})).await.unwrap();
    assert_eq!(peer.ask("/browser-server/watch/..", json!({})).await.err().as_deref(), Some("bad_request"));
}
