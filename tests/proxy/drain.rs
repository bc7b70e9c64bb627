//! The proxy goes down, and its peers come back elsewhere.

use std::time::Duration;

use browser_stream_server::{Limits, Opening, Stream, StreamError};
use harness::{DATA, GO_AWAY, Peer, Proxy, Raw, note, reply, until, within};
use serde_json::json;
use tokio::time::{Instant, sleep};

const DRAIN: Duration = Duration::from_secs(30);

async fn session(peer: &Peer) -> Stream {
    peer.ask("/session", json!({})).await.unwrap().1
}

/// The delay that the proxy named.
async fn told(session: &mut Stream) -> Duration {
    let note = note(session).await.unwrap();
    assert_eq!(note["note"], "drain");
    Duration::from_millis(note["value"]["after_ms"].as_u64().unwrap())
}

#[tokio::test(start_paused = true)]
async fn threat_20_peers_are_told_to_come_back_after_delays_that_are_spread() {
    for (peers, within, span_ms) in [(50_u32, DRAIN, 500), (50, Duration::from_millis(100), 80)] {
        let proxy = Proxy::new();
        let peers: Vec<_> = (0..peers).map(|_| proxy.peer()).collect();
        let mut sessions = Vec::new();
        for peer in &peers {
            sessions.push(session(peer).await);
        }
        proxy.sessions.drain(within);
        let mut delays = Vec::new();
        for session in &mut sessions {
            delays.push(told(session).await.as_millis());
        }
        delays.sort_unstable();
        assert!(delays.last() <= Some(&span_ms), "{delays:?}");
        // One in each fiftieth of the span, rounded down to whole milliseconds.
        for (index, delay) in delays.iter().enumerate() {
            let share = span_ms as f64 / 50.0;
            assert!((*delay as f64 - (index as f64 + 0.5) * share).abs() <= share / 2.0 + 1.0, "{index}: {delays:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn threat_20_nothing_is_opened_at_a_proxy_that_goes_down() {
    let proxy = Proxy::with(Limits::default(), |router| router.route("/mine", |opening: Opening| async { drop(opening.accept()) }));
    let (owner, peer) = (proxy.peer(), proxy.peer());
    let _control = owner.claim("NAME").await.unwrap();
    let mut waiting = peer.begin("/browser-server/connect/NOBODY", json!({ "wait": 15000 }));
    let mut standing = peer.begin("/browser-server/listen/NAME", json!({ "standby": true }));
    until(|| proxy.sessions.list().iter().map(|session| session.streams()).sum::<usize>() == 3).await;
    proxy.sessions.drain(DRAIN);
    let begun = Instant::now();
    assert_eq!(reply(&mut waiting).await.err().as_deref(), Some("draining"));
    assert_eq!(reply(&mut standing).await.err().as_deref(), Some("draining"));
    for path in ["/browser-server/connect/NAME", "/browser-server/listen/OTHER", "/browser-server/watch/NAME", "/mine", "/nobody"] {
        assert_eq!(peer.ask(path, json!({})).await.err().as_deref(), Some("draining"), "{path}");
    }
    assert_eq!((proxy.refused("draining"), begun.elapsed().as_secs()), (7, 0), "those that waited, too");
    assert!(proxy.names.connect("NOBODY").await.unwrap_err().is(browser_stream_server::Code::Draining));
}

#[tokio::test(start_paused = true)]
async fn threat_20_a_stream_goes_on_and_its_sessions_go_with_it() {
    let proxy = Proxy::new();
    let (mut owner, client, mut idle) = (proxy.peer(), proxy.peer(), proxy.raw());
    let _control = owner.claim("NAME").await.unwrap();
    let (near, (_, mut far)) = tokio::join!(client.connect("NAME"), owner.accept());
    let mut near = near.unwrap();
    idle.open(1, r#"{"path":"/session"}"#).await;
    idle.reply(1).await;
    proxy.sessions.drain(DRAIN);
    let begun = Instant::now();
    assert_eq!(notes(&idle.rest().await), ["drain", "bye"], "one without streams goes at once");
    assert!(begun.elapsed() < Duration::from_millis(100));
    for _ in 0..20 {
        sleep(Duration::from_secs(1)).await;
        near.write_chunk("still here".into()).await.unwrap();
        assert_eq!(within(far.read_chunk()).await.unwrap().unwrap(), "still here");
    }
    assert_eq!(proxy.sessions.len(), 2);
    near.finish();
    assert_eq!(within(far.read_chunk()).await, Ok(None));
    far.finish();
    assert_eq!(within(near.read_chunk()).await, Ok(None), "a clean end");
    until(|| proxy.sessions.is_empty()).await;
    assert_eq!(begun.elapsed().as_secs(), 20, "the client's at once, and the server's, whose claim keeps nobody");
}

/// What each note on a peer's session stream says; GO_AWAY is the last frame.
fn notes(frames: &[harness::Frame]) -> Vec<String> {
    assert_eq!(frames.last().map(|frame| frame.kind), Some(GO_AWAY));
    let bytes: Vec<u8> = frames.iter().filter(|frame| frame.kind == DATA).flat_map(|frame| frame.payload.clone()).collect();
    let (mut rest, mut notes) = (&bytes[..], Vec::new());
    while let Some((length, body)) = rest.split_first_chunk() {
        let (note, behind) = body.split_at(u16::from_be_bytes(*length).into());
        let note: serde_json::Value = serde_json::from_slice(note).expect("a note is JSON");
        notes.push(note["note"].as_str().expect("a note says something").to_owned());
        rest = behind;
    }
    notes
}

#[tokio::test(start_paused = true)]
async fn threat_20_a_server_has_two_seconds_to_take_its_names_along() {
    let proxy = Proxy::new();
    let (owner, watcher) = (proxy.peer(), proxy.peer());
    let mut control = owner.claim_with("NAME", json!({ "lease": true })).await.unwrap().stream;
    let (_, mut watching) = watcher.ask("/browser-server/watch/NAME", json!({})).await.unwrap();
    assert_eq!(note(&mut watching).await.unwrap()["note"], "up");
    let mut session = session(&owner).await;
    proxy.sessions.drain(DRAIN);
    let begun = Instant::now();
    let due = told(&mut session).await;
    assert_eq!(note(&mut session).await, Some(json!({ "note": "bye", "value": 1012 })));
    let after = begun.elapsed();
    assert!((due + Duration::from_secs(2)..due + Duration::from_millis(2010)).contains(&after), "{after:?}");
    assert!(within(control.read_chunk()).await.is_err(), "lost, never a clean end");
    until(|| proxy.sessions.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn threat_20_streams_that_both_ends_resume_hold_nobody_up_and_others_do() {
    let (asks, takes) = (json!({ "resume": { "v": 1 } }), br#"{"resume":{"v":1}}"#.as_slice());
    for (open, answer, seconds) in [(&asks, takes, 2), (&asks, b"{}", 30), (&json!({}), takes, 30)] {
        let proxy = Proxy::new();
        let (mut owner, client) = (proxy.peer(), proxy.peer());
        let _control = owner.claim("NAME").await.unwrap();
        let mut near = client.begin("/browser-server/connect/NAME", open.clone());
        let (_, mut far) = owner.next().await;
        far.write_frame(answer);
        reply(&mut near).await.unwrap();
        assert_eq!(proxy.sessions.held_up(), if seconds == 2 { 0 } else { 2 });
        proxy.sessions.drain(DRAIN);
        let begun = Instant::now();
        until(|| proxy.sessions.is_empty()).await;
        assert_eq!(begun.elapsed().as_secs(), seconds, "{open} {}", String::from_utf8_lossy(answer));
        assert_eq!(within(near.read_chunk()).await, Err(StreamError::Lost), "never a clean end");
    }
}

#[tokio::test(start_paused = true)]
async fn threat_20_what_is_left_at_the_end_is_closed() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let _control = owner.claim("NAME").await.unwrap();
    let (near, _far) = tokio::join!(client.connect("NAME"), owner.accept());
    let mut near = near.unwrap();
    let mut session = session(&client).await;
    proxy.sessions.drain(DRAIN);
    let begun = Instant::now();
    told(&mut session).await;
    assert_eq!(note(&mut session).await, Some(json!({ "note": "bye", "value": 1012 })));
    assert_eq!(begun.elapsed().as_secs(), 30);
    assert!(within(near.read_chunk()).await.is_err());
    until(|| proxy.sessions.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn threat_20_the_sooner_end_counts() {
    let proxy =
        Proxy::with(Limits::default(), |router| router.route("/hold", |opening: Opening| async { opening.accept().peer_done().await }));
    let peer = proxy.peer();
    let (_, _held) = peer.ask("/hold", json!({})).await.unwrap();
    proxy.sessions.drain(DRAIN);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(proxy.sessions.len(), 1);
    let begun = Instant::now();
    proxy.sessions.drain(Duration::ZERO);
    until(|| proxy.sessions.is_empty()).await;
    // A peer has a second to hear the goodbye.
    assert!(begun.elapsed() <= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn who_opens_its_session_stream_late_is_told_what_is_left() {
    let proxy =
        Proxy::with(Limits::default(), |router| router.route("/hold", |opening: Opening| async { opening.accept().peer_done().await }));
    let peers: Vec<_> = (0..100).map(|_| proxy.peer()).collect();
    let mut held = Vec::new();
    for peer in &peers {
        held.push(peer.ask("/hold", json!({})).await.unwrap());
    }
    proxy.sessions.drain(DRAIN);
    sleep(Duration::from_millis(500)).await;
    let mut left = Vec::new();
    for peer in &peers {
        left.push(told(&mut session(peer).await).await);
    }
    assert!(left.iter().all(|left| *left <= Duration::from_millis(500)), "{left:?}");
    assert!(left.iter().any(|left| left.is_zero()) && left.iter().any(|left| !left.is_zero()), "{left:?}");
    let mut newcomer: Raw = proxy.raw();
    let goodbye = newcomer.rest().await;
    assert_eq!(goodbye.iter().map(|frame| frame.kind).collect::<Vec<_>>(), [GO_AWAY], "one that comes now may go at once");
}
