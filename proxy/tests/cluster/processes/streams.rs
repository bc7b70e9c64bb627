//! Streams between peers at different nodes: all that holds in one process holds there.

use std::time::Duration;

use browser_stream_client::{ConnectError, Peer, StreamError};
use browser_stream_server::Code;
use harness::{pattern, within};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{Cluster, next, plain, refused};

/// Whether a refused connect has that code.
fn is(error: &ConnectError, code: Code) -> bool {
    matches!(error, ConnectError::Refused(error) if error.is(code))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_from_a_client_at_one_node_to_a_server_at_another() {
    let cluster = Cluster::start(3).await;
    let [server, client, other]: [Peer; 3] = cluster.peers().await;
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    for client in [&client, &other, &server] {
        let meta = json!({ "a": [1, null] });
        let connecting = client.client().connect("NAME").meta(&meta).resume(false).into_future();
        let (mine, (theirs, session)) = tokio::join!(within(connecting), async {
            let connection = next(&mut listener).await;
            assert_eq!(connection.meta::<Value>(), Some(meta.clone()));
            let session = connection.peer().expect("whose it is").session.clone();
            (connection.accept(), session)
        });
        let (mut mine, mut theirs) = (mine.expect("accepted"), theirs);
        assert_eq!((mine.id(), session.len()), (theirs.id(), 36));
        let sent = pattern(1, 3_000_000);
        let echo = async {
            let mut got = Vec::new();
            theirs.read_to_end(&mut got).await.expect("a clean end");
            // The other direction is open yet.
            theirs.write_all(&got).await.expect("taken");
            theirs.finish();
        };
        let asks = async {
            mine.write_all(&sent).await.expect("taken");
            mine.finish();
            let mut got = Vec::new();
            mine.read_to_end(&mut got).await.expect("a clean end");
            assert!(got == sent);
        };
        within(async { tokio::join!(echo, asks) }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_stops_the_writer_at_another_node() {
    let cluster = Cluster::start(2).await;
    let [server, client]: [Peer; 2] = cluster.peers().await;
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    let (mut mine, mut theirs) = plain(&client, &mut listener).await;
    let chunk = pattern(1, 64 * 1024);
    let mut written = 0;
    while timeout(Duration::from_secs(2), mine.write_all(&chunk)).await.is_ok() {
        written += chunk.len();
        assert!(written < 64 << 20, "nothing stops it");
    }
    // A window, and what a connection holds.
    assert!(written < 16 << 20, "{written} bytes are under way to one who reads nothing");
    // Another stream of the same link is not held up by it.
    let (mut aside, mut there) = plain(&client, &mut listener).await;
    aside.write_all(b"meanwhile").await.expect("taken");
    let mut got = [0; 9];
    within(there.read_exact(&mut got)).await.expect("it comes");
    let mut rest = vec![0; written];
    within(theirs.read_exact(&mut rest)).await.expect("all that was written comes");
    assert!(rest.chunks(chunk.len()).all(|part| part == chunk));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_has_its_code_at_the_other_node() {
    let cluster = Cluster::start(2).await;
    let [server, client]: [Peer; 2] = cluster.peers().await;
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    for code in [Code::Cancelled.number(), Code::Gone.number(), 256, 70_000] {
        let (mut mine, mut theirs) = plain(&client, &mut listener).await;
        mine.reset(code);
        assert!(matches!(within(theirs.read_chunk()).await, Err(StreamError::Reset(told)) if told == code), "{code}");
        let (mut mine, mut theirs) = plain(&client, &mut listener).await;
        theirs.reset(code);
        assert!(matches!(within(mine.read_chunk()).await, Err(StreamError::Reset(told)) if told == code), "{code}");
    }
    let connecting = client.client().connect("NAME").into_future();
    let (refusal, ()) = tokio::join!(within(connecting), async { next(&mut listener).await.refuse(Code::Busy, "not you") });
    assert!(is(&refusal.expect_err("refused"), Code::Busy));
    let (mut mine, theirs) = plain(&client, &mut listener).await;
    // The server's connection goes with its peer.
    drop((theirs, listener, server));
    let end = within(mine.read_chunk()).await;
    assert!(matches!(end, Err(StreamError::Lost | StreamError::Reset(_))), "{end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_found_or_waited_for_or_not_there_whichever_node_is_asked() {
    let cluster = Cluster::start(3).await;
    let [server, client, other]: [Peer; 3] = cluster.peers().await;
    let nobody = within(client.client().connect("NAME").wait(Duration::ZERO).into_future()).await;
    assert!(is(&nobody.expect_err("refused"), Code::NotFound));
    let waiting = client.client().connect("NAME").wait(Duration::from_secs(15)).into_future();
    let waiting = tokio::spawn(waiting);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    drop(next(&mut listener).await.accept());
    within(waiting).await.expect("no panic").expect("it was waited for");
    assert_eq!(refused(&other, "NAME").await, Code::NameTaken);
    listener.end().await.expect("given up");
    // Free at all nodes, as soon as they have heard.
    let begun = tokio::time::Instant::now();
    while other.server().listen("NAME").await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
