//! Who comes later, and who is waited for.

use std::time::Duration;

use browser_stream_mux::Code;
use browser_stream_server::{Delivery, News};
use harness::{pattern, until, within};
use serde_json::json;
use tokio::time::sleep;

use super::{Hall, next, rest, text};

/// Until the proxy has taken what a publisher sent.
async fn published(hall: &Hall, messages: u64) {
    until(|| hall.channels.list().iter().any(|status| status.messages == messages)).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_subscriber_begins_with_the_next_message() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({})).await;
    publisher.send("missed").await.unwrap();
    let mut message = publisher.message();
    message.push("under ").await.unwrap();
    until(|| hall.channels.list()[0].bytes == 12).await;
    let mut late = hall.subscribe("NAME").await;
    let Delivery::Joined(who) = next(&mut late).await else { panic!("who publishes") };
    assert_eq!(who.first, 2, "one was over, and one under way");
    message.push("way").await.unwrap();
    message.finish();
    publisher.send("the next").await.unwrap();
    let message = within(late.next()).await.unwrap().unwrap();
    assert_eq!((message.number, &message.bytes[..]), (2, &b"the next"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_late_subscriber_gets_the_last_whole_messages_that_are_kept() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({ "replay": 1_000_000 })).await;
    let sent: Vec<Vec<u8>> = (0..30).map(|seed| pattern(seed, 100_000)).collect();
    for message in &sent {
        publisher.send(message.clone()).await.unwrap();
    }
    published(&hall, 30).await;
    let kept = hall.channels.list()[0].replay_bytes;
    assert!((900_000..1_000_000).contains(&kept), "{kept} bytes are kept");
    let mut late = hall.subscribe("NAME").await;
    for number in 21..30 {
        let message = within(late.next()).await.unwrap().unwrap();
        assert_eq!((message.number, &message.bytes[..]), (number, &sent[number as usize][..]));
    }
    publisher.send("and live").await.unwrap();
    assert_eq!(text(&mut late).await, "and live");
    let told = within(publisher.member.end()).await.unwrap();
    assert_eq!(told.delivered, 9 * 100_000 + 8, "what was kept counts when it is taken");
}

#[tokio::test(start_paused = true)]
async fn the_message_under_way_is_kept_as_well_where_it_fits() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({ "replay": 10_000 })).await;
    publisher.send("before").await.unwrap();
    let mut message = publisher.message();
    message.push("under ").await.unwrap();
    until(|| hall.channels.list()[0].replay_bytes > 15).await;
    let mut late = hall.subscribe("NAME").await;
    assert_eq!(text(&mut late).await, "before");
    message.push("way").await.unwrap();
    message.finish();
    assert_eq!(text(&mut late).await, "under way");
    // One that is too long is not, and takes the others along.
    let mut long = publisher.message();
    long.push(vec![1; 20_000]).await.unwrap();
    until(|| hall.channels.list()[0].replay_bytes == 0).await;
    let mut later = hall.subscribe("NAME").await;
    long.finish();
    publisher.send("after").await.unwrap();
    assert_eq!(text(&mut later).await, "after");
    assert_eq!(within(late.next()).await.unwrap().unwrap().bytes.len(), 20_000);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_cut_is_not_kept() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({ "replay": 10_000 })).await;
    publisher.message().push("half").await.unwrap();
    publisher.send("whole").await.unwrap();
    published(&hall, 2).await;
    let mut late = hall.subscribe("NAME").await;
    assert!(matches!(next(&mut late).await, Delivery::Joined(who) if who.first == 1));
    assert_eq!(text(&mut late).await, "whole");
}

#[tokio::test(start_paused = true)]
async fn one_that_was_cut_between_two_that_are_kept_counts_for_a_late_subscriber_as_well() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({ "replay": 10_000 })).await;
    publisher.send("the first").await.unwrap();
    publisher.message().push("half").await.unwrap();
    publisher.send("the third").await.unwrap();
    published(&hall, 3).await;
    let mut late = hall.subscribe("NAME").await;
    for (number, bytes) in [(0, "the first"), (2, "the third")] {
        let message = within(late.next()).await.unwrap().unwrap();
        assert_eq!((message.number, &message.bytes[..]), (number, bytes.as_bytes()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_of_a_publisher_that_left_comes_with_its_end() {
    let hall = Hall::new();
    let many = json!({ "publishers": "many", "replay": 1000 });
    let (mut first, mut second) = (hall.publish("NAME", many.clone()).await, hall.publish("NAME", many).await);
    first.send("of the first").await.unwrap();
    published(&hall, 1).await;
    within(first.member.end()).await.unwrap();
    second.send("of the second").await.unwrap();
    published(&hall, 2).await;
    let mut late = hall.subscribe("NAME").await;
    let mut told = Vec::new();
    for _ in 0..5 {
        told.push(match next(&mut late).await {
            Delivery::Joined(who) => format!("joined {}", who.number),
            Delivery::Bytes { publisher, bytes, .. } => format!("{} {}", publisher.number, String::from_utf8_lossy(&bytes)),
            Delivery::Left(who, ending) => format!("left {} {}", who.number, ending.code),
            other => format!("{other:?}"),
        });
    }
    assert_eq!(told, ["joined 0", "joined 1", "0 of the first", "left 0 0", "1 of the second"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_publishers_beyond_what_is_allowed() {
    let hall = Hall::with(|limits| limits.channel_publishers_max = 3);
    let many = json!({ "publishers": "many", "replay": 100_000 });
    let _stays = hall.publish("NAME", many.clone()).await;
    for number in 1..=10 {
        let mut publisher = hall.publish("NAME", many.clone()).await;
        publisher.send(format!("{number}")).await.unwrap();
        within(publisher.member.end()).await.unwrap();
    }
    let mut late = hall.subscribe("NAME").await;
    for number in 8..=10 {
        assert_eq!(text(&mut late).await, number.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_waits_for_readers_sends_nothing_before_they_are_there() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({ "wait_for": 2 })).await;
    let sending = tokio::spawn(async move {
        for seed in 0..20 {
            publisher.send(pattern(seed, 100_000)).await.unwrap();
        }
        publisher.member.end().await.unwrap()
    });
    let mut first = hall.subscribe("NAME").await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(hall.channels.list()[0].bytes, 0);
    let mut second = hall.subscribe("NAME").await;
    let all: Vec<Vec<u8>> = (0..20).map(|seed| pattern(seed, 100_000)).collect();
    let (one, two) = tokio::join!(rest(&mut first), rest(&mut second));
    assert_eq!((one, two), ((all.clone(), Ok(())), (all, Ok(()))));
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_dies_while_it_waits_for_readers_is_gone_at_once() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({ "wait_for": 2 })).await;
    publisher.send("never sent").await.unwrap();
    let mut reader = hall.subscribe("NAME").await;
    assert_eq!(within(publisher.news()).await.unwrap(), Some(News::Readers(0)));
    publisher.peer.vanish();
    assert_eq!(rest(&mut reader).await, (vec![], Err(Code::Lost.number())));
}
