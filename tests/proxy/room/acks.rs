//! Events that ask, and their answers.

use std::time::Duration;

use browser_stream_mux::{Code, StreamError};
use browser_stream_protocol::{
    channel::Ending,
    room::{Emit, Said, Told},
};
use bytes::Bytes;
use tokio::time::sleep;

use super::{Hall, Member};

/// An event that asks, under the sender's own number.
fn ask(number: u64, timeout_ms: u32, to: &[u32]) -> Said {
    Said::Emit(Emit { asks: Some((number, timeout_ms)), to: to.to_vec(), ..Member::event("ask", "") })
}

async fn asked(member: &mut Member) -> u64 {
    match member.next().await {
        Told::Event { ask: Some(ask), .. } => ask,
        other => panic!("{other:?} where an ask was expected"),
    }
}

async fn who(member: &mut Member, number: u64) -> Vec<u32> {
    match member.next().await {
        Told::Asked { number: told, members } if told == number => members,
        other => panic!("{other:?} where it was to be told who is asked"),
    }
}

fn yes(ask: u64) -> Said {
    Said::Answer { ask, answer: Ok(Bytes::from_static(&[0xc3])) }
}

async fn three(hall: &Hall) -> [Member; 3] {
    let (mut one, mut two, three) = (hall.join("NAME").await, hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    one.joined().await;
    two.joined().await;
    [one, two, three]
}

fn answer(number: u64, from: u32, answer: Result<&'static [u8], (u32, &str)>) -> Told {
    let answer = answer.map(Bytes::from_static).map_err(|(code, text)| Ending::new(code, text));
    Told::Answer { number, from, answer }
}

#[tokio::test(start_paused = true)]
async fn who_asks_hears_who_is_asked_and_then_each_answer() {
    let hall = Hall::new();
    let [mut one, mut two, mut three] = three(&hall).await;
    one.say(&ask(7, 1000, &[]));
    assert_eq!(who(&mut one, 7).await, [2, 3]);
    let (to_two, to_three) = (asked(&mut two).await, asked(&mut three).await);
    three.say(&Said::Answer { ask: to_three, answer: Err(Ending::new(4001_u32, "no")) });
    assert_eq!(one.next().await, answer(7, 3, Err((4001, "no"))));
    two.say(&yes(to_two));
    assert_eq!(one.next().await, answer(7, 2, Ok(&[0xc3])));
    // Its number may be used again now.
    one.say(&ask(7, 1000, &[3]));
    assert_eq!(who(&mut one, 7).await, [3]);
    asked(&mut three).await;
    two.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn threat_23_answers_that_are_nobodys_are_ignored() {
    let hall = Hall::new();
    let [mut one, mut two, mut three] = three(&hall).await;
    one.say(&ask(1, 1000, &[2]));
    assert_eq!(who(&mut one, 1).await, [2]);
    let number = asked(&mut two).await;
    // Not asked; not asked by anybody; itself; twice.
    three.say(&yes(number));
    three.say(&yes(number + 5));
    one.say(&yes(number));
    two.say(&yes(number));
    two.say(&yes(number));
    assert_eq!(one.next().await, answer(1, 2, Ok(&[0xc3])));
    one.hears_nothing().await;
    three.emit("all is well");
    assert_eq!(two.word().await, (3, "all is well".into()));
}

#[tokio::test(start_paused = true)]
async fn threat_25_an_addressee_that_stalls_lies_or_leaves_in_the_middle_of_an_ask() {
    let hall = Hall::new();
    let [mut one, mut stalls, mut leaves] = three(&hall).await;
    let mut lies = hall.join("NAME").await;
    for member in [&mut one, &mut stalls, &mut leaves] {
        member.joined().await;
    }
    one.say(&ask(1, 1000, &[]));
    assert_eq!(who(&mut one, 1).await, [2, 3, 4]);
    let number = asked(&mut stalls).await;
    asked(&mut leaves).await;
    asked(&mut lies).await;
    leaves.say(&Said::Leave { is_peer: false, text: String::new() });
    assert_eq!(one.next().await, answer(1, 3, Err((Code::Gone.number(), "it left before it answered"))));
    assert_eq!(one.left().await.0, 3);
    // What is no MessagePack passes, for the asker to see to; what is no record ends it.
    lies.say(&Said::Answer { ask: number, answer: Ok(Bytes::from_static(&[0xc1])) });
    assert_eq!(one.next().await, answer(1, 4, Ok(&[0xc1])));
    assert!(lies.stream.write_now(Bytes::from_static(&[0xff])));
    assert_eq!(one.left().await, (4, Code::BadRequest.number(), "no record begins with 0xff".into()));
    // Until a second after the asker's own time is over an answer is passed on, and then it is nobody's.
    sleep(Duration::from_millis(1500)).await;
    one.hears_nothing().await;
    stalls.say(&yes(number));
    assert_eq!(one.next().await, answer(1, 2, Ok(&[0xc3])));
    one.say(&ask(2, 1000, &[]));
    assert_eq!(who(&mut one, 2).await, [2]);
    sleep(Duration::from_millis(2500)).await;
    stalls.say(&yes(number + 1));
    one.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_away_is_asked_when_it_is_back_and_one_that_is_lost_has_not_answered() {
    let hall = Hall::new();
    let [mut one, mut two, three] = three(&hall).await;
    let mut three = three.gone();
    assert_eq!((one.live().await, two.live().await), ((3, false), (3, false)));
    one.say(&ask(1, 10_000, &[3]));
    assert_eq!(who(&mut one, 1).await, [3]);
    three = three.again(&hall).await;
    let number = asked(&mut three).await;
    three.say(&yes(number));
    assert_eq!(one.live().await, (3, true));
    assert_eq!(one.next().await, answer(1, 3, Ok(&[0xc3])));
    three.peer = None;
    assert_eq!(one.live().await, (3, false));
    one.say(&ask(2, 600_000, &[3]));
    assert_eq!(who(&mut one, 2).await, [3]);
    sleep(Duration::from_secs(120)).await;
    assert!(matches!(one.next().await, Told::Leaving { number: 3, .. }));
    assert_eq!(one.next().await, answer(2, 3, Err((Code::Lost.number(), "it left before it answered"))));
    assert_eq!(one.left().await.0, 3);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_is_asked_it_hears_so_and_of_one_that_is_not_there_too() {
    let hall = Hall::new();
    let mut one = hall.join("NAME").await;
    one.say(&ask(1, 1000, &[]));
    assert!(who(&mut one, 1).await.is_empty());
    one.say(&ask(2, 1000, &[1, 9, 0]));
    assert_eq!(who(&mut one, 2).await, [0, 9]);
    assert_eq!(one.next().await, answer(2, 9, Err((Code::NotFound.number(), "nobody of that number is here"))));
    assert_eq!(one.next().await, answer(2, 0, Err((Code::NotFound.number(), "nobody of that number is here"))));
    one.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn so_many_asks_of_one_member_wait_and_no_more_and_each_has_its_own_number() {
    let hall = Hall::with(|limits| limits.room_asks_max = 3);
    let [mut one, mut two, _three] = three(&hall).await;
    for number in 0..4 {
        one.say(&ask(number, 60_000, &[2]));
    }
    for number in 0..3 {
        assert_eq!(who(&mut one, number).await, [2]);
    }
    assert!(matches!(one.next().await, Told::Refused(ending) if ending.code == Code::Limit.number()));
    assert_eq!(hall.proxy.refused("room_asks"), 1);
    let number = asked(&mut two).await;
    two.say(&yes(number));
    assert_eq!(one.next().await, answer(0, 2, Ok(&[0xc3])));
    one.say(&ask(0, 60_000, &[2]));
    assert_eq!(who(&mut one, 0).await, [2]);
    one.say(&ask(1, 60_000, &[2]));
    assert_eq!(one.ended().await, Some(StreamError::Reset(Code::BadRequest.number())), "that number is in use");
}

#[tokio::test(start_paused = true)]
async fn a_long_ask_is_forgotten_as_a_short_one_is() {
    let hall = Hall::new();
    let [mut one, mut two, _three] = three(&hall).await;
    let long = || {
        let body = harness::pattern(1, 200_000).into();
        Said::Emit(Emit { asks: Some((1, 1000)), to: vec![2], body, ..Member::event("ask", "") })
    };
    for _ in 0..2 {
        one.say(&long());
        assert_eq!(who(&mut one, 1).await, [2]);
        asked(&mut two).await;
        // Nothing else happens in the room until its number is free.
        sleep(Duration::from_secs(3)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_asker_that_is_gone_is_answered_no_more() {
    let hall = Hall::new();
    let [mut one, mut two, mut three] = three(&hall).await;
    one.say(&ask(1, 60_000, &[]));
    let number = asked(&mut two).await;
    one.say(&Said::Leave { is_peer: false, text: String::new() });
    two.left().await;
    two.say(&yes(number));
    two.emit("goes on");
    asked(&mut three).await;
    three.left().await;
    assert_eq!(three.word().await, (2, "goes on".into()));
}
