//! Rooms whose members are at different nodes.

mod losses;
mod moves;

use std::{sync::Arc, time::Duration};

use browser_stream_protocol::room::{Answer, Emit, Said, Told};
use browser_stream_server::{
    Limits,
    cluster::{Bus, Fault, Loopback, NatsBus, Post, Secret, Timing},
};
use harness::{
    Proxy,
    member::{Member, text},
    within,
};
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use crate::nats::Server;

/// Proxies that act as one.
struct Nodes {
    proxies: Vec<(Proxy, Post)>,
}

impl Nodes {
    /// As many as have a way to a bus, once they know one another.
    async fn over(ways: impl IntoIterator<Item = Arc<dyn Bus>>, timing: Timing) -> Self {
        let secret = Secret::new(b"a secret that all nodes have, and nobody else").expect("long enough");
        let node = |way| {
            let (proxy, post) = (Proxy::with(Limits::default(), |router| router), Post::start(way, Uuid::new_v4(), timing));
            proxy.rooms.span(&post, &secret);
            (proxy, post)
        };
        let nodes = Self { proxies: ways.into_iter().map(node).collect() };
        let others = nodes.proxies.len() - 1;
        super::until("all know one another", || nodes.proxies.iter().all(|(_, post)| post.nodes().len() == others)).await;
        nodes
    }

    async fn three(bus: &Loopback) -> Self {
        Self::over([bus.node(), bus.node(), bus.node()], Timing::default()).await
    }

    /// A peer that joins at that node, and has heard who is there.
    async fn join(&self, node: usize, room: &str) -> Member {
        self.join_as(node, room, json!({})).await
    }

    async fn join_as(&self, node: usize, room: &str, fields: Value) -> Member {
        Member::join(self.proxies[node].0.peer(), room, fields).await.expect("it may join")
    }
}

/// The number that one has at the node of another, which has heard of it by MEMBER or JOINED.
fn number(of: &Member, at: &Member) -> u32 {
    at.first.iter().find(|(_, _, who)| who["id"] == of.reply["id"]).expect("it was heard of").0
}

/// One joins, and those who are there hear of it: its number at each.
async fn joined<const N: usize>(others: [&mut Member; N]) -> [u32; N] {
    let mut numbers = [0; N];
    for (number, other) in numbers.iter_mut().zip(others) {
        *number = other.joined().await;
    }
    numbers
}

/// All nodes know which rooms there are.
async fn settle() {
    sleep(Duration::from_millis(300)).await;
}

fn leave(text: &str) -> Said {
    Said::Leave { is_peer: false, text: text.to_owned() }
}

