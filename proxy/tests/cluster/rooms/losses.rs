//! What becomes of rooms where nodes do not hear one another.

use std::{sync::Arc, time::Duration};

use browser_stream_protocol::room::Told;
use browser_stream_server::cluster::{Bus, Fault, Loopback, NatsBus};
use harness::{member::Member, within};
use tokio::time::sleep;
use uuid::Uuid;

use super::{Nodes, joined, leave};
use crate::{PATIENCE, nats::Server, timing};

#[tokio::test]
async fn what_nats_forgot_to_carry_is_told_when_it_is_back() {
    let mut server = Server::start().await;
    let way = || Arc::new(NatsBus::new(&server.url(), "test")) as Arc<dyn Bus>;
    let nodes = Nodes::over([way(), way()], timing()).await;
    let mut one = nodes.join(0, "hall").await;
    let mut two = nodes.join(1, "hall").await;
    let [two_at_one] = joined([&mut one]).await;
    server.restart().await;
    // What is said until then may come, or may be lost; but then that is told.
    for word in 0..200 {
        one.emit(&word.to_string());
        sleep(Duration::from_millis(2)).await;
    }
    let (mut heard, mut lost) = (0, 0);
    let told = async {
        while heard + lost < 200 {
            match two.next().await {
                Told::Event { .. } => heard += 1,
                Told::Lost(count) => lost += count,
                // The others have left where NATS was gone for long.
                Told::Left { .. } | Told::Joined { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("in time");
    assert_eq!(heard + lost, 200);
    two.emit("on");
    loop {
        match one.next().await {
            Told::Event { .. } => break,
            Told::Left { number, .. } => assert_eq!(number, two_at_one),
            Told::Joined { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_at_a_node_that_is_cut_off_has_left_and_is_back_with_what_was_missed_told() {
    let bus = Loopback::new();
    let nodes = Nodes::three(&bus).await;
    let mut one = nodes.join(0, "hall").await;
    let mut two = nodes.join(1, "hall").await;
    let mut three = nodes.join(2, "hall").await;
    let [_, three_at_one] = [one.joined().await, one.joined().await];
    let three_at_two = two.joined().await;
    bus.judge(|from, to, _| if from == 2 || to == 2 { Fault::Lost } else { Fault::None });
    three.emit("lost");
    three.emit("and this");
    assert_eq!(one.left().await.0, three_at_one);
    assert_eq!(two.left().await.0, three_at_two);
    assert_eq!([three.left().await.1, three.left().await.1], [14, 14]);
    one.emit("goes on");
    assert_eq!(two.word().await.1, "goes on");
    bus.judge(|_, _, _| Fault::None);
    for member in [&mut one, &mut two] {
        assert_eq!(member.next().await, Told::Lost(2));
        member.joined().await;
    }
    let heard = [three.next().await, three.next().await, three.next().await];
    assert!(heard.contains(&Told::Lost(1)), "{heard:?}");
    assert_eq!(heard.iter().filter(|told| matches!(told, Told::Joined { .. })).count(), 2, "{heard:?}");
    three.emit("here");
    assert_eq!(one.word().await.1, "here");
    assert_eq!(two.word().await.1, "here");
}

#[tokio::test(start_paused = true)]
async fn parcels_that_are_lost_are_made_up_for_or_told() {
    let bus = Loopback::new();
    let nodes = Nodes::three(&bus).await;
    let mut one = nodes.join(0, "hall").await;
    let mut two = nodes.join(1, "hall").await;
    let two_at_one = one.joined().await;
    bus.judge(|_, _, subject| if subject.as_str().starts_with("room.") { Fault::Lost } else { Fault::None });
    two.emit("lost");
    let _also = nodes.join(1, "hall").await;
    two.joined().await;
    sleep(Duration::from_millis(100)).await;
    bus.judge(|_, _, _| Fault::None);
    assert_eq!(one.next().await, Told::Lost(1));
    assert!(one.joined().await > two_at_one);
    two.emit("on");
    assert_eq!(one.word().await, (two_at_one, "on".to_owned()));
}

/// Whatever is lost while members come, go, move and talk at three nodes: a while after that all know the same members.
#[tokio::test(start_paused = true)]
async fn after_any_loss_all_nodes_agree_again() {
    for seed in 0..20_u64 {
        let bus = Loopback::new();
        let nodes = Nodes::three(&bus).await;
        let dice = Arc::new(std::sync::Mutex::new(Dice(seed)));
        let judge = dice.clone();
        bus.judge(move |_, _, _| match judge.lock().expect("the dice").roll(10) {
            0..3 => Fault::Lost,
            3..5 => Fault::Late(Duration::from_millis(30)),
            _ => Fault::None,
        });
        let mut members: Vec<(usize, Member)> = Vec::new();
        for _ in 0..60 {
            let (what, node) = {
                let mut dice = dice.lock().expect("the dice");
                (dice.roll(10), dice.roll(3) as usize)
            };
            match what {
                0..4 => members.push((node, nodes.join(node, "hall").await)),
                4..6 if !members.is_empty() => {
                    let (_, mut member) = members.swap_remove(node % members.len());
                    member.say(&leave(""));
                    within(member.ended()).await;
                }
                // It goes on at another node, or at its own.
                6 if !members.is_empty() => {
                    let (_, member) = members.swap_remove(node % members.len());
                    let again = member.again(&nodes.proxies[node].0).await;
                    assert_eq!(again.id(), member.id());
                    members.push((node, again));
                }
                _ => members.iter_mut().for_each(|(_, member)| member.emit("word")),
            }
            sleep(Duration::from_millis(20)).await;
        }
        bus.judge(|_, _, _| Fault::None);
        sleep(Duration::from_secs(20)).await;
        let mut expected: Vec<Uuid> = members.iter().map(|(_, member)| member.uuid()).collect();
        expected.sort_unstable();
        // A node where nobody is knows nobody.
        let with = |node: &usize| members.iter().any(|(at, _)| at == node);
        let known: Vec<Vec<(Uuid, bool)>> = (0..3).filter(with).map(|node| known(&nodes, node)).collect();
        for of_one in &known {
            // Of who moved and then left, and neither was heard, its former node keeps the seat for the grace.
            let live: Vec<Uuid> = of_one.iter().filter(|(_, is_live)| *is_live).map(|(id, _)| *id).collect();
            assert_eq!((&live, of_one), (&expected, &known[0]), "seed {seed}");
        }
    }
}

/// Who is in the hall as that node knows it, and whether its connection is there.
fn known(nodes: &Nodes, node: usize) -> Vec<(Uuid, bool)> {
    let mut known: Vec<_> = nodes.proxies[node].0.rooms.members("hall").into_iter().map(|member| (member.id, member.is_live)).collect();
    known.sort_unstable();
    known
}

/// Random enough, and the same for a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}
