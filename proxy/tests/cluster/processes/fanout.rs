//! Rooms, channels and the swarm whose members are at different nodes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use browser_stream_client::{
    Channel, ChannelOptions, Peer, StreamServer, Subscription,
    room::{Ask, Joined, Member, News, Room},
    swarm::{Announced, ContentId, Extent, Found, PeerName, Portion, Told, Tracker},
};
use harness::within;
use tokio::time::{Instant, sleep};

use super::{
    super::{PATIENCE, until},
    Cluster,
};

/// The next event: whose, what it says, and whether it asks.
async fn event(room: &mut Joined) -> (Option<Member>, String, Option<Ask>) {
    loop {
        if let News::Event { from, args, ask, .. } = within(room.next()).await.expect("it is in").expect("it is in") {
            let (text,): (String,) = args.to().expect("a text");
            return (from, text, ask);
        }
    }
}

/// The next to leave: who, and why.
async fn left(room: &mut Joined) -> (String, u32) {
    loop {
        if let News::Left(member, ending) = within(room.next()).await.expect("it is in").expect("it is in") {
            return (member.id, ending.code);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_at_three_nodes_are_in_one_room_until_they_leave_or_their_node_is_killed() {
    let mut cluster = Cluster::start(3).await;
    let peers: [Peer; 3] = cluster.peers().await;
    let mut rooms = Vec::new();
    for (at, peer) in peers.iter().enumerate() {
        rooms.push(within(Room::new(peer).join("hall").profile(&at).into_future()).await.expect("it may join"));
    }
    let mut again = within(Room::new(&peers[2]).join("hall").into_future()).await.expect("it may join");
    until("all know of all", || rooms.iter().chain([&again]).all(|room| room.members().len() == 4)).await;
    let ids: Vec<String> = rooms.iter().map(Joined::id).collect();
    let [one, two, three] = &mut rooms[..] else { panic!("three") };
    for number in 0..50 {
        one.emit("say", &(number.to_string(),)).await.expect("it goes out");
    }
    for member in [&mut *two, &mut *three, &mut again] {
        for number in 0..50 {
            let (from, text, _) = event(member).await;
            let from = from.expect("a member");
            assert_eq!((&from.id, from.profile::<usize>(), text), (&ids[0], Some(0), number.to_string()), "in order");
        }
    }
    three.emit_to(&[&ids[0]], "say", &("to one",)).await.expect("it goes out");
    let (from, text, _) = event(one).await;
    assert_eq!((from.expect("a member").id.as_str(), text.as_str()), (ids[2].as_str(), "to one"));
    let asked = one.ask("ready", &("?",), Duration::from_secs(10));
    let answer = async |member: &mut Joined, word: &str| {
        let (_, text, ask) = event(member).await;
        assert_eq!(text, "?", "what was for another is not heard");
        ask.expect("it asks").answer(&word).await.expect("it goes out");
    };
    let (answers, (), (), ()) = tokio::join!(asked, answer(two, "two"), answer(three, "three"), answer(&mut again, "again"));
    let mut answers: Vec<String> =
        answers.expect("asked").into_iter().map(|of| of.value.expect("an answer").to().expect("a text")).collect();
    answers.sort();
    assert_eq!(answers, ["again", "three", "two"]);
    again.leave("enough").await.expect("it goes out");
    assert_eq!(left(one).await, (again.id(), 0));
    cluster.nodes[2].kill();
    let killed = Instant::now();
    for member in [one, two] {
        let (who, code) = loop {
            let (who, code) = left(member).await;
            if who == ids[2] {
                break (who, code);
            }
        };
        assert_eq!((who, code), (ids[2].clone(), 14));
    }
    assert!(killed.elapsed() < Duration::from_secs(25), "after {:?}", killed.elapsed());
}

/// Reads all that there is to come: so many messages in their order.
async fn reads(mut subscription: Subscription, messages: u32) {
    for number in 0..messages {
        let message = within(subscription.next()).await.expect("it goes on").expect("it is not the end");
        assert_eq!((&message.bytes[..4], message.bytes.len()), (&number.to_be_bytes()[..], MESSAGE), "in order");
    }
    assert!(within(subscription.next()).await.expect("a clean end").is_none());
}

const MESSAGE: usize = 64 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_is_read_at_other_nodes_in_order_at_the_slowest_readers_pace_and_crosses_once_for_each_node() {
    const MESSAGES: u32 = 640;
    let cluster = Cluster::start(3).await;
    let peers: [Peer; 3] = cluster.peers().await;
    let mut subscribing = Vec::new();
    for at in [1, 2, 2] {
        subscribing.push(tokio::spawn(Channel::new(&peers[at]).subscribe("news").wait(Duration::from_secs(15)).into_future()));
    }
    let options = ChannelOptions::new().wait_for(3);
    let mut publisher = within(Channel::new(&peers[0]).publish("news", options).into_future()).await.expect("it may");
    let mut readers = Vec::new();
    for subscribing in subscribing {
        readers.push(within(subscribing).await.expect("no panic").expect("it may"));
    }
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let publishing = tokio::spawn(async move {
        for number in 0..MESSAGES {
            let mut message = vec![7; MESSAGE];
            message[..4].copy_from_slice(&number.to_be_bytes());
            publisher.send(message).await.expect("it goes out");
            count.fetch_add(1, Ordering::Relaxed);
        }
        publisher.end().await.expect("all have taken all")
    });
    let slow = readers.pop().expect("three");
    let fast: Vec<_> = readers.into_iter().map(|reader| tokio::spawn(reads(reader, MESSAGES))).collect();
    // One reads nothing: the publisher comes to a stop, at another node.
    let (mut before, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_secs(2) {
        sleep(Duration::from_millis(50)).await;
        let now = sent.load(Ordering::Relaxed);
        if now != before {
            (before, since) = (now, Instant::now());
        }
    }
    assert!(before < MESSAGES as usize, "nothing stops it");
    reads(slow, MESSAGES).await;
    for reader in fast {
        within(reader).await.expect("all in order");
    }
    let closed = within(publishing).await.expect("no panic");
    let payload = u64::from(MESSAGES) * MESSAGE as u64;
    assert_eq!(closed.slowest, payload);
    for (node, most) in [(0, 0), (1, payload / 50), (2, payload / 50)] {
        let crossed = cluster.nodes[node].metric("bss_cluster_channel_bytes_total").await;
        let least = if node == 0 { 0 } else { payload };
        assert!((least..=least + most).contains(&crossed), "{crossed} bytes came to node {node}, of {payload}");
    }
    assert!(cluster.nodes[0].metric("bss_cluster_parcel_bytes_total").await < payload / 50, "payload crosses no NATS");
}

/// What a tracker finds, as soon as so many have it.
async fn finds(tracker: &mut Tracker, id: ContentId, holders: usize) -> Found {
    let begun = Instant::now();
    loop {
        tracker.find(1, id, None);
        match within(tracker.next()).await {
            Some(Told::Found(found)) if found.candidates.len() == holders => return found,
            Some(Told::Found(_)) => sleep(Duration::from_millis(20)).await,
            other => panic!("{other:?}"),
        }
        assert!(begun.elapsed() < PATIENCE, "not {holders} holders");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_a_content_at_one_node_is_found_and_reached_from_another() {
    let cluster = Cluster::start(2).await;
    let [holder, asker]: [Peer; 2] = cluster.peers().await;
    let (name, id): (_, ContentId) = (PeerName::random(), "ab".repeat(32).parse().expect("an id"));
    let server: StreamServer = holder.server().with_prefix("/swarm");
    let mut listener = within(server.listen(name.to_string()).into_future()).await.expect("the name is free");
    let mut holds = within(Tracker::open(&holder, "/swarm")).await.expect("it may");
    let mut asks = within(Tracker::open(&asker, "/swarm")).await.expect("it may");
    holds.announce(name, &[Announced { id, extent: Extent { pieces: 4, portion: Portion::All } }]);
    let found = finds(&mut asks, id, 1).await;
    assert_eq!((found.candidates[0].name, found.seeders), (name, 1));
    let client = asker.client().with_prefix("/swarm");
    let connecting = client.connect(name.to_string()).into_future();
    let (connected, _theirs) = tokio::join!(within(connecting), async { super::next(&mut listener).await.accept() });
    connected.expect("it serves");
    holds.withdraw(&[id]);
    finds(&mut asks, id, 0).await;
}
