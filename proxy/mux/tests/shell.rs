//! Sessions and streams over a pipe that holds eight bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{io, time::Duration};

use browser_stream_mux::{
    Code, Config, Dead, End, Flags, FrameError, Header, Kind, OpenError, Role, Session, SessionError, Stream, StreamError, Violation,
};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
    time::timeout,
};

type Driver = JoinHandle<Result<(), SessionError>>;

fn session(io: DuplexStream, role: Role) -> (Session, Driver) {
    let (session, driver) = Session::new(io, role, Config::default());
    (session, tokio::spawn(driver))
}

struct Pair {
    opener: Session,
    acceptor: Session,
    drivers: [Driver; 2],
}

impl Pair {
    fn new() -> Self {
        let (left, right) = tokio::io::duplex(8);
        let (opener, first) = session(left, Role::Opener);
        let (acceptor, second) = session(right, Role::Acceptor);
        Self { opener, acceptor, drivers: [first, second] }
    }

    /// A stream and its other end, after the first byte went across.
    async fn streams(&self) -> (Stream, Stream) {
        let mut near = self.opener.open().unwrap();
        near.write_all(b"!").await.unwrap();
        let mut far = self.acceptor.accept().await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), b'!');
        (near, far)
    }
}

/// A bound on what waits for a condition.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(20), future).await.expect("took too long")
}

fn noise(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| ((at * 31 + seed) ^ (at >> 8)) as u8).collect()
}

fn stream_error(error: &io::Error) -> StreamError {
    *error.get_ref().and_then(|inner| inner.downcast_ref()).expect("a stream error inside")
}

async fn exchange(stream: Stream, out: Vec<u8>) -> (Vec<u8>, Stream) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let write = async {
        writer.write_all(&out).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let (read, ()) = tokio::join!(reader.read_to_end(&mut received), write);
    read.unwrap();
    (received, reader.unsplit(writer))
}

#[tokio::test]
async fn both_directions_carry_more_than_a_window_at_once() {
    let pair = Pair::new();
    let (near, far) = pair.streams().await;
    let (there, back) = (noise(400_000, 1), noise(300_000, 2));
    let (left, right) = soon(async { tokio::join!(exchange(near, there.clone()), exchange(far, back.clone())) }).await;
    assert!(left.0 == back && right.0 == there);
}

#[tokio::test]
async fn many_streams_share_a_session() {
    let pair = Pair::new();
    let acceptor = pair.acceptor.clone();
    let server = tokio::spawn(async move {
        while let Some(mut stream) = acceptor.accept().await {
            tokio::spawn(async move {
                while let Some(chunk) = stream.read_chunk().await.unwrap() {
                    stream.write_chunk(chunk).await.unwrap();
                }
                stream.finish();
            });
        }
    });
    let clients = (0..40).map(|n| {
        let stream = pair.opener.open().unwrap();
        tokio::spawn(async move {
            let sent = noise(3000 + n, n);
            assert!(exchange(stream, sent.clone()).await.0 == sent);
        })
    });
    for client in clients.collect::<Vec<_>>() {
        soon(client).await.unwrap();
    }
    pair.opener.close();
    soon(server).await.unwrap();
}

#[tokio::test]
async fn a_reply_survives_the_requesters_half_close() {
    let pair = Pair::new();
    let (mut near, mut far) = pair.streams().await;
    near.write_all(b"question").await.unwrap();
    near.finish();
    let mut question = String::new();
    soon(far.read_to_string(&mut question)).await.unwrap();
    assert_eq!(question, "question");
    far.write_all(&noise(70_000, 3)).await.unwrap();
    far.shutdown().await.unwrap();
    let mut answer = Vec::new();
    soon(near.read_to_end(&mut answer)).await.unwrap();
    assert!(answer == noise(70_000, 3));
    let error = near.write_all(b"more").await.unwrap_err();
    assert_eq!((error.kind(), stream_error(&error)), (io::ErrorKind::BrokenPipe, StreamError::Finished));
}

#[tokio::test]
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

#[tokio::test]
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

#[tokio::test]
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

#[tokio::test]
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

#[tokio::test]
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

fn header(kind: Kind, flags: Flags, stream: u32, length: u32) -> [u8; Header::BYTES] {
    Header { kind, flags, stream, length }.encode()
}

#[tokio::test]
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

#[tokio::test]
async fn a_stream_dropped_unfinished_is_cancelled() {
    let pair = Pair::new();
    let (near, mut far) = pair.streams().await;
    drop(near);
    assert_eq!(soon(far.read_chunk()).await, Err(StreamError::Reset(Code::Cancelled.number())));
}

#[tokio::test]
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

#[tokio::test]
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

#[tokio::test]
async fn a_writer_waits_while_its_reader_does_not_read() {
    let pair = Pair::new();
    let (mut near, mut far) = pair.streams().await;
    let chunk = Bytes::from(noise(64 * 1024, 0));
    let mut written = 0;
    while timeout(Duration::from_millis(300), near.write_chunk(chunk.clone())).await.is_ok() {
        written += chunk.len();
        assert!(written <= 1024 * 1024, "unbounded");
    }
    // A window on the far side, and 256 KiB here.
    assert!(written >= 448 * 1024, "{written}");
    let mut received = vec![0; written];
    soon(far.read_exact(&mut received)).await.unwrap();
    soon(near.write_chunk(chunk)).await.unwrap();
}

