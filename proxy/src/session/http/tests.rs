//! The two ends of a connection over HTTP, without any HTTP.

use std::{future::poll_fn, time::Duration};

use futures::{FutureExt, StreamExt};
use tokio::time::sleep;

use super::{record::Kind, *};
use crate::session::transport::{Read, Reader, TransportError, Writer};

const HELLO: &[u8] = b"{}";

/// A connection as its session and its edge have it.
fn halves(ups_max: usize) -> (Incoming, Outgoing, Down, Ups) {
    let (http, down, ups) = connection(HELLO, 2048, ups_max);
    let (incoming, outgoing) = http.split();
    (incoming, outgoing, down, ups)
}

fn blocks(text: &'static str) -> Blocks {
    Blocks::from([Bytes::from_static(text.as_bytes())])
}

async fn read(incoming: &mut Incoming) -> (Option<Bytes>, Read) {
    let mut runs = std::collections::VecDeque::new();
    let read = poll_fn(|cx| incoming.poll_read(cx, &mut runs)).await.expect("no error");
    assert!(runs.len() <= 1, "{runs:?}");
    (runs.pop_front(), read)
}

fn now(incoming: &mut Incoming) -> Option<(Option<Bytes>, Read)> {
    read(incoming).now_or_never()
}

fn write(outgoing: &mut Outgoing, bytes: &[Bytes]) -> Option<Result<(), TransportError>> {
    let mut buffers = bytes.to_vec();
    poll_fn(|cx| outgoing.poll_write(cx, &mut buffers)).now_or_never()
}

/// What the response has at this moment, and whether it has ended.
fn response(down: &mut Down) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    loop {
        match down.next().now_or_never() {
            Some(Some(Ok(part))) => bytes.extend_from_slice(&part),
            Some(None) => return (bytes, true),
            None => return (bytes, false),
        }
    }
}

/// The records in it.
fn records(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut records = Vec::new();
    while let [kind, a, b, c, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        records.push((*kind, rest[..length].to_vec()));
        bytes = &rest[length..];
    }
    records
}

#[tokio::test]
async fn bodies_are_read_in_the_order_of_their_numbers_and_answered_when_they_were() {
    let (mut incoming, _outgoing, _down, ups) = halves(4);
    let second = ups.begin(1).expect("room").put(blocks("second"));
    let mut second = Box::pin(second);
    assert!(second.as_mut().now_or_never().is_none() && now(&mut incoming).is_none(), "there is a gap before it");
    let mut first = Box::pin(ups.begin(0).expect("room").put(blocks("first")));
    assert!(first.as_mut().now_or_never().is_none(), "nobody read it");
    assert_eq!(now(&mut incoming), Some((Some(Bytes::from("first")), Read::Bytes)));
    assert_eq!(first.await, Ok(()));
    assert!(second.as_mut().now_or_never().is_none());
    assert_eq!(now(&mut incoming), Some((Some(Bytes::from("second")), Read::Bytes)));
    assert_eq!(second.await, Ok(()));
}

#[tokio::test]
async fn threat_13_a_number_that_was_taken_is_answered_and_not_read_twice() {
    let (mut incoming, _outgoing, _down, ups) = halves(4);
    // The connection of the first is half dead: it is sent again, and whichever is whole first counts.
    let (slow, again) = (ups.begin(0).expect("room"), ups.begin(0).expect("room"));
    let mut again = Box::pin(again.put(blocks("once")));
    assert!(again.as_mut().now_or_never().is_none());
    let mut slow = Box::pin(slow.put(blocks("twice")));
    assert!(slow.as_mut().now_or_never().is_none());
    assert_eq!(now(&mut incoming), Some((Some(Bytes::from("once")), Read::Bytes)));
    assert_eq!((again.await, slow.await), (Ok(()), Ok(())));
    assert_eq!(ups.begin(0).expect_err("it was taken"), Refused::Taken);
    assert!(now(&mut incoming).is_none());
}

#[tokio::test]
async fn threat_10_no_more_bodies_are_under_way_than_may_be() {
    let (_incoming, _outgoing, _down, ups) = halves(2);
    assert_eq!(ups.begin(2).expect_err("too far ahead"), Refused::Beyond);
    assert_eq!(ups.begin(u64::MAX).expect_err("too far ahead"), Refused::Beyond);
    let (first, second) = (ups.begin(0), ups.begin(0));
    assert_eq!(ups.begin(1).expect_err("two are there"), Refused::Crowded);
    drop((first, second));
    assert!(ups.begin(1).is_ok());
}

