//! Channels between programs, through the Rust client.

use std::time::Duration;

use browser_stream_client::{Channel, ChannelOptions, ConnectError, Message, Policy};
use browser_stream_mux::Code;
use futures::TryStreamExt;
use harness::{Two, pattern, within};

#[tokio::test(start_paused = true)]
async fn what_the_readme_shows_of_channels_works() {
    let two = Two::new().await;
    let channel = Channel::new(&two.server);
    let mut publisher =
        within(channel.publish("prices", ChannelOptions::new().policy(Policy::Drop)).meta(&"EUR").into_future()).await.unwrap();
    let mut subscription = within(Channel::new(&two.client).subscribe("prices").into_future()).await.unwrap();
    within(publisher.send("1.07")).await.unwrap();
    let message = within(subscription.next()).await.unwrap().unwrap();
    assert_eq!((&message.bytes[..], message.publisher.meta::<String>().as_deref()), (&b"1.07"[..], Some("EUR")));
    let ending = tokio::spawn(publisher.end());
    assert!(within(subscription.next()).await.unwrap().is_none());
    assert_eq!(within(ending).await.unwrap().unwrap().delivered, 4);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_a_stream_of_messages() {
    let two = Two::new().await;
    let mut publisher = within(Channel::new(&two.server).publish("日本", ChannelOptions::new().wait_for(1)).into_future()).await.unwrap();
    let subscription = within(Channel::new(&two.client).subscribe("日本").into_future()).await.unwrap();
    let sending = tokio::spawn(async move {
        for seed in 0..10 {
            publisher.send(pattern(seed, 100_000)).await.unwrap();
        }
        publisher.end().await
    });
    let messages: Vec<Message> = within(subscription.try_collect()).await.unwrap();
    let got: Vec<Vec<u8>> = messages.into_iter().map(|message| message.bytes.to_vec()).collect();
    assert_eq!(got, (0..10).map(|seed| pattern(seed, 100_000)).collect::<Vec<_>>());
    within(sending).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn refusals_and_losses_have_their_codes() {
    let two = Two::new().await;
    let channel = Channel::new(&two.client);
    let nobody = within(channel.subscribe("nobody").wait(Duration::ZERO).into_future()).await.err().unwrap();
    assert_eq!(nobody.code(), Code::NotFound.into());
    let _first = within(Channel::new(&two.server).publish("taken", ChannelOptions::new()).into_future()).await.unwrap();
    let taken = within(channel.publish("taken", ChannelOptions::new()).into_future()).await.err().unwrap();
    assert_eq!(taken.code(), Code::NameTaken.into());
    let bad = within(channel.publish("..", ChannelOptions::new()).into_future()).await.err().unwrap();
    assert!(matches!(bad, ConnectError::Name(_)));
    let mut subscription = within(channel.subscribe("taken").into_future()).await.unwrap();
    two.server.close().await;
    let lost = loop {
        match within(subscription.next()).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("no clean end"),
            Err(error) => break error.code(),
        }
    };
    assert_eq!(lost, Code::Lost.number());
}
