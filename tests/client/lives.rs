//! What runs for whom, and until when.

use browser_stream_client::{Code, ConnectError, State, StreamError};
use futures::{FutureExt, StreamExt};
use harness::{Cable, Two, until, within};
use tokio::io::AsyncReadExt;

use crate::connect::pair;

/// Tasks that live now.
fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn with_everything_dropped_all_tasks_end() {
    let proxy = harness::Proxy::new();
    let before = tasks();
    let (server, client) = (Cable::to(&proxy).peer().await, Cable::to(&proxy).peer().await);
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    let streams = pair(&client, &mut listener).await;
    assert!(tasks() > before);
    drop((server, client, listener, streams));
    until(|| tasks() == before).await;
    assert_eq!(proxy.sessions.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn with_everything_dropped_while_it_dials_all_tasks_end() {
    let proxy = harness::Proxy::new();
    let before = tasks();
    let cable = Cable::to(&proxy);
    let peer = cable.peer().await;
    let connecting = tokio::spawn(peer.client().connect("NAME").into_future());
    cable.refuse(true);
    cable.cut();
    until(|| cable.dialled() > 3).await;
    connecting.abort();
    drop(peer);
    until(|| tasks() == before).await;
    let dialled = cable.dialled();
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert_eq!(cable.dialled(), dialled, "nobody dials any more");
}

#[tokio::test(start_paused = true)]
async fn streams_outlive_the_handles_and_the_connection_ends_with_the_last() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mut mine, mut theirs) = pair(&two.client, &mut listener).await;
    let Two { proxy, server, client, .. } = two;
    let mut states = client.states();
    drop((server, client, listener));
    while let Some(state) = within(states.next()).await {
        assert!(matches!(state, State::Open | State::Closed(None)), "{state:?}");
    }
    mine.write_chunk("still".into()).await.expect("the stream lives");
    mine.finish();
    let mut text = String::new();
    within(theirs.read_to_string(&mut text)).await.expect("a clean end");
    assert_eq!(text, "still");
    theirs.finish();
    drop((mine, theirs));
    until(|| proxy.sessions.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_closed_sends_what_was_written_and_ends_for_all() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mut mine, mut theirs) = pair(&two.client, &mut listener).await;
    mine.write_chunk("last words".into()).await.expect("taken");
    within(two.client.close()).await;
    assert_eq!(within(theirs.read_chunk()).await, Ok(Some("last words".into())));
    assert_eq!(within(theirs.read_chunk()).await, Err(StreamError::Lost));
    assert_eq!(within(mine.read_chunk()).await, Err(StreamError::Lost));
    assert!(matches!(two.client.state(), State::Closed(None)));
    let error = two.client.client().connect("NAME").await.expect_err("closed");
    assert!(matches!(error, ConnectError::Closed(None)) && error.code() == Code::Cancelled.into());
    assert!(two.client.close().now_or_never().is_some(), "once is enough");
}
