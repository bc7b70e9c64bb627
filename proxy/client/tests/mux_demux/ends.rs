//! How a mux ends, and what its streams hear of it.

use browser_stream_client::{Code, MuxDemux, MuxError, Role, StreamError};
use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use crate::{next, pair, soon, stream, text};

#[tokio::test(start_paused = true)]
async fn close_waits_for_the_streams_and_takes_no_new_ones_of_either_end() {
    let [(near, mut at_near), (far, mut at_far)] = pair();
    let (mut ours, mut theirs) = stream(&near, &mut at_far).await;
    let closing = tokio::spawn({
        let near = near.clone();
        async move { near.close().await }
    });
    tokio::task::yield_now().await;
    assert!(near.create_stream(&1).await.unwrap_err().is(Code::Gone));
    assert!(far.create_stream(&1).await.unwrap_err().is(Code::Gone));
    ours.write_all(b"last words").await.unwrap();
    ours.finish();
    assert_eq!(text(&mut theirs).await, "last words");
    assert!(!closing.is_finished());
    theirs.write_all(b"answer").await.unwrap();
    theirs.finish();
    assert_eq!(text(&mut ours).await, "answer");
    assert_eq!(soon(closing).await.unwrap(), Ok(()));
    assert_eq!(soon(far.closed()).await, Ok(()));
    assert!(at_near.next().await.is_none() && at_far.next().await.is_none());
    assert!(far.create_stream(&1).await.unwrap_err().is(Code::Gone));
}

#[tokio::test(start_paused = true)]
async fn without_streams_it_closes_at_once_also_when_both_do() {
    let [(near, _at_near), (far, _at_far)] = pair();
    assert_eq!(soon(async { tokio::join!(near.close(), far.close(), near.close()) }).await, (Ok(()), Ok(()), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn close_now_waits_for_no_stream_and_they_are_lost_at_both_ends() {
    let [(near, _at_near), (far, mut at_far)] = pair();
    let (mut ours, mut theirs) = stream(&near, &mut at_far).await;
    ours.write_all(b"this leaves").await.unwrap();
    assert_eq!(soon(near.close_now()).await, Ok(()));
    assert_eq!(soon(far.closed()).await, Ok(()));
    assert_eq!(ours.read_chunk().await, Err(StreamError::Lost));
    assert_eq!(theirs.read_chunk().await.unwrap().unwrap(), "this leaves");
    assert_eq!(theirs.read_chunk().await, Err(StreamError::Lost));
}

#[tokio::test(start_paused = true)]
async fn abort_ends_it_at_once_and_the_other_end_hears_of_it() {
    let [(near, _at_near), (far, mut at_far)] = pair();
    let (mut ours, mut theirs) = stream(&near, &mut at_far).await;
    near.abort();
    assert_eq!(soon(near.closed()).await, Err(MuxError::Aborted));
    soon(far.closed()).await.ok();
    assert_eq!((ours.read_chunk().await, theirs.read_chunk().await), (Err(StreamError::Lost), Err(StreamError::Lost)));
    assert!(near.create_stream(&1).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn dropped_it_ends_with_its_last_stream() {
    let [(near, at_near), (far, mut at_far)] = pair();
    let (mut ours, mut theirs) = stream(&near, &mut at_far).await;
    drop((near, at_near));
    ours.write_all(b"still here").await.unwrap();
    ours.finish();
    assert_eq!(text(&mut theirs).await, "still here");
    theirs.finish();
    assert_eq!(text(&mut ours).await, "");
    assert_eq!(soon(far.closed()).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_told_while_it_closes_arrives_with_its_message() {
    let [(near, _at_near), (far, mut at_far)] = pair();
    let (mut ours, theirs) = stream(&near, &mut at_far).await;
    let closing = tokio::spawn({
        let near = near.clone();
        async move { near.close().await }
    });
    tokio::task::yield_now().await;
    ours.error("too late");
    soon(theirs.stopped()).await;
    assert_eq!(theirs.message().as_deref(), Some("too late"));
    drop((ours, theirs));
    assert_eq!((soon(closing).await.unwrap(), soon(far.closed()).await), (Ok(()), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn two_ends_of_the_same_role_are_told_so() {
    for role in [Role::Client, Role::Server] {
        let (near, far) = duplex(1000);
        let [(near, _at_near), (far, _at_far)] = [near, far].map(|io| MuxDemux::over(io, role));
        assert!(soon(near.create_stream(&1)).await.unwrap_err().is(Code::Lost));
        let (near, far) = (soon(near.closed()).await.unwrap_err(), soon(far.closed()).await.unwrap_err());
        assert_eq!((&near, &far), (&MuxError::Rejected, &MuxError::SameRole));
        assert!(near.code() == Code::BadRequest && far.code() == Code::BadRequest && near.to_string().contains("role"));
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_mux_end_it() {
    let (near, mut far) = duplex(1000);
    let (near, _at_near) = MuxDemux::over(near, Role::Client);
    far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    let error = soon(near.closed()).await.unwrap_err();
    assert!(matches!(error, MuxError::Protocol(_)) && error.code() == Code::Internal, "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_open_or_an_error_that_says_nothing_right_is_refused_and_the_mux_goes_on() {
    let (near, far) = duplex(1000);
    let (raw, run) = browser_stream_mux::Session::new(near, browser_stream_mux::Role::Opener, Default::default());
    tokio::spawn(run);
    let (far, mut at_far) = MuxDemux::over(far, Role::Server);
    for open in [&b"[]"[..], br#"{"path":"x"}"#, br#"{"path":"/stream-error","meta":{"stream":"1"}}"#, br#"{"path":"/stream-error"}"#] {
        let mut stream = raw.open().unwrap();
        stream.write_frame(open);
        let answer = soon(stream.read_frame(1000)).await.unwrap().unwrap();
        assert!(answer.starts_with(br#"{"error":{"code":"bad_request""#), "{answer:?}");
    }
    // One about a stream that is not there changes nothing.
    let mut stranger = raw.open().unwrap();
    stranger.write_frame(br#"{"path":"/stream-error","meta":{"stream":77,"code":7,"message":"?"}}"#);
    assert_eq!(soon(stranger.read_frame(1000)).await.unwrap().unwrap(), "{}");
    let mut stream = raw.open().unwrap();
    stream.write_frame(br#"{"path":"/anywhere","meta":5,"later":1}"#);
    assert_eq!(next(&mut at_far).await.1, 5);
    drop(far);
}

#[tokio::test(start_paused = true)]
async fn a_mux_runs_over_a_stream_of_a_mux() {
    let [(near, _at_near), (far, mut at_far)] = pair();
    let (ours, theirs) = stream(&near, &mut at_far).await;
    let (inner, _at_inner) = MuxDemux::over(ours, Role::Client);
    let (_theirs, mut at_theirs) = MuxDemux::over(theirs, Role::Server);
    let (mut ours, mut theirs) = stream(&inner, &mut at_theirs).await;
    ours.write_all(b"inside").await.unwrap();
    ours.finish();
    theirs.finish();
    assert_eq!(text(&mut theirs).await, "inside");
    assert_eq!(ours.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(soon(inner.close()).await, Ok(()));
    // What carried it has finished, so the outer mux can end.
    assert_eq!((soon(near.close()).await, soon(far.closed()).await), (Ok(()), Ok(())));
}
