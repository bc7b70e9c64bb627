//! Who joins, who leaves, and what they say to each other.

use browser_stream_mux::{Code, StreamError};
use browser_stream_protocol::room::{Emit, Said, Told};
use bytes::Bytes;
use harness::{until, within};
use serde_json::json;

use super::{Hall, Member, join, value};

#[tokio::test(start_paused = true)]
async fn one_that_joins_hears_who_is_there_and_the_others_hear_of_it() {
    let hall = Hall::new();
    let mut one = hall.join_as("NAME", json!({ "profile": { "nickname": "日本" } })).await;
    let room = &one.reply["room"];
    assert_eq!((&room["name"], &room["number"], &room["resumed"], &room["members"]), (&json!("NAME"), &json!(1), &json!(false), &json!(1)));
    assert_eq!((&room["grace_ms"], &room["event_bytes_max"], &room["public"]), (&json!(120_000), &json!(1_048_576), &json!(false)));
    assert_eq!(room["secret"].as_str().unwrap().len(), 32);
    let two = hall.join("NAME").await;
    let sessions: Vec<String> = hall.rooms.members("NAME").iter().map(|member| member.session.to_string()).collect();
    let first = [
        (1, true, json!({ "id": one.id(), "peer": { "session": sessions[0] }, "profile": { "nickname": "日本" } })),
        (2, true, json!({ "id": two.id(), "peer": { "session": sessions[1] } })),
    ];
    assert_eq!(two.first, first);
    assert!(matches!(one.next().await, Told::Joined { number: 2, who } if value(&who) == first[1].2));
}

