//! Finished, reset and lost are three things, however a stream or a session ends.

use std::io;

use browser_stream_mux::{Code, End, Flags, Header, Kind, OpenError, Role, SessionError, StreamError, Violation};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::pair::{Pair, exchange, header, noise, session, soon, stream_error};

#[tokio::test(start_paused = true)]
async fn a_reset_arrives_with_its_code_on_both_halves() {
    let pair = Pair::new();
    let (mut near, mut far) = pair.streams().await;
    near.reset(4001_u32);
    assert_eq!(soon(far.stopped()).await, End::Reset(4001));
    assert_eq!(far.read_chunk().await, Err(StreamError::Reset(4001)));
    assert_eq!(far.write_chunk(Bytes::from_static(b"x")).await, Err(StreamError::Reset(4001)));
    let error = far.read_u8().await.unwrap_err();
    assert_eq!((error.kind(), stream_error(&error)), (io::ErrorKind::ConnectionReset, StreamError::Reset(4001)));
    assert_eq!(near.read_chunk().await, Err(StreamError::Reset(4001)), "also where it was said");
}

#[tokio::test(start_paused = true)]
async fn data_before_a_reset_stays_readable() {
    let pair = Pair::new();
    let (mut near, mut far) = pair.streams().await;
    near.write_all(b"last words").await.unwrap();
    let mut first = [0; 4];
    soon(far.read_exact(&mut first)).await.unwrap();
    near.reset(Code::Busy);
    soon(far.stopped()).await;
    let mut rest = [0; 6];
    far.read_exact(&mut rest).await.unwrap();
    assert_eq!((&first, &rest), (b"last", b" words"));
    assert_eq!(far.read_chunk().await, Err(StreamError::Reset(Code::Busy.number())));
}

#[tokio::test(start_paused = true)]
async fn a_finish_before_a_loss_stays_a_clean_end() {
    let pair = Pair::new();
    let (mut near, far) = pair.streams().await;
    near.write_all(b"all of it").await.unwrap();
    near.finish();
    let (mut reader, mut writer) = tokio::io::split(far);
    let mut all = vec![reader.read_u8().await.unwrap()];
    // The session goes once everything has arrived: then the reader finds data, a finish, and a loss.
    writer.write_all(&noise(10, 0)).await.unwrap();
    let mut answer = [0; 10];
    soon(near.read_exact(&mut answer)).await.unwrap();
    soon(async {
        while all.len() < 9 {
            all.push(reader.read_u8().await.unwrap());
        }
        assert_eq!(reader.read(&mut [0]).await.unwrap(), 0);
    })
    .await;
    pair.drivers[0].abort();
    let _ = soon(pair.drivers.into_iter().nth(1).unwrap()).await;
    assert_eq!(all, b"all of it");
    assert_eq!(reader.read(&mut [0]).await.unwrap(), 0, "still finished");
    assert_eq!(stream_error(&writer.write_all(b"x").await.unwrap_err()), StreamError::Lost);
}

#[tokio::test(start_paused = true)]
async fn threat_12_a_dropped_peer_is_a_loss_and_never_a_clean_end() {
    let pair = Pair::new();
    let (mut near, mut far) = pair.streams().await;
    near.write_all(&noise(1000, 0)).await.unwrap();
    let mut some = [0; 500];
    soon(far.read_exact(&mut some)).await.unwrap();
    pair.drivers[0].abort();
    let mut rest = Vec::new();
    let error = soon(far.read_to_end(&mut rest)).await.unwrap_err();
    assert_eq!((error.kind(), stream_error(&error)), (io::ErrorKind::ConnectionAborted, StreamError::Lost));
    assert_eq!(soon(near.stopped()).await, End::Lost);
    assert!(soon(pair.acceptor.accept()).await.is_none());
    assert_eq!(pair.acceptor.open().unwrap_err(), OpenError::GoneAway);
}

#[tokio::test(start_paused = true)]
async fn threat_12_a_cut_inside_a_frame_is_a_loss() {
    let (mut wire, io) = tokio::io::duplex(8);
    let (session, driver) = session(io, Role::Acceptor);
    wire.write_all(&header(Kind::Data, Flags::SYN, 1, 100)).await.unwrap();
    wire.write_all(b"only this").await.unwrap();
    let mut stream = soon(session.accept()).await.unwrap();
    let mut part = [0; 9];
    soon(stream.read_exact(&mut part)).await.unwrap();
    drop(wire);
    assert_eq!(soon(stream.read_chunk()).await, Err(StreamError::Lost));
    drop(soon(driver).await);
}

