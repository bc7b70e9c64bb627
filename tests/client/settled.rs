//! What a program waits for before its own end.

use std::time::Duration;

use browser_stream_client::{Code, ConnectError, Peer, Presence, StreamError};
use futures::FutureExt;
use harness::{Cable, Proxy, Two, pattern, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::connect::{pair, resumable};

#[tokio::test(start_paused = true)]
async fn all_is_sent_when_the_other_end_has_it_be_it_over_another_connection() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mut mine, mut theirs) = resumable(&two.client, &mut listener).await;
    assert!(mine.is_carried());
    let sent = pattern(1, 100_000);
    mine.write_all(&sent).await.expect("taken");
    two.clients.refuse(true);
    two.clients.cut();
    assert!(mine.sent().now_or_never().is_none(), "nobody can have it");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!mine.is_carried());
    two.clients.refuse(false);
    within(mine.sent()).await.expect("it is there");
    let mut got = Vec::new();
    within(theirs.read_to_end(&mut got)).await.expect("a clean end");
    assert!(got == sent && mine.is_carried());
    within(mine.sent()).await.expect("it still is");
}

#[tokio::test(start_paused = true)]
async fn what_was_reset_or_lost_is_not_sent() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mut mine, mut theirs) = resumable(&two.client, &mut listener).await;
    let stopped = mine.stopped();
    theirs.reset(Code::Gone);
    assert_eq!(within(mine.sent()).await, Err(StreamError::Reset(Code::Gone.number())));
    drop(mine);
    assert_eq!(within(stopped).await, StreamError::Reset(Code::Gone.number()), "told beside the stream");
    let (mut mine, _theirs) = pair(&two.client, &mut listener).await;
    mine.write_all(&pattern(2, 1 << 20)[..200_000]).await.expect("taken");
    within(mine.sent()).await.expect("it has left");
    two.clients.cut();
    within(mine.stopped()).await;
    assert_eq!((mine.is_carried(), within(mine.sent()).await), (false, Err(StreamError::Lost)));
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_settled_when_both_ends_know_how_each_stream_ended() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mut mine, mut theirs) = resumable(&two.client, &mut listener).await;
    mine.finish();
    theirs.finish();
    assert!(two.client.settled().now_or_never().is_none(), "the stream is held");
    assert_eq!((within(mine.read_chunk()).await, within(theirs.read_chunk()).await), (Ok(None), Ok(None)));
    drop((mine, theirs));
    within(two.client.settled()).await;
    assert!(two.server.settled().now_or_never().is_none(), "the name is held");
    drop(listener);
    within(two.server.settled()).await;
    within(two.client.server().listen("NAME").into_future()).await.map(drop).expect("the name is free");
}

#[tokio::test(start_paused = true)]
async fn a_server_is_settled_when_its_clients_have_heard_how_each_stream_ended_be_it_over_another_connection() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    listener.settled().now_or_never().expect("there are no streams");
    let (mine, mut theirs) = resumable(&two.client, &mut listener).await;
    two.clients.refuse(true);
    two.clients.cut();
    theirs.reset(Code::Gone);
    drop(theirs);
    assert!(tokio::time::timeout(Duration::from_secs(60), listener.settled()).await.is_err(), "the client knows nothing");
    two.clients.refuse(false);
    within(listener.settled()).await;
    assert_eq!(within(mine.stopped()).await, StreamError::Reset(Code::Gone.number()));
    // One that ends well has been heard of as soon as it can be.
    let (mut mine, mut theirs) = resumable(&two.client, &mut listener).await;
    mine.finish();
    theirs.finish();
    let begun = tokio::time::Instant::now();
    assert_eq!((within(mine.read_chunk()).await, within(theirs.read_chunk()).await), (Ok(None), Ok(None)));
    drop((mine, theirs));
    within(listener.settled()).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "nobody waits for anything: {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_server_waits_for_a_client_that_vanished_no_longer_than_for_its_stream() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (_mine, mut theirs) = resumable(&two.client, &mut listener).await;
    two.clients.refuse(true);
    two.clients.cut();
    theirs.reset(Code::Gone);
    drop(theirs);
    let begun = tokio::time::Instant::now();
    tokio::time::timeout(Duration::from_secs(300), listener.settled()).await.expect("it forgets");
    assert!(begun.elapsed() >= Duration::from_secs(179), "180 s unless stated: {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stream_waits_no_longer_than_it_was_told() {
    let proxy = Proxy::new();
    let server = Cable::to(&proxy).peer().await;
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    let patient = Cable::to(&proxy);
    let client = patient.peer().await;
    let (mine, _theirs) = resumable(&client, &mut listener).await;
    patient.refuse(true);
    patient.cut();
    let begun = tokio::time::Instant::now();
    assert_eq!(tokio::time::timeout(Duration::from_secs(200), mine.stopped()).await, Ok(StreamError::Lost));
    assert!(begun.elapsed() >= Duration::from_secs(119), "120 s unless stated: {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn names_are_listed_where_the_proxy_tells() {
    let two = Two::new().await;
    let names = async |peer: &Peer| within(peer.client().names()).await;
    let refused = names(&two.client).await.expect_err("nobody may");
    assert!(matches!(&refused, ConnectError::Refused(error) if error.is(Code::Forbidden)), "{refused}");
    two.proxy.names.list_names(true);
    assert!(names(&two.client).await.expect("listed").held.is_empty());
    let _listeners = [two.server.server().listen("b").await.expect("free"), two.server.server().listen("a").await.expect("free")];
    let listed = names(&two.client).await.expect("listed");
    let held: Vec<_> = listed.held.iter().map(|held| (held.name.as_str(), held.presence)).collect();
    assert_eq!((held.as_slice(), listed.is_all), (&[("a", Presence::Up), ("b", Presence::Up)][..], true));
    two.servers.refuse(true);
    two.servers.cut();
    harness::until(|| two.proxy.sessions.list().len() == 1).await;
    let listed = names(&two.client).await.expect("listed");
    assert!(listed.held.iter().all(|held| held.presence == Presence::Suspended) && listed.held.len() == 2, "{listed:?}");
}
