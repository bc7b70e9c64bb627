//! Rooms as the program has them that the proxy runs in.

use std::time::Duration;

use browser_stream_mux::Code;
use browser_stream_protocol::{
    channel::Ending,
    room::{Emit, Said, Told},
};
use browser_stream_server::{Asked, Grant, Joining, OpenError, RoomEvent};
use bytes::Bytes;
use futures::StreamExt;
use harness::{until, within};
use serde_json::json;

use super::{Hall, Member, join, value};

fn code<T>(result: Result<T, OpenError>) -> Option<String> {
    result.err().map(|error| error.code.to_string())
}

#[tokio::test(start_paused = true)]
async fn the_program_sends_to_one_room_to_some_of_it_and_to_all() {
    let hall = Hall::new();
    let (mut one, mut two, mut other) = (hall.join("NAME").await, hall.join("NAME").await, hall.join("OTHER").await);
    one.joined().await;
    assert_eq!(hall.rooms.emit("NAME", "notice", &("hello",)).unwrap(), 2);
    assert_eq!(hall.rooms.emit_to("NAME", &[two.uuid(), other.uuid()], "notice", &("you",)).unwrap(), 1);
    assert_eq!(hall.rooms.emit_all("notice", &["all"]).unwrap(), 3);
    assert_eq!((one.word().await, one.word().await), ((0, "hello".into()), (0, "all".into())));
    assert_eq!(two.words("all").await, ["hello", "you", "all"]);
    assert_eq!(other.word().await, (0, "all".into()));
    hall.rooms.emit("NAME", "none", &()).unwrap();
    assert!(matches!(one.next().await, Told::Event { from: 0, body, .. } if body == [0x90][..]));
    for bad in [code(hall.rooms.emit("NAME", "join", &())), code(hall.rooms.emit("NAME", "x", &1)), code(hall.rooms.emit("..", "x", &()))] {
        assert_eq!(bad.as_deref(), Some("bad_request"));
    }
    assert_eq!(code(hall.rooms.emit("NOBODY", "x", &())).as_deref(), Some("not_found"));
    assert_eq!(code(hall.rooms.emit("NAME", "x", &("x".repeat(1 << 20),))).as_deref(), Some("limit"));
}

