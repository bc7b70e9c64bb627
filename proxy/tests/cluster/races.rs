//! Claims on several nodes at once.

use std::collections::HashSet;

use browser_stream_server::cluster::{Share, State, Tenure, Title, Why};
use uuid::Uuid;

use super::{claim, nats::Server, node, place, timing, until};

/// A thousand in the long run.
fn rounds() -> usize {
    if std::env::var_os("LONG").is_some() { 1_000 } else { 100 }
}

#[tokio::test]
async fn of_three_nodes_that_claim_a_name_at_once_one_has_it() {
    let server = Server::start().await;
    let url = server.url();
    let (one, two, three) = tokio::join!(node(&url, timing()), node(&url, timing()), node(&url, timing()));
    for round in 0..rounds() {
        let name = format!("name {round}");
        let claims = tokio::join!(claim(&one, &name), claim(&two, &name), claim(&three, &name));
        let claims = [claims.0, claims.1, claims.2];
        let (won, lost): (Vec<_>, Vec<_>) = claims.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "round {round}");
        assert!(lost.into_iter().all(|lost| matches!(lost, Err(Why::Taken))), "round {round}");
    }
}

#[tokio::test]
async fn of_three_nodes_that_share_a_name_at_once_all_have_it_by_the_same_terms_and_one_where_it_is_not_open() {
    let server = Server::start().await;
    let url = server.url();
    let (one, two, three) = tokio::join!(node(&url, timing()), node(&url, timing()), node(&url, timing()));
    for round in 0..rounds() {
        let (shared, is_open) = (place(&format!("shared {round}")), round % 2 == 0);
        let share = |terms: &str| Share { terms: terms.into(), is_open, also: Vec::new() };
        let claims = tokio::join!(one.share(&shared, share("1")), two.share(&shared, share("2")), three.share(&shared, share("3")));
        let (won, lost): (Vec<_>, Vec<_>) = [claims.0, claims.1, claims.2].into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), if is_open { 3 } else { 1 }, "round {round}");
        assert!(lost.into_iter().all(|lost| matches!(lost, Err(Why::Taken))), "round {round}");
        let terms: HashSet<_> = won.iter().flatten().map(Tenure::terms).collect();
        assert!(terms.len() == 1 && !terms.contains(&None), "round {round}: {terms:?}");
    }
    until("the last has given it up", || [&one, &two, &three].iter().all(|node| node.count().1 == 0)).await;
}

#[tokio::test]
async fn one_name_goes_from_node_to_node_and_its_token_rises() {
    let server = Server::start().await;
    let url = server.url();
    let (one, two) = tokio::join!(node(&url, timing()), node(&url, timing()));
    let mut newest = 0;
    for round in 0..20 {
        let (mine, other) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let tenure = claim(mine, "NAME").await.expect("it is free");
        assert!(tenure.is_valid() && tenure.fencing_token() > newest, "round {round}");
        newest = tenure.fencing_token();
        until("the other node hears of it", || other.whereabouts(&place("NAME")).is_some_and(|found| found.node == mine.id())).await;
        assert_eq!(claim(other, "NAME").await.err(), Some(Why::Taken), "round {round}");
        tenure.tell(State::Suspended);
        until("the other node hears that", || other.whereabouts(&place("NAME")).is_some_and(|found| found.state == State::Suspended)).await;
        assert_eq!(claim(other, "NAME").await.err(), Some(Why::Reserved), "round {round}");
        drop(tenure);
        until("it is free at both", || [mine, other].iter().all(|node| node.whereabouts(&place("NAME")).is_none())).await;
    }
}

#[tokio::test]
async fn threat_02_an_owner_that_comes_back_on_another_node_has_its_name_at_once() {
    let server = Server::start().await;
    let url = server.url();
    let (one, two) = tokio::join!(node(&url, timing()), node(&url, timing()));
    let title = |attempt| Title { instance: Uuid::from_u128(1), attempt, generation: Some(7), sub: None };
    let first = one.claim(&place("NAME"), title(3), false).await.expect("it is free");
    until("the other node hears of it", || two.whereabouts(&place("NAME")).is_some()).await;
    let second = two.claim(&place("NAME"), title(4), false).await.expect("it is its own");
    assert_eq!(first.lost().await, Why::Superseded);
    assert!(!first.is_valid() && second.is_valid());
    drop(first);
    // Late clean-up, and a lease that was used before.
    assert_eq!(one.claim(&place("NAME"), title(4), false).await.err(), Some(Why::Superseded));
    assert!(second.is_valid());
}
