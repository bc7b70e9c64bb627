//! Members who come back at another node than that which has their seat.

use std::time::Duration;

use browser_stream_mux::{Code, StreamError};
use browser_stream_protocol::room::{Said, Told};
use browser_stream_server::{
    Grant, Joining, OpenError,
    cluster::{Fault, Loopback},
    token::{JwtAuthorizer, SigningKey},
};
use harness::member::{Member, text};
use serde_json::json;
use tokio::time::sleep;

use super::{Nodes, joined, leave, number};

/// One at each of three nodes, who know one another, and the numbers that the second has at the first and at the third.
async fn one_at_each(nodes: &Nodes) -> ([Member; 3], [u32; 2]) {
    let mut one = nodes.join(0, "hall").await;
    let mut two = nodes.join(1, "hall").await;
    let at_one = one.joined().await;
    let three = nodes.join(2, "hall").await;
    joined([&mut one, &mut two]).await;
    let at_three = number(&two, &three);
    ([one, two, three], [at_one, at_three])
}

/// Nothing that a node says is heard, and it hears nothing: as when it was killed.
fn dies(bus: &Loopback, node: usize) {
    bus.judge(move |from, to, _| if from == node || to == node { Fault::Lost } else { Fault::None });
}

#[tokio::test(start_paused = true)]
async fn threat_23_who_comes_back_when_its_node_has_died_is_the_same_member_for_all_and_there_once() {
    let bus = Loopback::new();
    let nodes = Nodes::three(&bus).await;
    let ([mut one, two, mut three], [at_one, at_three]) = one_at_each(&nodes).await;
    dies(&bus, 1);
    let mut again = two.again(&nodes.proxies[2].0).await;
    assert_eq!((again.id(), &again.reply["room"]["resumed"]), (two.id(), &json!(false)));
    assert_eq!((again.number(), again.first.len()), (at_three, 3));
    for (node, member) in [(0, &mut one), (2, &mut three)] {
        member.hears_nothing().await;
        assert_eq!(nodes.proxies[node].0.rooms.members("hall").len(), 3);
    }
    again.emit("here");
    assert_eq!(one.word().await, (at_one, "here".to_owned()));
    assert_eq!(three.word().await, (at_three, "here".to_owned()));
    let mut alone = Member::event("say", "to two");
    alone.to = vec![at_one];
    one.say(&Said::Emit(alone));
    assert_eq!(again.word().await.1, "to two");
    // The others find out that its node has gone: it is not there any more.
    sleep(Duration::from_secs(30)).await;
    for member in [&mut one, &mut three, &mut again] {
        member.hears_nothing().await;
    }
    again.say(&leave(""));
    assert_eq!((one.left().await.0, three.left().await.0), (at_one, at_three));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_come_back_leaves_with_its_node_and_is_asked_no_more() {
    let bus = Loopback::new();
    let nodes = Nodes::three(&bus).await;
    let ([mut one, two, three], [at_one, _]) = one_at_each(&nodes).await;
    dies(&bus, 1);
    assert_eq!(one.left().await, (at_one, 14, String::new()));
    let mut ask = Member::event("ready", "?");
    ask.asks = Some((7, 60_000));
    one.say(&Said::Emit(ask));
    assert_eq!(one.next().await, Told::Asked { number: 7, members: vec![number(&three, &three)] });
    // And is the same if it comes all the same.
    let late = two.again(&nodes.proxies[2].0).await;
    assert_eq!(late.id(), two.id());
    assert!(one.joined().await > at_one);
}

#[tokio::test(start_paused = true)]
async fn what_one_was_asked_where_it_was_is_answered_when_it_is_elsewhere_and_what_it_is_asked_then_by_itself() {
    let bus = Loopback::new();
    let nodes = Nodes::three(&bus).await;
    let ([mut one, two, mut three], [at_one, _]) = one_at_each(&nodes).await;
    dies(&bus, 1);
    let mut ask = Member::event("ready", "?");
    ask.asks = Some((7, 60_000));
    one.say(&Said::Emit(ask.clone()));
    let Told::Asked { number: 7, members } = one.next().await else { panic!("it asks") };
    assert!(members.len() == 2 && members.contains(&at_one));
    assert!(matches!(three.next().await, Told::Event { ask: Some(_), .. }));
    let mut again = two.again(&nodes.proxies[2].0).await;
    let Told::Answer { number: 7, from, answer } = one.next().await else { panic!("it will not answer") };
    assert_eq!((from, answer.expect_err("it was not heard").code), (at_one, 14));
    ask.asks = Some((8, 60_000));
    one.say(&Said::Emit(ask));
    assert!(matches!(one.next().await, Told::Asked { number: 8, members } if members.contains(&at_one)));
    let Told::Event { ask: Some(asked), .. } = again.next().await else { panic!("it is asked") };
    again.say(&Said::Answer { ask: asked, answer: Ok(text("yes")) });
    assert_eq!(one.next().await, Told::Answer { number: 8, from: at_one, answer: Ok(text("yes")) });
}

#[tokio::test(start_paused = true)]
async fn a_node_that_lives_gives_a_seat_up_that_another_has_now_and_what_its_member_said_before_comes() {
    let bus = Loopback::new();
    bus.judge(|from, _, _| Fault::Late(Duration::from_millis(if from == 1 { 80 } else { 5 })));
    let nodes = Nodes::three(&bus).await;
    let ([mut one, mut two, mut three], [at_one, at_three]) = one_at_each(&nodes).await;
    let mut four = nodes.join(1, "hall").await;
    joined([&mut one, &mut two, &mut three]).await;
    two.emit("before");
    assert_eq!(four.word().await, (two.number(), "before".to_owned()));
    let mut again = two.again(&nodes.proxies[2].0).await;
    assert_eq!(again.id(), two.id());
    let superseded = StreamError::Reset(Code::Superseded.number());
    assert_eq!(two.ended().await, Some(superseded));
    assert_eq!(one.word().await, (at_one, "before".to_owned()));
    assert_eq!(three.word().await, (at_three, "before".to_owned()));
    again.emit("behind");
    for (member, from) in [(&mut one, at_one), (&mut three, at_three), (&mut four, two.number())] {
        assert_eq!(member.word().await, (from, "behind".to_owned()));
    }
    // It is the next one's alone, and goes back in the same way.
    let away = again.gone();
    for (member, number) in [(&mut one, at_one), (&mut three, at_three), (&mut four, two.number())] {
        assert_eq!(member.live().await, (number, false));
    }
    let home = away.again(&nodes.proxies[1].0).await;
    assert_eq!(home.number(), two.number());
    for (member, number) in [(&mut one, at_one), (&mut three, at_three), (&mut four, two.number())] {
        assert_eq!(member.live().await, (number, true));
        member.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_that_is_another_behind_the_move_is_told() {
    let nodes = Nodes::three(&Loopback::new()).await;
    let ([mut one, two, mut three], [at_one, at_three]) = one_at_each(&nodes).await;
    let mut shown = two.seat();
    shown["profile"] = json!("new");
    let _again = nodes.join_as(2, "hall", shown).await;
    let told = |number| Told::Profile { number, profile: r#""new""#.into() };
    assert_eq!((one.next().await, three.next().await), (told(at_one), told(at_three)));
}

#[tokio::test(start_paused = true)]
async fn a_program_is_told_that_who_comes_back_at_another_node_is_not_new() {
    let bus = Loopback::new();
    let nodes = Nodes::three(&bus).await;
    let ([_one, two, _three], _) = one_at_each(&nodes).await;
    nodes.proxies[2].0.rooms.on_join(|joining: Joining| async move {
        if joining.is_new { Err(OpenError::new(Code::Forbidden, "you are not on the list")) } else { Ok(Grant::default()) }
    });
    dies(&bus, 1);
    let again = two.again(&nodes.proxies[2].0).await;
    assert_eq!(again.id(), two.id());
}

#[tokio::test(start_paused = true)]
async fn threat_23_who_shows_a_seat_with_another_secret_is_a_new_member_at_every_node() {
    let nodes = Nodes::three(&Loopback::new()).await;
    let ([mut one, two, _three], _) = one_at_each(&nodes).await;
    let mut posing = two.seat();
    posing["seat"]["secret"] = json!("00".repeat(16));
    let (here, there) = (nodes.join_as(1, "hall", posing.clone()).await, nodes.join_as(2, "hall", posing).await);
    for other in [&here, &there] {
        one.joined().await;
        assert_ne!(other.id(), two.id());
        assert_eq!(other.reply["room"]["resumed"], false);
    }
    one.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_room_of_which_nobody_is_left_knows_its_members_again() {
    let bus = Loopback::new();
    let nodes = Nodes::three(&bus).await;
    let two = nodes.join(1, "attic").await;
    dies(&bus, 1);
    let again = two.again(&nodes.proxies[2].0).await;
    assert_eq!((again.id(), again.first.len()), (two.id(), 1));
}

#[tokio::test(start_paused = true)]
async fn threat_23_a_seat_is_of_no_use_to_another_sub_at_any_node() {
    let nodes = Nodes::three(&Loopback::new()).await;
    let key = SigningKey::ed25519();
    for (proxy, _) in &nodes.proxies {
        let _ = proxy.sessions.clone().with_authorizer(JwtAuthorizer::from_jwks(&key.jwks()).expect("keys"));
    }
    let peer = |node: usize, sub: &str| {
        let claims = json!({ "sub": sub, "exp": 4_000_000_000_u64, "join": ["*"] });
        nodes.proxies[node].0.peer_shown(&key.sign(&claims).expect("a token"))
    };
    let ann = Member::join(peer(0, "ann"), "hall", json!({})).await.expect("she may");
    let bob = Member::join(peer(1, "bob"), "hall", ann.seat()).await.expect("as one who is new");
    assert_ne!(bob.id(), ann.id());
    let back = Member::join(peer(2, "ann"), "hall", ann.seat()).await.expect("she may");
    assert_eq!(back.id(), ann.id());
}
