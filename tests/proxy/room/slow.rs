//! Members that take less than is said.

use std::time::Duration;

use browser_stream_mux::{Code, StreamError};
use browser_stream_protocol::{
    channel::Ending,
    room::{Emit, Said, Told},
};
use harness::{pattern, until, within};
use serde_json::json;
use tokio::time::sleep;

use super::{Hall, Member, join};

/// An event of 10,000 bytes that differ by its number.
fn large(number: u64) -> Said {
    Said::Emit(Emit { body: pattern(number, 10_000).into(), ..Member::event("say", "") })
}

/// The number of a large event.
fn number(told: &Told, from: u64) -> u64 {
    let Told::Event { body, .. } = told else { panic!("{told:?} where an event was expected") };
    (from..from + 1000).find(|&number| *body == pattern(number, 10_000)).expect("one of those that were sent")
}

#[tokio::test(start_paused = true)]
async fn threat_22_one_stalled_member_loses_events_in_place_and_the_others_get_every_byte() {
    let hall = Hall::new();
    let (mut one, mut good, mut stalled) = (hall.join("NAME").await, hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    one.joined().await;
    good.joined().await;
    for sent in 0..400 {
        one.say(&large(sent));
        assert!(matches!(good.next().await, Told::Event { body, .. } if body == pattern(sent, 10_000)));
        if sent == 300 {
            let late = hall.join("NAME").await;
            assert_eq!((one.joined().await, good.joined().await), (4, 4));
            drop(late);
            assert_eq!((one.live().await, good.live().await), ((4, false), (4, false)));
        }
    }
    let (mut next, mut lost, mut words) = (0, 0, Vec::new());
    while next + lost < 400 {
        match stalled.next().await {
            Told::Lost(count) => lost += count,
            Told::Joined { number, .. } => words.push(format!("{number} joined")),
            Told::Live { number, is_live } => words.push(format!("{number} {is_live}")),
            event => {
                assert_eq!(number(&event, next + lost), next + lost, "in order, and what was lost stood where that is said");
                next += 1;
            }
        }
    }
    assert!((100..300).contains(&lost), "{lost} were lost");
    assert_eq!(words, ["4 joined", "4 false"], "who comes and goes is not left out");
    assert_eq!(hall.proxy.refused("room_skipped"), lost);
    assert_eq!(hall.proxy.refused("room_lagging"), 0);
    // What was lost counts as received: it goes on as any other.
    let mut stalled = stalled.back(&hall).await;
    assert_eq!(stalled.reply["room"]["lost"], json!(0));
    one.say(&large(400));
    assert_eq!(number(&stalled.next().await, 400), 400);
}

#[tokio::test(start_paused = true)]
async fn threat_22_one_that_would_miss_who_comes_and_goes_is_reset_and_has_all_anew() {
    let hall = Hall::with(|limits| limits.room_kept_events_max = 8);
    let (mut one, mut stalled) = (hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    for sent in 0..300 {
        one.say(&large(sent));
    }
    sleep(Duration::from_millis(100)).await;
    for number in 3..13 {
        let mut passes = hall.join("NAME").await;
        passes.say(&Said::Leave { is_peer: false, text: String::new() });
        // Among that it hears that the other's connection is gone.
        while !matches!(one.next().await, Told::Left { number: left, .. } if left == number) {}
    }
    assert_eq!(hall.proxy.refused("room_lagging"), 1);
    assert_eq!(stalled.ended().await, Some(StreamError::Reset(Code::Lagging.number())));
    let mut stalled = stalled.back(&hall).await;
    assert!(stalled.reply["room"]["lost"].as_u64().unwrap() > 0);
    one.emit("goes on");
    loop {
        if let Told::Event { body, .. } = stalled.next().await
            && body.ends_with(b"goes on")
        {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn threat_22_one_that_is_reset_where_no_more_may_be_away_leaves_at_once() {
    let hall = Hall::with(|limits| (limits.room_kept_events_max, limits.room_absent_max) = (8, 0));
    let (mut one, stalled) = (hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    for sent in 0..300 {
        one.say(&large(sent));
    }
    sleep(Duration::from_millis(100)).await;
    for number in 3..13 {
        let mut passes = hall.join("NAME").await;
        passes.say(&Said::Leave { is_peer: false, text: String::new() });
        until(|| hall.rooms.members("NAME").iter().all(|member| member.number != number)).await;
    }
    assert_eq!(hall.proxy.refused("room_lagging"), 1);
    until(|| hall.rooms.members("NAME").len() == 1).await;
    while one.next().await != (Told::Left { number: 2, ending: Ending::new(Code::Lost, "") }) {}
    drop(stalled);
}

#[tokio::test(start_paused = true)]
async fn what_is_volatile_is_for_who_can_have_it_now() {
    let hall = Hall::new();
    let (mut one, mut good, mut stalled) = (hall.join("NAME").await, hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    one.joined().await;
    good.joined().await;
    let volatile = || Said::Emit(Emit { is_volatile: true, ..Member::event("say", "now") });
    one.say(&volatile());
    assert!(matches!(good.next().await, Told::Event { from: 1, is_volatile: true, .. }));
    assert!(matches!(stalled.next().await, Told::Event { is_volatile: true, .. }));
    for sent in 0..200 {
        one.say(&large(sent));
        good.next().await;
    }
    one.say(&volatile());
    assert!(matches!(good.next().await, Told::Event { is_volatile: true, .. }));
    good.peer = None;
    assert_eq!(one.live().await, (2, false));
    one.say(&volatile());
    one.emit("the last");
    let mut good = good.again(&hall).await;
    assert_eq!(good.word().await.1, "the last");
    let mut seen = 0;
    loop {
        match stalled.next().await {
            Told::Event { body, .. } if body.ends_with(b"the last") => break,
            Told::Event { is_volatile, .. } => seen += usize::from(is_volatile),
            _ => {}
        }
    }
    assert_eq!(seen, 0);
}

#[tokio::test(start_paused = true)]
async fn other_streams_of_a_stalled_members_session_go_on() {
    let hall = Hall::new();
    let (mut one, stalled) = (hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    for sent in 0..200 {
        one.say(&large(sent));
        sleep(Duration::from_millis(1)).await;
    }
    let (reply, stream) = within(join(stalled.peer.as_ref().unwrap(), "OTHER", json!({}))).await.unwrap();
    let mut other = Member::over(None, reply, stream).await;
    let mut second = hall.join("OTHER").await;
    other.joined().await;
    second.emit("here");
    assert_eq!(other.word().await.1, "here");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_reads_slowly_and_never_falls_behind_gets_all() {
    let hall = Hall::new();
    let mut one = hall.join("NAME").await;
    let mut slow = Member::join(hall.proxy.peer_with(1000), "NAME", json!({})).await.unwrap();
    one.joined().await;
    for sent in 0..300 {
        one.say(&large(sent));
        if sent >= 50 {
            assert_eq!(number(&slow.next().await, sent - 50), sent - 50);
        }
    }
    for sent in 250..300 {
        assert_eq!(number(&slow.next().await, sent), sent);
    }
}
