//! Opens: what reaches whom, and who says no.

use std::time::Duration;

use browser_stream_client::{
    BadName, Body, Code, Connect, ConnectError, Connection, Listener, OpenError, Peer, RefusalCode, SendError, Stream,
};
use futures::TryStreamExt;
use harness::{Two, pattern, within};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

/// The next client.
pub async fn next(listener: &mut Listener) -> Connection {
    within(listener.try_next()).await.expect("the name is held").expect("the listener goes on")
}

/// A client's stream and the server's end of it: plain, so that they end with their connections.
pub async fn pair(client: &Peer, listener: &mut Listener) -> (Stream, Stream) {
    opened(client.client().connect("NAME").resume(false), listener).await
}

/// The same, resumable.
pub async fn resumable(client: &Peer, listener: &mut Listener) -> (Stream, Stream) {
    let (mine, theirs) = opened(client.client().connect("NAME"), listener).await;
    assert!(mine.is_resumable() && theirs.is_resumable());
    (mine, theirs)
}

async fn opened(connect: Connect, listener: &mut Listener) -> (Stream, Stream) {
    let (stream, accepted) = tokio::join!(within(connect.into_future()), async { next(listener).await.accept() });
    (stream.expect("accepted"), accepted)
}

/// The refusal that a client meets.
async fn refusal(two: &Two, answer: impl FnOnce(Connection)) -> OpenError {
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (error, ()) = tokio::join!(two.client.client().connect("NAME").into_future(), async { answer(next(&mut listener).await) });
    listener.end().await.expect("given up");
    match error.expect_err("refused") {
        ConnectError::Refused(error) => error,
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn both_ends_know_the_id_and_what_the_client_said() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let meta = json!({"a": [1, null]});
    let connecting = two.client.client().connect("NAME").meta(&meta).into_future();
    let (mine, theirs) = tokio::join!(connecting, async {
        let connection = next(&mut listener).await;
        assert_eq!(connection.meta::<Value>(), Some(meta.clone()));
        assert!(connection.peer().is_some_and(|peer| !peer.session.is_empty()));
        connection.accept()
    });
    let mine = mine.expect("accepted");
    assert_eq!((mine.id(), mine.meta::<Value>()), (theirs.id(), Some(meta)));
    assert_eq!(mine.id().len(), 36, "a uuid");
}

#[tokio::test(start_paused = true)]
async fn bytes_go_both_ways_and_a_half_close_leaves_the_answer() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mut mine, mut theirs) = pair(&two.client, &mut listener).await;
    let sent = pattern(1, 1_000_000);
    let server = async {
        let mut got = Vec::new();
        theirs.read_to_end(&mut got).await.expect("a clean end");
        theirs.write_all(&got).await.expect("the other direction is open");
        theirs.finish();
    };
    let client = async {
        mine.write_all(&sent).await.expect("taken");
        mine.finish();
        let mut got = Vec::new();
        mine.read_to_end(&mut got).await.expect("a clean end");
        got
    };
    let ((), got) = within(async { tokio::join!(server, client) }).await;
    assert!(got == sent);
}

#[tokio::test(start_paused = true)]
async fn early_bytes_come_first_and_chunks_stay_whole() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let connecting = two.client.client().connect("NAME").early("early").into_future();
    let (mine, mut theirs) = tokio::join!(connecting, async { next(&mut listener).await.accept() });
    let mut mine = mine.expect("accepted");
    mine.write_chunk("late".into()).await.expect("taken");
    mine.finish();
    let mut text = String::new();
    within(theirs.read_to_string(&mut text)).await.expect("a clean end");
    assert_eq!(text, "earlylate");
    let too_many = two.client.client().connect("NAME").early(vec![0; 64 * 1024 + 1]).await;
    assert_eq!(too_many.expect_err("refused").code(), Code::BadRequest.into());
}

