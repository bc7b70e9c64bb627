//! Who is found, and for how long.

use std::time::Duration;

use harness::{Proxy, until};
use serde_json::json;
use tokio::time::sleep;

use super::{Member, content, limits, name, names};

#[tokio::test(start_paused = true)]
async fn who_holds_a_content_is_found_with_what_it_holds_whoever_has_most_first() {
    let proxy = Proxy::new();
    let (mut seeder, mut half, mut asker) = (Member::come(&proxy, 1).await, Member::come(&proxy, 2).await, Member::come(&proxy, 3).await);
    assert_eq!(asker.welcome["swarm"], json!({ "renew_ms": 60_000, "contents_max": 4096, "candidates_max": 32 }));
    half.say("announce", json!({ "name": name(2), "contents": [{ "id": content(1), "pieces": 4, "have": "oA" }] }));
    half.settled().await;
    seeder.announce(&[1, 2]);
    seeder.settled().await;
    let found = asker.find(1).await;
    assert_eq!((&found["seeders"], &found["partial"], names(&found)), (&json!(1), &json!(1), vec![name(1), name(2)]));
    let [first, second] = [&found["candidates"][0], &found["candidates"][1]];
    assert_eq!((&first["pieces"], first.get("have"), first.get("share")), (&json!(4), None, None));
    assert_eq!((&second["have"], second.get("share")), (&json!("oA"), None));
    assert!(first["peer"]["session"].as_str().is_some_and(|session| session != second["peer"]["session"]));
    // A new word replaces the old one; a content of which somebody has nothing it does not hold.
    half.announce_some(1, 0.75);
    half.settled().await;
    assert_eq!(asker.find(1).await["candidates"][1]["share"], 0.75);
    half.announce_some(1, 0.0);
    half.settled().await;
    assert_eq!(asker.names(1).await, [name(1)]);
    assert_eq!(asker.find(9).await["candidates"], json!([]));
    let held: Vec<_> = proxy.tracker.contents().into_iter().map(|content| (content.seeders, content.partial)).collect();
    assert_eq!(held, [(1, 0), (1, 0)]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_of_itself_and_no_more_than_it_asks_for() {
    let proxy = Proxy::new();
    let mut members = [Member::come(&proxy, 1).await, Member::come(&proxy, 2).await, Member::come(&proxy, 3).await];
    for member in &mut members {
        member.announce(&[1]);
        member.settled().await;
    }
    let found = members[0].find(1).await;
    assert_eq!((&found["seeders"], &found["partial"]), (&json!(2), &json!(0)));
    let mut found = names(&found);
    found.sort();
    assert_eq!(found, [name(2), name(3)]);
    members[0].say("find", json!({ "ask": 1, "id": content(1), "max": 1 }));
    assert_eq!(names(&members[0].hear().await["value"]).len(), 1);
    members[0].say("find", json!({ "ask": 1, "id": content(1), "max": 0 }));
    let none = members[0].hear().await;
    assert_eq!((&none["value"]["seeders"], &none["value"]["candidates"]), (&json!(2), &json!([])));
}

#[tokio::test(start_paused = true)]
async fn how_far_a_holder_is_is_told_once_that_is_known() {
    let proxy = Proxy::new();
    let (mut holder, mut asker) = (Member::come(&proxy, 1).await, Member::come(&proxy, 2).await);
    holder.announce(&[1]);
    sleep(Duration::from_secs(2)).await;
    assert!(asker.find(1).await["candidates"][0]["rtt_ms"].is_number());
}

#[tokio::test(start_paused = true)]
async fn what_is_withdrawn_or_whose_stream_ends_is_found_no_longer() {
    let proxy = Proxy::new();
    let mut asker = Member::come(&proxy, 1).await;
    let mut holder = Member::come(&proxy, 2).await;
    holder.announce(&[1, 2, 3]);
    holder.say("withdraw", json!({ "contents": [content(1), content(9)] }));
    holder.settled().await;
    assert_eq!((asker.names(1).await, asker.names(2).await), (vec![], vec![name(2)]));
    holder.say("withdraw", json!({}));
    holder.settled().await;
    assert_eq!(asker.names(2).await, [""; 0]);
    for ends in [|member: &mut Member| member.stream.finish(), |member: &mut Member| member.stream.reset(0_u32)] {
        holder.announce(&[1]);
        holder.settled().await;
        assert_eq!(asker.names(1).await, [name(2)]);
        ends(&mut holder);
        until(|| proxy.tracker.contents().is_empty()).await;
        holder.stream = holder.peer.ask("/swarm/track", json!({})).await.expect("it may come again").1;
    }
    holder.announce(&[1]);
    holder.settled().await;
    holder.peer.vanish();
    until(|| proxy.tracker.contents().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_renewed_is_forgotten_after_three_intervals() {
    let proxy = Proxy::with(limits(|limits| limits.swarm_renew = Duration::from_secs(10)), |router| router);
    let (mut holder, mut asker) = (Member::come(&proxy, 1).await, Member::come(&proxy, 2).await);
    holder.announce(&[1]);
    holder.settled().await;
    for _ in 0..5 {
        sleep(Duration::from_secs(29)).await;
        holder.say("renew", json!({}));
        holder.settled().await;
        assert_eq!(asker.names(1).await, [name(1)]);
    }
    sleep(Duration::from_secs(15)).await;
    holder.announce(&[2]);
    holder.settled().await;
    sleep(Duration::from_secs(14)).await;
    assert_eq!(asker.names(1).await, [name(1)], "29 s after it was renewed");
    sleep(Duration::from_secs(2)).await;
    assert_eq!((asker.names(1).await, asker.names(2).await), (vec![], vec![name(1)]), "31 s, and 16 s after that was announced");
    sleep(Duration::from_secs(20)).await;
    assert!(proxy.tracker.contents().is_empty(), "also where nobody asks");
}

#[tokio::test(start_paused = true)]
async fn who_moves_to_another_session_takes_along_what_it_holds() {
    let proxy = Proxy::new();
    let (mut asker, old) = (Member::come(&proxy, 1).await, proxy.peer());
    let (reply, _claim) = old.ask(&format!("/swarm/listen/{}", name(2)), json!({ "lease": true, "attempt": 1 })).await.expect("free");
    let (_, mut first) = old.ask("/swarm/track", json!({})).await.expect("it may");
    let announcement = json!({ "name": name(2), "contents": [{ "id": content(1), "pieces": 4 }] });
    super::say(&mut first, "announce", announcement.clone());
    until(|| proxy.tracker.contents().len() == 1).await;
    let new = proxy.peer();
    let lease = json!({ "lease": reply["lease"], "attempt": 2 });
    let (_, _again) = new.ask(&format!("/swarm/listen/{}", name(2)), lease).await.expect("it is its own");
    let (_, mut second) = new.ask("/swarm/track", json!({})).await.expect("it may");
    super::say(&mut second, "announce", announcement);
    let before = asker.find(1).await["candidates"][0]["peer"]["session"].clone();
    until(|| proxy.tracker.contents().len() == 1).await;
    first.finish();
    assert_eq!(super::hear(&mut first).await, Ok(None));
    let found = asker.find(1).await;
    assert_eq!(names(&found), [name(2)]);
    let after = &found["candidates"][0]["peer"]["session"];
    assert!(after.is_string() && before.is_string());
}
