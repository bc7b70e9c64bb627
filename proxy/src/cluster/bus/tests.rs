//! Lanes over a bus that loses.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Fault, Heard, Lane, Loopback, Mail, News, Post, Subject, Word, parcel::Parcel};
use crate::cluster::Timing;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Number(u32);

impl Word for Number {
    fn counts(&self) -> bool {
        self.0 < 1000
    }
}

type Numbers = Lane<Bytes, Number>;

/// One node's end of a lane, and what is on its way to it.
struct End {
    post: Post,
    lane: Numbers,
    mail: futures::stream::BoxStream<'static, Mail>,
}

async fn end(bus: &Loopback, id: u128) -> End {
    let (post, subject) = (Post::start(bus.node(), Uuid::from_u128(id), Timing::default()), Subject::new("test", &["", "a"]));
    let mut mail = post.bus().listen(&subject);
    assert_eq!(mail.next().await, Some(Mail::Listening));
    End { lane: Lane::new(post.clone(), subject), post, mail }
}

impl End {
    /// What it hears next, whatever else it takes before; who asks is answered with `state`.
    async fn hears(&mut self, state: &'static str) -> Heard<Bytes, Number> {
        loop {
            let mail = tokio::time::timeout(Duration::from_secs(60), self.mail.next()).await.expect("it comes within a minute");
            let Some(Mail::Parcel(parcel)) = mail else { panic!("the bus is gone") };
            let hearing = self.lane.take(parcel);
            if hearing.is_asked {
                self.lane.state(Bytes::from_static(state.as_bytes()), false);
            }
            if let Some(heard) = hearing.heard {
                return heard;
            }
        }
    }

    /// Hears whatever comes, for as long as that is polled.
    async fn attends(&mut self, state: &'static str) {
        loop {
            self.hears(state).await;
        }
    }
}

/// Two ends that know one another. Each tells all that holds when it hears of the first other: before that it may have told nobody.
async fn acquainted(bus: &Loopback) -> (End, End) {
    let (mut one, mut two) = (end(bus, 1).await, end(bus, 2).await);
    while one.post.nodes().is_empty() || two.post.nodes().is_empty() {
        tokio::task::yield_now().await;
    }
    one.lane.state(Bytes::new(), true);
    two.hears("").await;
    one.hears("").await;
    two.hears("").await;
    (one, two)
}

fn numbers(numbers: impl IntoIterator<Item = u32>) -> Vec<Number> {
    numbers.into_iter().map(Number).collect()
}

const ONE: Uuid = Uuid::from_u128(1);

#[tokio::test(start_paused = true)]
async fn what_is_said_is_heard_in_order_and_whole_however_it_is_cut() {
    let bus = Loopback::new();
    bus.cut(40);
    let (mut one, mut two) = (end(&bus, 1).await, end(&bus, 2).await);
    one.lane.state(Bytes::from(vec![7; 500]), false);
    assert_eq!(two.hears("").await, Heard::State { from: ONE, state: vec![7; 500].into(), lost: 0 });
    for start in [0, 100] {
        one.lane.words(numbers(start..start + 100));
        assert_eq!(two.hears("").await, Heard::Words { from: ONE, words: numbers(start..start + 100) });
    }
    one.lane.gone();
    assert_eq!(two.hears("").await, Heard::Gone { from: ONE });
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_is_counted_and_made_up_for_by_a_state() {
    let bus = Loopback::new();
    let (mut one, mut two) = acquainted(&bus).await;
    one.lane.words(numbers([1]));
    two.hears("").await;
    bus.judge(|_, _, _| Fault::Lost);
    one.lane.words(numbers([2, 3, 1000]));
    bus.judge(|_, _, _| Fault::None);
    // This is heard, and of no use without those before.
    one.lane.words(numbers([4]));
    tokio::select! {
        heard = two.hears("") => assert_eq!(heard, Heard::State { from: ONE, state: Bytes::from_static(b"new"), lost: 3 }),
        () = one.attends("new") => panic!("it goes on"),
    }
    one.lane.words(numbers([5]));
    assert_eq!(two.hears("").await, Heard::Words { from: ONE, words: numbers([5]) });
}

#[tokio::test(start_paused = true)]
async fn a_loss_behind_which_nothing_is_said_is_found_by_a_pulse() {
    let bus = Loopback::new();
    let (mut one, mut two) = acquainted(&bus).await;
    bus.judge(|_, _, _| Fault::Lost);
    one.lane.words(numbers([1]));
    bus.judge(|_, _, _| Fault::None);
    one.lane.pulse();
    tokio::select! {
        heard = two.hears("") => assert_eq!(heard, Heard::State { from: ONE, state: Bytes::new(), lost: 1 }),
        () = one.attends("") => panic!("it goes on"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_earlier_life_of_a_lane_is_not_heard_behind_a_later_one() {
    let bus = Loopback::new();
    let (mut one, mut two) = (end(&bus, 1).await, end(&bus, 2).await);
    let mut later = end(&bus, 1).await;
    one.lane.state(Bytes::from_static(b"old"), false);
    two.hears("").await;
    one.lane.words(numbers([1]));
    two.hears("").await;
    later.lane.state(Bytes::from_static(b"new"), false);
    one.lane.gone();
    assert_eq!(two.hears("").await, Heard::State { from: ONE, state: Bytes::from_static(b"new"), lost: 0 });
    later.lane.words(numbers([2]));
    assert_eq!(two.hears("").await, Heard::Words { from: ONE, words: numbers([2]) });
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_silent_for_a_lease_is_gone_and_comes_back() {
    let bus = Loopback::new();
    let one = Post::start(bus.node(), ONE, Timing::default());
    let mut news = one.news();
    let two = Post::start(bus.node(), Uuid::from_u128(2), Timing::default());
    assert_eq!(news.recv().await, Ok(News::Came(two.node())));
    bus.judge(|_, _, _| Fault::Lost);
    let begun = tokio::time::Instant::now();
    assert_eq!(news.recv().await, Ok(News::Gone(two.node())));
    assert!(begun.elapsed() >= Duration::from_secs(11) && one.nodes().is_empty(), "{:?}", begun.elapsed());
    bus.judge(|_, _, _| Fault::None);
    assert_eq!(news.recv().await, Ok(News::Came(two.node())));
    two.leave().await;
    assert_eq!(news.recv().await, Ok(News::Gone(two.node())));
}

#[test]
fn a_parcel_is_read_as_it_was_written_and_nothing_else_is_one() {
    let body = Bytes::from_static(b"body");
    let parcel = Parcel { node: ONE, epoch: 7, number: u64::MAX, is_first: true, is_last: false, body };
    let bytes = parcel.write();
    assert_eq!(Parcel::read(bytes.clone()), Some(parcel));
    for length in 0..34 {
        assert_eq!(Parcel::read(bytes.slice(..length)), None, "{length}");
    }
    for (at, byte) in [(0, 2), (1, 4)] {
        let mut other = bytes.to_vec();
        other[at] = byte;
        assert_eq!(Parcel::read(other.into()), None, "{at}");
    }
}

#[test]
fn a_subject_is_made_of_what_nats_takes_and_no_two_names_have_one() {
    let subjects =
        [&["", "a"][..], &["a", ""], &["a"], &["a.b"], &["a", "b"], &["*"], &[">"], &["日本 "]].map(|names| Subject::new("room", names));
    for (at, subject) in subjects.iter().enumerate() {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        assert!(subject.as_str().bytes().all(is_plain) && !subject.as_str().contains(".."), "{subject:?}");
        assert!(!subjects[..at].contains(subject));
    }
}
