//! Resumable streams over connections that break.

use std::time::Duration;

use browser_stream_client::{Code, RefusalCode, StreamError};
use futures::FutureExt;
use harness::{Cable, Two, pattern, until, within};
use tokio::{io::AsyncReadExt, time::Instant};

use crate::connect::{next, resumable};

#[tokio::test(start_paused = true)]
async fn a_stream_survives_cuts_of_either_side() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mut mine, mut theirs) = resumable(&two.client, &mut listener).await;
    for round in 0..6_u8 {
        mine.write_chunk(vec![round; 3].into()).await.expect("taken");
        if round % 2 == 0 {
            two.clients.cut()
        } else {
            two.servers.cut()
        }
        theirs.write_chunk(vec![round + 100; 2].into()).await.expect("taken");
        let (mut three, mut two) = ([0; 3], [0; 2]);
        within(theirs.read_exact(&mut three)).await.expect("it goes on");
        within(mine.read_exact(&mut two)).await.expect("it goes on");
        assert_eq!((three, two), ([round; 3], [round + 100; 2]));
    }
    mine.finish();
    theirs.finish();
    assert_eq!(within(theirs.read_chunk()).await, Ok(None));
    assert_eq!(within(mine.read_chunk()).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn a_reset_waits_for_the_connection_and_has_its_code() {
    let (busy, lost, internal) = (Code::Busy.number(), Code::Lost.number(), Code::Internal.number());
    for (number, heard, cut_server) in [(4001, 4001, false), (busy, busy, true), (lost, internal, false)] {
        let two = Two::new().await;
        let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
        let (mut mine, mut theirs) = resumable(&two.client, &mut listener).await;
        if cut_server {
            two.servers.cut()
        } else {
            two.clients.cut()
        }
        mine.reset(number);
        assert_eq!(within(theirs.stopped()).await, StreamError::Reset(heard));
        assert_eq!(within(theirs.read_chunk()).await, Err(StreamError::Reset(heard)));
        assert_eq!(within(mine.write_chunk("x".into())).await, Err(StreamError::Reset(number)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_lost_at_both_ends_when_one_was_away_for_too_long() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mut mine, mut theirs) = resumable(&two.client, &mut listener).await;
    two.clients.refuse(true);
    two.clients.cut();
    let client = tokio::time::timeout(Duration::from_secs(130), mine.read_chunk()).await.expect("after the grace");
    assert_eq!(client, Err(StreamError::Lost));
    let server = tokio::time::timeout(Duration::from_secs(70), theirs.read_chunk()).await.expect("after the hold");
    assert_eq!(server, Err(StreamError::Lost));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_no_more_is_known_at_once_by_another_life_of_it() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").lease(false).await.expect("the name is free");
    let (mut mine, _theirs) = resumable(&two.client, &mut listener).await;
    two.servers.refuse(true);
    two.servers.cut();
    let other = Cable::to(&two.proxy).peer().await;
    let _listener = other.server().listen("NAME").await.expect("free: the old life had no lease");
    assert_eq!(within(mine.read_chunk()).await, Err(StreamError::Lost));
}

#[tokio::test(start_paused = true)]
async fn who_closes_its_peer_is_lost_at_the_other_end_at_once() {
    for server_closes in [false, true] {
        let two = Two::new().await;
        let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
        let (mut mine, mut theirs) = resumable(&two.client, &mut listener).await;
        let (closing, other) = if server_closes { (&two.server, &mut mine) } else { (&two.client, &mut theirs) };
        within(closing.close()).await;
        assert_eq!(tokio::time::timeout(Duration::from_secs(1), other.read_chunk()).await, Ok(Err(StreamError::Lost)), "{server_closes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_is_reset_when_it_was_unfinished_and_delivered_when_not() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mine, mut theirs) = resumable(&two.client, &mut listener).await;
    two.clients.cut();
    drop(mine);
    assert_eq!(within(theirs.read_chunk()).await, Err(StreamError::Reset(Code::Cancelled.number())));
    let (mut mine, mut theirs) = resumable(&two.client, &mut listener).await;
    let sent = pattern(1, 600_000);
    mine.write_chunk(sent.clone().into()).await.expect("taken whole");
    mine.finish();
    drop(mine);
    two.clients.cut();
    let mut got = Vec::new();
    within(theirs.read_to_end(&mut got)).await.expect("a clean end");
    assert!(got == sent);
    assert_eq!(within(theirs.stopped()).await, StreamError::Reset(Code::Cancelled.number()), "nobody hears the answer");
}

#[tokio::test(start_paused = true)]
async fn an_open_whose_answer_got_lost_is_one_stream() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let connecting = tokio::spawn(two.client.client().connect("NAME").early("early").into_future());
    let connection = next(&mut listener).await;
    two.clients.cut();
    until(|| two.clients.dialled() == 2).await;
    // The same open comes again, while the application has not answered the first.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut theirs = connection.accept();
    let mut mine = within(connecting).await.expect("no panic").expect("accepted");
    assert!(tokio::time::timeout(Duration::from_secs(30), next(&mut listener)).now_or_never().is_none(), "one client came");
    mine.finish();
    let mut text = String::new();
    within(theirs.read_to_string(&mut text)).await.expect("a clean end");
    assert_eq!(text, "early");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_whose_answer_got_lost_is_said_again() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let connecting = tokio::spawn(two.client.client().connect("NAME").into_future());
    let connection = next(&mut listener).await;
    two.clients.cut();
    until(|| two.clients.dialled() == 2).await;
    connection.refuse(RefusalCode::Application(4001), "never");
    let error = within(connecting).await.expect("no panic").expect_err("refused");
    assert_eq!(error.code(), RefusalCode::Application(4001));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_stops_its_writer_within_what_may_be_held() {
    const MIB: usize = 1024 * 1024;
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mut mine, mut theirs) = resumable(&two.client, &mut listener).await;
    let mut written = 0;
    while let Ok(result) = tokio::time::timeout(Duration::from_secs(30), mine.write_chunk(vec![0; 16 * 1024].into())).await {
        result.expect("the stream lives");
        written += 16 * 1024;
    }
    assert!(written <= 2 * MIB, "{written} bytes: a window there, and what is kept for repeating here");
    within(theirs.read_exact(&mut vec![0; written])).await.expect("all that was taken is there");
    within(mine.write_chunk("x".into())).await.expect("and now it goes on");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_knows_nothing_of_it_has_a_plain_stream() {
    let two = Two::new().await;
    let mut stock = two.proxy.peer();
    let _control = stock.claim("NAME").await.expect("the name is free");
    let connecting = two.client.client().connect("NAME").early("early").into_future();
    let (mine, (open, mut theirs)) = tokio::join!(connecting, stock.accept());
    let mut mine = mine.expect("accepted");
    assert!(!mine.is_resumable());
    assert_eq!((&open["resume"]["v"], &open["resume"]["early"]), (&1.into(), &5.into()));
    mine.write_chunk("late".into()).await.expect("taken");
    mine.finish();
    let mut text = String::new();
    within(theirs.read_to_string(&mut text)).await.expect("a clean end");
    assert_eq!(text, "earlylate");
    two.clients.cut();
    assert_eq!(within(mine.read_chunk()).await, Err(StreamError::Lost));
}

/// How long a byte takes that is written at the moment when a connection carries nothing more.
async fn late_by(stall: impl Fn(&Two)) -> Duration {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mut mine, mut theirs) = resumable(&two.client, &mut listener).await;
    let start = Instant::now();
    stall(&two);
    mine.write_chunk("still".into()).await.expect("taken");
    let mut still = [0; 5];
    let arrives = tokio::time::timeout(Duration::from_secs(120), theirs.read_exact(&mut still));
    arrives.await.expect("within the grace").expect("it goes on");
    assert_eq!(&still, b"still");
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_carries_nothing_more_is_asked_and_followed_by_another() {
    // Five seconds of silence, and ten for an answer.
    assert_eq!(late_by(|two| two.clients.stall()).await.as_secs(), 15);
    // A server that has nothing to say waits for nothing: the silence itself must tell it.
    assert_eq!(late_by(|two| two.servers.stall()).await.as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn an_open_on_a_connection_that_carries_nothing_more_is_answered_on_the_next() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    two.clients.stall();
    let start = Instant::now();
    let _streams = resumable(&two.client, &mut listener).await;
    assert_eq!((start.elapsed().as_secs(), two.clients.dialled()), (15, 2));
}