#[tokio::test(start_paused = true)]
async fn threat_07_a_violation_ends_the_session_with_go_away_and_loses_its_streams() {
    let (mut wire, io) = tokio::io::duplex(64);
    let (session, driver) = session(io, Role::Acceptor);
    wire.write_all(&header(Kind::WindowUpdate, Flags::SYN, 1, 0)).await.unwrap();
    let mut stream = soon(session.accept()).await.unwrap();
    wire.write_all(&header(Kind::Data, Flags::NONE, 1, u32::MAX)).await.unwrap();
    assert_eq!(soon(stream.read_chunk()).await, Err(StreamError::Lost));
    let mut told = Vec::new();
    soon(wire.read_to_end(&mut told)).await.unwrap();
    assert_eq!(told[told.len() - Header::BYTES..], header(Kind::GoAway, Flags::NONE, 0, 1));
    drop(wire);
    assert!(matches!(soon(driver).await.unwrap(), Err(SessionError::Violation(Violation::Window))));
}

#[tokio::test(start_paused = true)]
async fn a_stream_dropped_unfinished_is_cancelled() {
    let pair = Pair::new();
    let (near, mut far) = pair.streams().await;
    drop(near);
    assert_eq!(soon(far.read_chunk()).await, Err(StreamError::Reset(Code::Cancelled.number())));
}

#[tokio::test(start_paused = true)]
async fn a_stream_dropped_after_its_finish_still_delivers_all() {
    let pair = Pair::new();
    let (mut near, mut far) = pair.streams().await;
    let sent = noise(200_000, 9);
    near.write_all(&sent).await.unwrap();
    near.finish();
    drop(near);
    let mut received = Vec::new();
    soon(far.read_to_end(&mut received)).await.unwrap();
    assert!(received == sent);
    assert_eq!(soon(far.stopped()).await, End::Reset(Code::Cancelled.number()));
}

#[tokio::test(start_paused = true)]
async fn a_panicking_task_resets_its_stream_internal() {
    let pair = Pair::new();
    let (near, mut far) = pair.streams().await;
    let task = tokio::spawn(async move {
        let _held = near;
        panic!("on purpose");
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(soon(far.read_chunk()).await, Err(StreamError::Reset(Code::Internal.number())));
}

#[tokio::test(start_paused = true)]
async fn close_ends_both_sessions_cleanly() {
    let pair = Pair::new();
    let (mut near, mut far) = pair.streams().await;
    near.write_all(b"queued").await.unwrap();
    near.finish();
    pair.opener.close();
    let [first, second] = pair.drivers;
    let mut queued = String::new();
    soon(far.read_to_string(&mut queued)).await.unwrap();
    assert_eq!(queued, "queued");
    assert_eq!(soon(far.stopped()).await, End::Lost);
    assert!(soon(first).await.unwrap().is_ok() && soon(second).await.unwrap().is_ok());
    assert!(pair.acceptor.accept().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_session_without_handles_ends_with_its_last_stream() {
    let pair = Pair::new();
    let (near, far) = pair.streams().await;
    let Pair { opener, acceptor: _acceptor, drivers: [first, second] } = pair;
    drop(opener);
    let (left, right) = soon(async { tokio::join!(exchange(near, noise(5000, 1)), exchange(far, noise(5000, 2))) }).await;
    assert!(left.0 == noise(5000, 2) && right.0 == noise(5000, 1));
    assert!(soon(first).await.unwrap().is_ok() && soon(second).await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_reply_leaves_before_the_reset_that_follows_it() {
    let pair = Pair::new();
    for drops in [false, true] {
        let mut near = pair.opener.open().unwrap();
        near.write_all(b"!").await.unwrap();
        let mut far = soon(pair.acceptor.accept()).await.unwrap();
        far.write_reply(b"{}");
        far.write_all(b"words").await.unwrap();
        if drops {
            drop(far)
        } else {
            far.reset(4001_u32)
        }
        assert_eq!(soon(near.read_frame(100)).await.unwrap().as_deref(), Some(&b"{}"[..]));
        let mut words = [0; 5];
        soon(near.read_exact(&mut words)).await.unwrap();
        let code = if drops { Code::Cancelled.number() } else { 4001 };
        assert_eq!(soon(near.read_chunk()).await, Err(StreamError::Reset(code)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_does_not_wait_for_more_than_the_peer_has_room_for() {
    let pair = Pair::new();
    let mut near = pair.opener.open().unwrap();
    near.write_all(b"!").await.unwrap();
    let mut far = soon(pair.acceptor.accept()).await.unwrap();
    far.write_reply(b"{}");
    far.write_chunk(Bytes::from(vec![0; 300 * 1024])).await.unwrap();
    far.reset(4001_u32);
    // The opener reads nothing: what is queued would wait for its credit for ever.
    assert_eq!(soon(near.stopped()).await, End::Reset(4001));
}
