//! What happens where one subscriber does not keep up.

use std::time::Duration;

use browser_stream_mux::Code;
use browser_stream_server::{Delivery, News};
use harness::{pattern, within};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Hall, next, rest, text};

/// Twenty messages of 128 KiB: more than all windows and queues on the way of one reader.
fn messages() -> Vec<Vec<u8>> {
    (0..20).map(|seed| pattern(seed, 128 * 1024)).collect()
}

#[tokio::test(start_paused = true)]
async fn threat_22_one_stalled_subscriber_of_a_channel_that_waits_is_disconnected_and_the_rest_get_every_byte() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({})).await;
    let (mut good, mut stalled) = (hall.subscribe("NAME").await, hall.subscribe("NAME").await);
    let begun = Instant::now();
    let sending = tokio::spawn(async move {
        for message in messages() {
            publisher.send(message).await.unwrap();
        }
        let mut left = Vec::new();
        while let Some(news) = publisher.news().await.unwrap() {
            if let News::Left { code, .. } = news {
                left.push((code, begun.elapsed().as_secs()));
                break;
            }
        }
        (left, publisher.member.end().await.unwrap())
    });
    let reading = tokio::spawn(async move { rest(&mut good).await });
    sleep(Duration::from_secs(9)).await;
    let status = &hall.channels.list()[0];
    assert_eq!(status.subscribers, 2, "it has ten seconds");
    assert!(status.queued_bytes < 600 * 1024, "{} bytes are queued", status.queued_bytes);
    assert_eq!(reading.await.unwrap(), (messages(), Ok(())));
    let (left, _) = within(sending).await.unwrap();
    assert!(matches!(left[..], [(18, 9..=11)]), "{left:?}");
    let (got, ended) = rest(&mut stalled).await;
    assert_eq!(ended, Err(Code::Lagging.number()));
    assert_eq!(got, messages()[..got.len()], "what it did get is whole");
    assert_eq!(hall.proxy.refused("channel_lagging"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_slowest_governs_a_channel_that_waits_and_is_not_disconnected_while_it_takes_anything() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({})).await;
    let (mut fast, mut slow) = (hall.subscribe("NAME").await, hall.subscribe("NAME").await);
    let begun = Instant::now();
    tokio::spawn(async move {
        for message in messages() {
            publisher.send(message).await.unwrap();
        }
        publisher.member.end().await
    });
    let reading = tokio::spawn(async move { (rest(&mut fast).await, begun.elapsed()) });
    for message in messages() {
        sleep(Duration::from_secs(4)).await;
        assert_eq!(within(slow.next()).await.unwrap().unwrap().bytes, message);
    }
    let (fast, took) = reading.await.unwrap();
    assert_eq!(fast, (messages(), Ok(())));
    assert!(took > Duration::from_secs(40), "the fast one had all after {took:?}");
    assert_eq!(hall.proxy.refused("channel_lagging"), 0);
}

#[tokio::test(start_paused = true)]
async fn threat_22_one_stalled_subscriber_of_a_channel_that_drops_is_told_how_many_whole_messages_it_missed() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({ "policy": "drop" })).await;
    let (mut good, mut stalled) = (hall.subscribe("NAME").await, hall.subscribe("NAME").await);
    let sent: Vec<Vec<u8>> = (0..100).map(|seed| pattern(seed, 64 * 1024)).collect();
    let begun = Instant::now();
    let all = sent.clone();
    let sending = tokio::spawn(async move {
        for message in all {
            publisher.send(message).await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
        publisher.member.end().await.unwrap()
    });
    assert_eq!(rest(&mut good).await, (sent.clone(), Ok(())));
    assert!(begun.elapsed() < Duration::from_secs(2), "nobody waited for the stalled one: {:?}", begun.elapsed());
    let mut got = 0;
    while let Some(message) = within(stalled.next()).await.unwrap() {
        assert_eq!(message.bytes, sent[message.number as usize], "message {} is whole", message.number);
        got += 1;
    }
    let skipped = stalled.skipped();
    assert_eq!(got + skipped, 100);
    assert!((20..90).contains(&skipped), "{skipped} were left out");
    assert_eq!(hall.proxy.refused("channel_skipped"), skipped);
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_left_out_is_told_where_it_would_have_stood() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({ "policy": "drop" })).await;
    let mut stalled = hall.subscribe("NAME").await;
    for seed in 0..60 {
        publisher.send(pattern(seed, 64 * 1024)).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    let mut expected = 0;
    loop {
        match next(&mut stalled).await {
            Delivery::Bytes { number, last, .. } => {
                assert_eq!(number, expected);
                expected += u64::from(last);
            }
            Delivery::Skipped(_, messages) => {
                expected += messages;
                break;
            }
            _ => {}
        }
    }
    assert!(expected > 20, "{expected}");
    assert!(matches!(next(&mut stalled).await, Delivery::Bytes { number, .. } if number == expected));
}

