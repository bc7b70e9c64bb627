//! Finish, reset and lost: told apart at either end, whoever it was.

use browser_stream_client::{Code, Listener, Stream, StreamError};
use harness::{Two, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::connect::pair;

async fn joined() -> (Two, Listener, Stream, Stream) {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mine, theirs) = pair(&two.client, &mut listener).await;
    (two, listener, mine, theirs)
}

/// How a stream ends for a reader: the first end that it meets.
async fn end(stream: &mut Stream) -> Result<(), StreamError> {
    while within(stream.read_chunk()).await?.is_some() {}
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_reset_reaches_the_other_end_with_its_code_whoever_says_it() {
    for number in [4001, Code::Busy.number(), Code::Gone.number(), Code::Limit.number(), u32::MAX] {
        let (_two, _listener, mut mine, mut theirs) = joined().await;
        mine.reset(number);
        assert_eq!(end(&mut theirs).await, Err(StreamError::Reset(number)));
        assert_eq!(end(&mut mine).await, Err(StreamError::Reset(number)));
        let (_two, _listener, mut mine, mut theirs) = joined().await;
        theirs.reset(number);
        assert_eq!(end(&mut mine).await, Err(StreamError::Reset(number)));
        assert_eq!(within(mine.write_chunk("x".into())).await, Err(StreamError::Reset(number)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_word_of_the_proxys_is_internal_from_a_peer() {
    let (_two, _listener, mut mine, mut theirs) = joined().await;
    mine.reset(Code::Lost);
    assert_eq!(end(&mut theirs).await, Err(StreamError::Reset(Code::Internal.number())));
}

#[tokio::test(start_paused = true)]
async fn threat_12_a_cut_connection_is_lost_at_both_ends_and_never_a_clean_end() {
    for cut_server in [false, true] {
        let (two, _listener, mut mine, mut theirs) = joined().await;
        mine.write_all(b"half").await.expect("taken");
        let mut half = [0; 4];
        within(theirs.read_exact(&mut half)).await.expect("it came");
        if cut_server {
            two.servers.cut()
        } else {
            two.clients.cut()
        }
        assert_eq!((end(&mut mine).await, end(&mut theirs).await), (Err(StreamError::Lost), Err(StreamError::Lost)));
        assert_eq!((mine.stopped().await, theirs.stopped().await), (StreamError::Lost, StreamError::Lost));
    }
}

#[tokio::test(start_paused = true)]
async fn the_traits_errors_have_the_end_inside() {
    let (two, _listener, mut mine, mut theirs) = joined().await;
    theirs.reset(300_u32);
    let error = within(mine.read_u8()).await.expect_err("reset");
    assert_eq!(error.get_ref().and_then(|error| error.downcast_ref()), Some(&StreamError::Reset(300)));
    let (mut mine, _theirs) = (two.client.client().connect("none").wait(std::time::Duration::ZERO).await, theirs);
    assert!(mine.as_mut().is_err());
}

#[tokio::test(start_paused = true)]
async fn finish_is_clean_comes_behind_the_bytes_and_is_idle_the_second_time() {
    let (_two, _listener, mut mine, mut theirs) = joined().await;
    mine.write_all(b"all").await.expect("taken");
    mine.finish();
    mine.finish();
    assert_eq!(within(mine.write_chunk("more".into())).await, Err(StreamError::Finished));
    let mut text = String::new();
    within(theirs.read_to_string(&mut text)).await.expect("a clean end");
    assert_eq!(text, "all");
    theirs.shutdown().await.expect("finishes");
    assert_eq!(end(&mut mine).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_unfinished_is_reset_and_a_finished_one_is_delivered() {
    let (_two, mut listener, mine, mut theirs) = joined().await;
    drop(mine);
    assert_eq!(end(&mut theirs).await, Err(StreamError::Reset(Code::Cancelled.number())));
    let (mut mine, mut theirs) = pair(&_two.client, &mut listener).await;
    mine.write_all(&[7; 100_000]).await.expect("taken");
    mine.finish();
    drop(mine);
    let mut got = Vec::new();
    within(theirs.read_to_end(&mut got)).await.expect("whole");
    assert_eq!(got.len(), 100_000);
}