#[tokio::test]
async fn a_body_of_several_blocks_is_answered_behind_its_last_and_an_empty_one_is_chatter() {
    let (mut incoming, _outgoing, _down, ups) = halves(4);
    let long = [Bytes::from("a"), Bytes::from("b")].into();
    let mut put = Box::pin(ups.begin(0).expect("room").put(long));
    assert!(put.as_mut().now_or_never().is_none());
    assert_eq!(now(&mut incoming), Some((Some(Bytes::from("a")), Read::Bytes)));
    assert!(put.as_mut().now_or_never().is_none());
    assert_eq!(now(&mut incoming), Some((Some(Bytes::from("b")), Read::Bytes)));
    assert_eq!(put.await, Ok(()));
    let mut empty = Box::pin(ups.begin(1).expect("room").put(Blocks::new()));
    assert!(empty.as_mut().now_or_never().is_none());
    assert_eq!((now(&mut incoming), empty.await), (Some((None, Read::Bytes)), Ok(())));
    assert_eq!((incoming.chatter().frames, incoming.chatter().frames), (1, 0));
}

#[tokio::test]
async fn threat_12_a_response_that_goes_ends_the_session_and_what_waits() {
    let (mut incoming, mut outgoing, down, ups) = halves(4);
    let mut put = Box::pin(ups.begin(1).expect("room").put(blocks("behind a gap")));
    assert!(put.as_mut().now_or_never().is_none());
    drop(down);
    assert_eq!(put.await, Err(Over));
    assert_eq!(ups.begin(0).expect_err("over"), Refused::Over);
    assert_eq!(now(&mut incoming), Some((None, Read::Closed)));
    assert!(matches!(write(&mut outgoing, &[Bytes::from("late")]), Some(Err(TransportError::Io(_)))));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_body_for_room_or_for_the_end_is_woken() {
    let (mut incoming, mut outgoing, mut down, ups) = halves(4);
    let reading = tokio::spawn(async move { read(&mut incoming).await });
    sleep(Duration::from_secs(1)).await;
    ups.begin(0).expect("room").put(blocks("here")).await.expect("read");
    assert_eq!(reading.await.expect("read").0, Some(Bytes::from("here")));
    let writing = tokio::spawn(async move {
        for _ in 0..8 {
            let mut buffers = vec![Bytes::from(vec![7; 100_000])];
            poll_fn(|cx| outgoing.poll_write(cx, &mut buffers)).await.expect("written");
        }
        poll_fn(|cx| outgoing.poll_close(cx, 1012, "later")).await;
        outgoing.taken()
    });
    let mut bytes = Vec::new();
    while let Some(Ok(part)) = down.next().await {
        bytes.extend_from_slice(&part);
    }
    let records = records(&bytes);
    assert_eq!(records.iter().filter(|(kind, body)| *kind == Kind::Bytes as u8 && body.len() == 100_000).count(), 8);
    assert_eq!(writing.await.expect("closed"), bytes.len() as u64);
}

#[tokio::test]
async fn the_response_begins_with_the_hello_and_ends_with_why() {
    let (_incoming, mut outgoing, mut down, _ups) = halves(4);
    let parts = [Bytes::from("head"), Bytes::from(vec![b'x'; 3000]), Bytes::from("tail")];
    assert!(matches!(write(&mut outgoing, &parts), Some(Ok(()))));
    assert!(poll_fn(|cx| outgoing.poll_close(cx, 1008, "limit")).now_or_never().is_none());
    let (bytes, ended) = response(&mut down);
    assert!(ended && poll_fn(|cx| outgoing.poll_close(cx, 1008, "limit")).now_or_never().is_some());
    let [hello, padding, payload, close] = &records(&bytes)[..] else { panic!("other records") };
    assert_eq!(hello, &(Kind::Hello as u8, HELLO.to_vec()));
    assert_eq!((padding.0, padding.1.len()), (Kind::Padding as u8, 2048));
    assert_eq!(payload, &(Kind::Bytes as u8, parts.concat()));
    assert_eq!(close, &(Kind::Close as u8, br#"{"code":1008,"reason":"limit"}"#.to_vec()));
}

#[tokio::test]
async fn threat_06_a_response_that_nobody_reads_takes_no_more_than_its_room() {
    let (_incoming, mut outgoing, mut down, _ups) = halves(4);
    let long = Bytes::from(vec![7; 65_000]);
    assert!(matches!(write(&mut outgoing, std::slice::from_ref(&long)), Some(Ok(()))));
    assert!(write(&mut outgoing, std::slice::from_ref(&long)).is_none(), "it is taken, and more waits");
    assert_eq!(outgoing.under_way(), 2 * (65_000 + 4));
    let mut kept = vec![long.clone()];
    assert!(poll_fn(|cx| outgoing.poll_write(cx, &mut kept)).now_or_never().is_none());
    assert_eq!(kept, [long], "what there is no room for stays with its session");
    response(&mut down);
    assert_eq!(outgoing.under_way(), 0);
    assert!(matches!(write(&mut outgoing, &kept), Some(Ok(()))));
}
