//! What one sees of others by right: names, rooms, and who they are.

use browser_stream_mux::StreamError;
use browser_stream_protocol::room::{Emit, Said, Told};
use browser_stream_server::{Publisher, Subscription};
use harness::{note, within};
use serde_json::json;

use super::{Guard, Known, later};
use crate::room::Member;

async fn names(peer: &harness::Peer) -> Vec<String> {
    let (_, mut listing) = peer.ask("/browser-server/names", json!({})).await.expect("it may list");
    let mut names = Vec::new();
    while let Some(note) = note(&mut listing).await {
        names.extend(note["value"].as_str().map(str::to_owned));
    }
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn threat_17_a_list_shows_names_that_one_may_connect_to_and_an_admin_all() {
    let guard = Guard::new();
    guard.proxy.names.list_names(true);
    let owner = guard.peer(json!({ "listen": ["*"] })).await;
    let (_a, _b) = (owner.claim("a-1").await.expect("free"), owner.claim("b-1").await.expect("free"));
    let ann = guard.peer(json!({ "connect": ["a-*"] })).await;
    let admin = guard.peer(json!({ "admin": ["names"] })).await;
    assert_eq!(names(&ann).await, ["a-1"]);
    assert_eq!(names(&admin).await, ["a-1", "b-1"]);
    guard.proxy.names.list_names(false);
    assert_eq!(ann.ask("/browser-server/names", json!({})).await.err().as_deref(), Some("forbidden"));
    assert_eq!(names(&admin).await, ["a-1", "b-1"]);
}

#[tokio::test(start_paused = true)]
async fn threat_17_the_directory_shows_rooms_that_one_may_join() {
    let guard = Guard::new();
    let member = guard.peer(json!({ "join": ["*"] })).await;
    let public = json!({ "room": { "public": true } });
    let _seats = (member.ask("/room/join/a-1", public.clone()).await, member.ask("/room/join/b-1", public).await);
    let ann = guard.peer(json!({ "join": ["a-*"] })).await;
    let (_, mut directory) = ann.ask("/room/list", json!({})).await.expect("it may look");
    assert_eq!(note(&mut directory).await, Some(json!({ "rooms": [["a-1", 1]] })));
    assert_eq!(note(&mut directory).await, Some(json!({ "note": "listed" })));
}

#[tokio::test(start_paused = true)]
async fn threat_23_events_for_all_rooms_need_a_right_of_their_own_and_end_with_it() {
    let guard = Guard::new();
    let mut hears = Member::join(guard.peer(json!({ "sub": "bob", "join": ["*"] })).await.peer, "other", json!({})).await.expect("it may");
    let everywhere = |word: &str| Said::Emit(Emit { is_everywhere: true, ..Member::event("say", word) });
    let mut lacks = Member::join(guard.peer(json!({ "join": ["*"] })).await.peer, "room", json!({})).await.expect("it may");
    lacks.say(&everywhere("no"));
    assert!(matches!(lacks.next().await, Told::Refused(_)));
    let Known { peer, mut session, .. } = guard.peer(json!({ "join": ["*"], "admin": ["everywhere"] })).await;
    let mut may = Member::join(peer, "room", json!({})).await.expect("it may");
    may.say(&everywhere("yes"));
    assert_eq!(hears.word().await.1, "yes");
    let token = guard.token(json!({ "join": ["*"] }));
    session.write_frame(json!({ "note": "token", "value": token }).to_string().as_bytes());
    assert_eq!(within(may.read()).await.err(), Some(Some(StreamError::Reset(5))), "forbidden");
}

#[tokio::test(start_paused = true)]
async fn threat_32_a_server_is_told_who_connects_and_nobody_can_say_it_for_itself() {
    let guard = Guard::new();
    let mut owner = guard.peer(json!({ "listen": ["NAME"] })).await;
    let _control = owner.claim("NAME").await.expect("free");
    let sub = "ann \"of\" 日本";
    let client = guard.peer(json!({ "sub": sub, "connect": ["NAME"] })).await;
    let forged = json!({ "peer": { "sub": "admin" }, "sub": "admin" });
    let _stream = client.begin("/browser-server/connect/NAME", forged);
    let (open, _accepted) = owner.peer.accept().await;
    assert_eq!((&open["peer"]["sub"], open.get("sub")), (&json!(sub), None));
    // The same where it has to wait for its turn.
    let (waits, mut late) =
        (guard.peer(json!({ "sub": "late", "connect": ["LATER"] })).await, guard.peer(json!({ "listen": ["LATER"] })).await);
    let _waiting = waits.begin("/browser-server/connect/LATER", json!({ "wait": 5000 }));
    later(1).await;
    let _late = late.claim("LATER").await.expect("free");
    assert_eq!(late.peer.accept().await.0["peer"]["sub"], "late");
}

#[tokio::test(start_paused = true)]
async fn threat_23_members_and_subscribers_are_told_who_it_is() {
    let guard = Guard::new();
    let ann = guard.peer(json!({ "join": ["*"], "publish": ["*"], "subscribe": ["*"] })).await;
    let (reply, mut seat) = ann.ask("/room/join/NAME", json!({ "room": { "profile": { "sub": "admin" } } })).await.expect("it may");
    assert_eq!(reply["room"]["members"], 1);
    let member = within(seat.read_chunk()).await.expect("records").expect("before the end");
    let text = String::from_utf8_lossy(&member).into_owned();
    assert!(text.contains(r#""peer":{"session":""#) && text.contains(r#","sub":"ann"}"#), "{text}");
    assert_eq!(guard.proxy.rooms.members("NAME")[0].sub.as_deref(), Some("ann"));
    let (reply, stream) = ann.ask("/channel/publish/NAME", json!({})).await.expect("it may");
    let mut publisher = Publisher::new(stream, serde_json::from_value(reply).expect("accepted"));
    let (reply, stream) = ann.ask("/channel/subscribe/NAME", json!({})).await.expect("it may");
    let mut subscription = Subscription::new(stream, serde_json::from_value(reply).expect("accepted"));
    publisher.send("hello").await.expect("sent");
    let message = within(subscription.next()).await.expect("it goes on").expect("it is not the end");
    assert_eq!(message.publisher.sub.as_deref(), Some("ann"));
}
