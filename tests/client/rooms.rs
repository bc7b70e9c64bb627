//! Members of rooms that are programs, through the Rust client.

use std::time::Duration;

use browser_stream_client::room::{Joined, News, Room, RoomError};
use harness::{Two, until, within};

async fn news(room: &mut Joined) -> News {
    within(room.next()).await.expect("the room goes on").expect("it has not left")
}

/// The text of the next event, which must be one.
async fn text(room: &mut Joined) -> String {
    match news(room).await {
        News::Event { args, .. } => args.to::<(String,)>().unwrap().0,
        other => panic!("{other:?} where an event was expected"),
    }
}

#[tokio::test(start_paused = true)]
async fn programs_join_say_things_ask_and_leave() {
    let two = Two::new().await;
    let mut one = within(Room::new(&two.server).join("日本").profile(&"one").into_future()).await.unwrap();
    let mut other = within(Room::new(&two.client).join("日本").into_future()).await.unwrap();
    assert!(matches!(news(&mut one).await, News::Joined(member) if member.id == other.id()));
    assert_eq!(other.members()[0].profile::<String>().as_deref(), Some("one"));
    one.emit("say", &("hello",)).await.unwrap();
    assert_eq!(text(&mut other).await, "hello");
    one.emit_to(&[&other.id()], "say", &("you",)).await.unwrap();
    assert_eq!(text(&mut other).await, "you");
    let answering = async {
        let News::Event { from: Some(from), ask: Some(ask), .. } = news(&mut other).await else { panic!("an ask") };
        ask.answer(&(from.id, 7)).await.unwrap();
    };
    let (answers, ()) = within(async { tokio::join!(one.ask("ready", &(), Duration::from_secs(5)), answering) }).await;
    let answers = answers.unwrap();
    assert_eq!(answers[0].value.as_ref().unwrap().to::<(String, u8)>().unwrap(), (one.id(), 7));
    other.leave("bye").await.unwrap();
    assert!(within(other.next()).await.unwrap().is_none());
    assert!(matches!(news(&mut one).await, News::Left(_, ending) if ending.text == "bye"));
    assert!(matches!(one.emit("join", &()).await, Err(RoomError::Bad(_))));
}

#[tokio::test(start_paused = true)]
async fn a_seat_survives_cuts_and_nothing_is_lost_or_doubled_either_way() {
    let two = Two::new().await;
    let mut one = within(Room::new(&two.server).join("NAME").into_future()).await.unwrap();
    let mut other = within(Room::new(&two.client).join("NAME").into_future()).await.unwrap();
    assert!(matches!(news(&mut one).await, News::Joined(_)));
    for number in 0..60 {
        one.emit("say", &(format!("one {number}"),)).await.unwrap();
        other.emit("say", &(format!("other {number}"),)).await.unwrap();
        if number % 20 == 10 {
            two.clients.cut();
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    for number in 0..60 {
        assert_eq!(text(&mut other).await, format!("one {number}"));
    }
    let mut number = 0;
    while number < 60 {
        match news(&mut one).await {
            News::Live(_) => {}
            News::Event { args, .. } => {
                assert_eq!(args.to::<(String,)>().unwrap().0, format!("other {number}"));
                number += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(two.proxy.rooms.members("NAME").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_removed_hears_why_and_one_that_is_dropped_has_left() {
    let two = Two::new().await;
    let mut one = within(Room::new(&two.server).join("NAME").into_future()).await.unwrap();
    let other = within(Room::new(&two.client).join("NAME").into_future()).await.unwrap();
    drop(other);
    until(|| two.proxy.rooms.members("NAME").len() == 1).await;
    let id = two.proxy.rooms.members("NAME")[0].id;
    assert!(two.proxy.rooms.remove("NAME", id, "be nice"));
    let error = loop {
        match within(one.next()).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it did not leave"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, RoomError::Ended(ending) if (ending.code, &*ending.text) == (5, "be nice")));
}

#[tokio::test(start_paused = true)]
async fn threat_23_what_was_for_one_reaches_nobody_else_who_has_its_number_elsewhere() {
    let two = Two::new().await;
    let rooms = Room::new(&two.server);
    let mut there = within(rooms.join("THERE").into_future()).await.unwrap();
    let friend = within(rooms.join("HERE").into_future()).await.unwrap();
    let moves = within(Room::new(&two.client).join("HERE").into_future()).await.unwrap();
    let (friends, id) = (friend.id(), moves.id().parse().unwrap());
    two.clients.cut();
    moves.emit_to(&[&friends], "say", &("for a friend",)).await.unwrap();
    two.proxy.rooms.move_to("HERE", id, "THERE").unwrap();
    moves.emit("say", &("for all",)).await.unwrap();
    assert!(matches!(news(&mut there).await, News::Joined(_)));
    loop {
        match news(&mut there).await {
            News::Event { args, .. } => break assert_eq!(args.to::<(String,)>().unwrap().0, "for all"),
            News::Live(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_says_of_itself_last_holds_over_a_cut() {
    let two = Two::new().await;
    let one = within(Room::new(&two.client).join("NAME").profile(&"first").into_future()).await.unwrap();
    one.profile(&"second").await.unwrap();
    let known = || two.proxy.rooms.members("NAME").remove(0);
    until(|| known().profile::<String>().as_deref() == Some("second")).await;
    let before = known().session;
    two.clients.cut();
    until(|| known().session != before && known().is_live).await;
    assert_eq!(known().profile::<String>().as_deref(), Some("second"));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_moved_is_in_the_other_room_and_says_there_what_it_says() {
    let two = Two::new().await;
    let mut there = within(Room::new(&two.server).join("THERE").into_future()).await.unwrap();
    let moves = within(Room::new(&two.client).join("HERE").into_future()).await.unwrap();
    let id = two.proxy.rooms.members("HERE")[0].id;
    two.proxy.rooms.move_to("HERE", id, "THERE").unwrap();
    assert!(matches!(news(&mut there).await, News::Joined(member) if member.id == moves.id()));
    moves.emit("say", &("thanks",)).await.unwrap();
    assert_eq!(text(&mut there).await, "thanks");
    until(|| moves.members().len() == 2).await;
}
