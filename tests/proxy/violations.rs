//! Peers that break the protocol: cut, told so, and nobody else notices.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use browser_stream_server::{Limits, Opening, StreamError, transport};
use harness::*;
use serde_json::json;
use tokio::time::Instant;

/// What ends a session, by name.
fn violations() -> Vec<(&'static str, Vec<u8>)> {
    let open = |stream| frame(WINDOW_UPDATE, SYN, stream, 0, b"");
    let mut version = frame(DATA, SYN, 1, 0, b"");
    version[0] = 1;
    vec![
        ("version", version),
        ("type", frame(4, 0, 0, 0, b"")),
        ("parity", open(2)),
        ("stream zero", frame(DATA, SYN, 0, 0, b"")),
        ("id reuse", [open(1), open(1)].concat()),
        ("window", [open(1), frame(DATA, 0, 1, 256 * 1024 + 1, b"")].concat()),
        ("first frame over the window", frame(DATA, SYN, 1, u32::MAX, b"")),
        ("credit overflow", [open(1), frame(WINDOW_UPDATE, 0, 1, u32::MAX, b"")].concat()),
        ("data behind its own finish", [open(1), frame(DATA, FIN, 1, 0, b""), frame(DATA, 0, 1, 1, b"x")].concat()),
    ]
}

#[tokio::test(start_paused = true)]
async fn threat_07_a_violation_cuts_its_session_and_no_other() {
    let proxy = Proxy::new();
    let (mut owner, honest) = (proxy.peer(), proxy.peer());
    let _control = owner.claim("NAME").await.unwrap();
    let (mut at_client, (_, mut at_server)) = tokio::join!(async { honest.connect("NAME").await.unwrap() }, owner.accept());
    for (what, bytes) in violations() {
        let mut raw = proxy.raw();
        raw.send(&bytes).await;
        let frames = raw.rest().await;
        let last = frames.last().unwrap_or_else(|| panic!("{what}: told before the cut"));
        assert_eq!((last.kind, last.length), (GO_AWAY, 1), "{what}: {frames:?}");
        assert!(frames.len() <= 3, "{what}: no reply loop: {frames:?}");
        at_client.write_chunk("still here".into()).await.unwrap();
        assert_eq!(within(at_server.read_chunk()).await.unwrap().unwrap(), "still here");
    }
    until(|| proxy.sessions.len() == 2).await;
    assert_eq!(proxy.refused("violation"), violations().len() as u64);
}

