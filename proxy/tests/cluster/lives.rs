//! Nodes that die, are cut off, or lose NATS.

use std::time::Duration;

use browser_stream_server::cluster::{Timing, Title, Why};
use harness::{Shim, Way};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::{claim, nats::Server, node, place, stranger, timing, until};

#[tokio::test]
async fn a_node_that_is_cut_off_has_stopped_before_another_has_its_name() {
    let server = Server::start().await;
    let shim = Shim::start(server.address(), 1).await;
    let (through, url) = (format!("nats://{}", shim.address()), server.url());
    let (cut, well) = tokio::join!(node(&through, timing()), node(&url, timing()));
    let held = claim(&cut, "NAME").await.expect("it is free");
    let (before, life) = (held.fencing_token(), cut.id().life);
    shim.stall(Way::Up);
    shim.stall(Way::Down);
    let next = loop {
        match claim(&well, "NAME").await {
            Ok(tenure) => break tenure,
            Err(why) => assert_eq!(why, Why::Taken),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(!held.is_valid(), "both have it");
    assert!(next.is_valid() && next.fencing_token() > before);
    assert_eq!(held.lost().await, Why::Unavailable);
    shim.resume();
    until("it is in again", || cut.is_in()).await;
    assert!(cut.id().life > life);
    assert_eq!(claim(&cut, "NAME").await.err(), Some(Why::Taken));
    drop(held);
    assert!(next.is_valid(), "late clean-up takes nothing from its successor");
}

#[tokio::test]
async fn the_names_of_a_node_that_died_are_kept_for_those_with_a_lease_and_then_free() {
    let server = Server::start().await;
    let url = server.url();
    let lives = node(&url, timing()).await;
    let title = |attempt| Title { instance: Uuid::from_u128(1), attempt, generation: Some(7), sub: None };
    let process = Runtime::new().expect("threads");
    let held = process.spawn(async move {
        let dies = node(&url, timing()).await;
        let leased = [dies.claim(&place("BACK"), title(1), false).await, dies.claim(&place("GONE"), title(1), false).await];
        let bare = claim(&dies, "BARE").await;
        assert!(leased.iter().all(Result::is_ok) && bare.is_ok());
        (leased, bare)
    });
    let held = held.await.expect("it has all three");
    until("the other node hears of all", || ["BACK", "GONE", "BARE"].iter().all(|name| lives.whereabouts(&place(name)).is_some())).await;
    process.shutdown_background();
    until("it is written off", || lives.whereabouts(&place("BARE")).is_none()).await;
    assert!(claim(&lives, "BARE").await.is_ok(), "without a lease a name is free at once");
    assert_eq!(claim(&lives, "BACK").await.err(), Some(Why::Reserved));
    let back = lives.claim(&place("BACK"), title(2), false).await.expect("its owner's");
    until("the grace is over", || lives.whereabouts(&place("GONE")).is_none()).await;
    assert!(lives.claim(&place("GONE"), stranger(), false).await.is_ok());
    assert!(back.is_valid());
    drop(held);
}

#[tokio::test]
async fn a_restart_of_nats_takes_no_name_from_anybody() {
    let mut server = Server::start().await;
    let patient = Timing { own: Duration::from_secs(60), lease: Duration::from_secs(75), ..timing() };
    let url = server.url();
    let (one, two) = tokio::join!(node(&url, patient), node(&url, patient));
    let held = claim(&one, "NAME").await.expect("it is free");
    server.restart().await;
    // The first claims may find nobody there yet.
    let other = loop {
        match claim(&two, "OTHER").await {
            Ok(tenure) => break tenure,
            Err(why) => assert_eq!(why, Why::Unavailable),
        }
    };
    assert!(held.is_valid() && other.is_valid());
    assert_eq!(claim(&two, "NAME").await.err(), Some(Why::Taken));
    until("the first hears of the second's", || one.whereabouts(&place("OTHER")).is_some()).await;
}

#[tokio::test]
async fn a_nats_that_lost_all_that_it_had_gets_its_table_anew_and_all_names_can_be_had() {
    let mut server = Server::start().await;
    let url = server.url();
    let (one, two) = tokio::join!(node(&url, timing()), node(&url, timing()));
    let held = claim(&one, "NAME").await.expect("it is free");
    server.stop().await;
    server.forget();
    server.again().await;
    assert_eq!(held.lost().await, Why::Unavailable, "the table knows nothing of it");
    until("both are in again, and nobody has it", || one.is_in() && two.is_in() && two.whereabouts(&place("NAME")).is_none()).await;
    let again = claim(&two, "NAME").await.expect("it is anybody's");
    until("the first hears of it", || one.whereabouts(&place("NAME")).is_some()).await;
    assert!(again.is_valid());
}

#[tokio::test]
async fn a_node_that_goes_leaves_its_names_at_once() {
    let server = Server::start().await;
    let url = server.url();
    let (goes, stays) = tokio::join!(node(&url, timing()), node(&url, timing()));
    let held = claim(&goes, "NAME").await.expect("it is free");
    until("the other node hears of it", || stays.whereabouts(&place("NAME")).is_some()).await;
    goes.leave().await;
    assert_eq!(held.lost().await, Why::Unavailable);
    until("the other node hears that it went", || stays.whereabouts(&place("NAME")).is_none()).await;
    assert!(claim(&stays, "NAME").await.is_ok());
    assert_eq!(claim(&goes, "OTHER").await.err(), Some(Why::Unavailable));
}
