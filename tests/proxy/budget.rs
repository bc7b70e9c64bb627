//! The memory budget of the process: whoever holds most pays for it, and everybody else goes on.

use browser_stream_server::Limits;
use harness::*;

use crate::{
    honest::Honest,
    pile::{Pile, UNDER_WAY},
};

const KIB: usize = 1024;
const CREDIT: u32 = 4 * 1024 * 1024;
const LIMIT: u32 = 8;

/// Short enough that the proxy copies it: copies are what a transport in memory books.
const SHORT: usize = 256;

fn a_mebibyte() -> Limits {
    let mut limits = Limits::default();
    limits.memory_budget_bytes = 1024 * KIB;
    limits
}

#[tokio::test(start_paused = true)]
async fn threat_19_the_fullest_stream_of_the_process_pays_for_its_memory_and_the_others_get_every_byte() {
    let mut pile = Pile::new(a_mebibyte(), 2).await;
    for number in 1..=2 {
        pile.grant(number, CREDIT).await;
    }
    let mut honest = Honest::new(&pile.proxy).await;
    pile.fill(1, 256 * KIB, SHORT).await;
    pile.fill(2, 640 * KIB, SHORT).await;
    assert_eq!(pile.proxy.refused("budget"), 0, "within it nobody does");
    pile.fill(1, 64 * KIB + UNDER_WAY, SHORT).await;
    assert_eq!(pile.proxy.refused("budget"), 1);
    let reset = pile.client.next_where(|frame| frame.flags & RST != 0).await;
    assert_eq!((reset.stream, reset.length), (3, LIMIT));
    honest.goes_on().await;
    assert_eq!(pile.take(2, 1024 * KIB).await, Err(LIMIT));
    // The same again: there is room for it, and credit.
    pile.fill(1, 256 * KIB, SHORT).await;
    let mut taken = 0;
    while pile.queued() > 0 {
        let frame = pile.server.next().await.unwrap();
        assert!(frame.stream != 2 || frame.flags == 0, "{frame:?}");
        taken += if frame.stream == 2 { frame.payload.len() } else { 0 };
    }
    assert!(taken > 0);
    assert_eq!(pile.proxy.refused("budget"), 1);
    honest.goes_on().await;
}

#[tokio::test(start_paused = true)]
async fn threat_19_streams_that_waited_for_memory_go_on_until_all_has_arrived() {
    let mut pile = Pile::new(a_mebibyte(), 1).await;
    pile.grant(1, CREDIT).await;
    let (mut owner, client) = (pile.proxy.peer_with(4096), pile.proxy.peer());
    let _control = owner.claim("OTHER").await.unwrap();
    let (near, (_, mut far)) = tokio::join!(client.connect("OTHER"), owner.accept());
    let mut near = near.unwrap();
    let sent = pattern(3, 2 * 1024 * KIB);
    let expected = sent.clone();
    let writing = tokio::spawn(async move {
        for chunk in sent.chunks(SHORT) {
            near.write_chunk(bytes::Bytes::copy_from_slice(chunk)).await.unwrap();
        }
        near.finish();
        near
    });
    pile.fill(1, 1024 * KIB + UNDER_WAY + 64 * KIB, SHORT).await;
    assert_eq!(pile.proxy.refused("budget"), 1, "once for all: then there was room");
    let mut read = Vec::new();
    within(tokio::io::AsyncReadExt::read_to_end(&mut far, &mut read)).await.unwrap();
    assert!(read == expected);
    writing.await.unwrap();
}
