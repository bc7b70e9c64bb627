//! What a room may cost.

use std::time::Duration;

use browser_stream_mux::Code;
use browser_stream_protocol::room::{Emit, Said, Told};
use harness::{pattern, until, within};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Hall, Member, join};

#[tokio::test(start_paused = true)]
async fn threat_24_one_event_to_many_members_costs_its_sender_as_much_as_many() {
    let hall = Hall::with(|limits| (limits.channel_deliveries_per_second, limits.channel_deliveries_burst) = (1000, 1000));
    let mut took = Vec::new();
    for (name, others) in [("FEW", 1), ("MANY", 10)] {
        let mut sends = hall.join(name).await;
        let mut members = Vec::new();
        for _ in 0..others {
            members.push(hall.join(name).await);
            sends.joined().await;
        }
        let last = members.last_mut().unwrap();
        let begun = Instant::now();
        let sending = tokio::spawn(async move {
            for number in 0..500 {
                sends.emit(&format!("{number}"));
                sleep(Duration::from_millis(1)).await;
            }
            sends
        });
        last.words("499").await;
        took.push(begun.elapsed());
        within(sending).await.unwrap();
    }
    // 500 deliveries are within the burst; 5,000 are four seconds beyond it.
    assert!(took[0] < Duration::from_millis(1500), "{took:?}");
    assert!((Duration::from_millis(3500)..Duration::from_secs(6)).contains(&took[1]), "{took:?}");
    assert!(hall.proxy.refused("room_rate_slowed") > 0);
}

