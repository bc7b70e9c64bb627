//! The process sends something whole to a connected peer.

use std::{
    io::{self, Cursor},
    sync::{Arc, Mutex},
    time::Duration,
};

use browser_stream_server::{Body, BodyError, Code, Progress, SendError, Session, StreamError};
use bytes::Bytes;
use futures::{StreamExt, stream};
use harness::{Peer, Proxy, pattern, within};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A proxy, a peer of it that has said something, and the session of that peer.
async fn connected() -> (Proxy, Peer, Arc<Session>) {
    let proxy = Proxy::new();
    let peer = proxy.peer();
    drop(peer.claim("NAME").await);
    let session = proxy.sessions.list().remove(0);
    (proxy, peer, session)
}

/// Something, then nothing more and no end.
fn silent() -> Body {
    Body::stream(stream::iter([io::Result::Ok("some")]).chain(stream::pending()))
}

#[tokio::test(start_paused = true)]
async fn bytes_a_reader_and_pieces_arrive_with_their_meta_and_are_answered() {
    let (_proxy, mut peer, session) = connected().await;
    let bytes = pattern(9, 1_000_000);
    let pieces: Vec<io::Result<Bytes>> = bytes.chunks(100_003).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let length = bytes.len() as u64;
    let bodies = [
        (Body::from(bytes.clone()), Some(length)),
        (Body::reader(Cursor::new(bytes.clone())), None),
        (Body::stream(stream::iter(pieces)).with_total(7), Some(7)),
    ];
    for (body, total) in bodies {
        let told = Arc::new(Mutex::new(Vec::new()));
        let body = body.on_progress({
            let told = told.clone();
            move |progress: Progress| told.lock().unwrap().push(progress)
        });
        let at_peer = async {
            let (open, mut stream) = peer.accept().await;
            assert_eq!((&open["path"], &open["meta"]), (&json!("/"), &json!({ "name": "日本", "more": [1, null] })));
            let mut read = Vec::new();
            stream.read_to_end(&mut read).await.unwrap();
            stream.write_all(b"thanks").await.unwrap();
            stream.finish();
            read
        };
        let (stream, read) =
            within(async { tokio::join!(session.send(body, &json!({ "name": "日本", "more": [1, null] })), at_peer) }).await;
        assert!(read == bytes);
        let mut answer = String::new();
        within(stream.unwrap().read_to_string(&mut answer)).await.unwrap();
        assert_eq!(answer, "thanks");
        let told = told.lock().unwrap();
        assert_eq!(told.last(), Some(&Progress { sent: length, total }));
        assert!(told.windows(2).all(|two| two[0].sent < two[1].sent && two[1].sent <= two[0].sent + 64 * 1024));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_stops_the_sending() {
    let (_proxy, mut peer, session) = connected().await;
    let told = Arc::new(Mutex::new(0));
    let body = Body::from(vec![0; 16 << 20]).on_progress({
        let told = told.clone();
        move |progress| *told.lock().unwrap() = progress.sent
    });
    let sending = tokio::spawn(async move { session.send(body, &()).await.map(drop) });
    let (_, mut stream) = peer.accept().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    // The peer's window, what is queued here, and a piece.
    let most = (256 + 256 + 64) * 1024;
    assert!((1..=most).contains(&*told.lock().unwrap()), "{} taken", told.lock().unwrap());
    let mut read = Vec::new();
    within(stream.read_to_end(&mut read)).await.unwrap();
    assert_eq!(read.len(), 16 << 20);
    within(sending).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sending_ends_with_its_stream_even_while_its_body_gives_nothing() {
    let (_proxy, mut peer, session) = connected().await;
    let resetting = async {
        let (_, mut stream) = peer.accept().await;
        assert_eq!(stream.read_chunk().await, Ok(Some("some".into())));
        stream.reset(4001u32);
    };
    let (sent, ()) = within(async { tokio::join!(session.send(silent(), &()), resetting) }).await;
    assert!(matches!(sent, Err(SendError::Body(BodyError::Stream(StreamError::Reset(4001))))), "{sent:?}");

    let refusing = async {
        let (_, mut stream) = peer.next().await;
        stream.write_frame(br#"{"error":{"code":"not_found","message":"no listener"}}"#);
        stream
    };
    let (sent, _stream) = within(async { tokio::join!(session.send("x", &()), refusing) }).await;
    assert!(matches!(sent, Err(SendError::Refused(error)) if error.is(Code::NotFound)));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_and_a_sending_that_is_dropped_reset_the_stream_and_never_finish_it() {
    let (_proxy, mut peer, session) = connected().await;
    let failing = stream::iter([Ok(Bytes::from("some")), Err(io::Error::other("disk"))]);
    let (sent, (_, mut stream)) = within(async { tokio::join!(session.send(Body::stream(failing), &()), peer.accept()) }).await;
    assert!(matches!(sent, Err(SendError::Body(BodyError::Source(error))) if error.to_string() == "disk"));
    assert_eq!(end(&mut stream).await, StreamError::Reset(Code::Internal.number()));

    let dropped = tokio::time::timeout(Duration::from_secs(1), session.send(silent(), &()));
    let (_, (_, mut stream)) = within(async { tokio::join!(dropped, peer.accept()) }).await;
    assert_eq!(end(&mut stream).await, StreamError::Reset(Code::Cancelled.number()));
}

/// How the stream ends behind what may come before.
async fn end(stream: &mut browser_stream_server::Stream) -> StreamError {
    loop {
        match within(stream.read_chunk()).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a clean end"),
            Err(error) => return error,
        }
    }
}
