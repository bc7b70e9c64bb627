//! What a channel may cost.

use std::time::Duration;

use browser_stream_mux::Code;
use browser_stream_server::{ChannelOptions, Delivery, Limits, Opening};
use harness::{Proxy, pattern, until, within};
use serde_json::json;
use tokio::time::Instant;

use crate::{honest::Honest, pile::until_quiet};

use super::{Hall, next, publish, rest, subscribe, text};

#[tokio::test(start_paused = true)]
async fn threat_24_one_message_to_many_costs_its_sender_as_much_as_many() {
    let hall = Hall::with(|limits| (limits.channel_deliveries_per_second, limits.channel_deliveries_burst) = (1000, 1000));
    let mut took = Vec::new();
    for (name, readers) in [("FEW", 1), ("MANY", 10)] {
        let mut publisher = hall.publish(name, json!({})).await;
        let mut subscriptions = Vec::new();
        for _ in 0..readers {
            subscriptions.push(hall.subscribe(name).await);
        }
        let begun = Instant::now();
        let sending = tokio::spawn(async move {
            for number in 0..500 {
                publisher.send(format!("{number}")).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            publisher.member.end().await.unwrap();
        });
        for subscription in &mut subscriptions {
            assert_eq!(rest(subscription).await.0.len(), 500);
        }
        sending.await.unwrap();
        took.push(begun.elapsed());
    }
    // 500 deliveries are within the burst; 5,000 are four seconds beyond it.
    assert!(took[0] < Duration::from_millis(1500), "{took:?}");
    assert!((Duration::from_millis(3500)..Duration::from_secs(6)).contains(&took[1]), "{took:?}");
    assert!(hall.proxy.refused("channel_rate_slowed") > 0);
}

#[tokio::test(start_paused = true)]
async fn all_publishers_of_a_session_share_what_it_may_cause() {
    let hall = Hall::with(|limits| (limits.channel_deliveries_per_second, limits.channel_deliveries_burst) = (100, 100));
    let peer = hall.proxy.peer();
    let begun = Instant::now();
    let mut sending = Vec::new();
    for name in ["A", "B", "C", "D"] {
        let (reply, stream) = publish(&peer, name, json!({})).await.unwrap();
        let mut publisher = browser_stream_server::Publisher::new(stream, serde_json::from_value(reply).unwrap());
        let mut reader = hall.subscribe(name).await;
        sending.push(tokio::spawn(async move {
            for _ in 0..100 {
                publisher.send("x").await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::join!(publisher.end(), rest(&mut reader)).0.unwrap();
        }));
    }
    for sending in sending {
        within(sending).await.unwrap();
    }
    assert!(begun.elapsed() > Duration::from_millis(2500), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_message_beyond_the_limit_ends_its_publisher_and_is_never_whole() {
    let hall = Hall::with(|limits| limits.channel_message_bytes_max = 100_000);
    let mut publisher = hall.publish("NAME", json!({})).await;
    let mut reader = hall.subscribe("NAME").await;
    assert_eq!(publisher.channel().message_bytes_max, 100_000);
    publisher.send(vec![1; 100_000]).await.unwrap();
    let _ = publisher.send(vec![2; 100_001]).await;
    let (got, ended) = rest(&mut reader).await;
    assert_eq!((got, ended), (vec![vec![1; 100_000]], Err(Code::Limit.number())));
    assert_eq!(hall.proxy.refused("channel_record"), 1);
}

#[tokio::test(start_paused = true)]
async fn so_many_channels_publishers_and_subscribers_and_no_more() {
    let hall = Hall::with(|limits| {
        (limits.channels_max, limits.channel_publishers_max, limits.channel_readers_max) = (2, 2, 2);
    });
    let many = json!({ "publishers": "many" });
    let first = hall.publish("ONE", many.clone()).await;
    let _two = (hall.publish("ONE", many.clone()).await, hall.publish("TWO", json!({})).await);
    let peer = hall.proxy.peer();
    assert_eq!(publish(&peer, "ONE", many.clone()).await.err().as_deref(), Some("limit"));
    assert_eq!(publish(&peer, "THREE", json!({})).await.err().as_deref(), Some("limit"));
    let _readers = (hall.subscribe("ONE").await, hall.subscribe("ONE").await);
    assert_eq!(subscribe(&peer, "ONE").await.err().as_deref(), Some("limit"));
    assert_eq!((hall.proxy.refused("channels"), hall.proxy.refused("channel_members")), (1, 2));
    within(first.member.end()).await.unwrap();
    publish(&peer, "ONE", many).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_when_all_have_gone() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({ "policy": "drop", "replay": 1_000_000 })).await;
    let (stalled, mut good) = (hall.subscribe("NAME").await, hall.subscribe("NAME").await);
    for seed in 0..40 {
        publisher.send(pattern(seed, 100_000)).await.unwrap();
        within(good.next()).await.unwrap();
    }
    let status = &hall.channels.list()[0];
    assert!(status.replay_bytes > 800_000 && status.queued_bytes > 1_000_000, "{status:?}");
    assert!(hall.proxy.sessions.memory_used() > 800_000);
    drop((publisher, stalled, good));
    until(|| hall.channels.list().is_empty() && hall.proxy.sessions.is_empty()).await;
    until(|| hall.proxy.sessions.memory_used() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn without_memory_nothing_is_kept_or_queued_and_who_keeps_up_gets_all() {
    let hall = Hall::with(|limits| limits.memory_budget_bytes = 256 * 1024);
    let mut publisher = hall.publish("NAME", json!({ "policy": "drop", "replay": 1_000_000 })).await;
    let (mut good, _stalled) = (hall.subscribe("NAME").await, hall.subscribe("NAME").await);
    for seed in 0..40 {
        publisher.send(pattern(seed, 20_000)).await.unwrap();
        assert_eq!(within(good.next()).await.unwrap().unwrap().bytes, pattern(seed, 20_000));
    }
    assert!(hall.proxy.sessions.memory_used() < 512 * 1024, "{}", hall.proxy.sessions.memory_used());
}

#[tokio::test(start_paused = true)]
async fn without_memory_even_a_message_of_which_a_part_has_left_is_cut_for_who_does_not_take_it() {
    let budget = 2 * 1024 * 1024;
    let hall = Hall::with(|limits| limits.memory_budget_bytes = budget);
    let mut publisher = hall.publish("NAME", json!({ "policy": "drop" })).await;
    let (mut good, mut stalled) = (hall.subscribe("NAME").await, hall.subscribe("NAME").await);
    let (piece, mut got, mut most) = (pattern(1, 16 * 1024), 0, 0);
    let mut message = publisher.message();
    for pieces in 1..=256 {
        message.push(piece.clone()).await.unwrap();
        while got < pieces * piece.len() {
            if let Delivery::Bytes { bytes, .. } = next(&mut good).await {
                got += bytes.len();
            }
        }
        most = most.max(hall.proxy.sessions.memory_used());
    }
    message.finish();
    assert!(matches!(next(&mut good).await, Delivery::Bytes { last: true, .. }));
    assert!((budget / 2..budget).contains(&most), "{most} bytes were used");
    loop {
        match next(&mut stalled).await {
            Delivery::Cut(_) => break,
            Delivery::Bytes { last, .. } => assert!(!last, "it looks whole"),
            _ => {}
        }
    }
    publisher.send("the next").await.unwrap();
    let message = within(stalled.next()).await.unwrap().unwrap();
    assert_eq!((message.number, &message.bytes[..]), (1, &b"the next"[..]));
}

#[tokio::test(start_paused = true)]
async fn threat_22_who_comes_and_goes_does_not_pile_up_for_a_subscriber_that_reads_nothing() {
    let hall = Hall::with(|limits| limits.channel_queue_bytes_max = 64 * 1024);
    let many = json!({ "policy": "drop", "publishers": "many" });
    let mut first = hall.publish("NAME", many.clone()).await;
    let mut stalled = hall.subscribe("NAME").await;
    for seed in 0..20 {
        first.send(pattern(seed, 64 * 1024)).await.unwrap();
    }
    let peer = hall.proxy.peer();
    for _ in 0..400 {
        drop(publish(&peer, "NAME", many.clone()).await.unwrap());
        until(|| hall.channels.list()[0].publishers == 1).await;
    }
    assert_eq!(rest(&mut stalled).await.1, Err(Code::Lagging.number()));
    assert_eq!(hall.proxy.refused("channel_lagging"), 1);
}

#[tokio::test(start_paused = true)]
async fn other_streams_of_a_stalled_subscribers_session_go_on() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({ "policy": "drop" })).await;
    let stalled = hall.subscribe("NAME").await;
    let mut other = hall.publish("OTHER", json!({ "replay": 100 })).await;
    for seed in 0..40 {
        publisher.send(pattern(seed, 100_000)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (reply, stream) = subscribe(&stalled.peer, "OTHER").await.unwrap();
    let mut second = browser_stream_server::Subscription::new(stream, serde_json::from_value(reply).unwrap());
    other.send("here").await.unwrap();
    assert_eq!(text(&mut second).await, "here");
}

#[tokio::test(start_paused = true)]
async fn what_subscribers_are_told_of_a_publisher_has_its_bound_however_long_an_open_may_be() {
    let hall = Hall::with(|limits| limits.open_bytes_max = 32 * 1024);
    let peer = hall.proxy.peer();
    let publish = |length: usize| peer.ask("/channel/publish/NAME", json!({ "meta": "x".repeat(length) }));
    assert_eq!(publish(9 * 1024).await.err().as_deref(), Some("bad_request"));
    assert_eq!(hall.proxy.refused("bad_open"), 1);
    let _publishing = publish(9 * 1024 - 200).await.unwrap();
    let mut reader = hall.subscribe("NAME").await;
    assert!(matches!(next(&mut reader).await, Delivery::Joined(who) if who.meta::<String>().is_some_and(|meta| meta.len() > 9000)));
    let ours = hall.channels.publish("OURS", ChannelOptions::new(), &"x".repeat(9 * 1024)).await;
    assert_eq!(ours.err().map(|error| error.code.to_string()).as_deref(), Some("bad_request"));
}

#[tokio::test(start_paused = true)]
async fn threat_22_where_there_is_no_memory_the_stalled_subscriber_pays_that_most_waits_for() {
    const MIB: usize = 1024 * 1024;
    let mut limits = Limits::default();
    (limits.memory_budget_bytes, limits.channel_queue_bytes_max) = (8 * MIB, 8 * MIB);
    let proxy = Proxy::with(limits, |router| {
        router.route("/pour", |opening: Opening| async {
            let mut stream = opening.accept();
            while stream.write_chunk(vec![7; 64 * 1024].into()).await.is_ok() {}
        })
    });
    let hall = Hall { channels: proxy.channels.clone(), proxy };
    let mut honest = Honest::new(&hall.proxy).await;
    let mut publisher = hall.publish("NAME", json!({ "policy": "drop" })).await;
    let mut stalled = hall.subscribe_over("NAME", 4096).await;
    for seed in 0..256 {
        publisher.send(pattern(seed, 8 * 1024)).await.unwrap();
    }
    until(|| hall.channels.list()[0].messages == 256).await;
    let queued = hall.channels.list()[0].queued_bytes as usize;
    assert!(queued > 3 * MIB / 2, "{queued} bytes wait for it");
    // Others who read nothing either, each of whom has less in four streams.
    let mut others = Vec::new();
    while hall.proxy.sessions.memory_used() < 8 * MIB {
        let mut other = hall.proxy.raw_with(4096);
        for number in 0..4 {
            other.open(2 * number + 1, r#"{"path":"/pour"}"#).await;
        }
        until_quiet().await;
        others.push(other);
    }
    honest.goes_on().await;
    assert_eq!(rest(&mut stalled).await.1, Err(Code::Limit.number()));
    assert_eq!(hall.proxy.refused("budget"), 1, "nobody else pays");
    assert_eq!(hall.proxy.sessions.list().iter().filter(|session| session.streams() == 4).count(), others.len(), "the others live");
    honest.goes_on().await;
    assert!(hall.proxy.sessions.memory_used() < 15 * MIB / 2, "{}", hall.proxy.sessions.memory_used());
}