#[tokio::test]
async fn frames_are_read_whole_and_ends_between_them_are_clean() {
    let pair = Pair::new();
    let (mut near, mut far) = pair.streams().await;
    assert!(near.write_frame(b"{\"path\":\"/x\"}") && near.write_frame(b"") && near.write_frame(&noise(9000, 0)));
    assert!(!near.write_frame(&noise(65_536, 0)));
    near.finish();
    assert_eq!(soon(far.peek_frame(100)).await.unwrap(), "{\"path\":\"/x\"}");
    assert_eq!(soon(far.read_frame(100)).await.unwrap().unwrap(), "");
    assert_eq!(soon(far.read_frame(100)).await, Err(FrameError::TooLong(9000)));
    assert_eq!(soon(far.read_frame(9000)).await.unwrap().unwrap(), noise(9000, 0));
    assert_eq!(soon(far.read_frame(9000)).await, Ok(None));
    assert_eq!(soon(far.peek_frame(9000)).await, Err(FrameError::Finished));
}

#[tokio::test]
async fn a_frame_that_is_cut_says_how() {
    let pair = Pair::new();
    let (mut near, mut far) = pair.streams().await;
    near.write_all(&[0, 9, b'x']).await.unwrap();
    near.finish();
    assert_eq!(soon(far.read_frame(100)).await, Err(FrameError::Finished));
    let (mut near, mut far) = pair.streams().await;
    near.write_all(&[0]).await.unwrap();
    let waiting = timeout(Duration::from_millis(50), far.peek_frame(100)).await;
    assert!(waiting.is_err(), "half a length is no frame");
    near.write_all(&[2, b'o', b'k']).await.unwrap();
    assert_eq!(soon(far.peek_frame(100)).await.unwrap(), "ok", "the one that was given up took nothing");
    near.reset(9_u32);
    assert_eq!(soon(far.peek_frame(100)).await, Err(FrameError::Stream(StreamError::Reset(9))));
}

#[tokio::test]
async fn what_nobody_read_can_be_taken_over() {
    let pair = Pair::new();
    let (mut near, mut far) = pair.streams().await;
    near.write_all(b"open|early").await.unwrap();
    near.finish();
    let mut open = [0; 5];
    soon(far.read_exact(&mut open)).await.unwrap();
    let id = far.id();
    let (taken_id, cell) = far.into_parts();
    assert_eq!(taken_id, id);
    let mut early = Vec::new();
    soon(async {
        loop {
            let (chunks, finished) = cell.take_unread();
            early.extend(chunks.concat());
            if finished {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(early, b"early");
    assert_eq!(cell.end(), None, "taking it apart ends nothing");
}

#[tokio::test]
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

#[tokio::test]
async fn a_session_without_handles_ends_with_its_last_stream() {
    let pair = Pair::new();
    let (near, far) = pair.streams().await;
    let Pair { opener, acceptor: _acceptor, drivers: [first, second] } = pair;
    drop(opener);
    let (left, right) = soon(async { tokio::join!(exchange(near, noise(5000, 1)), exchange(far, noise(5000, 2))) }).await;
    assert!(left.0 == noise(5000, 2) && right.0 == noise(5000, 1));
    assert!(soon(first).await.unwrap().is_ok() && soon(second).await.unwrap().is_ok());
}

#[tokio::test]
async fn threat_08_the_stream_above_the_limit_is_refused_and_the_session_lives() {
    let pair = Pair::new();
    let mut held = Vec::new();
    for _ in 0..1024 {
        held.push(pair.opener.open().unwrap());
    }
    let surplus = pair.opener.open().unwrap();
    assert_eq!(soon(surplus.stopped()).await, End::Reset(Code::Limit.number()));
    let first = held.first_mut().unwrap();
    first.write_all(b"alive").await.unwrap();
    let mut accepted = soon(pair.acceptor.accept()).await.unwrap();
    let mut alive = [0; 5];
    soon(accepted.read_exact(&mut alive)).await.unwrap();
    assert_eq!(&alive, b"alive");
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_dead_after_its_time() {
    let (_wire, io) = tokio::io::duplex(64);
    let (session, driver) = session(io, Role::Opener);
    let stream = session.open().unwrap();
    let started = tokio::time::Instant::now();
    assert!(matches!(driver.await.unwrap(), Err(SessionError::Dead(Dead::Silent))));
    assert_eq!(started.elapsed().as_secs(), 60);
    assert_eq!(stream.stopped().await, End::Lost);
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_ping_ends_the_session_sooner() {
    let (_wire, io) = tokio::io::duplex(64);
    let (session, driver) = session(io, Role::Opener);
    session.ping();
    let started = tokio::time::Instant::now();
    assert!(matches!(driver.await.unwrap(), Err(SessionError::Dead(Dead::Unanswered))));
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn pings_keep_an_idle_session_alive() {
    let (left, right) = tokio::io::duplex(8);
    let config = Config { ping_interval: Some(Duration::from_secs(20)), ..Config::default() };
    let (_proxy, driver) = Session::new(left, Role::Acceptor, config);
    let first = tokio::spawn(driver);
    let (peer, _second) = session(right, Role::Opener);
    assert!(timeout(Duration::from_secs(600), first).await.is_err(), "alive after ten minutes");
    assert!(peer.open().is_ok());
}
