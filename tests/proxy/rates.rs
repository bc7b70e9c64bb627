//! How fast a peer may open streams, and send frames that move nothing: what it is refused, how it is slowed, and when it is cut.

use std::time::Duration;

use browser_stream_server::{Limits, Opening};
use harness::*;
use tokio::time::Instant;

use crate::{honest::Honest, pile::until_quiet};

const LIMIT: u32 = 8;

/// Ten opens a second, twenty at once.
fn few_opens() -> Proxy {
    let mut limits = Limits::default();
    (limits.opens_per_second, limits.opens_burst) = (10, 20);
    Proxy::with(limits, |router| router)
}

/// A hundred frames that move nothing in a second, two hundred at once.
fn few_frames() -> Proxy {
    let mut limits = Limits::default();
    (limits.misc_frames_per_second, limits.misc_frames_burst) = (100, 200);
    Proxy::with(limits, |router| router)
}

/// So many opens at once, to a path that nobody serves.
fn opens(first: u32, count: u32) -> Vec<u8> {
    let open = wire::framed(r#"{"path":"/nobody"}"#);
    (0..count).flat_map(|number| frame(DATA, SYN, first + 2 * number, open.len() as u32, &open)).collect()
}

/// What became of each stream with an odd id, in order: `None` for one that got a reply, else the code that it was reset with.
async fn fates(raw: &mut Raw, count: usize) -> Vec<Option<u32>> {
    let mut fates = std::collections::BTreeMap::new();
    while fates.len() < count {
        let frame = raw.next_where(|frame| frame.stream % 2 == 1 && (frame.flags & RST != 0 || !frame.payload.is_empty())).await;
        fates.entry(frame.stream).or_insert((frame.flags & RST != 0).then_some(frame.length));
    }
    fates.into_values().collect()
}

/// The peer was cut: told why on its session stream, GO_AWAY as the last frame.
async fn assert_cut(raw: &mut Raw, what: &str) {
    let frames = raw.rest().await;
    let bye = |frame: &Frame| String::from_utf8_lossy(&frame.payload).contains(r#"{"note":"bye","value":1008}"#);
    assert!(frames.iter().any(bye), "{what}: {:?}", frames.last());
    assert_eq!(frames.last().map(|frame| frame.kind), Some(GO_AWAY), "{what}");
}

#[tokio::test(start_paused = true)]
async fn threat_09_opens_beyond_the_burst_are_refused_and_the_rate_goes_on() {
    let proxy = few_opens();
    let mut honest = Honest::new(&proxy).await;
    let mut raw = proxy.raw();
    raw.send(&opens(1, 25)).await;
    let fates_of_burst = fates(&mut raw, 25).await;
    assert_eq!(fates_of_burst, [vec![None; 20], vec![Some(LIMIT); 5]].concat());
    assert_eq!(proxy.refused("open_rate"), 5);
    honest.goes_on().await;
    // A second repays ten; the five refused cost half of one.
    tokio::time::sleep(Duration::from_secs(1)).await;
    raw.send(&opens(101, 10)).await;
    assert_eq!(fates(&mut raw, 10).await, [vec![None; 9], vec![Some(LIMIT)]].concat());
    assert_eq!((proxy.refused("open_rate"), proxy.refused("open_rate_cut")), (6, 0));
}

#[tokio::test(start_paused = true)]
async fn threat_09_a_peer_that_opens_ten_times_too_fast_is_cut_and_told_why() {
    let proxy = few_opens();
    let mut honest = Honest::new(&proxy).await;
    let mut raw = proxy.raw();
    raw.open(1, r#"{"path":"/session"}"#).await;
    raw.reply(1).await;
    raw.send(&opens(3, 20 + 150)).await;
    until_quiet().await;
    assert_eq!((proxy.refused("open_rate_cut"), proxy.sessions.len()), (0, 3));
    raw.send(&opens(1001, 200)).await;
    assert_cut(&mut raw, "opens").await;
    assert_eq!(proxy.refused("open_rate_cut"), 1);
    // One of the burst was the session stream; ten bursts of refused ones are let pass.
    assert_eq!(proxy.refused("open_rate"), 20 * 10);
    honest.goes_on().await;
}

#[tokio::test(start_paused = true)]
async fn threat_09_ten_thousand_opens_at_once_are_a_burst_and_no_reason_to_cut() {
    let proxy = Proxy::new();
    let mut raw = proxy.raw_with(4 * 1024 * 1024);
    raw.open(1, r#"{"path":"/session"}"#).await;
    raw.reply(1).await;
    let open = wire::framed(r#"{"path":"/nobody"}"#);
    for id in 0..9_999 {
        let stream = 2 * id + 3;
        let both = [frame(DATA, SYN, stream, open.len() as u32, &open), frame(WINDOW_UPDATE, RST, stream, 0, b"")].concat();
        raw.send(&both).await;
    }
    until_quiet().await;
    assert_eq!(proxy.refused("open_rate"), 0);
    raw.send(&opens(100_001, 10)).await;
    until_quiet().await;
    let refused = proxy.refused("open_rate");
    assert!(refused > 0 && proxy.sessions.len() == 1, "{refused}");
}

/// Each kind of frame that moves nothing.
fn floods() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("ping", frame(PING, SYN, 0, 1, b"")),
        ("zero credit", frame(WINDOW_UPDATE, 0, 1, 0, b"")),
        ("empty data", frame(DATA, 0, 1, 0, b"")),
        ("unsolicited ack", frame(WINDOW_UPDATE, ACK, 1, 0, b"")),
        ("open and reset in one", frame(WINDOW_UPDATE, SYN | RST, 9, 0, b"")),
        ("finish of no stream", frame(DATA, FIN, 77, 0, b"")),
        ("reset of no stream", frame(WINDOW_UPDATE, RST, 77, 0, b"")),
        ("data for no stream", frame(DATA, 0, 77, 1, b"x")),
    ]
}

#[tokio::test(start_paused = true)]
async fn threat_09_frames_that_move_nothing_are_free_then_slow_and_at_last_the_end_of_their_session() {
    for (what, bytes) in floods() {
        let proxy = few_frames();
        let mut honest = Honest::new(&proxy).await;
        let mut raw = proxy.raw();
        raw.open(1, r#"{"path":"/session"}"#).await;
        raw.reply(1).await;
        raw.send(&bytes.repeat(150)).await;
        until_quiet().await;
        assert_eq!(proxy.refused("misc_rate_slowed"), 0, "{what}: within the burst");
        raw.send(&bytes.repeat(150)).await;
        until_quiet().await;
        assert_eq!(proxy.refused("misc_rate_slowed"), 1, "{what}");
        let begun = Instant::now();
        raw.send(&frame(PING, SYN, 0, 4242, b"")).await;
        raw.next_where(|frame| frame.kind == PING && frame.flags == ACK && frame.length == 4242).await;
        let waited = begun.elapsed();
        assert!(waited >= Duration::from_millis(50) && waited <= Duration::from_millis(100), "{what}: read no faster: {waited:?}");
        honest.goes_on().await;
        assert_eq!(proxy.refused("misc_rate_cut"), 0, "{what}");
        for _ in 0..10 {
            raw.send(&bytes.repeat(200)).await;
        }
        assert_cut(&mut raw, what).await;
        assert_eq!(proxy.refused("misc_rate_cut"), 1, "{what}");
        honest.goes_on().await;
        until(|| proxy.sessions.len() == 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn threat_09_a_stream_of_single_bytes_is_charged_nothing() {
    let proxy = few_frames();
    let mut owner = proxy.peer();
    let _control = owner.claim("NAME").await.unwrap();
    let mut raw = proxy.raw();
    raw.open(1, r#"{"path":"/browser-server/connect/NAME"}"#).await;
    let (_, mut far) = owner.accept().await;
    raw.reply(1).await;
    for _ in 0..10 {
        raw.send(&frame(DATA, 0, 1, 1, b"x").repeat(1000)).await;
        let mut read = vec![0; 1000];
        within(tokio::io::AsyncReadExt::read_exact(&mut far, &mut read)).await.unwrap();
    }
    assert_eq!(proxy.refused("misc_rate_slowed"), 0);
}

#[tokio::test(start_paused = true)]
async fn threat_10_a_peer_that_takes_its_replies_late_gets_them_all_and_nobody_waits_for_it() {
    let mut limits = Limits::default();
    limits.opens_burst = 100_000;
    let proxy = Proxy::with(limits, |router| router.route("/hold", hold));
    let mut honest = Honest::new(&proxy).await;
    let mut raw = proxy.raw_with(64 * 1024);
    for stream in (1..).step_by(2).take(1024) {
        raw.open(stream, r#"{"path":"/hold"}"#).await;
        raw.reply(stream).await;
    }
    // Each stream beyond its limit is answered with a reset, until so many wait for it that it is read no further.
    let mut late = (2049..).step_by(2);
    let mut sent = Vec::new();
    while proxy.refused("streams_per_session") == sent.len() as u64 {
        let more: Vec<u32> = late.by_ref().take(1000).collect();
        raw.send(&more.iter().flat_map(|&stream| frame(WINDOW_UPDATE, SYN, stream, 0, b"")).collect::<Vec<u8>>()).await;
        sent.extend(more);
        assert!(sent.len() < 90_000, "reading stops");
        until_quiet().await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    honest.goes_on().await;
    for &stream in &sent {
        let reset = raw.next_where(|frame| frame.flags & RST != 0).await;
        assert_eq!((reset.stream, reset.length), (stream, LIMIT));
    }
    assert_eq!((proxy.refused("streams_per_session"), proxy.refused("write_stall")), (sent.len() as u64, 0));
    honest.goes_on().await;
}

/// Accepts, and waits for the end.
async fn hold(opening: Opening) {
    opening.accept().peer_done().await;
}
