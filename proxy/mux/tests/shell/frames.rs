//! Opens, replies and notes: read whole, peeked at, taken over.

use std::time::Duration;

use browser_stream_mux::{FrameError, StreamError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::pair::{Pair, noise, soon};

#[tokio::test(start_paused = true)]
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

#[tokio::test(start_paused = true)]
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

#[tokio::test(start_paused = true)]
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
            let (chunk, finished) = cell.take_unread();
            match chunk {
                Some(chunk) => early.extend(chunk),
                None if finished => break,
                None => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    assert_eq!(early, b"early");
    assert_eq!(cell.end(), None, "taking it apart ends nothing");
}
