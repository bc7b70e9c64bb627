//! Channels whose publishers and readers are at different nodes.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use browser_stream_mux::Stream;
use browser_stream_protocol::channel::{Accepted, Subscription};
use browser_stream_server::{
    ChannelOptions, Channels, Code, Limits, Name, OpenError, Policy, Ways,
    cluster::{Local, Loopback, Node, Post, Timing},
};
use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use harness::{Proxy, note, within};
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::together::Together;

/// Ways between nodes of one process.
#[derive(Clone, Default)]
struct Near {
    nodes: Arc<Mutex<HashMap<Uuid, Channels>>>,
    read: Arc<AtomicUsize>,
}

impl Ways for Near {
    fn read(&self, node: Uuid, name: &Name) -> BoxFuture<'static, Result<(Accepted, Stream), OpenError>> {
        self.read.fetch_add(1, Ordering::Relaxed);
        let read = self.nodes.lock().get(&node).expect("it is one of these").read_by_node(name);
        std::future::ready(read).boxed()
    }
}

struct Nodes {
    ways: Near,
    nodes: Vec<(Channels, Post, Node)>,
}

impl Nodes {
    async fn three(bus: &Loopback) -> Self {
        let (ways, table) = (Near::default(), Local::new());
        let node = |_| {
            let node = Node::start(Arc::new(table.clone()), "nowhere", Timing::default());
            let (channels, post) = (Channels::new(Arc::new(Limits::default())), Post::start(bus.node(), Uuid::new_v4(), Timing::default()));
            channels.span(&node, &post, Arc::new(ways.clone()));
            ways.nodes.lock().insert(post.node(), channels.clone());
            (channels, post, node)
        };
        let nodes: Vec<_> = (0..3).map(node).collect();
        super::until("all know one another", || nodes.iter().all(|(_, post, node)| post.nodes().len() == 2 && node.is_in())).await;
        Self { ways, nodes }
    }

    fn at(&self, node: usize) -> &Channels {
        &self.nodes[node].0
    }
}

fn many() -> ChannelOptions {
    ChannelOptions::new().many()
}

async fn word(subscription: &mut Subscription) -> String {
    let message = within(subscription.next()).await.expect("it goes on").expect("it is not the end");
    String::from_utf8_lossy(&message.bytes).into_owned()
}

/// All nodes know what is published where.
async fn settle() {
    sleep(Duration::from_millis(300)).await;
}

#[tokio::test(start_paused = true)]
async fn readers_at_other_nodes_have_all_that_publishers_at_two_nodes_say_and_it_crosses_once() {
    let nodes = Nodes::three(&Loopback::new()).await;
    let mut one = nodes.at(0).publish("news", many(), &"one").await.expect("it may");
    settle().await;
    let mut two = nodes.at(1).publish("news", many(), &"two").await.expect("it may");
    settle().await;
    let mut readers = Vec::new();
    for at in [0, 1, 2, 2, 2, 2, 2] {
        readers.push(within(nodes.at(at).subscribe("news")).await.expect("it may"));
    }
    settle().await;
    assert_eq!(nodes.ways.read.load(Ordering::Relaxed), 4, "each node reads at each other that publishes, once");
    for number in 0..100 {
        one.send(format!("one {number}")).await.expect("it goes out");
        two.send(format!("two {number}")).await.expect("it goes out");
    }
    for reader in &mut readers {
        let mut heard = [0, 0];
        for _ in 0..200 {
            let message = within(reader.next()).await.expect("it goes on").expect("it is not the end");
            let who = message.publisher.meta::<String>().expect("a meta");
            let of = usize::from(who == "two");
            assert_eq!(message.bytes, format!("{who} {}", heard[of]), "in order");
            heard[of] += 1;
        }
        assert_eq!(heard, [100, 100]);
    }
    let ended = within(async { tokio::join!(one.end(), two.end()) }).await;
    assert!(ended.0.is_ok() && ended.1.is_ok(), "all have taken all: {ended:?}");
    for reader in &mut readers {
        assert!(within(reader.next()).await.expect("a clean end").is_none());
    }
    settle().await;
    assert!((0..3).all(|node| nodes.at(node).list().is_empty()), "nothing is left of it");
}

