//! What peers say of one another.

use std::time::Duration;

use harness::Proxy;
use tokio::time::sleep;

use super::{Member, name};

async fn crowd() -> (Proxy, Vec<Member>) {
    let proxy = Proxy::new();
    let mut members = Vec::new();
    for number in 0..4 {
        members.push(Member::come(&proxy, number).await);
    }
    members[0].announce(&[1]);
    members[0].settled().await;
    (proxy, members)
}

/// A member is told of the first, and says that it failed.
async fn complain(member: &mut Member) {
    member.find(1).await;
    member.failed(&name(0));
    member.settled().await;
}

#[tokio::test(start_paused = true)]
async fn who_fails_several_is_left_out_for_a_minute_and_then_begins_anew() {
    let (_proxy, mut members) = crowd().await;
    for member in &mut members[1..3] {
        complain(member).await;
    }
    assert_eq!(members[3].names(1).await, [name(0)], "two are not enough");
    complain(&mut members[3]).await;
    for member in &mut members[1..] {
        assert_eq!(member.names(1).await, [""; 0]);
    }
    sleep(Duration::from_secs(59)).await;
    assert_eq!(members[1].names(1).await, [""; 0]);
    members[0].say("renew", serde_json::json!({}));
    sleep(Duration::from_secs(2)).await;
    complain(&mut members[1]).await;
    complain(&mut members[2]).await;
    assert_eq!(members[3].names(1).await, [name(0)], "it has no failures of before");
}

#[tokio::test(start_paused = true)]
async fn threat_25_a_peer_that_lies_about_others_leaves_them_out_for_itself_alone() {
    let (proxy, mut members) = crowd().await;
    for round in 0..20 {
        complain(&mut members[1]).await;
        // Said again at once, it counts for nothing.
        members[1].failed(&name(0));
        members[1].settled().await;
        assert_eq!(members[2].names(1).await, [name(0)], "round {round}");
        members[0].say("renew", serde_json::json!({}));
        sleep(Duration::from_secs(11)).await;
    }
    // For itself it is left out for a minute, in the rounds after the third; by now that is over, and it has begun anew more than once.
    let left_out = async |member: &mut Member| member.names(1).await.is_empty();
    let mut seen = [false; 2];
    for _ in 0..20 {
        complain(&mut members[1]).await;
        seen[usize::from(left_out(&mut members[1]).await)] = true;
        members[0].say("renew", serde_json::json!({}));
        sleep(Duration::from_secs(11)).await;
    }
    assert_eq!(seen, [true; 2]);
    assert_eq!(proxy.tracker.contents().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn threat_25_who_was_not_told_of_a_peer_says_nothing_that_counts_of_it() {
    let (_proxy, mut members) = crowd().await;
    for _ in 0..3 {
        for member in &mut members[1..3] {
            member.failed(&name(0));
            member.failed(&name(77));
            member.settled().await;
        }
        sleep(Duration::from_secs(11)).await;
    }
    assert_eq!(members[3].names(1).await, [name(0)]);
}

#[tokio::test(start_paused = true)]
async fn failures_of_more_than_a_minute_ago_are_forgotten() {
    let (_proxy, mut members) = crowd().await;
    for member in [1, 2, 3, 1, 2, 3] {
        complain(&mut members[member]).await;
        members[0].say("renew", serde_json::json!({}));
        sleep(Duration::from_secs(31)).await;
        assert_eq!(members[1].names(1).await, [name(0)]);
    }
}
