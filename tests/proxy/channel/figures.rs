//! What a publisher is told of how far its messages came, and what is counted.

use std::time::Duration;

use browser_stream_mux::Code;
use browser_stream_server::News;
use harness::{pattern, until, within};
use serde_json::json;
use tokio::time::sleep;

use super::{Hall, rest, text};

const LENGTH: usize = 64 * 1024;

#[tokio::test(start_paused = true)]
async fn what_is_left_out_for_a_subscriber_is_not_delivered_to_it() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({ "policy": "drop" })).await;
    let mut stalled = hall.subscribe("NAME").await;
    for seed in 0..100 {
        publisher.send(pattern(seed, LENGTH)).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    let ending = tokio::spawn(publisher.member.end());
    let (got, ended) = rest(&mut stalled).await;
    assert_eq!((got.len() as u64 + stalled.skipped(), ended), (100, Ok(())));
    let told = within(ending).await.unwrap().unwrap();
    assert_eq!(told.delivered, (got.len() * LENGTH) as u64);
    assert_eq!(told.slowest, (100 * LENGTH) as u64, "nobody is waited for any more");
}

#[tokio::test(start_paused = true)]
async fn the_message_that_was_under_way_is_not_delivered_to_who_comes_late() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({})).await;
    let mut message = publisher.message();
    message.push("under ").await.unwrap();
    until(|| hall.channels.list()[0].bytes == 6).await;
    let mut late = hall.subscribe("NAME").await;
    message.push("way").await.unwrap();
    message.finish();
    publisher.send("the next").await.unwrap();
    assert_eq!(text(&mut late).await, "the next");
    assert_eq!(within(publisher.member.end()).await.unwrap().delivered, 8);
}

#[tokio::test(start_paused = true)]
async fn what_waited_for_a_subscriber_that_was_cut_off_is_not_delivered() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({ "policy": "disconnect" })).await;
    let mut stalled = hall.subscribe("NAME").await;
    for seed in 0..40 {
        publisher.send(pattern(seed, LENGTH)).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(rest(&mut stalled).await.1, Err(Code::Lagging.number()));
    let taken = loop {
        if let Some(News::Left { code: 18, taken, .. }) = within(publisher.news()).await.unwrap() {
            break taken;
        }
    };
    // Its first window, and what its connection holds.
    assert!((200 * 1024..400 * 1024).contains(&taken), "{taken}");
    assert_eq!(within(publisher.member.end()).await.unwrap().delivered, taken);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_is_slowed_counts_once_however_often_it_is_told_something_meanwhile() {
    let hall = Hall::with(|limits| (limits.channel_deliveries_per_second, limits.channel_deliveries_burst) = (10, 10));
    let mut publisher = hall.publish("NAME", json!({})).await;
    let mut readers = Vec::new();
    for _ in 0..30 {
        readers.push(hall.subscribe("NAME").await);
    }
    publisher.send("thirty deliveries, twenty too many").await.unwrap();
    for reader in &mut readers {
        text(reader).await;
    }
    // Two seconds, in which many come and go.
    for _ in 0..10 {
        let reader = hall.subscribe("NAME").await;
        sleep(Duration::from_millis(100)).await;
        drop(reader);
    }
    assert_eq!(hall.proxy.refused("channel_rate_slowed"), 1);
}