#[tokio::test(start_paused = true)]
async fn threat_07_a_cut_peer_loses_its_streams_to_those_at_the_other_end() {
    let proxy = Proxy::new();
    let mut owner = proxy.peer();
    let _control = owner.claim("NAME").await.unwrap();
    let mut raw = proxy.raw();
    raw.open(1, r#"{"path":"/browser-server/connect/NAME"}"#).await;
    let (_, mut at_server) = owner.accept().await;
    raw.reply(1).await;
    raw.send(&frame(9, 0, 0, 0, b"")).await;
    assert_eq!(within(at_server.read_chunk()).await, Err(StreamError::Lost));
}

#[tokio::test(start_paused = true)]
async fn threat_07_frames_for_streams_that_are_gone_are_dropped_without_an_answer() {
    let proxy = Proxy::new();
    let mut raw = proxy.raw();
    for flags in [0, ACK, FIN, RST] {
        raw.send(&frame(WINDOW_UPDATE, flags, 77, 5, b"")).await;
        raw.data(flags, 79, b"x").await;
    }
    raw.send(&frame(PING, ACK, 0, 1, b"")).await;
    raw.send(&frame(PING, SYN, 0, 42, b"")).await;
    let pong = raw.next().await.unwrap();
    assert_eq!((pong.kind, pong.flags, pong.length), (PING, ACK, 42), "the first answer is to the last question");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_falls_silent_is_asked_and_then_cut_and_told_why() {
    let proxy = Proxy::new();
    let mut raw = proxy.raw();
    raw.open(1, r#"{"path":"/session"}"#).await;
    raw.reply(1).await;
    let begun = Instant::now();
    let frames = raw.rest().await;
    assert!(begun.elapsed() >= Duration::from_secs(45) && begun.elapsed() < Duration::from_secs(48), "{:?}", begun.elapsed());
    let pings = frames.iter().filter(|frame| frame.kind == PING && frame.flags == SYN).count();
    assert!((1..=2).contains(&pings), "{frames:?}");
    assert!(frames.iter().any(|frame| String::from_utf8_lossy(&frame.payload).contains(r#"{"note":"bye","value":1001}"#)), "{frames:?}");
    assert_eq!(frames.last().map(|frame| frame.kind), Some(GO_AWAY));
    assert_eq!(proxy.refused("dead"), 1);
}

#[tokio::test(start_paused = true)]
async fn threat_28_a_handler_that_panics_resets_its_stream_and_nothing_else() {
    let proxy = Proxy::with(Limits::default(), |router| {
        router.route("/panic", |opening: Opening| async {
            let mut stream = opening.accept();
            stream.peer_done().await;
            panic!("a fault in a handler");
        })
    });
    let peer = proxy.peer();
    let _control = peer.claim("NAME").await.unwrap();
    let (_, mut stream) = peer.ask("/panic", json!({})).await.unwrap();
    stream.finish();
    assert_eq!(within(stream.read_chunk()).await, Err(StreamError::Reset(17)), "internal");
    assert_eq!(peer.claim("NAME").await.err().as_deref(), Some("name_taken"), "the same session goes on");
}

/// A transport whose reading half panics.
struct Panics(Arc<AtomicU16>);

impl transport::Transport for Panics {
    type Reader = PanickingReader;
    type Writer = NullWriter;

    fn split(self) -> (Self::Reader, Self::Writer) {
        (PanickingReader, NullWriter(self.0))
    }
}

struct PanickingReader;

impl transport::Reader for PanickingReader {
    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        _: &mut VecDeque<bytes::Bytes>,
    ) -> Poll<Result<transport::Read, transport::TransportError>> {
        panic!("a fault in a transport");
    }
}

/// Takes everything, and keeps the code that it is closed with.
struct NullWriter(Arc<AtomicU16>);

impl transport::Writer for NullWriter {
    fn poll_write(&mut self, _: &mut Context<'_>, buffers: &mut Vec<bytes::Bytes>) -> Poll<Result<(), transport::TransportError>> {
        buffers.clear();
        Poll::Ready(Ok(()))
    }

    fn taken(&self) -> u64 {
        0
    }

    fn poll_close(&mut self, _: &mut Context<'_>, code: u16, _: &'static str) -> Poll<()> {
        self.0.store(code, Ordering::Relaxed);
        Poll::Ready(())
    }
}

#[tokio::test(start_paused = true)]
async fn threat_28_a_panic_in_a_sessions_task_ends_that_session_only() {
    let proxy = Proxy::new();
    let honest = proxy.peer();
    let _control = honest.claim("NAME").await.unwrap();
    let sessions = proxy.sessions.clone();
    let closed_with = Arc::new(AtomicU16::new(0));
    within(sessions.run(Panics(closed_with.clone()), None)).await;
    assert_eq!(closed_with.load(Ordering::Relaxed), 1011, "its peer is told");
    assert_eq!(proxy.sessions.len(), 1);
    assert_eq!(honest.claim("NAME").await.err().as_deref(), Some("name_taken"));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_cut_and_one_that_takes_little_is_not() {
    let proxy = Proxy::with(Limits::default(), |router| {
        router.route("/pour", |opening: Opening| async {
            let mut stream = opening.accept();
            while stream.write_chunk(vec![7; 64 * 1024].into()).await.is_ok() {}
        })
    });
    let mut slow = proxy.raw_with(1024);
    slow.open(1, r#"{"path":"/pour"}"#).await;
    let begun = Instant::now();
    // All of it before the 45 s after which a silent peer is cut. 100 bytes a second: far less than a batch within the 10 s that a stalled peer has.
    while begun.elapsed() < Duration::from_secs(20) {
        assert!(slow.sip(100).await, "cut after {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(proxy.sessions.len(), 1);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(proxy.sessions.len(), 0, "it has taken nothing for 10 s");
    assert_eq!(proxy.refused("write_stall"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_closed_is_told_why_first_and_go_away_is_the_last_frame() {
    let proxy = Proxy::new();
    let mut raw = proxy.raw();
    raw.open(1, r#"{"path":"/session"}"#).await;
    raw.reply(1).await;
    proxy.sessions.close_all(1012);
    let frames = raw.rest().await;
    let note = String::from_utf8_lossy(&frames[0].payload[2..]).into_owned();
    assert_eq!(note, r#"{"note":"bye","value":1012}"#);
    assert_eq!(frames.last().map(|frame| (frame.kind, frame.length)), Some((GO_AWAY, 0)));
}

#[tokio::test(start_paused = true)]
async fn threat_10_a_peer_that_provokes_replies_and_takes_none_is_read_no_further_and_cut() {
    let proxy = Proxy::new();
    let mut raw = proxy.raw_with(4096);
    let mut refused = Vec::new();
    // Streams beyond its limit: each is answered with a reset that this peer never takes.
    for stream in (1..).step_by(2).take(2000) {
        refused.extend(frame(WINDOW_UPDATE, SYN, stream, 0, b""));
    }
    let mut sent = 0;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        match tokio::time::timeout(Duration::from_secs(1), raw.send(&refused)).await {
            Ok(()) => sent += 2000,
            Err(_) => break,
        }
        refused.chunks_exact_mut(12).for_each(|frame| frame[4] = frame[4].wrapping_add(1));
    }
    assert!(sent < 100_000, "reading stopped: {sent} streams were taken");
    let session = proxy.sessions.list().remove(0);
    assert!(session.streams() <= 1024);
    tokio::time::sleep(Duration::from_secs(13)).await;
    assert_eq!(proxy.sessions.len(), 0, "cut at the write stall");
    assert_eq!(proxy.refused("write_stall"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_given_up_from_outside_frees_what_it_held() {
    let proxy = Proxy::new();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let sessions = proxy.sessions.clone();
    let running = tokio::spawn(async move { sessions.run(Memory(far), None).await });
    let peer = Peer::over(near);
    let _control = peer.claim("NAME").await.unwrap();
    running.abort();
    until(|| proxy.sessions.is_empty()).await;
    let other = proxy.peer();
    within(async { while other.claim("NAME").await.is_err() {} }).await;
}