#[tokio::test(start_paused = true)]
async fn who_waits_at_another_node_reads_as_soon_as_somebody_publishes() {
    let nodes = Nodes::three(&Loopback::new()).await;
    let subscribing = nodes.at(2).subscribe("later");
    let publishing = async {
        sleep(Duration::from_millis(500)).await;
        let mut publisher = nodes.at(0).publish("later", ChannelOptions::new().wait_for(1), &()).await.expect("it may");
        publisher.send("first").await.expect("it goes out");
        publisher
    };
    let (reader, _publisher) = within(async { tokio::join!(subscribing, publishing) }).await;
    assert_eq!(word(&mut reader.expect("it may")).await, "first");
    let Err(nobody) = within(nodes.at(1).subscribe("never")).await else { panic!("nobody publishes") };
    assert!(nobody.is(Code::NotFound));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_at_another_node_slows_the_publisher_and_loses_nothing() {
    let nodes = Nodes::three(&Loopback::new()).await;
    let mut publisher = nodes.at(0).publish("slow", ChannelOptions::new(), &()).await.expect("it may");
    settle().await;
    let mut slow = within(nodes.at(1).subscribe("slow")).await.expect("it may");
    let mut sent = 0_usize;
    while timeout(Duration::from_secs(1), publisher.send(vec![7; 64 * 1024])).await.is_ok_and(|sent| sent.is_ok()) {
        sent += 1;
        assert!(sent < 100, "it is not held up");
    }
    // The one that was held up may have gone out in part.
    for _ in 0..sent {
        assert_eq!(within(slow.next()).await.expect("it goes on").expect("it is not the end").bytes.len(), 64 * 1024);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_too_slow_for_a_channel_that_drops_is_told_how_much_at_whichever_node() {
    let nodes = Nodes::three(&Loopback::new()).await;
    let mut publisher = nodes.at(0).publish("fast", ChannelOptions::new().policy(Policy::Drop), &()).await.expect("it may");
    settle().await;
    let mut slow = within(nodes.at(1).subscribe("fast")).await.expect("it may");
    for number in 0..200_usize {
        let mut message = vec![7; 64 * 1024];
        message[0] = number as u8;
        publisher.send(message).await.expect("it goes out");
        tokio::task::yield_now().await;
    }
    let ending = tokio::spawn(publisher.end());
    let mut heard = 0;
    while let Some(_message) = within(slow.next()).await.expect("it goes on") {
        heard += 1;
    }
    let skipped = slow.skipped();
    assert!(skipped > 0 && heard + skipped == 200, "{heard} heard, {skipped} left out");
    let _ = within(ending).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_for_who_comes_at_another_node_too() {
    let nodes = Nodes::three(&Loopback::new()).await;
    let mut publisher = nodes.at(0).publish("kept", ChannelOptions::new().replay(64 * 1024), &()).await.expect("it may");
    publisher.send("before").await.expect("it goes out");
    settle().await;
    for _ in 0..2 {
        let mut reader = within(nodes.at(1).subscribe("kept")).await.expect("it may");
        assert_eq!(word(&mut reader).await, "before");
        std::mem::forget(reader);
    }
    assert_eq!(nodes.ways.read.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_at_one_node_is_taken_at_all_and_the_first_ones_word_holds() {
    let bus = Loopback::new();
    let nodes = Nodes::three(&bus).await;
    let alone = nodes.at(0).publish("alone", ChannelOptions::new(), &()).await.expect("it may");
    let _shared = nodes.at(0).publish("shared", many().policy(Policy::Drop), &()).await.expect("it may");
    settle().await;
    let refused = async |node: usize, name, options| {
        let refused = nodes.at(node).publish(name, options, &()).await.err();
        refused.map(|error| error.is(Code::NameTaken))
    };
    assert_eq!(refused(1, "alone", ChannelOptions::new()).await, Some(true));
    assert_eq!(refused(1, "alone", many()).await, Some(true));
    assert_eq!(refused(1, "shared", ChannelOptions::new()).await, Some(true));
    let second = nodes.at(1).publish("shared", many(), &()).await.expect("it may");
    assert_eq!(second.channel().policy, Policy::Drop);
    drop(alone);
    settle().await;
    assert_eq!(refused(1, "alone", ChannelOptions::new()).await, None);
}

#[tokio::test(start_paused = true)]
async fn of_publishers_that_begin_in_one_moment_at_all_nodes_one_is_let_in_or_all_by_one_policy() {
    let nodes = Nodes::three(&Loopback::new()).await;
    for round in 0..200_usize {
        let (name, is_open) = (format!("round {round}"), round % 2 == 0);
        let policies = [Policy::Wait, Policy::Drop, Policy::Disconnect];
        let options = policies.map(|policy| if is_open { many().policy(policy) } else { ChannelOptions::new().policy(policy) });
        let [one, two, three] = options;
        // Who asks first is another each time.
        let at = |which: usize| nodes.at((which + round) % 3);
        let all = tokio::join!(at(0).publish(&name, one, &()), at(1).publish(&name, two, &()), at(2).publish(&name, three, &()));
        let let_in: Vec<Policy> = [&all.0, &all.1, &all.2].into_iter().flatten().map(|publisher| publisher.channel().policy).collect();
        assert_eq!(let_in.len(), if is_open { 3 } else { 1 }, "round {round}");
        assert!(let_in.iter().all(|policy| *policy == let_in[0]), "round {round}: {let_in:?}");
        let is_taken = |refused: &OpenError| refused.is(Code::NameTaken);
        assert!([&all.0, &all.1, &all.2].into_iter().filter_map(|one| one.as_ref().err()).all(is_taken), "round {round}");
    }
    settle().await;
    assert_eq!(nodes.nodes[0].2.count().1, 0, "all have left, and nothing is claimed any more");
}

#[tokio::test(start_paused = true)]
async fn a_channel_is_anothers_when_its_last_publisher_has_left_or_its_node_is_gone() {
    let nodes = Nodes::three(&Loopback::new()).await;
    let first = nodes.at(0).publish("handed on", many().policy(Policy::Drop), &()).await.expect("it may");
    let second = nodes.at(1).publish("handed on", many(), &()).await.expect("it may");
    drop(first);
    settle().await;
    let third = nodes.at(2).publish("handed on", many(), &()).await.expect("it may");
    assert_eq!(third.channel().policy, Policy::Drop, "as long as one of them is there");
    drop((second, third));
    settle().await;
    let anew = nodes.at(0).publish("handed on", ChannelOptions::new(), &()).await.expect("it may");
    assert_eq!(anew.channel().policy, Policy::Wait);
    // Its node goes, and it goes on: nobody reads it elsewhere.
    nodes.nodes[0].2.leave().await;
    settle().await;
    nodes.at(1).publish("handed on", ChannelOptions::new(), &()).await.expect("nobody has it");
}

#[tokio::test(start_paused = true)]
async fn who_publishes_where_the_table_is_gone_goes_on_and_nobody_begins() {
    let nodes = Nodes::three(&Loopback::new()).await;
    let mut goes_on = nodes.at(0).publish("goes on", many(), &()).await.expect("it may");
    let mut reader = within(nodes.at(0).subscribe("goes on")).await.expect("it may");
    nodes.nodes[0].2.leave().await;
    for name in ["goes on", "begins"] {
        let Err(refused) = nodes.at(0).publish(name, many(), &()).await else { panic!("{name}: the node is out") };
        assert!(refused.is(Code::Draining), "{name}: {refused}");
    }
    goes_on.send("still here").await.expect("it goes out");
    assert_eq!(word(&mut reader).await, "still here");
}

/// Two nodes whose channels are one, as far as the table goes.
async fn spanned() -> Together {
    let cluster = Together::new(2).await;
    let (bus, ways) = (Loopback::new(), Near::default());
    for (proxy, node) in cluster.proxies.iter().zip(&cluster.nodes) {
        let post = Post::start(bus.node(), Uuid::new_v4(), Timing::default());
        proxy.channels.span(node, &post, Arc::new(ways.clone()));
        ways.nodes.lock().insert(post.node(), proxy.channels.clone());
    }
    cluster
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_out_has_its_channels_again_or_ends_those_that_others_began() {
    let cluster = spanned().await;
    let (here, there) = (&cluster.proxies[0].channels, &cluster.proxies[1].channels);
    let alone = ChannelOptions::new();
    let mut kept = here.publish("kept", alone.clone(), &()).await.expect("it may");
    let mut lost = here.publish("lost", alone.clone(), &()).await.expect("it may");
    cluster.cut(0, true);
    super::until("the node is out", || !cluster.nodes[0].is_in()).await;
    let begun = loop {
        // As soon as the node is written off.
        match there.publish("lost", alone.clone(), &()).await {
            Ok(begun) => break begun,
            Err(refused) => assert!(refused.is(Code::NameTaken), "{refused}"),
        }
        sleep(Duration::from_secs(1)).await;
    };
    kept.send("goes on").await.expect("nobody needs the table for that");
    cluster.cut(0, false);
    super::until("the node is well", || cluster.nodes[0].is_well()).await;
    settle().await;
    let ended = loop {
        if let Err(ended) = lost.send("does not").await {
            break ended;
        }
        sleep(Duration::from_millis(100)).await;
    };
    assert!(ended.to_string().contains("the proxy ended the channel"), "{ended}");
    kept.send("still").await.expect("it has its channel again");
    let refused = there.publish("kept", alone, &()).await;
    assert!(refused.is_err_and(|refused| refused.is(Code::NameTaken)), "each goes on having it");
    assert_eq!(cluster.nodes[1].count().1, 2, "each is claimed once");
    drop(begun);
}

#[tokio::test(start_paused = true)]
async fn peers_that_would_begin_where_the_table_is_out_of_reach_are_sent_away_together() {
    let cluster = spanned().await;
    cluster.cut(0, true);
    super::until("the node is out", || !cluster.nodes[0].is_in()).await;
    let peer = cluster.proxies[0].peer();
    let (_, mut session) = peer.ask("/session", json!({})).await.expect("a session");
    let began = Instant::now();
    let asked = (0..10).map(|_| peer.ask("/channel/publish/news", json!({})));
    let refused: Vec<String> = join_all(asked).await.into_iter().map(|asked| asked.expect_err("nobody begins")).collect();
    assert!(refused.iter().all(|code| code == "draining"), "{refused:?}");
    assert!(began.elapsed() <= Duration::from_secs(9), "who comes later waits for the answer of the first: {:?}", began.elapsed());
    assert_eq!(within(note(&mut session)).await.expect("a note")["note"], "drain");
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_resets_before_the_table_answers_leaves_nothing() {
    let cluster = spanned().await;
    cluster.cut(0, true);
    let peer = cluster.proxies[0].peer();
    let mut gives_up = peer.begin("/channel/publish/news", json!({}));
    sleep(Duration::from_secs(1)).await;
    gives_up.reset(Code::Cancelled);
    cluster.cut(0, false);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(cluster.nodes[1].count().1, 0, "nobody has the channel");
    let (reply, _) = peer.ask("/channel/publish/news", json!({})).await.expect("it is free");
    assert!(reply["id"].is_string(), "{reply}");
}

#[tokio::test(start_paused = true)]
async fn peers_find_nothing_where_nodes_read_channels() {
    let proxy = Proxy::new();
    let _publisher = proxy.channels.publish("news", many(), &()).await.expect("it may");
    let peer = proxy.peer();
    let mut refused = Vec::new();
    for path in ["/channel/read/news", "/channel/read/nothing", "/channel/nowhere/news"] {
        refused.push(peer.ask(path, json!({})).await.expect_err("it is refused"));
    }
    assert!(refused.iter().all(|error| *error == refused[2]), "as any path that is none: {refused:?}");
}

#[tokio::test(start_paused = true)]
async fn one_channel_too_many_is_refused_before_the_table_is_asked() {
    let (node, post) = (
        Node::start(Arc::new(Local::new()), "nowhere", Timing::default()),
        Post::start(Loopback::new().node(), Uuid::new_v4(), Timing::default()),
    );
    let mut limits = Limits::default();
    limits.channels_max = 1;
    let channels = Channels::new(Arc::new(limits));
    channels.span(&node, &post, Arc::new(Near::default()));
    super::until("it is in", || node.is_in()).await;
    let _one = channels.publish("one", many(), &()).await.expect("it may");
    settle().await;
    let mut news = node.news();
    let refused = channels.publish("two", many(), &()).await.expect_err("it is one too many");
    assert!(refused.is(Code::Limit), "{refused}");
    settle().await;
    assert!(news.try_recv().is_err(), "nothing was written");
    assert!(channels.publish("one", many(), &()).await.is_ok(), "that one is there");
}
