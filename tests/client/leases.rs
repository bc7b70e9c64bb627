//! Names over connections that break, with the proxy's leases.

use std::time::Duration;

use browser_stream_client::{Code, ListenError};
use browser_stream_server::Event;
use futures::{FutureExt, StreamExt, TryStreamExt};
use harness::{Cable, Two, until, within};
use tokio::time::{Instant, sleep};

use crate::connect::pair;

#[tokio::test(start_paused = true)]
async fn threat_02_a_name_is_taken_back_from_ones_own_half_open_session_at_once() {
    let mut two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    assert!(matches!(two.proxy.event().await, Event::ServerCreated { .. }));
    // The session is known to work.
    pair(&two.client, &mut listener).await;
    let start = Instant::now();
    two.servers.half_cut();
    until(|| two.servers.dialled() == 2).await;
    pair(&two.client, &mut listener).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    // The proxy finds the old session dead; its clean-up must not free the name.
    sleep(Duration::from_secs(200)).await;
    pair(&two.client, &mut listener).await;
    while let Some(Some(event)) = two.proxy.events.next().now_or_never() {
        assert!(matches!(event, Event::ClientConnected { .. } | Event::ClientDisconnected { .. }), "{event:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn threat_03_a_stranger_finds_the_name_reserved_while_its_owner_may_come_back() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let id = listener.id().to_owned();
    two.servers.refuse(true);
    two.servers.cut();
    let error = two.client.server().listen("NAME").await.err().expect("reserved");
    assert_eq!(error.code(), Code::NameReserved.into());
    sleep(Duration::from_secs(100)).await;
    two.servers.refuse(false);
    pair(&two.client, &mut listener).await;
    assert_eq!(listener.id(), id);
}

#[tokio::test(start_paused = true)]
async fn a_name_without_a_lease_is_free_when_its_connection_breaks() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").lease(false).await.expect("the name is free");
    two.servers.refuse(true);
    two.servers.cut();
    let _other = two.client.server().listen("NAME").await.expect("free");
    two.servers.refuse(false);
    let start = Instant::now();
    // It is asked for as long as it might only be the own old session that has it.
    let error = listener.try_next().await.err().expect("another has it");
    assert_eq!(error.code(), Code::NameTaken.into());
    assert!(start.elapsed() >= Duration::from_secs(120));
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_stands_by_gets_the_name_when_it_is_free() {
    let two = Two::new().await;
    let listener = two.server.server().listen("NAME").await.expect("the name is free");
    let standing = tokio::spawn(two.client.server().listen("NAME").standby().into_future());
    sleep(Duration::from_secs(1000)).await;
    assert!(!standing.is_finished());
    within(listener.end()).await.expect("given up");
    let mut second = within(standing).await.expect("no panic").expect("its turn came");
    pair(&two.server, &mut second).await;
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_stays_away_too_long_finds_its_name_given_to_another() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    two.servers.refuse(true);
    two.servers.cut();
    sleep(Duration::from_secs(130)).await;
    let other = Cable::to(&two.proxy).peer().await;
    let _listener = other.server().listen("NAME").await.expect("the grace is over");
    two.servers.refuse(false);
    let error = listener.try_next().await.err().expect("another has it");
    assert!(matches!(error, ListenError::Refused(_)) && error.code() == Code::NameTaken.into());
}
