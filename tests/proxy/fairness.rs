//! Streams to one peer that takes less than it is sent share its connection in turns, and control frames go first (PROTOCOL.md, section 6).

use std::collections::BTreeMap;

use browser_stream_server::Limits;
use harness::*;

use crate::pile::{Pile, UNDER_WAY, until_quiet};

const KIB: usize = 1024;

/// What a stream sends in a turn while others wait.
const TURN: usize = 16 * KIB;

/// Streams that are full, and what is queued on each: nearly a first window.
const BULK: u32 = 10;
const QUEUED: usize = 240 * KIB;

/// What may come before anything that was queued later: one message, and the pipe behind it.
const AHEAD: usize = UNDER_WAY + 4 * KIB;

/// Ten full streams, and a small one that takes its turn behind them.
async fn crowded() -> Pile {
    let mut pile = Pile::new(Limits::default(), BULK + 1).await;
    for number in 1..=BULK {
        pile.fill(number, QUEUED, 48 * KIB).await;
    }
    pile.fill(BULK + 1, 64, 64).await;
    pile
}

#[tokio::test(start_paused = true)]
async fn a_small_message_waits_for_one_turn_of_each_full_stream_and_they_advance_together() {
    let mut pile = crowded().await;
    let small = 2 * (BULK + 1);
    let mut before = 0;
    loop {
        let frame = pile.server.next().await.unwrap();
        if frame.stream == small && !frame.payload.is_empty() {
            break;
        }
        before += frame.payload.len();
    }
    assert!(before <= AHEAD + BULK as usize * TURN, "{before} bytes came first");
    let mut turns = BTreeMap::new();
    for _ in 0..3 * BULK {
        let frame = pile.server.next().await.unwrap();
        turns.entry(frame.stream).or_insert_with(Vec::new).push(frame.payload.len());
    }
    assert_eq!(turns.len(), BULK as usize, "{turns:?}");
    assert!(turns.values().all(|turns| turns[..] == [TURN; 3]), "{turns:?}");
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_ahead_of_everything_that_is_queued() {
    let mut pile = crowded().await;
    pile.server.send(&frame(PING, SYN, 0, 4242, b"")).await;
    until_quiet().await;
    let mut before = 0;
    loop {
        let frame = pile.server.next().await.unwrap();
        if (frame.kind, frame.flags, frame.length) == (PING, ACK, 4242) {
            break;
        }
        before += frame.payload.len();
    }
    assert!(before <= AHEAD, "{before} bytes came first");
}
