//! A connection that breaks is made again, and what was on it comes back or is told.

use std::time::Duration;

use browser_stream_client::{Code, ConnectError, State, StreamError};
use futures::{FutureExt, StreamExt};
use harness::{Two, until, within};
use tokio::time::{Instant, advance};

use crate::connect::{next, pair};

#[tokio::test(start_paused = true)]
async fn the_first_attempt_is_made_at_once() {
    let two = Two::new().await;
    // The session is known to work.
    two.client.client().connect("NAME").wait(Duration::ZERO).await.expect_err("nobody serves it");
    let start = Instant::now();
    two.clients.cut();
    until(|| two.clients.dialled() == 2).await;
    assert!(start.elapsed() <= Duration::from_millis(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn later_attempts_wait_with_jitter_below_a_ceiling_that_doubles_to_5_s() {
    let two = Two::new().await;
    two.client.client().connect("NAME").wait(Duration::ZERO).await.expect_err("nobody serves it");
    let mut states = two.client.states();
    assert!(matches!(states.next().await, Some(State::Open)));
    two.clients.refuse(true);
    two.clients.cut();
    let mut waits = Vec::new();
    while waits.len() < 10 {
        match within(states.next()).await.expect("it goes on") {
            State::Waiting { attempt, delay } => {
                assert_eq!(attempt as usize, waits.len() + 2, "the first attempt had no wait");
                waits.push(delay);
            }
            State::Connecting { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    for (k, wait) in waits.iter().enumerate() {
        assert!(*wait <= Duration::from_millis(100 << k).min(Duration::from_secs(5)), "{k}: {wait:?}");
    }
    two.clients.refuse(false);
    while !matches!(within(states.next()).await, Some(State::Open)) {}
    two.client.client().connect("NAME").wait(Duration::ZERO).await.expect_err("it works again");
}

#[tokio::test(start_paused = true)]
async fn a_name_comes_back_with_the_connection_and_old_streams_are_lost() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mut mine, mut theirs) = pair(&two.client, &mut listener).await;
    for _ in 0..3 {
        two.servers.cut();
        assert_eq!(within(mine.read_chunk()).await, Err(StreamError::Lost));
        assert_eq!(within(theirs.read_chunk()).await, Err(StreamError::Lost));
        (mine, theirs) = pair(&two.client, &mut listener).await;
        mine.write_chunk("again".into()).await.expect("the stream lives");
        assert_eq!(within(theirs.read_chunk()).await, Ok(Some("again".into())));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connect_waits_for_the_connection_but_not_for_ever() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    two.clients.refuse(true);
    two.clients.cut();
    until(|| matches!(two.client.state(), State::Waiting { .. })).await;
    let start = Instant::now();
    let error = two.client.client().connect("NAME").await.expect_err("no connection");
    assert_eq!(error.code(), Code::Timeout.into());
    assert_eq!(start.elapsed().as_secs(), 17, "the wait for the name, and for the answer");
    let connecting = tokio::spawn(two.client.client().connect("NAME").into_future());
    advance(Duration::from_millis(10)).await;
    two.clients.refuse(false);
    let _theirs = next(&mut listener).await.accept();
    within(connecting).await.expect("no panic").expect("accepted");
}

#[tokio::test(start_paused = true)]
async fn a_connect_to_a_plain_stream_on_a_connection_that_breaks_is_lost() {
    let two = Two::new().await;
    let connecting = tokio::spawn(two.client.client().connect("NAME").resume(false).into_future());
    advance(Duration::from_millis(10)).await;
    two.clients.cut();
    assert!(matches!(within(connecting).await.expect("no panic"), Err(ConnectError::Lost)));
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_ends_while_there_is_no_connection_ends_at_once() {
    let two = Two::new().await;
    let listener = two.server.server().listen("NAME").await.expect("the name is free");
    two.servers.refuse(true);
    two.servers.cut();
    until(|| matches!(two.server.state(), State::Waiting { .. })).await;
    let start = Instant::now();
    within(listener.end()).await.expect("nothing is held");
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(two.server.states().next().now_or_never().is_some());
}
