//! Publishing and subscribing from inside the process.

use browser_stream_mux::Code;
use browser_stream_server::{ChannelEvent, ChannelOptions, Policy};
use futures::StreamExt;
use harness::{pattern, within};
use serde_json::json;

use super::{Hall, rest, text};

#[tokio::test(start_paused = true)]
async fn the_program_publishes_to_peers_and_reads_what_they_publish() {
    let hall = Hall::new();
    let mut publisher = hall.channels.publish("OURS", ChannelOptions::new().wait_for(1), &"of the program").await.unwrap();
    let mut peer = hall.subscribe("OURS").await;
    let sent: Vec<Vec<u8>> = (0..20).map(|seed| pattern(seed, 100_000)).collect();
    let all = sent.clone();
    tokio::spawn(async move {
        for message in all {
            publisher.send(message).await.unwrap();
        }
        publisher.end().await
    });
    let first = within(peer.next()).await.unwrap().unwrap();
    assert_eq!((first.publisher.session.as_deref(), first.publisher.meta()), (None, Some("of the program".to_owned())));
    assert_eq!(rest(&mut peer).await, (sent[1..].to_vec(), Ok(())));

    let mut theirs = hall.publish("THEIRS", json!({})).await;
    let mut subscription = hall.channels.subscribe("THEIRS").await.unwrap();
    theirs.send("from a peer").await.unwrap();
    assert_eq!(text(&mut subscription).await, "from a peer");
    drop(theirs.member);
    assert_eq!(rest(&mut subscription).await, (vec![], Err(Code::Cancelled.number())));
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_inside_that_does_not_read_is_treated_as_any_other() {
    let hall = Hall::new();
    let mut publisher = hall.channels.publish("NAME", ChannelOptions::new().policy(Policy::Drop), &()).await.unwrap();
    let mut subscription = hall.channels.subscribe("NAME").await.unwrap();
    for seed in 0..100 {
        publisher.send(pattern(seed, 50_000)).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    tokio::spawn(publisher.end());
    let (got, ended) = rest(&mut subscription).await;
    assert_eq!((got.len() as u64 + subscription.skipped(), ended), (100, Ok(())));
    assert!(subscription.skipped() > 50);
    let mut waits = hall.channels.publish("WAITS", ChannelOptions::new(), &()).await.unwrap();
    let mut stalled = hall.channels.subscribe("WAITS").await.unwrap();
    for seed in 0..20 {
        within(waits.send(pattern(seed, 50_000))).await.unwrap();
    }
    assert_eq!(rest(&mut stalled).await.1, Err(Code::Lagging.number()));
}

#[tokio::test(start_paused = true)]
async fn each_change_of_a_channel_is_an_event() {
    let hall = Hall::new();
    let mut events = hall.channels.events();
    let publisher = hall.publish("NAME", json!({})).await;
    let reader = hall.subscribe("NAME").await;
    let id = reader.id().to_owned();
    drop(reader.member);
    let mut kinds = Vec::new();
    for _ in 0..4 {
        let event = within(events.next()).await.unwrap();
        if let ChannelEvent::SubscriberLeft { id: left, code, .. } = &event {
            assert_eq!((left.to_string(), *code), (id.clone(), 15));
        }
        kinds.push(event.kind());
    }
    assert_eq!(kinds, ["channel.created", "publisher.joined", "subscriber.joined", "subscriber.left"]);
    within(publisher.member.end()).await.unwrap();
    assert_eq!(within(events.next()).await.unwrap().kind(), "publisher.left");
    assert!(matches!(within(events.next()).await, Some(ChannelEvent::Destroyed { ending, .. }) if ending.is_clean()));
}

#[tokio::test(start_paused = true)]
async fn a_program_meets_the_refusals_that_a_peer_meets() {
    let hall = Hall::new();
    let _theirs = hall.publish("NAME", json!({})).await;
    let code = |error: Option<browser_stream_server::OpenError>| error.map(|error| error.code.to_string());
    assert_eq!(code(hall.channels.publish("NAME", ChannelOptions::new(), &()).await.err()).as_deref(), Some("name_taken"));
    assert_eq!(code(hall.channels.publish("..", ChannelOptions::new(), &()).await.err()).as_deref(), Some("bad_request"));
    assert_eq!(
        code(hall.channels.publish("OTHER", ChannelOptions::new().replay(1 << 21), &()).await.err()).as_deref(),
        Some("bad_request")
    );
    assert_eq!(code(hall.channels.subscribe("NOBODY").await.err()).as_deref(), Some("not_found"));
}
