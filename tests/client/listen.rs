//! Names: held, shared among the listeners of a peer, given up.

use std::time::Duration;

use browser_stream_client::{Code, ListenError};
use browser_stream_server::{Event, Reason};
use futures::StreamExt;
use harness::{Cable, Two, within};
use tokio::time::Instant;

use crate::connect::{next, pair};

#[tokio::test(start_paused = true)]
async fn a_peer_serves_under_several_names_and_connects_to_itself() {
    let two = Two::new().await;
    let mut one = two.server.server().listen("one").await.expect("the name is free");
    let mut other = two.server.server().listen("other").await.expect("the name is free");
    assert_ne!(one.id(), other.id());
    for (name, listener) in [("one", &mut one), ("other", &mut other)] {
        let (stream, theirs) = tokio::join!(two.server.client().connect(name).into_future(), async { next(listener).await.accept() });
        assert_eq!(stream.expect("accepted").id(), theirs.id());
    }
}

#[tokio::test(start_paused = true)]
async fn threat_01_a_name_is_held_once() {
    let two = Two::new().await;
    let _listener = two.server.server().listen("NAME").await.expect("the name is free");
    for peer in [&two.client, &two.server] {
        let error = peer.server().listen("NAME").await.err().expect("it is taken");
        assert_eq!(error.code(), Code::NameTaken.into());
    }
    assert!(matches!(two.client.server().listen("..").await.err(), Some(ListenError::Name(_))));
}

#[tokio::test(start_paused = true)]
async fn a_name_is_free_when_its_listener_ended_and_its_streams_go_on() {
    let mut two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    assert!(matches!(two.proxy.event().await, Event::ServerCreated { .. }));
    let (mut mine, mut theirs) = pair(&two.client, &mut listener).await;
    assert!(matches!(two.proxy.event().await, Event::ClientConnected { .. }));
    within(listener.end()).await.expect("given up");
    assert!(matches!(two.proxy.event().await, Event::ServerDestroyed { reason: Reason::Finished, .. }));
    let _other = two.client.server().listen("NAME").await.expect("free at once");
    mine.write_chunk("still".into()).await.expect("the stream lives");
    assert_eq!(within(theirs.read_chunk()).await, Ok(Some("still".into())));
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_dropped_gives_its_name_up() {
    let mut two = Two::new().await;
    drop(two.server.server().listen("NAME").await.expect("the name is free"));
    assert!(matches!(two.proxy.event().await, Event::ServerCreated { .. }));
    assert!(matches!(two.proxy.event().await, Event::ServerDestroyed { reason: Reason::Finished, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_name_is_its_peers_again_as_soon_as_the_listener_is_dropped() {
    let two = Two::new().await;
    for _ in 0..3 {
        drop(two.server.server().listen("NAME").await.expect("free by the time that it is asked for"));
    }
    let listening = two.server.server().listen("NAME").await;
    assert_eq!(two.server.server().listen("NAME").await.err().expect("a living one has it").code(), Code::NameTaken.into());
    drop((listening, two));
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_given_up_before_its_answer_leaves_nothing() {
    let mut two = Two::new().await;
    let claiming = tokio::spawn(two.server.server().listen("NAME").into_future());
    let Event::ServerCreated { .. } = two.proxy.event().await else { panic!("it was claimed") };
    claiming.abort();
    let gave_up = claiming.await.is_err();
    assert!(matches!(two.proxy.event().await, Event::ServerDestroyed { .. }), "given up: {gave_up}");
    let _again = two.server.server().listen("NAME").await.expect("free here and there");
}

#[tokio::test(start_paused = true)]
async fn clients_that_wait_for_a_listener_that_ends_are_told_gone() {
    let two = Two::new().await;
    let listener = two.server.server().listen("NAME").await.expect("the name is free");
    let connecting = tokio::spawn(two.client.client().connect("NAME").into_future());
    // The paused clock goes on when nobody has anything left to do: the client waits at the listener then.
    tokio::time::sleep(Duration::from_millis(1)).await;
    within(listener.end()).await.expect("given up");
    assert_eq!(within(connecting).await.expect("no panic").expect_err("refused").code(), Code::Gone.into());
}

#[tokio::test(start_paused = true)]
async fn a_paused_listener_lets_clients_wait() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").paused().await.expect("the name is free");
    let start = Instant::now();
    let error = two.client.client().connect("NAME").await.expect_err("paused all the while");
    assert_eq!((error.code(), start.elapsed().as_secs()), (Code::Busy.into(), 15));
    let connecting = tokio::spawn(two.client.client().connect("NAME").into_future());
    listener.resume();
    let _theirs = next(&mut listener).await.accept();
    within(connecting).await.expect("no panic").expect("accepted");
    listener.pause();
    let start = Instant::now();
    two.client.client().connect("NAME").await.expect_err("paused again");
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_listener_of_a_closed_peer_ends_with_an_error_and_its_name_is_free() {
    let mut two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    assert!(matches!(two.proxy.event().await, Event::ServerCreated { .. }));
    within(two.server.close()).await;
    assert!(matches!(listener.next().await, Some(Err(ListenError::Closed(None)))));
    assert!(listener.next().await.is_none());
    within(listener.end()).await.expect("it was told already");
    assert!(matches!(two.proxy.event().await, Event::ServerDestroyed { reason: Reason::Finished, .. }));
    let _again = Cable::to(&two.proxy).peer().await.server().listen("NAME").await.expect("free");
}
