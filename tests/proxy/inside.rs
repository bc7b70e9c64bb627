//! The process that the proxy runs in: it connects, opens streams to peers, has routes of its own, and watches.

use std::time::Duration;

use browser_stream_server::{Code, ConnectOptions, Event, Limits, Opening, Reason};
use harness::{Proxy, within};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(start_paused = true)]
async fn the_process_connects_as_a_client_does() {
    let mut proxy = Proxy::new();
    let mut owner = proxy.peer();
    let _control = owner.claim("NAME").await.unwrap();
    proxy.event().await;
    let options = ConnectOptions::default().meta(&json!({ "from": "inside" })).unwrap();
    let names = proxy.names.clone();
    let (stream, (open, mut at_server)) = tokio::join!(names.connect_with("NAME", options), owner.accept());
    let mut stream = stream.unwrap();
    assert_eq!(open["meta"]["from"], "inside");
    stream.write_all(b"ping").await.unwrap();
    let mut four = [0; 4];
    within(at_server.read_exact(&mut four)).await.unwrap();
    at_server.write_all(&four).await.unwrap();
    within(stream.read_exact(&mut four)).await.unwrap();
    assert_eq!(&four, b"ping");
    assert_eq!(proxy.event().await.kind(), "client.connected");
    stream.reset(4001u32);
    assert!(matches!(proxy.event().await, Event::ClientDisconnected { reason: Reason::Reset(4001), .. }));
    let (stream, _at_server) = tokio::join!(names.connect("NAME"), owner.accept());
    proxy.event().await;
    let mut stream = stream.unwrap();
    stream.finish();
    drop(stream);
    let cancelled = Reason::Reset(Code::Cancelled.number());
    assert!(matches!(proxy.event().await, Event::ClientDisconnected { reason, .. } if reason == cancelled), "dropped unread");
}

#[tokio::test(start_paused = true)]
async fn the_process_gets_the_codes_that_a_client_gets() {
    let proxy = Proxy::new();
    let mut owner = proxy.peer();
    assert!(proxy.names.connect("NAME").await.unwrap_err().is(Code::NotFound));
    assert!(proxy.names.connect("..").await.unwrap_err().is(Code::BadRequest));
    let _control = owner.claim("NAME").await.unwrap();
    let refusing = async {
        let (_, mut stream) = owner.next().await;
        stream.write_frame(br#"{"error":{"code":4001,"message":"not you"}}"#);
        stream
    };
    let (refused, _stream) = tokio::join!(proxy.names.connect("NAME"), refusing);
    assert_eq!(refused.unwrap_err().number(), 4001);
    let (silent, _open) = tokio::join!(proxy.names.connect("NAME"), owner.next());
    assert!(silent.unwrap_err().is(Code::Timeout));
    assert_eq!(proxy.refused("reply_timeout"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_process_opens_a_stream_to_a_connected_peer() {
    let proxy = Proxy::new();
    let mut peer = proxy.peer();
    let _control = peer.claim("NAME").await.unwrap();
    let session = proxy.sessions.list().remove(0);
    let meta = serde_json::value::to_raw_value(&json!([1, 2])).unwrap();
    let (stream, (open, mut at_peer)) = tokio::join!(session.open("/push", Some(meta)), peer.accept());
    assert_eq!((&open["path"], &open["meta"]), (&json!("/push"), &json!([1, 2])));
    let mut stream = stream.unwrap();
    stream.write_all(b"news").await.unwrap();
    stream.finish();
    let mut read = Vec::new();
    within(at_peer.read_to_end(&mut read)).await.unwrap();
    assert_eq!(read, b"news");
    let refusing = async {
        let (_, mut stream) = peer.next().await;
        stream.write_frame(br#"{"error":{"code":"not_found","message":"no listener"}}"#);
        stream
    };
    let (refused, _stream) = tokio::join!(session.open("/push", None), refusing);
    assert!(refused.unwrap_err().is(Code::NotFound), "a page may say so of its own streams");
}

#[tokio::test(start_paused = true)]
async fn a_route_of_the_process_takes_streams_and_what_came_behind_their_open() {
    let proxy = Proxy::with(Limits::default(), |router| {
        router.route("/echo/{who}", |opening: Opening| async {
            let (mut read, mut write) = tokio::io::split(opening.accept());
            tokio::io::copy(&mut read, &mut write).await.unwrap();
            write.shutdown().await.unwrap();
        })
    });
    let peer = proxy.peer();
    let mut stream = peer.begin("/echo/me", json!({}));
    let sent = harness::pattern(9, 1_000_000);
    harness::reply(&mut stream).await.unwrap();
    let (mut read, mut write) = tokio::io::split(stream);
    let mut back = Vec::new();
    let writing = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap()
    };
    within(async { tokio::join!(writing, read.read_to_end(&mut back)).1 }).await.unwrap();
    assert!(back == sent);
}

#[tokio::test(start_paused = true)]
async fn threat_29_a_slow_subscriber_is_told_what_it_missed_and_blocks_nobody() {
    let mut limits = Limits::default();
    limits.events_buffer = 4;
    let mut proxy = Proxy::with(limits, |router| router);
    let peer = proxy.peer();
    for _ in 0..10 {
        let mut control = peer.claim("NAME").await.unwrap().stream;
        control.finish();
        assert_eq!(within(control.read_chunk()).await, Ok(None));
    }
    assert_eq!(proxy.event().await, Event::Missed { count: 16 });
    for kind in ["server.created", "server.destroyed", "server.created", "server.destroyed"] {
        assert_eq!(proxy.event().await.kind(), kind);
    }
    assert!(tokio::time::timeout(Duration::from_secs(1), proxy.event()).await.is_err());
}
