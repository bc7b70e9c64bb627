//! How streams end: finished, reset with a code, or lost, and never one shown as another.

use browser_stream_server::{Event, Reason, Stream, StreamError};
use futures::FutureExt;
use harness::*;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A client and its server, each with its end of the stream.
struct Pair {
    proxy: Proxy,
    owner: Peer,
    client: Peer,
    _control: Control,
    at_server: Stream,
    at_client: Stream,
}

impl Pair {
    async fn new() -> Self {
        let proxy = Proxy::new();
        let (mut owner, client) = (proxy.peer(), proxy.peer());
        let _control = owner.claim("NAME").await.unwrap();
        let (at_client, (_, at_server)) = tokio::join!(client.connect("NAME"), owner.accept());
        Self { proxy, owner, client, _control, at_server, at_client: at_client.unwrap() }
    }
}

/// Why the next client that goes is gone, as a subscriber sees it.
async fn reason(proxy: &mut Proxy) -> Reason {
    loop {
        if let Event::ClientDisconnected { reason, .. } = proxy.event().await {
            return reason;
        }
    }
}

/// Reads until the stream ends, and says how it did.
async fn rest(stream: &mut Stream) -> (Vec<u8>, Result<(), StreamError>) {
    let mut bytes = Vec::new();
    loop {
        match within(stream.read_chunk()).await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return (bytes, Ok(())),
            Err(error) => return (bytes, Err(error)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_go_both_ways_at_once_and_both_ends_finish() {
    let mut pair = Pair::new().await;
    let (up, down) = (pattern(1, 3_000_000), pattern(2, 3_000_000));
    let (mut cr, mut cw) = tokio::io::split(pair.at_client);
    let (mut sr, mut sw) = tokio::io::split(pair.at_server);
    let (mut at_server, mut at_client) = (Vec::new(), Vec::new());
    let client = async {
        tokio::join!(
            async {
                cw.write_all(&up).await.unwrap();
                cw.shutdown().await.unwrap()
            },
            cr.read_to_end(&mut at_client)
        )
        .1
    };
    let server = async {
        tokio::join!(
            async {
                sw.write_all(&down).await.unwrap();
                sw.shutdown().await.unwrap()
            },
            sr.read_to_end(&mut at_server)
        )
        .1
    };
    let (one, other) = within(async { tokio::join!(client, server) }).await;
    one.unwrap();
    other.unwrap();
    assert!(at_server == up && at_client == down);
    drop((cr, cw, sr, sw));
    assert_eq!(reason(&mut pair.proxy).await, Reason::Finished);
}

#[tokio::test(start_paused = true)]
async fn a_reply_survives_the_requesters_half_close() {
    let mut pair = Pair::new().await;
    pair.at_client.write_chunk("question".into()).await.unwrap();
    pair.at_client.finish();
    assert_eq!(rest(&mut pair.at_server).await, (b"question".to_vec(), Ok(())));
    pair.at_server.write_chunk(pattern(3, 1_000_000).into()).await.unwrap();
    pair.at_server.finish();
    assert_eq!(rest(&mut pair.at_client).await, (pattern(3, 1_000_000), Ok(())));
    assert_eq!(reason(&mut pair.proxy).await, Reason::Finished);
}

#[tokio::test(start_paused = true)]
async fn a_reset_arrives_with_its_code_and_no_other() {
    // What belongs to the proxy alone is `internal` (17) when a peer says it.
    for (sent, seen) in [(4001u32, 4001), (256, 256), (0, 0), (15, 15), (12, 12), (9, 9), (8, 8), (2, 17), (14, 17), (255, 17)] {
        let mut pair = Pair::new().await;
        pair.at_server.reset(sent);
        assert_eq!(rest(&mut pair.at_client).await.1, Err(StreamError::Reset(seen)), "{sent}");
        assert_eq!(reason(&mut pair.proxy).await, Reason::Reset(seen));
    }
}

#[tokio::test(start_paused = true)]
async fn threat_12_a_cut_in_the_middle_is_lost_and_never_a_clean_end() {
    let mut pair = Pair::new().await;
    pair.at_server.write_chunk(pattern(4, 100_000).into()).await.unwrap();
    let mut first = [0; 100_000];
    within(pair.at_client.read_exact(&mut first)).await.unwrap();
    pair.owner.vanish();
    assert_eq!(rest(&mut pair.at_client).await, (vec![], Err(StreamError::Lost)));
    assert_eq!(reason(&mut pair.proxy).await, Reason::Lost);
    assert_eq!(pair.proxy.sessions.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn threat_12_what_had_come_before_a_cut_is_read_before_the_loss_shows() {
    let mut pair = Pair::new().await;
    let sent = pattern(4, 200_000);
    pair.at_server.write_chunk(sent.clone().into()).await.unwrap();
    let mut first = [0; 1];
    within(pair.at_client.read_exact(&mut first)).await.unwrap();
    // The proxy has all of it by the time that its queue is empty again.
    until(|| pair.proxy.sessions.list().iter().all(|session| session.queued() == 0)).await;
    pair.owner.vanish();
    let (bytes, end) = rest(&mut pair.at_client).await;
    assert_eq!(end, Err(StreamError::Lost));
    assert!(bytes == sent[1..], "{} bytes of {}", bytes.len() + 1, sent.len());
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_peer_had_finished_is_delivered_to_its_end_first() {
    let mut pair = Pair::new().await;
    let sent = pattern(5, 200_000);
    pair.at_server.write_chunk(sent.clone().into()).await.unwrap();
    pair.at_server.finish();
    // Delivered to the proxy at least as far as the client's own connection shows the first byte.
    let mut first = [0; 1];
    within(pair.at_client.read_exact(&mut first)).await.unwrap();
    until(|| pair.proxy.sessions.list().iter().all(|session| session.queued() == 0)).await;
    pair.owner.vanish();
    let (bytes, end) = rest(&mut pair.at_client).await;
    assert_eq!((bytes.len() + 1, end), (sent.len(), Ok(())), "clean, because its sender had finished");
    // The other direction was open: writing there fails now.
    within(async {
        while pair.at_client.write_chunk("x".into()).await.is_ok() {
            tokio::task::yield_now().await
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_client_is_lost_to_its_server() {
    let mut pair = Pair::new().await;
    pair.client.vanish();
    assert_eq!(rest(&mut pair.at_server).await.1, Err(StreamError::Lost));
    assert_eq!(reason(&mut pair.proxy).await, Reason::Lost);
}

#[tokio::test(start_paused = true)]
async fn a_session_spliced_to_itself_works_like_any_other() {
    let proxy = Proxy::new();
    let mut peer = proxy.peer();
    let _control = peer.claim("SELF").await.unwrap();
    let mut near = peer.begin("/browser-server/connect/SELF", json!({}));
    let (_, far) = peer.accept().await;
    reply(&mut near).await.unwrap();
    let sent = pattern(6, 2_000_000);
    let (mut fr, mut fw) = tokio::io::split(far);
    let echo = async {
        tokio::io::copy(&mut fr, &mut fw).await.unwrap();
        fw.shutdown().await.unwrap()
    };
    let (mut nr, mut nw) = tokio::io::split(near);
    let mut back = Vec::new();
    let write = async {
        nw.write_all(&sent).await.unwrap();
        nw.shutdown().await.unwrap()
    };
    let (.., read) = within(async { tokio::join!(echo, write, nr.read_to_end(&mut back)) }).await;
    read.unwrap();
    assert!(back == sent);
    drop((fr, fw, nr, nw));
    until(|| proxy.sessions.list()[0].streams() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn every_client_has_an_id_of_its_own_that_both_sides_know() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let _control = owner.claim("NAME").await.unwrap();
    let mut ids = std::collections::HashSet::new();
    for _ in 0..50 {
        let (answer, (open, _stream)) = tokio::join!(client.connect_with("NAME", json!({ "meta": { "n": 1 } })), owner.accept());
        let (reply, _stream) = answer.unwrap();
        assert_eq!(reply["id"], open["id"]);
        assert_eq!(open["meta"], json!({ "n": 1 }));
        ids.insert(open["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_and_finishes_in_one_breath_ends_clean() {
    let mut proxy = Proxy::new();
    let client = proxy.peer();
    let mut raw = proxy.raw();
    raw.open(1, r#"{"path":"/browser-server/listen/NAME"}"#).await;
    raw.reply(1).await;
    let mut near = client.begin("/browser-server/connect/NAME", json!({}));
    near.write_chunk("question".into()).await.unwrap();
    near.finish();
    raw.next_where(|frame| frame.stream == 2 && frame.flags & FIN != 0).await;
    // The stream is over at the proxy before the one who joins has read the reply.
    raw.send(&[frame(DATA, 0, 2, 4, b"\0\x02{}"), frame(DATA, 0, 2, 6, b"answer"), frame(DATA, FIN, 2, 0, b"")].concat()).await;
    reply(&mut near).await.unwrap();
    assert_eq!(rest(&mut near).await, (b"answer".to_vec(), Ok(())));
    assert_eq!(reason(&mut proxy).await, Reason::Finished);
    assert_eq!(near.stopped().now_or_never(), None, "and no reset comes behind");
}