#[tokio::test(start_paused = true)]
async fn a_message_of_which_a_part_has_left_is_never_left_out() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({ "policy": "drop" })).await;
    let mut stalled = hall.subscribe("NAME").await;
    let long = pattern(1, 3 * 1024 * 1024);
    publisher.send(long.clone()).await.unwrap();
    for seed in 0..40 {
        publisher.send(pattern(seed, 64 * 1024)).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(within(stalled.next()).await.unwrap().unwrap().bytes, long);
}

#[tokio::test(start_paused = true)]
async fn threat_22_one_stalled_subscriber_of_a_channel_that_disconnects_is_told_lagging_at_once() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({ "policy": "disconnect" })).await;
    let (mut good, mut stalled) = (hall.subscribe("NAME").await, hall.subscribe("NAME").await);
    let begun = Instant::now();
    let sending = tokio::spawn(async move {
        for message in messages() {
            publisher.send(message).await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
        publisher.member.end().await.unwrap()
    });
    assert_eq!(rest(&mut good).await, (messages(), Ok(())));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(rest(&mut stalled).await.1, Err(Code::Lagging.number()));
    assert_eq!(hall.proxy.refused("channel_lagging"), 1);
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_who_still_reads_and_not_for_who_does_not() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({ "policy": "disconnect" })).await;
    let (mut slow, _stalled) = (hall.subscribe("NAME").await, hall.subscribe("NAME").await);
    let begun = Instant::now();
    for seed in 0..6 {
        publisher.send(pattern(seed, 128 * 1024)).await.unwrap();
    }
    let ending = tokio::spawn(publisher.member.end());
    for seed in 0..6 {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(within(slow.next()).await.unwrap().unwrap().bytes, pattern(seed, 128 * 1024));
    }
    assert_eq!(rest(&mut slow).await, (vec![], Ok(())));
    let told = within(ending).await.unwrap().unwrap();
    let took = begun.elapsed();
    assert!((Duration::from_secs(10)..Duration::from_secs(13)).contains(&took), "{took:?}");
    assert!(told.delivered >= 6 * 128 * 1024 + 255 * 1024, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_leaves_while_it_is_waited_for_sets_the_others_free() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({})).await;
    let (mut good, stalled) = (hall.subscribe("NAME").await, hall.subscribe("NAME").await);
    let begun = Instant::now();
    tokio::spawn(async move {
        for message in messages() {
            publisher.send(message).await.unwrap();
        }
        publisher.member.end().await
    });
    let reading = tokio::spawn(async move { rest(&mut good).await });
    sleep(Duration::from_secs(3)).await;
    assert!(!reading.is_finished());
    drop(stalled);
    assert_eq!(reading.await.unwrap(), (messages(), Ok(())));
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_behind_gets_small_messages_in_order_when_it_reads_again() {
    let hall = Hall::with(|limits| limits.channel_deliveries_per_second = 10_000_000);
    let mut publisher = hall.publish("NAME", json!({ "policy": "drop" })).await;
    let mut stalled = hall.subscribe("NAME").await;
    for number in 0..40_000_u32 {
        publisher.send(format!("{number:040}")).await.unwrap();
        if number % 500 == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
    tokio::spawn(publisher.member.end());
    let mut got = 0;
    while let Some(message) = within(stalled.next()).await.unwrap() {
        assert_eq!(&message.bytes[..], format!("{:040}", message.number).as_bytes());
        got += 1;
    }
    assert_eq!(got + stalled.skipped(), 40_000);
    assert!(stalled.skipped() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_subscribers_finish_leaves_the_channel() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({})).await;
    let peer = hall.proxy.peer();
    let (_, mut stream) = super::subscribe(&peer, "NAME").await.unwrap();
    let mut other = hall.subscribe("NAME").await;
    stream.finish();
    harness::until(|| hall.channels.list()[0].subscribers == 1).await;
    publisher.send("to the other").await.unwrap();
    assert_eq!(text(&mut other).await, "to the other");
}