#[tokio::test(start_paused = true)]
async fn a_server_refuses_with_its_code_and_message() {
    let two = Two::new().await;
    for code in [Code::Busy, Code::Forbidden, Code::BadRequest, Code::Gone] {
        assert_eq!(refusal(&two, |connection| connection.refuse(code, "not you")).await, OpenError::new(code, "not you"));
    }
    let own = refusal(&two, |connection| connection.refuse(RefusalCode::Application(4001), "mine")).await;
    assert_eq!((own.code, own.message.as_str()), (RefusalCode::Application(4001), "mine"));
    assert!(refusal(&two, |connection| connection.refuse(Code::NotFound, "a word of the proxy's")).await.is(Code::Internal));
    assert!(refusal(&two, drop).await.is(Code::Busy), "dropped without an answer");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_serves_is_waited_for_as_long_as_was_said() {
    let two = Two::new().await;
    for (wait, seconds) in [(Duration::ZERO, 0), (Duration::from_secs(2), 2), (Duration::from_secs(60), 15)] {
        let start = Instant::now();
        let error = two.client.client().connect("NAME").wait(wait).await.expect_err("nobody serves it");
        assert_eq!((error.code(), start.elapsed().as_secs()), (Code::NotFound.into(), seconds));
    }
}

#[tokio::test(start_paused = true)]
async fn who_connects_first_is_served_when_the_name_is_claimed() {
    let two = Two::new().await;
    let connecting = tokio::spawn(two.client.client().connect("NAME").into_future());
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let _theirs = next(&mut listener).await.accept();
    within(connecting).await.expect("no panic").expect("accepted");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_a_timeout_and_one_that_dies_is_unresponsive() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (error, _unanswered) = tokio::join!(two.client.client().connect("NAME").into_future(), next(&mut listener));
    assert_eq!(error.expect_err("no answer").code(), Code::Timeout.into());
    let (error, ()) = tokio::join!(two.client.client().connect("NAME").into_future(), async {
        let _unanswered = next(&mut listener).await;
        two.servers.cut();
        harness::until(|| two.servers.dialled() == 2).await;
    });
    assert_eq!(error.expect_err("no answer").code(), Code::Unresponsive.into());
}

#[tokio::test(start_paused = true)]
async fn what_can_be_no_open_is_refused_before_it_is_sent() {
    let two = Two::new().await;
    let client = two.client.client();
    let error = client.connect("a\u{200b}b").await.expect_err("no name");
    assert!(matches!(error, ConnectError::Name(BadName::Invisible)) && error.code() == Code::BadRequest.into());
    let long = "x".repeat(9000);
    assert_eq!(client.connect("NAME").meta(&long).await.expect_err("too long").code(), Code::BadRequest.into());
    let no_json = std::collections::BTreeMap::from([(vec![1], 1)]);
    assert_eq!(client.connect("NAME").meta(&no_json).await.expect_err("no JSON").code(), Code::BadRequest.into());
}

#[tokio::test(start_paused = true)]
async fn threat_05_a_name_is_normalised_and_encoded_and_reaches_its_server_only() {
    let two = Two::new().await;
    for (claimed, meant) in [("a/b", "a/b"), ("e\u{301}", "é"), ("constructor", "constructor"), ("日本語 %2e", "日本語 %2e")] {
        let mut listener = two.server.server().listen(claimed).await.expect("a name");
        assert_eq!(listener.name(), meant);
        let (stream, theirs) = tokio::join!(two.client.client().connect(meant).into_future(), async { next(&mut listener).await.accept() });
        assert_eq!(stream.expect("accepted").id(), theirs.id());
    }
}

#[tokio::test(start_paused = true)]
async fn who_gives_a_connect_up_is_seen_to_have_cancelled() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let connecting = tokio::spawn(two.client.client().connect("NAME").into_future());
    let connection = next(&mut listener).await;
    connecting.abort();
    let stream = connection.accept();
    assert_eq!(within(stream.stopped()).await, browser_stream_client::StreamError::Reset(Code::Cancelled.number()));
}

#[tokio::test(start_paused = true)]
async fn a_body_is_sent_whole_to_a_name_and_answered() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let bytes = pattern(1, 1_000_000);
    let client = two.client.client();
    let sending = client.send("NAME", Body::reader(std::io::Cursor::new(bytes.clone())), &json!({"name": "n"}));
    let server = async {
        let connection = next(&mut listener).await;
        assert_eq!(connection.meta::<Value>(), Some(json!({"name": "n"})));
        let mut stream = connection.accept();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.expect("a clean end");
        stream.set_priority(64);
        stream.send("thanks").await.expect("the other direction is open");
        got
    };
    let (stream, got) = within(async { tokio::join!(sending, server) }).await;
    assert!(got == bytes);
    let mut answer = String::new();
    within(stream.expect("sent").read_to_string(&mut answer)).await.expect("a clean end");
    assert_eq!(answer, "thanks");
    listener.end().await.expect("given up");
    let refused = client.send("NAME", "x", &()).await.expect_err("nobody serves it");
    assert!(matches!(refused, SendError::Connect(ConnectError::Refused(error)) if error.is(Code::NotFound)));
}