/// Three members at three nodes say something in turn, to all and to some.
async fn talk(nodes: &Nodes) {
    let mut one = nodes.join(0, "hall").await;
    settle().await;
    let mut two = nodes.join_as(1, "hall", json!({ "profile": { "name": "two" } })).await;
    let [two_at_one] = joined([&mut one]).await;
    settle().await;
    let mut three = nodes.join(2, "hall").await;
    let [three_at_one, three_at_two] = joined([&mut one, &mut two]).await;
    assert_eq!((two.first.len(), three.first.len()), (2, 3), "who comes hears of all, and of itself");
    assert!(three.first.iter().any(|(_, is_live, who)| *is_live && who["profile"]["name"] == "two"));
    one.emit("to all");
    assert_eq!(two.word().await, (number(&one, &two), "to all".to_owned()));
    assert_eq!(three.word().await, (number(&one, &three), "to all".to_owned()));
    let mut some = Member::event("say", "to two");
    some.to = vec![two_at_one];
    one.say(&Said::Emit(some));
    let mut others = Member::event("say", "not to three");
    others.except = vec![three_at_two];
    two.say(&Said::Emit(others));
    assert_eq!(two.word().await, (number(&one, &two), "to two".to_owned()));
    assert_eq!(one.word().await, (two_at_one, "not to three".to_owned()));
    three.emit("back");
    assert_eq!(one.word().await, (three_at_one, "back".to_owned()));
    assert_eq!(two.word().await, (three_at_two, "back".to_owned()));
    three.say(&Said::Profile(r#"{"name":"three"}"#.into()));
    assert_eq!(one.next().await, Told::Profile { number: three_at_one, profile: r#"{"name":"three"}"#.into() });
    three.say(&leave("enough"));
    assert_eq!(one.left().await, (three_at_one, 0, "enough".to_owned()));
    two.say(&leave(""));
    assert_eq!(one.left().await, (two_at_one, 0, String::new()));
}

#[tokio::test(start_paused = true)]
async fn members_at_three_nodes_hear_one_another_as_if_they_were_at_one() {
    talk(&Nodes::three(&Loopback::new()).await).await;
}

#[tokio::test(start_paused = true)]
async fn so_they_do_where_parcels_are_tiny_and_each_way_takes_its_time() {
    let bus = Loopback::new();
    bus.cut(50);
    bus.judge(|from, to, _| Fault::Late(Duration::from_millis(7 * (1 + from as u64) + 3 * to as u64)));
    talk(&Nodes::three(&bus).await).await;
}

#[tokio::test]
async fn so_they_do_over_nats() {
    let server = Server::start().await;
    let way = || Arc::new(NatsBus::new(&server.url(), "test")) as Arc<dyn Bus>;
    talk(&Nodes::over([way(), way(), way()], super::timing()).await).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_said_crosses_once_however_many_hear_it() {
    let bus = Loopback::new();
    let nodes = Nodes::three(&bus).await;
    let mut one = nodes.join(0, "hall").await;
    let mut others = Vec::new();
    for at in 0..20 {
        others.push(nodes.join(1 + at % 2, "hall").await);
        one.joined().await;
    }
    let before = bus.carried("room").1;
    let mut long = Member::event("say", "");
    long.body = [&[0x91, 0xc5, 0x27, 0x10][..], &[7; 10_000]].concat().into();
    for _ in 0..10 {
        one.say(&Said::Emit(long.clone()));
    }
    for other in &mut others {
        for _ in 0..10 {
            while !matches!(other.next().await, Told::Event { .. }) {}
        }
    }
    let carried = bus.carried("room").1 - before;
    assert!((100_000..105_000).contains(&carried), "{carried} bytes for 100,000");
}

#[tokio::test(start_paused = true)]
async fn an_ask_is_answered_from_all_nodes_and_for_those_who_are_gone() {
    let bus = Loopback::new();
    let nodes = Nodes::three(&bus).await;
    let mut one = nodes.join(0, "hall").await;
    let mut two = nodes.join(1, "hall").await;
    let mut leaves = nodes.join(1, "hall").await;
    let mut three = nodes.join(2, "hall").await;
    let numbers = [one.joined().await, one.joined().await, one.joined().await];
    let mut ask = Member::event("ready", "?");
    ask.asks = Some((7, 60_000));
    one.say(&Said::Emit(ask));
    assert_eq!(one.next().await, Told::Asked { number: 7, members: numbers.to_vec() });
    async fn asked(member: &mut Member) -> u64 {
        loop {
            if let Told::Event { ask, .. } = member.next().await {
                return ask.expect("it asks");
            }
        }
    }
    let ask = asked(&mut two).await;
    two.say(&Said::Answer { ask, answer: Ok(text("yes")) });
    assert_eq!(answer(&mut one).await, (numbers[0], Ok(text("yes"))));
    asked(&mut leaves).await;
    leaves.say(&leave(""));
    let (from, why) = answer(&mut one).await;
    assert_eq!((from, why.expect_err("it left").code), (numbers[1], 12));
    assert_eq!(one.left().await.0, numbers[1]);
    asked(&mut three).await;
    bus.judge(|from, to, _| if from == 2 || to == 2 { Fault::Lost } else { Fault::None });
    let (from, why) = answer(&mut one).await;
    assert_eq!((from, why.expect_err("its node is gone").code), (numbers[2], 14));
    assert_eq!(one.left().await, (numbers[2], 14, String::new()));
}

async fn answer(one: &mut Member) -> (u32, Answer) {
    match one.next().await {
        Told::Answer { number: 7, from, answer } => (from, answer),
        other => panic!("{other:?} where an answer was expected"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_goes_is_seen_from_other_nodes_and_its_seat_is_kept_at_its_own() {
    let nodes = Nodes::three(&Loopback::new()).await;
    let mut one = nodes.join(0, "hall").await;
    let two = nodes.join(1, "hall").await;
    let two_at_one = one.joined().await;
    let two = two.gone();
    assert_eq!(one.live().await, (two_at_one, false));
    one.emit("while it was away");
    let mut two = two.again(&nodes.proxies[1].0).await;
    assert_eq!(one.live().await, (two_at_one, true));
    assert_eq!(two.reply["room"]["resumed"], true);
    while two.word().await.1 != "while it was away" {}
}

#[tokio::test(start_paused = true)]
async fn the_directory_shows_rooms_of_all_nodes_and_the_first_ones_word_counts_everywhere() {
    let bus = Loopback::new();
    let nodes = Nodes::three(&bus).await;
    let _one = nodes.join_as(0, "lobby", json!({ "public": true })).await;
    settle().await;
    let two = nodes.join(1, "lobby").await;
    assert_eq!(two.reply["room"]["public"], true);
    settle().await;
    let peer = nodes.proxies[2].0.peer();
    let (_, mut stream) = peer.ask("/room/list", json!({})).await.expect("it may watch");
    let mut next = async || -> Value {
        let frame = within(stream.read_frame(64 * 1024)).await.expect("it goes on").expect("not the end");
        serde_json::from_slice(&frame).expect("JSON")
    };
    assert_eq!(next().await, json!({ "rooms": [["lobby", 2]] }));
    assert_eq!(next().await, json!({ "note": "listed" }));
    drop(two.gone());
    bus.judge(|from, to, _| if from == 1 || to == 1 { Fault::Lost } else { Fault::None });
    assert_eq!(next().await, json!({ "rooms": [["lobby", 1]] }), "its node is gone");
}

#[tokio::test(start_paused = true)]
async fn a_programs_word_reaches_members_of_all_nodes_and_it_may_remove_any() {
    let nodes = Nodes::three(&Loopback::new()).await;
    let mut one = nodes.join(0, "hall").await;
    let mut two = nodes.join_as(1, "hall", json!({ "profile": "two" })).await;
    one.joined().await;
    let mut elsewhere = nodes.join(2, "attic").await;
    let rooms = &nodes.proxies[0].0.rooms;
    let members = rooms.members("hall");
    assert_eq!(members.iter().map(|member| member.id).collect::<Vec<_>>(), [one.uuid(), two.uuid()]);
    assert_eq!(members[1].profile::<String>().as_deref(), Some("two"));
    assert_eq!(rooms.emit_to("hall", &[two.uuid()], "say", &("a",)).expect("it may"), 1);
    assert_eq!(two.word().await, (0, "a".to_owned()));
    rooms.emit_all("say", &("b",)).expect("it may");
    for member in [&mut one, &mut two, &mut elsewhere] {
        assert_eq!(member.word().await, (0, "b".to_owned()));
    }
    let asking = rooms.ask("hall", "ready", &(), Duration::from_secs(5));
    let answering = async {
        for member in [&mut one, &mut two] {
            let Told::Event { ask: Some(ask), .. } = member.next().await else { panic!("it is not asked") };
            member.say(&Said::Answer { ask, answer: Ok([0xc3].to_vec().into()) });
        }
    };
    let (answered, ()) = tokio::join!(asking, answering);
    let answers: Vec<bool> =
        answered.expect("it may").into_iter().map(|answered| answered.value.expect("it answered").to().expect("a bool")).collect();
    assert_eq!(answers, [true, true]);
    assert!(rooms.remove("hall", two.uuid(), "go"));
    assert_eq!(two.next().await, Told::End(browser_stream_protocol::channel::Ending { code: 5, text: "go".to_owned() }));
    assert_eq!(one.left().await.1, 5);
}

#[tokio::test(start_paused = true)]
async fn an_event_for_all_rooms_reaches_them_at_all_nodes_once() {
    let nodes = Nodes::three(&Loopback::new()).await;
    nodes.proxies[0].0.rooms.on_join(|_| async { Ok(browser_stream_server::Grant::default().everywhere(true)) });
    let mut one = nodes.join(0, "hall").await;
    let mut two = nodes.join(1, "hall").await;
    let mut attic = nodes.join(2, "attic").await;
    let mut left_out = nodes.join(1, "hall").await;
    one.joined().await;
    let left_out_at_one = one.joined().await;
    two.joined().await;
    let mut emit: Emit = Member::event("say", "all");
    (emit.is_everywhere, emit.except) = (true, vec![left_out_at_one]);
    one.say(&Said::Emit(emit));
    assert_eq!(two.word().await, (number(&one, &two), "all".to_owned()));
    assert_eq!(attic.word().await, (0, "all".to_owned()));
    for member in [&mut one, &mut two, &mut attic, &mut left_out] {
        member.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_at_two_nodes_in_the_same_moment_hears_of_the_other() {
    let bus = Loopback::new();
    bus.judge(|_, _, _| Fault::Late(Duration::from_millis(20)));
    let nodes = Nodes::three(&bus).await;
    let (mut one, mut two) = tokio::join!(nodes.join(0, "hall"), nodes.join(1, "hall"));
    assert_eq!((one.first.len(), two.first.len()), (1, 1));
    let numbers = [one.joined().await, two.joined().await];
    one.emit("a");
    two.emit("b");
    assert_eq!(one.word().await, (numbers[0], "b".to_owned()));
    assert_eq!(two.word().await, (numbers[1], "a".to_owned()));
}
