//! Who may publish, what goes through, and how each end is told.

use std::time::Duration;

use browser_stream_mux::{Code, StreamError};
use browser_stream_server::{Delivery, Ending, News, PublishError, Subscription};
use harness::{pattern, until, within};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Hall, Member, next, publish, rest, text};

#[tokio::test(start_paused = true)]
async fn every_subscriber_gets_each_message_whole_and_in_order() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({})).await;
    let mut readers = vec![hall.subscribe("NAME").await, hall.subscribe("NAME").await, hall.subscribe("NAME").await];
    let messages: Vec<Vec<u8>> = [0, 1, 100, 2048, 2049, 65_536, 65_537, 300_000].map(|length| pattern(length as u64, length)).into();
    let sent = messages.clone();
    let sending = tokio::spawn(async move {
        for message in sent {
            publisher.send(message).await.unwrap();
        }
        within(publisher.member.end()).await.unwrap()
    });
    for reader in &mut readers {
        assert_eq!(rest(reader).await, (messages.clone(), Ok(())));
    }
    let bytes: usize = messages.iter().map(Vec::len).sum();
    assert_eq!(sending.await.unwrap().delivered, 3 * bytes as u64);
    until(|| hall.channels.list().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_reads_while_the_message_is_still_being_sent() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({})).await;
    let mut reader = hall.subscribe("NAME").await;
    assert!(matches!(next(&mut reader).await, Delivery::Joined(_)));
    let mut message = publisher.message();
    message.push("half").await.unwrap();
    let Delivery::Bytes { bytes, last: false, number: 0, .. } = next(&mut reader).await else { panic!("bytes that go on") };
    assert_eq!(bytes, "half");
    message.push("way").await.unwrap();
    message.finish();
    assert!(matches!(next(&mut reader).await, Delivery::Bytes { bytes, .. } if bytes == "way"));
    assert!(matches!(next(&mut reader).await, Delivery::Bytes { bytes, last: true, .. } if bytes.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn threat_23_the_proxy_says_who_sent_it_whatever_a_publisher_claims() {
    let hall = Hall::new();
    let peer = hall.proxy.peer();
    let forged = json!({ "meta": { "id": "forged" }, "id": "forged", "peer": { "session": "forged" }, "channel": { "number": 7 } });
    let (reply, _stream) = peer.ask("/channel/publish/NAME", forged).await.unwrap();
    let mut reader = hall.subscribe("NAME").await;
    let Delivery::Joined(who) = next(&mut reader).await else { panic!("who publishes") };
    assert_eq!((who.number, who.id.as_str()), (0, reply["id"].as_str().unwrap()));
    assert_ne!(who.id, "forged");
    let sessions: Vec<String> = hall.proxy.sessions.list().iter().map(|session| session.id().to_string()).collect();
    assert!(sessions.contains(who.session.as_ref().unwrap()));
    assert_eq!(who.meta(), Some(json!({ "id": "forged" })), "what it says of itself is in meta, and nowhere else");
}

#[tokio::test(start_paused = true)]
async fn a_second_publisher_comes_in_only_where_both_allow_it() {
    let hall = Hall::new();
    let _first = hall.publish("ONE", json!({})).await;
    let peer = hall.proxy.peer();
    for options in [json!({}), json!({ "publishers": "many" })] {
        assert_eq!(publish(&peer, "ONE", options).await.err().as_deref(), Some("name_taken"));
    }
    let mut first = hall.publish("MANY", json!({ "publishers": "many", "policy": "drop" })).await;
    assert_eq!(publish(&peer, "MANY", json!({})).await.err().as_deref(), Some("name_taken"));
    let mut reader = hall.subscribe("MANY").await;
    let mut second = hall.publish("MANY", json!({ "publishers": "many" })).await;
    assert_eq!((first.channel().number, second.channel().number), (Some(0), Some(1)));
    assert_eq!(second.channel().policy, browser_stream_server::Policy::Drop, "the first one's counts");
    first.send("from the first").await.unwrap();
    assert_eq!(text(&mut reader).await, "from the first");
    second.send("from the second").await.unwrap();
    let message = within(reader.next()).await.unwrap().unwrap();
    assert_eq!((message.publisher.number, &message.bytes[..]), (1, &b"from the second"[..]));
    within(first.member.end()).await.unwrap();
    second.send("still here").await.unwrap();
    assert_eq!(text(&mut reader).await, "still here");
    tokio::spawn(second.member.end());
    assert_eq!(rest(&mut reader).await, (vec![], Ok(())));
}

#[tokio::test(start_paused = true)]
async fn parts_of_several_publishers_interleave_and_each_message_stays_whole() {
    let hall = Hall::new();
    let many = json!({ "publishers": "many" });
    let (mut one, mut two) = (hall.publish("NAME", many.clone()).await, hall.publish("NAME", many).await);
    let mut reader = hall.subscribe("NAME").await;
    let (mut first, mut second) = (one.message(), two.message());
    first.push("a").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    second.push("1").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    first.push("b").await.unwrap();
    first.finish();
    assert_eq!(text(&mut reader).await, "ab");
    second.finish();
    assert_eq!(text(&mut reader).await, "1");
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_dies_is_no_clean_end() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({})).await;
    let mut reader = hall.subscribe("NAME").await;
    publisher.send("whole").await.unwrap();
    let mut message = publisher.message();
    message.push("cut short").await.unwrap();
    // As the tab's own death: nothing is said any more.
    std::mem::forget(message);
    assert_eq!(text(&mut reader).await, "whole");
    publisher.peer.vanish();
    assert_eq!(rest(&mut reader).await, (vec![], Err(Code::Lost.number())));
    until(|| hall.channels.list().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn each_end_without_a_word_has_its_code() {
    let hall = Hall::new();
    for (way, code) in [("reset", 4001), ("finish", Code::Cancelled.number()), ("drop", Code::Cancelled.number())] {
        let peer = hall.proxy.peer();
        let (_, mut stream) = publish(&peer, way, json!({})).await.unwrap();
        let mut reader = hall.subscribe(way).await;
        assert!(matches!(next(&mut reader).await, Delivery::Joined(_)));
        match way {
            "reset" => stream.reset(4001_u32),
            "finish" => stream.finish(),
            _ => drop(stream),
        }
        assert_eq!(rest(&mut reader).await, (vec![], Err(code)), "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_with_a_reason_reaches_every_subscriber() {
    let hall = Hall::new();
    let publisher = hall.publish("NAME", json!({})).await;
    let mut reader = hall.subscribe("NAME").await;
    let ending = Ending::new(4002_u32, "the show is off");
    tokio::spawn(publisher.member.end_with(ending.clone()));
    assert!(matches!(next(&mut reader).await, Delivery::Joined(_)));
    let Delivery::Left(_, told) = next(&mut reader).await else { panic!("the publisher leaves") };
    assert_eq!(told, ending);
    assert_eq!(within(reader.incoming()).await.unwrap_err().code(), 4002);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_its_publisher_gives_up_is_never_taken_for_whole() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({})).await;
    let mut reader = hall.subscribe("NAME").await;
    publisher.message().push("half of it").await.unwrap();
    publisher.send("the next").await.unwrap();
    let message = within(reader.next()).await.unwrap().unwrap();
    assert_eq!((message.number, &message.bytes[..]), (1, &b"the next"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_publisher_is_told_who_comes_and_goes_and_how_far_it_is() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({})).await;
    let reader = hall.subscribe("NAME").await;
    publisher.send(vec![0; 1000]).await.unwrap();
    let digits = reader.id().replace('-', "");
    let id = std::array::from_fn(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap());
    let mut told = Vec::new();
    while !matches!(told.last(), Some(News::Progress { .. })) {
        told.push(within(publisher.news()).await.unwrap().unwrap());
    }
    assert!(told.contains(&News::Came { reader: 0, id }) && told.contains(&News::Readers(1)), "{told:?}");
    assert_eq!(told.last(), Some(&News::Progress { slowest: 1000, delivered: 1000 }));
    drop(reader.member);
    let left = within(publisher.news()).await.unwrap().unwrap();
    assert!(matches!(left, News::Left { reader: 0, code: 15, taken: 1000 }), "{left:?}");
    assert_eq!(within(publisher.news()).await.unwrap(), Some(News::Readers(0)));
}

#[tokio::test(start_paused = true)]
async fn nobody_publishes_so_nobody_subscribes() {
    let hall = Hall::new();
    let peer = hall.proxy.peer();
    assert_eq!(super::subscribe(&peer, "NAME").await.err().as_deref(), Some("not_found"));
    let waiting = hall.proxy.peer();
    let subscribing = tokio::spawn(async move {
        let found = waiting.ask("/channel/subscribe/NAME", json!({ "wait": 5000 })).await;
        (found, waiting)
    });
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let mut publisher = hall.publish("NAME", json!({})).await;
    let (found, _waiting) = subscribing.await.unwrap();
    let (reply, stream) = found.unwrap();
    let mut reader = Subscription::new(stream, serde_json::from_value(reply).unwrap());
    publisher.send("you waited").await.unwrap();
    assert_eq!(text(&mut reader).await, "you waited");
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_cannot_be_is_bad_request() {
    let hall = Hall::new();
    let peer = hall.proxy.peer();
    for options in
        [json!({ "policy": "maybe" }), json!({ "wait_for": -1 }), json!({ "wait_for": 1025 }), json!({ "replay": 1_048_577 }), json!(7)]
    {
        assert_eq!(publish(&peer, "NAME", options.clone()).await.err().as_deref(), Some("bad_request"), "{options}");
    }
    for path in ["/channel/publish/..", "/channel/publish/%61", "/channel/subscribe/%2e"] {
        assert_eq!(peer.ask(path, json!({})).await.err().as_deref(), Some("bad_request"), "{path}");
    }
    assert_eq!(hall.proxy.refused("bad_open"), 8);
}

#[tokio::test(start_paused = true)]
async fn an_operator_ends_a_channel_and_both_sides_hear_it() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({})).await;
    let mut reader = hall.subscribe("NAME").await;
    assert!(hall.channels.end("NAME") && !hall.channels.end("OTHER"));
    assert_eq!(rest(&mut reader).await, (vec![], Err(Code::Gone.number())));
    let gone = loop {
        if let Err(error) = within(publisher.send("more")).await {
            break error;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert!(matches!(&gone, PublishError::Ended(ending) if ending.code == Code::Gone.number()), "{gone:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_record_resets_its_publisher_and_nobody_else() {
    let hall = Hall::new();
    let peer = hall.proxy.peer();
    let (_, mut stream) = publish(&peer, "NAME", json!({})).await.unwrap();
    let other = hall.publish("OTHER", json!({})).await;
    let mut reader = hall.subscribe("NAME").await;
    stream.write_now(vec![99].into());
    assert_eq!(rest(&mut reader).await, (vec![], Err(Code::BadRequest.number())));
    let ended = loop {
        match within(stream.read_chunk()).await {
            Ok(Some(_)) => {}
            ended => break ended,
        }
    };
    // The proxy's own word, which a peer of the mux sees as it is.
    assert_eq!(ended, Err(StreamError::Reset(Code::BadRequest.number())));
    assert_eq!(hall.proxy.refused("channel_record"), 1);
    within(other.member.end()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_of_several_publishers_ends_for_itself_and_the_channel_as_its_last() {
    let hall = Hall::new();
    let many = json!({ "publishers": "many" });
    for (ends, whole) in [([4001, 0], Ok(())), ([0, 4001], Err(4001))] {
        let publishers = [hall.publish("NAME", many.clone()).await, hall.publish("NAME", many.clone()).await];
        let mut reader = hall.subscribe("NAME").await;
        for _ in 0..2 {
            assert!(matches!(next(&mut reader).await, Delivery::Joined(_)));
        }
        for (publisher, code) in publishers.into_iter().zip(ends) {
            tokio::spawn(publisher.member.end_with(Ending::new(code, "")));
            let Delivery::Left(_, ending) = next(&mut reader).await else { panic!("it leaves") };
            assert_eq!(ending.code, code, "this one's own end");
        }
        assert_eq!(rest(&mut reader).await, (vec![], whole));
        until(|| hall.channels.list().is_empty()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_breaks_off_is_gone_at_once_though_a_stalled_subscriber_is_waited_for() {
    let hall = Hall::new();
    let Member { member: mut publisher, peer: _peer } = hall.publish("NAME", json!({})).await;
    let sending = tokio::spawn(async move {
        for seed in 0.. {
            publisher.send(pattern(seed, 64 * 1024)).await.unwrap();
        }
    });
    let (mut good, _stalled) = (hall.subscribe("NAME").await, hall.subscribe("NAME").await);
    let reading = tokio::spawn(async move { rest(&mut good).await });
    sleep(Duration::from_secs(2)).await;
    assert!(!reading.is_finished());
    let before = Instant::now();
    sending.abort();
    let (got, ended) = within(reading).await.unwrap();
    assert!(!got.is_empty());
    assert_eq!(ended, Err(Code::Cancelled.number()));
    assert!(before.elapsed() < Duration::from_millis(500), "{:?}", before.elapsed());
    let mut next = hall.publish("NAME", json!({})).await;
    next.send("the name is free").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_said_to_its_end_arrives_though_its_publisher_died_while_a_subscriber_was_waited_for() {
    let hall = Hall::new();
    let mut publisher = hall.publish("NAME", json!({})).await;
    let mut slow = hall.subscribe("NAME").await;
    let sent: Vec<Vec<u8>> = (0..10).map(|seed| pattern(seed, 60 * 1024)).collect();
    for message in &sent {
        publisher.send(message.clone()).await.unwrap();
    }
    let peer = publisher.peer;
    let ending = tokio::spawn(publisher.member.end());
    sleep(Duration::from_secs(1)).await;
    assert!(!ending.is_finished());
    peer.vanish();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(rest(&mut slow).await, (sent, Ok(())));
}
