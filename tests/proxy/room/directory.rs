//! Which public rooms there are.

use std::time::Duration;

use browser_stream_mux::Stream;
use browser_stream_protocol::room::Said;
use futures::FutureExt;
use harness::within;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::Hall;

async fn watch(hall: &Hall) -> (harness::Peer, Stream) {
    let peer = hall.proxy.peer();
    let (reply, stream) = peer.ask("/room/list", json!({})).await.unwrap();
    assert_eq!(reply, json!({}));
    (peer, stream)
}

async fn next(stream: &mut Stream) -> Value {
    let frame = within(stream.read_frame(64 * 1024)).await.expect("it goes on").expect("it is not the end");
    serde_json::from_slice(&frame).unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_watches_hears_of_all_public_rooms_and_then_what_changes() {
    let hall = Hall::new();
    let public = json!({ "public": true });
    let mut lobby = hall.join_as("lobby", public.clone()).await;
    let _hidden = hall.join("hidden").await;
    // The first one's word counts.
    let _second = hall.join("lobby").await;
    let _also = hall.join_as("hidden", public.clone()).await;
    let (_peer, mut stream) = watch(&hall).await;
    assert_eq!(next(&mut stream).await, json!({ "rooms": [["lobby", 2]] }));
    assert_eq!(next(&mut stream).await, json!({ "note": "listed" }));
    let chat = hall.join_as("chat", public).await;
    assert_eq!(next(&mut stream).await, json!({ "rooms": [["chat", 1]] }));
    lobby.say(&Said::Leave { is_peer: false, text: String::new() });
    assert_eq!(next(&mut stream).await, json!({ "rooms": [["lobby", 1]] }));
    let mut chat = chat;
    chat.say(&Said::Leave { is_peer: false, text: String::new() });
    assert_eq!(next(&mut stream).await, json!({ "rooms": [["chat", 0]] }));
    stream.finish();
    assert_eq!(within(stream.read_frame(1000)).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn changes_are_told_four_times_in_a_second_at_most() {
    let hall = Hall::new();
    let _lobby = hall.join_as("lobby", json!({ "public": true })).await;
    let (_peer, mut stream) = watch(&hall).await;
    next(&mut stream).await;
    next(&mut stream).await;
    let begun = Instant::now();
    let mut members = Vec::new();
    let mut frames = 0;
    for _ in 0..100 {
        members.push(hall.join("lobby").await);
        sleep(Duration::from_millis(10)).await;
        while let Some(frame) = stream.read_frame(1000).now_or_never() {
            frame.unwrap().unwrap();
            frames += 1;
        }
    }
    assert!((3..=5).contains(&frames), "{frames} in {:?}", begun.elapsed());
    while next(&mut stream).await != json!({ "rooms": [["lobby", 101]] }) {}
}

#[tokio::test(start_paused = true)]
async fn many_rooms_come_in_as_many_frames_as_it_takes() {
    let hall = Hall::new();
    let mut members = Vec::new();
    for number in 0..150 {
        members.push(hall.join_as(&format!("room {number:03}").replace(' ', "%20"), json!({ "public": true })).await);
    }
    let (_peer, mut stream) = watch(&hall).await;
    let mut names = Vec::new();
    loop {
        let frame = next(&mut stream).await;
        if frame == json!({ "note": "listed" }) {
            break;
        }
        names.extend(frame["rooms"].as_array().unwrap().iter().map(|room| room[0].as_str().unwrap().to_owned()));
    }
    assert_eq!((names.len(), &*names[0], &*names[149]), (150, "room 000", "room 149"));
}

#[tokio::test(start_paused = true)]
async fn so_many_watch_and_no_more() {
    let hall = Hall::with(|limits| limits.room_watchers_max = 1);
    let (_peer, stream) = watch(&hall).await;
    assert_eq!(hall.proxy.peer().ask("/room/list", json!({})).await.err().as_deref(), Some("limit"));
    assert_eq!(hall.proxy.refused("room_watchers"), 1);
    drop(stream);
    sleep(Duration::from_millis(100)).await;
    watch(&hall).await;
}