#[tokio::test(start_paused = true)]
async fn what_one_says_all_others_hear_in_its_order_and_it_does_not() {
    let hall = Hall::new();
    let (mut one, mut two, mut three) = (hall.join("NAME").await, hall.join("NAME").await, hall.join("NAME").await);
    assert_eq!((one.joined().await, one.joined().await, two.joined().await), (2, 3, 3));
    for number in 0..200 {
        one.emit(&format!("one {number}"));
        two.emit(&format!("two {number}"));
        if number % 7 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let (mut from_one, mut from_two) = (0, 0);
    for _ in 0..400 {
        let (from, word) = three.word().await;
        let (who, count) = if from == 1 { ("one", &mut from_one) } else { ("two", &mut from_two) };
        assert_eq!(word, format!("{who} {count}"));
        *count += 1;
    }
    for number in 0..200 {
        assert_eq!(two.word().await, (1, format!("one {number}")));
        assert_eq!(one.word().await, (2, format!("two {number}")));
    }
    one.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn threat_23_the_proxy_stamps_who_sends_and_nobody_else_is_asked() {
    let hall = Hall::new();
    let (mut one, mut two, mut three) = (hall.join("NAME").await, hall.join("NAME").await, hall.join("NAME").await);
    // The arguments say what they like.
    let forged = Bytes::from_static(b"\x91\x81\xa4from\x03");
    two.say(&Said::Emit(Emit { body: forged.clone(), ..Member::event("say", "") }));
    one.joined().await;
    one.joined().await;
    two.joined().await;
    for member in [&mut one, &mut three] {
        assert!(matches!(member.next().await, Told::Event { from: 2, body, .. } if body == forged));
    }
    // A wrong secret is nobody's seat, and says nothing of who has it.
    let mut wrong = one.seat();
    wrong["seat"]["secret"] = json!("0".repeat(32));
    let stranger = hall.join_as("NAME", wrong).await;
    assert_eq!((&stranger.reply["room"]["resumed"], stranger.number()), (&json!(false), 4));
    assert_ne!(stranger.id(), one.id());
    one.emit("still here");
    assert_eq!(two.joined().await, 4);
    assert_eq!(two.word().await, (1, "still here".into()));
}

#[tokio::test(start_paused = true)]
async fn an_event_goes_to_those_it_names_without_those_it_excepts() {
    let hall = Hall::new();
    let mut members = Vec::new();
    for _ in 0..4 {
        members.push(hall.join("NAME").await);
    }
    for joined in [2, 3, 4] {
        for member in &mut members[..joined - 1] {
            assert_eq!(member.joined().await, joined as u32);
        }
    }
    let targets: [(&str, &[u32], &[u32]); 5] =
        [("to", &[4, 2, 2, 99], &[]), ("except", &[], &[2, 3]), ("both", &[2, 3], &[3]), ("itself", &[1], &[]), ("all", &[], &[])];
    for (word, to, except) in targets {
        members[0].say(&Said::Emit(Emit { to: to.to_vec(), except: except.to_vec(), ..Member::event("say", word) }));
    }
    for (index, expected) in [(1, &["to", "both", "all"][..]), (2, &["all"]), (3, &["to", "except", "all"])] {
        assert_eq!(members[index].words("all").await, expected);
        members[index].hears_nothing().await;
    }
    members[0].hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_changed_for_all_and_for_who_comes_later() {
    let hall = Hall::new();
    let (mut one, mut two) = (hall.join_as("NAME", json!({ "profile": 1 })).await, hall.join("NAME").await);
    one.say(&Said::Profile(Bytes::from_static(b"{\"a\": [1.0]}")));
    assert!(matches!(two.next().await, Told::Profile { number: 1, profile } if profile == b"{\"a\": [1.0]}"[..]));
    let three = hall.join("NAME").await;
    assert_eq!(three.first[0].2["profile"], json!({ "a": [1.0] }));
    // As deep as an open takes it, so that it can be shown again.
    one.say(&Said::Profile(nested(14).into()));
    assert!(matches!(two.joined().await, 3));
    assert!(matches!(two.next().await, Told::Profile { number: 1, profile } if profile == nested(14)));
    let again = hall.join_as("AGAIN", json!({ "profile": value(&nested(14).into()) })).await;
    assert_eq!(again.first[0].2["profile"], value(&nested(14).into()));
    for bad in [&b"{"[..], b"", b"1 2", b"\xff", &nested(15)] {
        let mut member = hall.join("OTHER").await;
        member.say(&Said::Profile(Bytes::copy_from_slice(bad)));
        assert_eq!(member.ended().await, Some(StreamError::Reset(Code::BadRequest.number())));
    }
    assert_eq!(hall.proxy.refused("room_record"), 5);
}

/// JSON of so many arrays in each other.
fn nested(levels: usize) -> Vec<u8> {
    [b"[".repeat(levels), b"]".repeat(levels)].concat()
}

#[tokio::test(start_paused = true)]
async fn one_leaves_by_its_own_will_by_an_end_or_by_a_reset_and_the_others_hear_how() {
    let hall = Hall::new();
    let mut stays = hall.join("NAME").await;
    let mut leaves = hall.join("NAME").await;
    stays.joined().await;
    leaves.emit("the last word");
    leaves.say(&Said::Leave { is_peer: false, text: "bye".into() });
    assert_eq!(stays.word().await, (2, "the last word".into()));
    assert_eq!(stays.left().await, (2, 0, "bye".into()));
    assert_eq!(leaves.ended().await, None);

    let mut finishes = hall.join("NAME").await;
    stays.joined().await;
    finishes.stream.finish();
    assert_eq!(stays.left().await, (3, 0, String::new()));
    assert_eq!(finishes.ended().await, None);

    let mut resets = hall.join("NAME").await;
    stays.joined().await;
    resets.stream.reset(4001_u32);
    assert_eq!(stays.left().await, (4, 4001, String::new()));
    assert_eq!(hall.rooms.members("NAME").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_leaves_all_its_rooms_and_each_hears_of_the_public_ones_first() {
    let hall = Hall::new();
    let peer = hall.proxy.peer();
    let public = json!({ "public": true });
    let mut watchers = Vec::new();
    for (name, room) in [("A", &public), ("B", &public), ("C", &json!({}))] {
        watchers.push(hall.join_as(name, room.clone()).await);
    }
    let mut own = Vec::new();
    for name in ["A", "B", "C"] {
        let (reply, stream) = join(&peer, name, json!({})).await.unwrap();
        own.push(Member::over(None, reply, stream).await);
    }
    own[1].say(&Said::Leave { is_peer: true, text: "the page closes".into() });
    for (watcher, seen) in watchers.iter_mut().zip([["A", "B"].as_slice(), &["B", "A"], &["C", "A", "B"]]) {
        watcher.joined().await;
        let Told::Leaving { number: 2, ending, rooms } = watcher.next().await else { panic!("it is about to leave") };
        assert_eq!((ending.code, &*ending.text, value(&rooms)), (12, "the page closes", json!(seen)));
        assert_eq!(watcher.left().await, (2, 12, "the page closes".into()));
    }
    for member in &mut own {
        assert_eq!(member.ended().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn threat_26_events_of_any_name_and_shape_pass_as_they_are() {
    let hall = Hall::new();
    let (mut one, mut two) = (hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    for name in ["__proto__", "constructor", "toString", "日本", " ", "\u{202e}x", "a\nb"] {
        // Nested deeper than any reader may go, and no MessagePack at all: the proxy does not look.
        for body in [vec![0x91; 100_000], vec![0xc1], Vec::new()] {
            one.say(&Said::Emit(Emit { body: body.clone().into(), ..Member::event(name, "") }));
            let Told::Event { from: 1, name: told, body: got, .. } = two.next().await else { panic!("an event") };
            assert_eq!((told.as_str(), &got[..]), (name, &body[..]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn threat_26_what_is_no_record_ends_its_sender_alone() {
    let hall = Hall::new();
    let mut stays = hall.join("NAME").await;
    let long = [&[1, 0, 1, b'x'][..], &[0x81, 0x80, 0x40]].concat();
    let bads: [(&[u8], Code); 5] = [
        (&[0], Code::BadRequest),
        (&[1, 0, 5, b'e', b'r', b'r', b'o', b'r', 1, 0x90], Code::BadRequest),
        (&[4, 99], Code::BadRequest),
        (&[1, 18, 1, 1, 1, b'x', 1, 0x90], Code::BadRequest),
        (&long, Code::Limit),
    ];
    for (number, (bad, code)) in (2..).zip(bads) {
        let mut sends = hall.join("NAME").await;
        stays.joined().await;
        sends.emit("before");
        assert!(sends.stream.write_now(Bytes::copy_from_slice(bad)));
        assert_eq!(stays.word().await, (number, "before".into()));
        assert_eq!(stays.left().await.1, code.number());
        assert_eq!(sends.ended().await, Some(StreamError::Reset(code.number())));
    }
    assert_eq!(hall.proxy.refused("room_record"), 5);
}

#[tokio::test(start_paused = true)]
async fn the_longest_event_passes_however_it_is_cut() {
    let hall = Hall::new();
    let (mut one, mut two) = (hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    let body = Bytes::from(harness::pattern(1, 1024 * 1024));
    let mut record = bytes::BytesMut::new();
    browser_stream_protocol::room::Record::write(&Said::Emit(Emit { body: body.clone(), ..Member::event("say", "") }), &mut record);
    let sending = async {
        for chunk in record.chunks(10_007) {
            one.stream.write_chunk(Bytes::copy_from_slice(chunk)).await.unwrap();
        }
    };
    let (_, told) = within(async { tokio::join!(sending, two.next()) }).await;
    assert!(matches!(told, Told::Event { body: got, .. } if got == body));
    drop((one, two));
    until(|| hall.proxy.sessions.is_empty()).await;
}
