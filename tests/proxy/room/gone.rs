//! What is left of rooms that are over.

use std::{sync::Arc, time::Duration};

use browser_stream_protocol::room::Said;
use browser_stream_server::{Limits, Rooms, Sessions, StreamRouter};
use harness::{Memory, Peer, until};
use serde_json::json;

use super::Member;

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_room_however_its_members_left() {
    let mut limits = Limits::default();
    limits.room_grace = Duration::from_secs(1);
    let limits = Arc::new(limits);
    // Whatever is left of a room holds it.
    let held = Arc::downgrade(&limits);
    let rooms = Rooms::new(limits.clone());
    let sessions = Sessions::new(limits, Arc::new(rooms.mount(StreamRouter::new())));
    let mut members = Vec::new();
    for _ in 0..4 {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let sessions = sessions.clone();
        tokio::spawn(async move { sessions.run(Memory(far), None).await });
        members.push(Member::join(Peer::over(near), "NAME", json!({})).await.expect("it may join"));
    }
    let mut members = members.into_iter();
    let mut next = || members.next().expect("one more");
    let (mut leaves, mut finishes, mut resets, vanishes) = (next(), next(), next(), next());
    leaves.say(&Said::Leave { is_peer: false, text: String::new() });
    finishes.stream.finish();
    resets.stream.reset(300_u32);
    drop(vanishes);
    until(|| rooms.list().is_empty()).await;
    drop((leaves, finishes, resets, rooms, sessions));
    until(|| held.strong_count() == 0).await;
}
