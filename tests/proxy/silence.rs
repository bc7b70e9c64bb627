//! Streams of which one direction has finished, and nothing moves in the other.

use std::time::Duration;

use browser_stream_mux::End;
use browser_stream_server::{Limits, Opening, StreamError};
use harness::*;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::honest::Honest;

const TIMEOUT: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_half_closed_stream_that_is_silent_for_five_minutes_is_reset_timeout_at_both_ends() {
    let proxy = Proxy::new();
    let mut honest = Honest::new(&proxy).await;
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let _control = owner.claim("NAME").await.unwrap();
    for client_finishes in [true, false] {
        let (near, (_, mut far)) = tokio::join!(client.connect("NAME"), owner.accept());
        let mut near = near.unwrap();
        let begun = Instant::now();
        if client_finishes {
            near.finish()
        } else {
            far.finish()
        }
        sleep(MINUTE * 5 - Duration::from_secs(1)).await;
        assert_eq!((near.cell().end(), far.cell().end()), (None, None));
        let ends = async { tokio::join!(near.stopped(), far.stopped()) };
        assert_eq!(within(ends).await, (End::Reset(TIMEOUT), End::Reset(TIMEOUT)));
        assert_eq!(begun.elapsed().as_secs(), 300);
        honest.goes_on().await;
    }
    assert_eq!(proxy.refused("half_closed"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_stream_that_moves_is_left_alone_and_five_minutes_count_from_its_last_byte() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let _control = owner.claim("NAME").await.unwrap();
    for client_finishes in [true, false] {
        let (near, (_, mut far)) = tokio::join!(client.connect("NAME"), owner.accept());
        let mut near = near.unwrap();
        let (finishes, writes) = if client_finishes { (&mut near, &mut far) } else { (&mut far, &mut near) };
        finishes.finish();
        for _ in 0..5 {
            sleep(MINUTE * 4).await;
            writes.write_chunk("x".into()).await.unwrap();
            assert_eq!(within(finishes.read_chunk()).await.unwrap().unwrap(), "x");
        }
        let last = Instant::now();
        tokio::time::timeout(MINUTE * 6, finishes.stopped()).await.unwrap();
        assert_eq!(last.elapsed().as_secs(), 300);
        assert_eq!(finishes.read_chunk().await, Err(StreamError::Reset(TIMEOUT)));
    }
    assert_eq!(proxy.refused("half_closed"), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_the_process_that_takes_long_is_left_alone_while_it_moves() {
    let proxy = Proxy::with(Limits::default(), |router| {
        router.route("/slow", |opening: Opening| async {
            let mut stream = opening.accept();
            for _ in 0..5 {
                sleep(MINUTE * 4).await;
                stream.write_chunk("x".into()).await.unwrap();
            }
            stream.stopped().await;
        })
    });
    let client = proxy.peer();
    let (_, mut stream) = client.ask("/slow", json!({})).await.unwrap();
    stream.finish();
    for _ in 0..5 {
        let chunk = tokio::time::timeout(MINUTE * 5, stream.read_chunk()).await.unwrap();
        assert_eq!(chunk.unwrap().unwrap(), "x");
    }
    assert_eq!(proxy.refused("half_closed"), 0);
    let ended = tokio::time::timeout(MINUTE * 6, stream.read_chunk()).await.unwrap();
    assert_eq!(ended, Err(StreamError::Reset(TIMEOUT)));
    assert_eq!(proxy.refused("half_closed"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_which_both_directions_are_open_may_be_silent_for_ever() {
    let proxy = Proxy::new();
    let mut honest = Honest::new(&proxy).await;
    sleep(MINUTE * 60).await;
    honest.goes_on().await;
    assert_eq!(proxy.refused("half_closed"), 0);
}