#[tokio::test(start_paused = true)]
async fn threat_24_a_profile_that_many_are_told_of_costs_as_much_as_many() {
    let hall = Hall::with(|limits| (limits.channel_deliveries_per_second, limits.channel_deliveries_burst) = (1000, 1000));
    let (mut says, mut hears) = (hall.join("NAME").await, hall.join("NAME").await);
    let mut others = Vec::new();
    for _ in 0..9 {
        others.push(hall.join("NAME").await);
        hears.joined().await;
    }
    let begun = Instant::now();
    for number in 0..300 {
        says.say(&Said::Profile(format!("{number}").into()));
    }
    says.emit("behind them");
    while !matches!(hears.next().await, Told::Event { .. }) {}
    // 3,000 deliveries, of which 1,000 are within the burst.
    assert!((Duration::from_millis(1500)..Duration::from_secs(4)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert!(hall.proxy.refused("room_rate_slowed") > 0);
}

#[tokio::test(start_paused = true)]
async fn threat_24_an_event_for_one_costs_one_however_many_are_there() {
    let hall = Hall::with(|limits| (limits.channel_deliveries_per_second, limits.channel_deliveries_burst) = (1000, 1000));
    let mut sends = hall.join("NAME").await;
    let mut others = Vec::new();
    for _ in 0..10 {
        others.push(hall.join("NAME").await);
        sends.joined().await;
    }
    for member in &mut others[..1] {
        for _ in 0..9 {
            member.joined().await;
        }
    }
    for number in 0..900 {
        sends.say(&Said::Emit(Emit { to: vec![2], ..Member::event("say", &format!("{number}")) }));
    }
    let begun = Instant::now();
    others[0].words("899").await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(hall.proxy.refused("room_rate_slowed"), 0);
}

#[tokio::test(start_paused = true)]
async fn so_many_rooms_members_and_rooms_of_one_session_and_no_more() {
    let hall = Hall::with(|limits| (limits.rooms_max, limits.room_members_max, limits.rooms_per_session_max) = (3, 2, 2));
    let peer = hall.proxy.peer();
    let mut own = Vec::new();
    for name in ["ONE", "TWO"] {
        own.push(join(&peer, name, json!({})).await.unwrap());
    }
    assert_eq!(join(&peer, "THREE", json!({})).await.err().as_deref(), Some("limit"));
    assert_eq!(hall.rooms.list().len(), 2, "a room that nobody came into is none");
    let other = hall.join("ONE").await;
    assert_eq!(join(&hall.proxy.peer(), "ONE", json!({})).await.err().as_deref(), Some("limit"));
    let _three = hall.join("THREE").await;
    assert_eq!(join(&hall.proxy.peer(), "FOUR", json!({})).await.err().as_deref(), Some("limit"));
    let refused = ["rooms", "room_members", "rooms_per_session"].map(|reason| hall.proxy.refused(reason));
    assert_eq!(refused, [1, 1, 1]);
    let mut other = other;
    other.say(&Said::Leave { is_peer: false, text: String::new() });
    until(|| hall.rooms.members("ONE").len() == 1).await;
    hall.join("ONE").await;
    drop(own.pop());
    until(|| hall.rooms.list().len() == 2).await;
    join(&peer, "FOUR", json!({})).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_too_long_for_this_proxy_ends_its_sender() {
    let hall = Hall::with(|limits| limits.room_event_bytes_max = 1000);
    let (mut one, mut two) = (hall.join("NAME").await, hall.join("NAME").await);
    assert_eq!(one.reply["room"]["event_bytes_max"], json!(1000));
    one.joined().await;
    one.say(&Said::Emit(Emit { body: vec![1; 1000].into(), ..Member::event("say", "") }));
    assert!(matches!(two.next().await, Told::Event { body, .. } if body.len() == 1000));
    one.say(&Said::Emit(Emit { body: vec![1; 1001].into(), ..Member::event("say", "") }));
    assert_eq!(two.left().await.1, Code::Limit.number());
    assert_eq!(hall.proxy.refused("room_record"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_member_says_of_itself_has_its_bound() {
    let hall = Hall::new();
    let peer = hall.proxy.peer();
    let profile = |length: usize| json!({ "profile": "x".repeat(length - 2) });
    join(&peer, "NAME", profile(4096)).await.unwrap();
    assert_eq!(join(&peer, "NAME", profile(4097)).await.err().as_deref(), Some("bad_request"));
    for bad in [json!(1), json!({ "seat": {} }), json!({ "public": "yes" })] {
        assert_eq!(join(&peer, "NAME", bad).await.err().as_deref(), Some("bad_request"));
    }
    assert_eq!(join(&peer, "a%2fb", json!({})).await.err().as_deref(), Some("bad_request"));
    assert_eq!(hall.proxy.refused("bad_open"), 5);
}

#[tokio::test(start_paused = true)]
async fn so_many_are_away_and_no_more() {
    let hall = Hall::with(|limits| limits.room_absent_max = 1);
    let (mut one, two, three) = (hall.join("NAME").await, hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    one.joined().await;
    let two = two.gone();
    assert_eq!(one.live().await, (2, false));
    drop(three);
    assert!(matches!(one.next().await, Told::Leaving { number: 3, .. }));
    assert_eq!(one.left().await, (3, 14, String::new()));
    assert_eq!(hall.proxy.refused("room_absent"), 1);
    let two = two.again(&hall).await;
    assert_eq!(one.live().await, (2, true));
    drop(two);
    assert_eq!(one.live().await, (2, false));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_when_all_have_gone() {
    let hall = Hall::with(|limits| limits.room_grace = Duration::from_secs(10));
    let (mut one, stalled, away) = (hall.join("NAME").await, hall.join("NAME").await, hall.join("NAME").await);
    drop(away);
    for seed in 0..40 {
        one.say(&Said::Emit(Emit { body: pattern(seed, 100_000).into(), ..Member::event("say", "") }));
        sleep(Duration::from_millis(20)).await;
    }
    assert!(hall.rooms.list()[0].kept_bytes > 1_500_000, "{:?}", hall.rooms.list());
    assert!(hall.proxy.sessions.memory_used() > 1_000_000);
    drop((one, stalled));
    until(|| hall.rooms.list().is_empty() && hall.proxy.sessions.is_empty()).await;
    until(|| hall.proxy.sessions.memory_used() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn without_memory_nothing_is_kept_and_who_keeps_up_gets_all() {
    let hall = Hall::with(|limits| limits.memory_budget_bytes = 256 * 1024);
    let (mut one, mut good) = (hall.join("NAME").await, hall.join("NAME").await);
    let (_stalled, _away) = (hall.join("NAME").await, hall.join("NAME").await.gone());
    good.joined().await;
    good.joined().await;
    good.live().await;
    for seed in 0..40 {
        one.say(&Said::Emit(Emit { body: pattern(seed, 20_000).into(), ..Member::event("say", "") }));
        loop {
            match good.next().await {
                // Where no memory is left who holds most of it is reset, and keeps its seat.
                Told::Live { number: 3, is_live: false } => {}
                told => break assert!(matches!(&told, Told::Event { body, .. } if *body == pattern(seed, 20_000)), "{told:?}"),
            }
        }
    }
    assert!(hall.proxy.sessions.memory_used() < 768 * 1024, "{}", hall.proxy.sessions.memory_used());
}

#[tokio::test(start_paused = true)]
async fn little_of_much_does_not_keep_all_of_it() {
    let hall = Hall::new();
    let (mut one, mut two, away) = (hall.join("NAME").await, hall.join("NAME").await, hall.join("NAME").await);
    drop(away);
    assert_eq!((one.joined().await, one.joined().await, one.live().await), (2, 3, (3, false)));
    for seed in 0..30 {
        // Together in one batch: much for the second, little for the third.
        one.say(&Said::Emit(Emit { to: vec![2], body: pattern(seed, 100_000).into(), ..Member::event("say", "") }));
        one.say(&Said::Emit(Emit { to: vec![3], ..Member::event("say", "little") }));
        while !matches!(two.next().await, Told::Event { body, .. } if body == pattern(seed, 100_000)) {}
    }
    two.say(&Said::Got(two.got));
    until(|| hall.rooms.list()[0].kept_bytes < 1000).await;
    until(|| hall.proxy.sessions.memory_used() < 100_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_with_rooms_goes_at_once_when_the_proxy_drains() {
    let hall = Hall::new();
    let mut one = hall.join("NAME").await;
    hall.proxy.sessions.drain(Duration::from_secs(30));
    let begun = Instant::now();
    until(|| hall.proxy.sessions.is_empty()).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}: its seat waits for it, and its stream for nobody", begun.elapsed());
    assert!(one.ended().await.is_some());
}