#[tokio::test(start_paused = true)]
async fn the_program_asks_and_has_an_answer_or_its_lack_of_each() {
    let hall = Hall::new();
    let (mut one, two, mut three) = (hall.join("NAME").await, hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    one.joined().await;
    let rooms = hall.rooms.clone();
    let asking = tokio::spawn(async move { rooms.ask("NAME", "ready", &("?",), Duration::from_secs(3)).await.unwrap() });
    let Told::Event { from: 0, ask: Some(ask), .. } = one.next().await else { panic!("an ask") };
    one.say(&Said::Answer { ask, answer: Ok(Bytes::from_static(b"\x92\x01\xa1x")) });
    three.say(&Said::Answer { ask, answer: Err(Ending::new(4001_u32, "not yet")) });
    let answers = within(asking).await.unwrap();
    let told: Vec<_> =
        answers.iter().map(|answered| (answered.member.number, answered.value.as_ref().map_err(OpenError::number))).collect();
    assert_eq!(answers[0].value.as_ref().unwrap().to::<(u8, String)>().unwrap(), (1, "x".to_owned()));
    assert_eq!((told[1].0, told[1].1.is_err_and(|code| code == Code::Timeout.number())), (2, true));
    assert_eq!((told[2].0, told[2].1.is_err_and(|code| code == 4001)), (3, true));
    assert!(answers[0].value.as_ref().unwrap().to::<u8>().is_err());
    drop(two);
}

#[tokio::test(start_paused = true)]
async fn the_program_answers_what_members_ask() {
    let hall = Hall::new();
    hall.rooms.answer("add", |asked: Asked| async move {
        let (one, two): (i64, i64) = asked.args.to()?;
        Ok((asked.room.as_str().to_owned(), asked.member.number, one + two))
    });
    hall.rooms.answer("fails", |_| async { Err::<(), _>(OpenError::new(Code::Forbidden, "no")) });
    hall.rooms.answer("panics", |_| async { if true { panic!("on purpose") } else { Ok(()) } });
    hall.rooms.answer("hangs", |_| std::future::pending::<Result<(), OpenError>>());
    let (mut one, mut two) = (hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    let mut ask = async |name: &str, body: &'static [u8], to: &[u32]| {
        let body = Bytes::from_static(body);
        one.say(&Said::Emit(Emit { asks: Some((1, 1000)), to: to.to_vec(), body, ..Member::event(name, "") }));
        let Told::Asked { number: 1, members } = one.next().await else { panic!("who is asked") };
        let Told::Answer { number: 1, from: 0, answer } = one.next().await else { panic!("an answer") };
        (members, answer)
    };
    assert_eq!(ask("add", b"\x92\x01\x02", &[0]).await, (vec![0], Ok(Bytes::from_static(b"\x93\xa4NAME\x01\x03"))));
    for (name, code) in [("add", Code::BadRequest), ("fails", Code::Forbidden), ("panics", Code::Internal), ("hangs", Code::Timeout)] {
        let (_, answer) = ask(name, b"\x90", &[0]).await;
        assert_eq!(answer.unwrap_err().code, code.number(), "{name}");
    }
    assert_eq!(ask("unheard", b"\x90", &[0]).await.1.unwrap_err().code, Code::NotFound.number());
    // Where nobody is named it is asked beside the members.
    assert_eq!(ask("add", b"\x92\x01\x02", &[]).await.0, [0, 2]);
    assert!(matches!(two.next().await, Told::Event { from: 1, ask: Some(_), .. }));
}

#[tokio::test(start_paused = true)]
async fn threat_23_the_program_decides_who_may_join_and_as_whom() {
    let hall = Hall::new();
    hall.rooms.on_join(|joining: Joining| async move {
        match joining.profile::<String>().as_deref() {
            Some("forged") => Ok(Grant::default().profile(&json!({ "user": 7 }))),
            None if !joining.is_new => Ok(Grant::default()),
            _ => Err(OpenError::new(Code::Forbidden, format!("{}: you are not on the list", joining.name.as_str()))),
        }
    });
    let peer = hall.proxy.peer();
    let mut refused = peer.begin("/room/join/NAME", json!({ "room": { "profile": "stranger" } }));
    let frame = within(refused.read_frame(1000)).await.unwrap().unwrap();
    assert_eq!(value(&frame)["error"], json!({ "code": "forbidden", "message": "NAME: you are not on the list" }));
    assert_eq!(hall.proxy.refused("room_forbidden"), 1);
    let member = hall.join_as("NAME", json!({ "profile": "forged" })).await;
    assert_eq!(member.first[0].2["profile"], json!({ "user": 7 }));
    let again = member.again(&hall).await;
    assert_eq!(again.reply["room"]["resumed"], json!(true));
}

#[tokio::test(start_paused = true)]
async fn threat_23_a_member_sends_to_all_rooms_only_where_the_program_grants_that() {
    let hall = Hall::new();
    let (mut one, mut two) = (hall.join("ONE").await, hall.join("TWO").await);
    let everywhere = |word: &str| Said::Emit(Emit { is_everywhere: true, ..Member::event("say", word) });
    one.say(&everywhere("no"));
    assert!(matches!(one.next().await, Told::Refused(ending) if ending.code == Code::Forbidden.number()));
    assert_eq!(hall.proxy.refused("room_forbidden"), 1);
    hall.rooms.on_join(|_| async { Ok(Grant::default().everywhere(true)) });
    let peer = hall.proxy.peer();
    let (reply, stream) = join(&peer, "ONE", json!({})).await.unwrap();
    let mut may = Member::over(None, reply, stream).await;
    let (reply, stream) = join(&peer, "THREE", json!({})).await.unwrap();
    let mut own = Member::over(None, reply, stream).await;
    let mut three = hall.join("THREE").await;
    own.joined().await;
    may.say(&everywhere("yes"));
    assert_eq!(one.joined().await, 2);
    assert_eq!(one.word().await, (2, "yes".into()));
    assert_eq!(two.word().await, (0, "yes".into()), "it has no seat there");
    assert_eq!(three.word().await, (1, "yes".into()), "it has one there");
    own.hears_nothing().await;
    may.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_removed_is_told_so_and_has_no_seat_to_come_back_to() {
    let hall = Hall::new();
    let (mut one, mut two) = (hall.join("NAME").await, hall.join("NAME").await);
    one.joined().await;
    one.emit("before");
    until(|| hall.rooms.list()[0].events == 1).await;
    assert!(hall.rooms.remove("NAME", two.uuid(), "be nice"));
    assert!(!hall.rooms.remove("NAME", two.uuid(), "again"));
    assert_eq!(two.word().await.1, "before");
    assert_eq!(two.next().await, Told::End(Ending::new(Code::Forbidden, "be nice")));
    assert_eq!(two.ended().await, None);
    assert_eq!(one.left().await, (2, Code::Forbidden.number(), "be nice".into()));
    let again = two.again(&hall).await;
    assert_eq!((&again.reply["room"]["resumed"], again.number()), (&json!(false), 3));
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_closed_is_over_for_all() {
    let hall = Hall::new();
    let mut members = [hall.join("NAME").await, hall.join("NAME").await];
    let _away = hall.join("NAME").await.gone();
    assert!(hall.rooms.close("NAME", "good night"));
    for member in &mut members {
        while member.next().await != Told::End(Ending::new(Code::Gone, "good night")) {}
        assert_eq!(member.ended().await, None);
    }
    assert!(hall.rooms.list().is_empty() && !hall.rooms.close("NAME", ""));
    assert_eq!(hall.join("NAME").await.number(), 1, "another room of that name");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_moved_goes_on_in_the_other_room_with_its_seat() {
    let hall = Hall::new();
    let (mut one, mut moves, mut there) = (hall.join("HERE").await, hall.join("HERE").await, hall.join("THERE").await);
    one.joined().await;
    moves.emit("unacknowledged");
    assert_eq!(one.word().await.1, "unacknowledged");
    hall.rooms.move_to("HERE", moves.uuid(), "THERE").unwrap();
    assert!(matches!(moves.next().await, Told::Moved(to) if value(&to) == json!({ "name": "THERE" })));
    assert_eq!(moves.ended().await, None);
    assert_eq!(one.left().await, (2, 0, "moved to another room".into()));
    assert_eq!(there.joined().await, 2);
    there.emit("welcome");
    let mut seat = moves.seat();
    seat["seat"]["got"] = json!(0);
    // Who did not hear of it looks where it was.
    let mut astray = hall.join_as("HERE", moves.seat()).await;
    assert_eq!((&astray.reply["room"]["got"], &astray.reply["id"]), (&json!(1), &moves.reply["id"]));
    assert!(matches!(astray.next().await, Told::Moved(_)));
    let mut moved = hall.join_as("THERE", seat).await;
    let room = &moved.reply["room"];
    assert_eq!((&room["resumed"], &room["number"], &room["got"], moved.id()), (&json!(true), &json!(2), &json!(0), moves.id()));
    assert_eq!(moved.first.len(), 2);
    assert_eq!(moved.word().await, (1, "welcome".into()));
    moved.emit("thanks");
    assert_eq!(there.word().await, (2, "thanks".into()), "it was taken for one that is there");
    assert_eq!(code(hall.rooms.move_to("HERE", moved.uuid(), "THERE")).as_deref(), Some("not_found"));
}

#[tokio::test(start_paused = true)]
async fn each_change_of_a_room_is_an_event() {
    let hall = Hall::with(|limits| limits.room_grace = Duration::from_secs(10));
    let mut events = hall.rooms.events();
    let one = hall.join("NAME").await;
    let id = one.uuid();
    let one = one.back(&hall).await;
    drop(one);
    let mut kinds = Vec::new();
    let gone = loop {
        let event = within(events.next()).await.unwrap();
        kinds.push(event.kind());
        match event {
            RoomEvent::MemberDisconnecting { id: told, rooms, .. } => assert_eq!((told, rooms[0].as_str()), (id, "NAME")),
            RoomEvent::MemberLeft { code, .. } => assert_eq!(code, 14),
            RoomEvent::Destroyed { name } => break name,
            _ => {}
        }
    };
    assert_eq!(gone.as_str(), "NAME");
    let expected = ["room.created", "member.joined", "member.live", "member.live", "member.live", "member.disconnecting", "member.left"];
    assert_eq!((&kinds[..7], kinds[7]), (&expected[..], "room.destroyed"));
}

#[tokio::test(start_paused = true)]
async fn the_program_sees_who_is_there() {
    let hall = Hall::new();
    let one = hall.join_as("NAME", json!({ "profile": { "nickname": "a" }, "public": true })).await;
    let two = hall.join("NAME").await.gone();
    until(|| hall.rooms.list()[0].live == 1).await;
    let members = hall.rooms.members("NAME");
    assert_eq!(
        members.iter().map(|member| (member.id, member.number, member.is_live)).collect::<Vec<_>>(),
        [(one.uuid(), 1, true), (two.uuid(), 2, false)]
    );
    assert_eq!(members[0].profile::<serde_json::Value>(), Some(json!({ "nickname": "a" })));
    let status = &hall.rooms.list()[0];
    assert_eq!((status.name.as_str(), status.members, status.is_public), ("NAME", 2, true));
    assert!(hall.rooms.members("NOBODY").is_empty() && hall.rooms.members("..").is_empty());
}
