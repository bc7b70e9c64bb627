//! The tracker of a swarm whose peers are at different nodes.

use browser_stream_mux::Stream;
use browser_stream_server::cluster::{Fault, Loopback, Post, Timing};
use harness::{Peer, Proxy, note, within};
use serde_json::{Value, json};
use uuid::Uuid;

/// A peer of the swarm, and its streams: of its claim, and to the tracker.
struct Member {
    _peer: Peer,
    _claim: Stream,
    name: String,
    stream: Stream,
}

impl Member {
    async fn come(proxy: &Proxy) -> Self {
        let (peer, name) = (proxy.peer(), format!("swarm-{}", Uuid::new_v4()));
        let (_, claim) = peer.ask(&format!("/swarm/listen/{name}"), json!({})).await.expect("the name is free");
        let (_, stream) = peer.ask("/swarm/track", json!({})).await.expect("it may come");
        Self { _peer: peer, _claim: claim, name, stream }
    }

    fn say(&mut self, note: &str, value: Value) {
        self.stream.write_frame(json!({ "note": note, "value": value }).to_string().as_bytes());
    }

    fn announce(&mut self, share: f64) {
        self.say("announce", json!({ "name": self.name, "contents": [{ "id": content(), "pieces": 4, "share": share }] }));
    }

    /// Who is found, as soon as it is so many: their names, and how much each has.
    async fn finds(&mut self, count: usize) -> Vec<(String, f64)> {
        within(async {
            loop {
                self.say("find", json!({ "ask": 1, "id": content() }));
                let found = note(&mut self.stream).await.expect("it is answered");
                let candidates = found["value"]["candidates"].as_array().expect("candidates");
                if candidates.len() == count {
                    let share = |candidate: &Value| candidate["share"].as_f64().unwrap_or(1.0);
                    let name = |candidate: &Value| candidate["name"].as_str().expect("a name").to_owned();
                    return candidates.iter().map(|candidate| (name(candidate), share(candidate))).collect();
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await
    }
}

fn content() -> String {
    "ab".repeat(32)
}

async fn node(bus: &Loopback) -> (Proxy, Post) {
    let (proxy, post) = (Proxy::new(), Post::start(bus.node(), Uuid::new_v4(), Timing::default()));
    proxy.tracker.span(&post);
    (proxy, post)
}

#[tokio::test(start_paused = true)]
async fn who_holds_something_at_another_node_is_found_until_it_holds_it_no_longer() {
    let bus = Loopback::new();
    let (one, two) = (node(&bus).await, node(&bus).await);
    let (mut holds, mut asks) = (Member::come(&one.0).await, Member::come(&two.0).await);
    holds.announce(0.5);
    assert_eq!(asks.finds(1).await, [(holds.name.clone(), 0.5)]);
    holds.announce(1.0);
    // Who comes later hears of what holds.
    let three = node(&bus).await;
    let mut late = Member::come(&three.0).await;
    assert_eq!(late.finds(1).await, [(holds.name.clone(), 1.0)]);
    asks.announce(1.0);
    assert_eq!(late.finds(2).await.len(), 2);
    assert_eq!(asks.finds(1).await, [(holds.name.clone(), 1.0)], "it is not told of itself");
    holds.say("withdraw", json!({}));
    assert_eq!(late.finds(1).await[0].0, asks.name);
    holds.announce(1.0);
    late.finds(2).await;
    drop(holds);
    assert_eq!(late.finds(1).await[0].0, asks.name);
    assert_eq!(one.0.tracker.contents()[0].seeders, 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_node_told_that_is_gone_holds_no_longer_and_holds_again_when_it_is_back() {
    let bus = Loopback::new();
    let (one, two) = (node(&bus).await, node(&bus).await);
    let (mut holds, mut asks) = (Member::come(&one.0).await, Member::come(&two.0).await);
    holds.announce(1.0);
    asks.finds(1).await;
    bus.judge(|_, _, _| Fault::Lost);
    asks.finds(0).await;
    bus.judge(|_, _, _| Fault::None);
    asks.finds(1).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_on_the_way_is_made_up_for() {
    let bus = Loopback::new();
    let (one, two) = (node(&bus).await, node(&bus).await);
    let (mut holds, mut asks) = (Member::come(&one.0).await, Member::come(&two.0).await);
    holds.announce(0.5);
    asks.finds(1).await;
    bus.judge(|_, _, subject| if subject.as_str().starts_with("swarm.") { Fault::Lost } else { Fault::None });
    holds.announce(1.0);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    bus.judge(|_, _, _| Fault::None);
    let made_up_for = async {
        while asks.finds(1).await[0].1 < 1.0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    within(made_up_for).await;
}
