//! Seats: kept while a connection is gone, and gone on with exactly.

use std::time::Duration;

use browser_stream_mux::{Code, StreamError};
use browser_stream_protocol::room::{Emit, Said, Told};
use harness::until;
use serde_json::json;
use tokio::time::sleep;

use super::{Hall, Member, join, value};

#[tokio::test(start_paused = true)]
async fn one_that_drops_keeps_its_seat_and_gets_what_it_missed_in_order_and_once() {
    let hall = Hall::new();
    let (mut one, mut two) = (hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    one.emit("before");
    assert_eq!(two.word().await.1, "before");
    two.peer = None;
    assert_eq!(one.live().await, (2, false));
    for number in 0..200 {
        one.emit(&format!("{number}"));
    }
    sleep(Duration::from_secs(5)).await;
    let mut two = two.again(&hall).await;
    assert_eq!(
        (&two.reply["room"]["resumed"], &two.reply["room"]["lost"], &two.reply["room"]["members"]),
        (&json!(true), &json!(0), &json!(0))
    );
    assert_eq!(one.live().await, (2, true));
    for number in 0..200 {
        assert_eq!(two.word().await, (1, format!("{number}")));
    }
    one.emit("behind");
    assert_eq!(two.word().await.1, "behind");
    assert_eq!(hall.rooms.list()[0].live, 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_and_not_received_comes_anew_and_what_was_received_does_not() {
    let hall = Hall::new();
    let (mut one, mut two) = (hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    for number in 0..50 {
        one.emit(&format!("{number}"));
    }
    for number in 0..20 {
        assert_eq!(two.word().await.1, format!("{number}"));
    }
    // Some of that it says it has; the rest is on the way when the connection breaks.
    two.say(&Said::Got(15));
    until(|| hall.rooms.list()[0].kept_bytes < 50 * 15).await;
    let mut two = two.back(&hall).await;
    for number in 20..50 {
        assert_eq!(two.word().await.1, format!("{number}"));
    }
    two.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn the_other_way_too_a_member_hears_how_much_of_its_own_is_there() {
    let hall = Hall::new();
    let (mut one, mut two) = (hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    for number in 0..10 {
        two.emit(&format!("{number}"));
    }
    two.say(&Said::Emit(Emit { is_volatile: true, ..Member::event("say", "counts for nothing") }));
    assert_eq!(one.words("counts for nothing").await.len(), 11);
    let mut two = two.back(&hall).await;
    assert_eq!(two.reply["room"]["got"], json!(10));
    assert_eq!((one.live().await, one.live().await), ((2, false), (2, true)));
    // It sends what is missing, and goes on.
    two.emit("10");
    assert_eq!(one.word().await, (2, "10".into()));
}

#[tokio::test(start_paused = true)]
async fn a_seat_that_still_has_a_connection_goes_to_the_newer_one() {
    let hall = Hall::new();
    let (mut one, mut two) = (hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    let mut newer = two.again(&hall).await;
    assert_eq!((newer.number(), newer.id()), (two.number(), two.id()));
    assert_eq!(two.ended().await, Some(StreamError::Reset(Code::Superseded.number())));
    one.emit("to the newer");
    assert_eq!(newer.word().await.1, "to the newer");
    newer.emit("from the newer");
    assert_eq!(one.word().await, (2, "from the newer".into()), "nobody else noticed");
    drop(two);
    one.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn more_than_is_kept_is_lost_and_said_so_and_who_is_there_is_told_anew() {
    let hall = Hall::new();
    let (mut one, mut two) = (hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    two.peer = None;
    assert_eq!(one.live().await, (2, false));
    let gone = hall.join("NAME").await;
    for number in 0..300 {
        one.emit(&format!("{number}"));
    }
    assert_eq!(one.joined().await, 3);
    let late = hall.join("NAME").await;
    let mut gone = gone;
    gone.say(&Said::Leave { is_peer: false, text: String::new() });
    assert_eq!((one.joined().await, one.left().await.0), (4, 3));
    let mut two = two.again(&hall).await;
    // It missed one that came, 300 events, another that came and one that left: the newest 256 are kept.
    let lost = 303 - 256;
    assert_eq!((&two.reply["room"]["lost"], &two.reply["room"]["members"]), (&json!(lost), &json!(3)));
    let first: Vec<u32> = two.first.iter().map(|(number, ..)| *number).collect();
    assert_eq!(first, [1, 2, 3], "as it was before what comes now: the third had come, and the fourth had not");
    assert_eq!(two.first[2].2["id"], json!(gone.id()));
    for number in lost - 1..300 {
        assert_eq!(two.word().await, (1, format!("{number}")));
    }
    assert_eq!((two.joined().await, two.left().await.0), (late.number(), 3));
    two.hears_nothing().await;
    assert_eq!(hall.proxy.refused("room_skipped"), lost);
}

#[tokio::test(start_paused = true)]
async fn a_mebibyte_is_kept_and_no_more() {
    let hall = Hall::new();
    let (mut one, two) = (hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    let two = two.gone();
    assert_eq!(one.live().await, (2, false));
    for seed in 0..20 {
        let body = harness::pattern(seed, 100_000).into();
        one.say(&Said::Emit(Emit { body, ..Member::event("say", "") }));
        sleep(Duration::from_millis(20)).await;
    }
    assert!((900_000..1_048_576).contains(&hall.rooms.list()[0].kept_bytes), "{:?}", hall.rooms.list());
    let mut two = two.again(&hall).await;
    assert_eq!(two.reply["room"]["lost"], json!(10));
    for seed in 10..20 {
        assert!(matches!(two.next().await, Told::Event { body, .. } if body == harness::pattern(seed, 100_000)));
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_grace_is_over_a_member_leaves_all_its_rooms_and_its_seat_is_nobodys() {
    let hall = Hall::new();
    let public = json!({ "public": true });
    let (mut here, mut there) = (hall.join_as("HERE", public.clone()).await, hall.join_as("THERE", public).await);
    let mut goes = hall.join("HERE").await;
    let peer = goes.peer.take().unwrap();
    let (reply, stream) = join(&peer, "THERE", json!({})).await.unwrap();
    let other = Member::over(None, reply, stream).await;
    here.joined().await;
    there.joined().await;
    drop(peer);
    assert_eq!((here.live().await, there.live().await), ((2, false), (2, false)));
    sleep(Duration::from_secs(119)).await;
    here.hears_nothing().await;
    for (member, rooms) in [(&mut here, ["HERE", "THERE"]), (&mut there, ["THERE", "HERE"])] {
        let Told::Leaving { number: 2, ending, rooms: told } = member.next().await else { panic!("it is about to leave") };
        assert_eq!((ending.code, value(&told)), (14, json!(rooms)));
        assert_eq!(member.left().await, (2, 14, String::new()));
    }
    let late = goes.again(&hall).await;
    assert_eq!((&late.reply["room"]["resumed"], late.number()), (&json!(false), 3), "a number is never used again");
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn one_that_comes_back_with_another_profile_is_heard_of_and_with_the_same_is_not() {
    let hall = Hall::new();
    let (mut one, mut two) = (hall.join("NAME").await, hall.join_as("NAME", json!({ "profile": 1 })).await);
    one.joined().await;
    for (profile, hears) in [(json!(1), false), (json!(2), true), (json!(2), false)] {
        two.peer = None;
        assert_eq!(one.live().await, (2, false));
        let mut room = two.seat();
        room["profile"] = profile;
        two = hall.join_as("NAME", room).await;
        assert_eq!(one.live().await, (2, true));
        if hears {
            assert!(matches!(one.next().await, Told::Profile { number: 2, profile } if profile == b"2"[..]));
        }
    }
    one.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn threat_33_one_that_says_it_has_more_than_was_sent_is_refused_and_the_seat_is_kept() {
    let hall = Hall::new();
    let (mut one, two) = (hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    let mut room = two.seat();
    room["seat"]["got"] = json!(1000);
    assert_eq!(join(&hall.proxy.peer(), "NAME", room).await.err().as_deref(), Some("bad_request"));
    one.hears_nothing().await;
    assert_eq!(hall.rooms.list()[0].live, 2);
    drop(two);
}

#[tokio::test(start_paused = true)]
async fn what_a_member_sends_is_acknowledged_by_number_by_time_and_over_its_connections() {
    let hall = Hall::new();
    let mut one = hall.join("NAME").await;
    let begun = tokio::time::Instant::now();
    for number in 0..64 {
        one.emit(&format!("{number}"));
    }
    assert_eq!(one.acknowledged().await, 64);
    assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
    one.emit("one more");
    assert_eq!(one.acknowledged().await, 65);
    assert!((Duration::from_millis(450)..Duration::from_millis(700)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    let mut one = one.back(&hall).await;
    one.emit("and one");
    assert_eq!(one.acknowledged().await, 66);
}
