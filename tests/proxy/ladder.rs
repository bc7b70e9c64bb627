//! What happens as more and more is queued for a session whose peer takes less than it is sent (the memory ladder of design 3.5).

use browser_stream_server::Limits;
use harness::*;

use crate::{
    honest::Honest,
    pile::{Pile, UNDER_WAY, WINDOW, until_quiet},
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const CREDIT: u32 = 4 * 1024 * 1024;
const LIMIT: u32 = 8;

#[tokio::test(start_paused = true)]
async fn threat_06_above_one_mebibyte_queued_senders_get_no_more_than_the_first_window_in_advance() {
    let mut pile = Pile::new(Limits::default(), 2).await;
    assert!(pile.grant(1, CREDIT).await > CREDIT - WINDOW, "below it, all that the reader gives");
    pile.fill(1, MIB + UNDER_WAY + 64 * KIB, 64 * KIB).await;
    assert!(pile.queued() > MIB, "{}", pile.queued());
    let mut honest = Honest::new(&pile.proxy).await;
    assert_eq!(pile.grant(2, CREDIT).await, 0, "it has its first window still");
    pile.fill(2, WINDOW as usize / 2, 32 * KIB).await;
    assert_eq!(pile.granted(3).await, 0, "what is queued and what it may send make up the first window");
    honest.goes_on().await;
    // The other stream's bytes, and so this one's, leave.
    pile.take(1, MIB + UNDER_WAY + 64 * KIB).await.unwrap();
    // With its last bytes, or with the next, whichever left first.
    let leaving = pile.granted(3).await;
    pile.fill(2, 32 * KIB, 32 * KIB).await;
    assert!(leaving + pile.granted(3).await > CREDIT / 2, "below it again");
}

#[tokio::test(start_paused = true)]
async fn threat_08_above_eight_mebibytes_queued_opens_to_that_server_are_busy_until_it_takes_them() {
    let mut pile = Pile::new(Limits::default(), 3).await;
    let late = pile.proxy.peer();
    for number in 1..=3 {
        pile.grant(number, CREDIT).await;
    }
    for number in 1..=3 {
        pile.fill(number, 3 * MIB, 64 * KIB).await;
    }
    assert!(pile.queued() > 8 * MIB, "{}", pile.queued());
    let mut honest = Honest::new(&pile.proxy).await;
    assert_eq!(late.connect("NAME").await.err().as_deref(), Some("busy"));
    assert_eq!(pile.proxy.refused("queue_busy"), 1);
    honest.goes_on().await;
    assert_eq!(pile.proxy.refused("queue_reset"), 0, "those that are open stay so");
    // The round robin takes the three in turns: where one has come in whole, the others nearly have.
    pile.take(1, 3 * MIB).await.unwrap();
    let mut accepted = late.begin("/browser-server/connect/NAME", serde_json::json!({}));
    pile.server.next_where(|frame| frame.stream == 8 && frame.flags & SYN != 0).await;
    pile.server.data(0, 8, b"\x00\x02{}").await;
    reply(&mut accepted).await.unwrap();
    assert_eq!(pile.proxy.refused("queue_busy"), 1);
}

#[tokio::test(start_paused = true)]
async fn threat_06_beyond_the_last_rung_the_fullest_stream_is_reset_at_both_ends_and_the_others_live() {
    let mut limits = Limits::default();
    limits.queued_reset_at_bytes = 4 * MIB;
    let mut pile = Pile::new(limits, 3).await;
    for number in 1..=3 {
        pile.grant(number, CREDIT).await;
    }
    let mut honest = Honest::new(&pile.proxy).await;
    pile.fill(1, MIB, 64 * KIB).await;
    pile.fill(2, 2 * MIB, 64 * KIB).await;
    pile.fill(3, MIB - 64 * KIB, 64 * KIB).await;
    assert_eq!(pile.proxy.refused("queue_reset"), 0, "up to it nobody is");
    pile.fill(3, UNDER_WAY + 128 * KIB, 64 * KIB).await;
    assert_eq!(pile.proxy.refused("queue_reset"), 1);
    assert!(pile.queued() < 3 * MIB, "{}", pile.queued());
    let reset = pile.client.next_where(|frame| frame.flags & RST != 0).await;
    assert_eq!((reset.stream, reset.length), (3, LIMIT));
    honest.goes_on().await;
    assert_eq!(pile.take(2, 3 * MIB).await, Err(LIMIT), "control frames come first");
    pile.take(1, MIB - 64 * KIB).await.unwrap();
    pile.fill(3, 64 * KIB, 64 * KIB).await;
    until_quiet().await;
    assert_eq!(pile.proxy.refused("queue_reset"), 1);
}

#[tokio::test(start_paused = true)]
async fn threat_06_local_writers_together_stay_below_the_last_rung_too() {
    let mut limits = Limits::default();
    limits.queued_reset_at_bytes = MIB;
    let proxy = Proxy::with(limits, |router| {
        router.route("/pour", |opening: browser_stream_server::Opening| async {
            let mut stream = opening.accept();
            while stream.write_chunk(vec![7; 64 * KIB].into()).await.is_ok() {}
        })
    });
    let mut slow = proxy.raw_with(4096);
    for number in 0..8 {
        slow.open(2 * number + 1, r#"{"path":"/pour"}"#).await;
    }
    until_quiet().await;
    assert!(proxy.refused("queue_reset") > 0);
    let queued = proxy.sessions.list()[0].queued();
    assert!(queued <= MIB && queued > MIB / 2, "{queued}");
    assert!(proxy.sessions.list()[0].streams() >= 3, "the others live");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_wait_for_an_answer_are_bounded_and_the_newest_open_pays() {
    let mut limits = Limits::default();
    limits.waiting_bytes_max = 512 * KIB;
    let proxy = Proxy::with(limits, |router| router);
    let mut honest = Honest::new(&proxy).await;
    let mut raw = proxy.raw();
    for stream in [1, 3, 5] {
        raw.open(stream, r#"{"path":"/browser-server/connect/NAME","wait":15000}"#).await;
    }
    raw.data(0, 1, &[7; 200 * KIB]).await;
    raw.data(0, 3, &[7; 200 * KIB]).await;
    until_quiet().await;
    assert_eq!(proxy.refused("waiting_bytes"), 0, "up to it they wait");
    raw.data(0, 1, &[7; 40 * KIB]).await;
    raw.data(0, 5, &[7; 100 * KIB]).await;
    let reset = raw.next_where(|frame| frame.flags & RST != 0).await;
    assert_eq!((reset.stream, reset.length), (5, LIMIT));
    assert_eq!(proxy.refused("waiting_bytes"), 1);
    honest.goes_on().await;
    let mut owner = proxy.peer();
    let _control = owner.claim("NAME").await.unwrap();
    let (_, mut first) = owner.accept().await;
    let (_, mut second) = owner.accept().await;
    for (stream, bytes) in [(&mut first, 240 * KIB), (&mut second, 200 * KIB)] {
        let mut read = vec![0; bytes];
        within(tokio::io::AsyncReadExt::read_exact(stream, &mut read)).await.unwrap();
    }
    // What was answered waits no more: there is room for others.
    raw.open(7, r#"{"path":"/browser-server/connect/OTHER","wait":15000}"#).await;
    raw.data(0, 7, &[7; 200 * KIB]).await;
    until_quiet().await;
    assert_eq!(proxy.refused("waiting_bytes"), 1);
}
