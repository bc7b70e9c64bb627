//! What is none of its notes, and how many of them there may be.

use std::time::Duration;

use browser_stream_mux::{Code, StreamError};
use harness::{Proxy, until};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Member, content, hear, limits, name};

#[tokio::test(start_paused = true)]
async fn threat_25_what_is_no_note_is_refused_and_the_stream_goes_on() {
    let proxy = Proxy::new();
    let mut member = Member::come(&proxy, 1).await;
    let vectors = include_str!("../../vectors/swarm.json");
    let vectors: Value = serde_json::from_str(vectors).expect("JSON");
    let bad = vectors["no_notes"].as_array().expect("a list");
    for note in bad {
        let what = note["note"].as_str().expect("a text");
        member.say(what, note["value"].clone());
        assert_eq!(member.refused(what).await, "bad_request", "{note}");
    }
    for body in ["", "[]", "x", "{}", r#"{"note":1}"#, r#"{"note":"find","note":"find"}"#, "{\"note\":\"\u{0}\"}"] {
        member.stream.write_frame(body.as_bytes());
        assert_eq!(member.refused("").await, "bad_request", "{body}");
    }
    assert_eq!(proxy.refused("swarm_note"), bad.len() as u64 + 7);
    member.say("find", json!({ "ask": 12, "id": "x" }));
    assert_eq!(member.hear().await["value"]["ask"], 12, "a find is known by its number");
    member.say("later", json!({ "whatever": 1 }));
    member.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_cut_short_ends_the_stream() {
    let proxy = Proxy::new();
    let mut member = Member::come(&proxy, 1).await;
    member.stream.write_now(vec![0, 9, b'{'].into());
    member.stream.finish();
    assert_eq!(hear(&mut member.stream).await, Err(StreamError::Reset(Code::BadRequest.number())));
    assert_eq!(proxy.refused("swarm_note"), 1);
}

#[tokio::test(start_paused = true)]
async fn threat_25_nobody_announces_under_a_name_that_is_not_its_own() {
    let proxy = Proxy::new();
    let (mut owner, mut other, mut asker) = (Member::come(&proxy, 1).await, Member::come(&proxy, 2).await, Member::come(&proxy, 3).await);
    owner.announce(&[1]);
    owner.settled().await;
    for not_its_own in [name(1), name(99)] {
        other.say("announce", json!({ "name": not_its_own, "contents": [{ "id": content(2), "pieces": 4 }] }));
        assert_eq!(other.refused("announce").await, "forbidden");
    }
    assert_eq!(proxy.refused("swarm_name"), 2);
    assert_eq!((asker.names(1).await, asker.names(2).await), (vec![name(1)], vec![]));
    // A name that was taken from it is not its own any more: what it announced goes when it renews.
    assert!(proxy.tracker.names().release(&name(1)));
    owner.say("renew", json!({}));
    owner.settled().await;
    assert_eq!(asker.names(1).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn another_name_withdraws_what_was_announced_under_the_first() {
    let proxy = Proxy::new();
    let (mut member, mut asker) = (Member::come(&proxy, 1).await, Member::come(&proxy, 2).await);
    let (_, _second) = member.peer.ask(&format!("/swarm/listen/{}", name(3)), json!({})).await.expect("free");
    member.announce(&[1, 2]);
    member.say("announce", json!({ "name": name(3), "contents": [{ "id": content(2), "pieces": 4 }] }));
    member.settled().await;
    assert_eq!((asker.names(1).await, asker.names(2).await), (vec![], vec![name(3)]));
}

#[tokio::test(start_paused = true)]
async fn threat_25_a_flood_of_notes_is_refused_and_then_cut() {
    let proxy = Proxy::with(limits(|limits| (limits.swarm_notes_per_second, limits.swarm_notes_burst) = (10, 20)), |router| router);
    let mut member = Member::come(&proxy, 1).await;
    for _ in 0..20 {
        member.announce(&[1]);
    }
    member.announce(&[2]);
    assert_eq!(member.refused("announce").await, "limit");
    member.say("find", json!({ "ask": 3, "id": content(1) }));
    let refused = member.hear().await;
    assert_eq!((&refused["value"]["code"], &refused["value"]["ask"]), (&json!("limit"), &json!(3)));
    assert_eq!((proxy.tracker.contents().len(), proxy.refused("swarm_rate")), (1, 2));
    sleep(Duration::from_secs(1)).await;
    member.settled().await;
    for _ in 0..250 {
        member.say("renew", json!({}));
    }
    let end = loop {
        match hear(&mut member.stream).await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert_eq!(end, Err(StreamError::Reset(Code::Limit.number())));
    assert_eq!(proxy.refused("swarm_rate_cut"), 1);
    until(|| proxy.tracker.contents().is_empty()).await;
    // Another stream of the same session owes as much.
    assert_eq!(member.peer.ask("/swarm/track", json!({})).await.err().as_deref(), Some("limit"));
    sleep(Duration::from_secs(10)).await;
    assert!(member.peer.ask("/swarm/track", json!({})).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn threat_25_contents_and_holders_are_bounded() {
    let bounds = limits(|limits| {
        (limits.swarm_contents_max, limits.swarm_contents_per_session_max, limits.swarm_holders_max) = (5, 4, 2);
    });
    let proxy = Proxy::with(bounds, |router| router);
    let (mut one, mut two, mut three) = (Member::come(&proxy, 1).await, Member::come(&proxy, 2).await, Member::come(&proxy, 3).await);
    one.announce(&[1, 2, 3, 4, 5]);
    let refused = one.hear().await;
    assert_eq!(refused["value"]["code"], "limit");
    assert!(refused["value"]["message"].as_str().is_some_and(|why| why.starts_with("1 of 5")), "{refused}");
    assert_eq!(proxy.refused("swarm_contents_per_session"), 1);
    // What it holds already is no more for being announced again.
    one.announce(&[1, 2, 3, 4]);
    two.announce(&[4, 5, 6]);
    assert_eq!((two.refused("announce").await, proxy.refused("swarm_contents")), ("limit".to_owned(), 1));
    three.announce(&[4]);
    assert_eq!((three.refused("announce").await, proxy.refused("swarm_holders")), ("limit".to_owned(), 1));
    one.say("withdraw", json!({ "contents": [content(4)] }));
    one.settled().await;
    three.announce(&[4, 5]);
    three.settled().await;
    let mut asked = three.names(4).await;
    asked.extend(one.names(4).await);
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert_eq!(proxy.tracker.contents().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn threat_25_where_memory_is_short_nothing_more_is_announced() {
    let proxy = Proxy::with(limits(|limits| limits.memory_budget_bytes = 1024 * 1024), |router| router);
    let mut member = Member::come(&proxy, 1).await;
    for begin in (0..4000).step_by(500) {
        member.announce(&(begin..begin + 500).collect::<Vec<_>>());
    }
    assert_eq!(member.refused("announce").await, "limit");
    let held = proxy.tracker.contents().len();
    assert!((1000..2000).contains(&held), "{held}: half a KiB each, of three quarters of a MiB");
    assert!(proxy.refused("budget") > 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_no_longer_than_a_frame_however_many_candidates_there_may_be() {
    let proxy = Proxy::with(limits(|limits| limits.swarm_candidates_max = 100), |router| router);
    let mut members = Vec::new();
    let bitmap = format!("gA{}", "A".repeat(1364));
    for number in 1..=80 {
        let mut member = Member::come(&proxy, number).await;
        member.say("announce", json!({ "name": name(number), "contents": [{ "id": content(1), "pieces": 8192, "have": bitmap }] }));
        member.settled().await;
        members.push(member);
    }
    let found = members[0].find(1).await;
    assert_eq!(found["partial"], 79);
    assert!((20..79).contains(&super::names(&found).len()));
}
