//! Bytes in both directions, many streams, and who waits for whom.

use std::{io, time::Duration};

use browser_stream_mux::{Code, End, StreamError};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::pair::{Pair, exchange, noise, soon, stream_error};

#[tokio::test(start_paused = true)]
async fn both_directions_carry_more_than_a_window_at_once() {
    let pair = Pair::new();
    let (near, far) = pair.streams().await;
    let (there, back) = (noise(400_000, 1), noise(300_000, 2));
    let (left, right) = soon(async { tokio::join!(exchange(near, there.clone()), exchange(far, back.clone())) }).await;
    assert!(left.0 == back && right.0 == there);
}

#[tokio::test(start_paused = true)]
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

#[tokio::test(start_paused = true)]
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

#[tokio::test(start_paused = true)]
async fn chunks_that_belong_together_arrive_in_order_and_none_behind_a_finish() {
    let pair = Pair::new();
    let (mut near, mut far) = pair.streams().await;
    let mut chunks = vec![Bytes::from_static(b"head"), noise(9000, 1).into(), Bytes::from_static(b"tail")];
    let whole = chunks.concat();
    assert!(near.write_all_now(&mut chunks) && chunks.is_empty());
    near.finish();
    assert!(!near.write_all_now(&mut vec![Bytes::from_static(b"late")]));
    let mut received = Vec::new();
    soon(far.read_to_end(&mut received)).await.unwrap();
    assert!(received == whole);
}

#[tokio::test(start_paused = true)]
async fn a_writer_waits_while_its_reader_does_not_read() {
    let pair = Pair::new();
    let (mut near, mut far) = pair.streams().await;
    let chunk = Bytes::from(noise(64 * 1024, 0));
    let mut written = 0;
    while timeout(Duration::from_millis(1), near.write_chunk(chunk.clone())).await.is_ok() {
        written += chunk.len();
    }
    // The far side's window, and 256 KiB here.
    assert_eq!(written, 512 * 1024);
    let mut received = vec![0; written];
    soon(far.read_exact(&mut received)).await.unwrap();
    soon(near.write_chunk(chunk)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn threat_08_the_stream_above_the_limit_is_refused_and_the_session_lives() {
    let pair = Pair::new();
    let mut held = Vec::new();
    for _ in 0..16 * 1024 {
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
