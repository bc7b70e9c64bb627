//! Names that several nodes have in common: who gets one, what others see of it, and what becomes of it when a node is out.

use std::time::Duration;

use browser_stream_server::{Event, Reason, cluster::State};
use harness::{Control, Peer, note, reply, until, within};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{place, together::Together};

const INSTANCE: &str = "40414243404142434041424340414243";

/// Claims with a lease, or shows it.
async fn leased(peer: &Peer, attempt: u64, lease: Value) -> Result<Control, String> {
    peer.claim_with("NAME", json!({ "instance": INSTANCE, "attempt": attempt, "lease": lease })).await
}

/// Waits until that node knows that another has the name in that state; `None`: until it is free.
async fn known(cluster: &Together, at: usize, state: Option<State>) {
    until(|| cluster.nodes[at].whereabouts(&place("NAME")).map(|found| found.state) == state).await;
}

#[tokio::test(start_paused = true)]
async fn a_name_has_one_owner_at_all_nodes_and_is_free_at_all_of_them_when_it_is_released() {
    let cluster = Together::new(3).await;
    let peers: Vec<Peer> = cluster.proxies.iter().map(|proxy| proxy.peer()).collect();
    let mut control = peers[0].claim("NAME").await.expect("it is free");
    for at in [1, 2, 0] {
        known(&cluster, at, Some(State::Up)).await;
        assert_eq!(cluster.nodes[at].count(), (3, 1), "nodes and names, as {at} knows");
        assert_eq!(peers[at].claim("NAME").await.err().as_deref(), Some("name_taken"), "at {at}");
    }
    control.stream.finish();
    assert_eq!(note(&mut control.stream).await, None);
    known(&cluster, 2, None).await;
    assert!(peers[2].claim("NAME").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn of_claims_at_all_nodes_at_once_one_has_the_name() {
    let cluster = Together::new(3).await;
    let peers: Vec<Peer> = cluster.proxies.iter().flat_map(|proxy| [proxy.peer(), proxy.peer()]).collect();
    for round in 0..50 {
        let name = format!("round-{round}");
        let claims = futures::future::join_all(peers.iter().map(|peer| peer.claim(&name))).await;
        assert_eq!(claims.iter().filter(|claim| claim.is_ok()).count(), 1, "round {round}");
        assert!(claims.iter().filter_map(|claim| claim.as_ref().err()).all(|code| code == "name_taken"), "round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn threat_02_an_owner_that_shows_its_lease_at_another_node_has_its_name_there() {
    let mut cluster = Together::new(2).await;
    let (one, two) = (cluster.proxies[0].peer(), cluster.proxies[1].peer());
    let mut first = leased(&one, 0, json!(true)).await.expect("it is free");
    let lease = first.reply["lease"].clone();
    known(&cluster, 1, Some(State::Up)).await;
    assert!(matches!(cluster.proxies[0].event().await, Event::ServerCreated { .. }));
    let second = leased(&two, 1, lease.clone()).await.expect("it is its own");
    assert_eq!(second.reply["lease"], lease);
    assert_eq!(note(&mut first.stream).await.map(|note| note["note"].clone()), Some(json!("superseded")));
    assert_eq!(note(&mut first.stream).await, None);
    // Each node tells of the server that it has.
    assert!(matches!(cluster.proxies[0].event().await, Event::ServerDestroyed { reason: Reason::Superseded, .. }));
    assert!(matches!(cluster.proxies[1].event().await, Event::ServerCreated { .. }));
    // The attempt that was used before is worth nothing anywhere.
    for peer in [&one, &two] {
        assert_eq!(leased(peer, 1, lease.clone()).await.err().as_deref(), Some("superseded"));
    }
    let third = leased(&one, 2, lease).await;
    assert!(third.is_ok(), "and back again");
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_never_heard_of_its_lease_has_its_name_back_where_it_claimed_it_alone() {
    let cluster = Together::new(2).await;
    let (one, two) = (cluster.proxies[0].peer(), cluster.proxies[1].peer());
    let first = leased(&one, 0, json!(true)).await.expect("it is free");
    known(&cluster, 1, Some(State::Up)).await;
    // To the other node it may be a client of the server's, which was told the instance.
    assert_eq!(leased(&two, 1, json!(true)).await.err().as_deref(), Some("name_taken"));
    one.vanish();
    known(&cluster, 1, Some(State::Suspended)).await;
    assert_eq!(leased(&two, 2, json!(true)).await.err().as_deref(), Some("name_reserved"));
    assert!(leased(&cluster.proxies[0].peer(), 3, json!(true)).await.is_ok());
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_kept_for_its_owner_at_all_nodes_for_the_grace_and_then_free() {
    let cluster = Together::new(2).await;
    let (one, two) = (cluster.proxies[0].peer(), cluster.proxies[1].peer());
    let control = leased(&one, 0, json!(true)).await.expect("it is free");
    one.vanish();
    known(&cluster, 1, Some(State::Suspended)).await;
    assert_eq!(two.claim("NAME").await.err().as_deref(), Some("name_reserved"));
    sleep(Duration::from_secs(115)).await;
    assert_eq!(two.claim("NAME").await.err().as_deref(), Some("name_reserved"));
    known(&cluster, 1, None).await;
    assert!(two.claim("NAME").await.is_ok());
    drop(control);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_stands_by_at_another_node_has_the_name_when_it_is_free() {
    let cluster = Together::new(2).await;
    let (one, two, three) = (cluster.proxies[0].peer(), cluster.proxies[1].peer(), cluster.proxies[1].peer());
    let mut control = one.claim("NAME").await.expect("it is free");
    known(&cluster, 1, Some(State::Up)).await;
    let mut next = two.begin("/browser-server/listen/NAME", json!({ "standby": true }));
    until(|| cluster.proxies[1].sessions.list().iter().map(|session| session.streams()).sum::<usize>() == 1).await;
    let mut last = three.begin("/browser-server/listen/NAME", json!({ "standby": true }));
    sleep(Duration::from_secs(30)).await;
    control.stream.finish();
    within(reply(&mut next)).await.expect("it was first");
    next.finish();
    within(reply(&mut last)).await.expect("then the other");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_at_another_node_sees_what_becomes_of_the_name() {
    let cluster = Together::new(2).await;
    let (one, two, watcher) = (cluster.proxies[0].peer(), cluster.proxies[1].peer(), cluster.proxies[1].peer());
    let (_, mut watching) = watcher.ask("/browser-server/watch/NAME", json!({})).await.expect("it watches");
    let mut sees = async |what: &str| {
        let seen = within(note(&mut watching)).await.map(|note| note["note"].clone());
        assert_eq!(seen, Some(json!(what)));
        // Changes that come faster are left out.
        sleep(Duration::from_secs(1)).await;
    };
    sees("gone").await;
    let control = leased(&one, 0, json!(true)).await.expect("it is free");
    sees("up").await;
    one.vanish();
    sees("suspended").await;
    let mut control = leased(&two, 1, control.reply["lease"].clone()).await.expect("its own");
    sees("up").await;
    control.stream.finish();
    sees("gone").await;
}

#[tokio::test(start_paused = true)]
async fn each_node_lists_the_names_of_all() {
    let cluster = Together::new(2).await;
    let peers: Vec<Peer> = cluster.proxies.iter().map(|proxy| proxy.peer()).collect();
    let mut controls = Vec::new();
    for (at, name) in [(0, "A"), (1, "B"), (1, "NAME")] {
        cluster.proxies[at].names.list_names(true);
        controls.push(peers[at].claim(name).await.expect("it is free"));
    }
    for at in [0, 1] {
        known(&cluster, at, Some(State::Up)).await;
        let (_, mut list) = peers[at].ask("/browser-server/names", json!({})).await.expect("it may list");
        let mut names = Vec::new();
        while let Some(told) = within(note(&mut list)).await {
            names.push((told["note"].clone(), told["value"].clone()));
        }
        assert_eq!(names.pop(), Some((json!("all"), Value::Null)));
        names.sort_by_key(|(_, name)| name.to_string());
        assert_eq!(names, [(json!("up"), json!("A")), (json!("up"), json!("B")), (json!("up"), json!("NAME"))], "at {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_out_gives_its_names_up_and_sends_their_owners_away() {
    let mut cluster = Together::new(2).await;
    let (one, two) = (cluster.proxies[0].peer(), cluster.proxies[1].peer());
    let (_, mut session) = one.ask("/session", json!({})).await.expect("a session");
    let mut control = leased(&one, 0, json!(true)).await.expect("it is free");
    let lease = control.reply["lease"].clone();
    assert!(matches!(cluster.proxies[0].event().await, Event::ServerCreated { .. }));
    cluster.cut(0, true);
    let began = Instant::now();
    // As one is that goes down: our libraries claim the name again on their next connection.
    assert_eq!(within(control.stream.read_frame(1024)).await.expect_err("it is reset").to_string(), reset_draining());
    assert!(began.elapsed() <= Duration::from_secs(12), "before another writes it off");
    assert!(matches!(cluster.proxies[0].event().await, Event::ServerDestroyed { reason: Reason::Fenced, .. }));
    let told = within(note(&mut session)).await.expect("a note");
    assert_eq!(told["note"], "drain");
    assert!(told["value"]["after_ms"].as_u64().is_some_and(|after| after <= 3_000), "{told}");
    assert!(!cluster.nodes[0].is_in() && !cluster.nodes[0].is_well());
    let other = cluster.proxies[0].peer();
    assert_eq!(other.claim("OTHER").await.err().as_deref(), Some("draining"));
    // Nobody else has it meanwhile; its owner has it where it comes to.
    until(|| cluster.nodes[1].whereabouts(&place("NAME")).is_some_and(|found| found.state == State::Suspended)).await;
    assert_eq!(two.claim("NAME").await.err().as_deref(), Some("name_reserved"));
    assert!(leased(&two, 1, lease).await.is_ok());
    cluster.cut(0, false);
    until(|| cluster.nodes[0].is_well()).await;
    assert!(cluster.proxies[0].peer().claim("OTHER").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_out_says_of_no_name_that_nobody_has_it() {
    let cluster = Together::new(2).await;
    let _control = cluster.proxies[1].peer().claim("NAME").await.expect("it is free");
    let (heard, other) = (cluster.proxies[0].peer(), cluster.proxies[0].peer());
    let (_, mut session) = heard.ask("/session", json!({})).await.expect("a session");
    cluster.cut(0, true);
    until(|| !cluster.nodes[0].is_in()).await;
    let at_once = json!({ "wait": 0 });
    assert_eq!(heard.connect_with("ANOTHER", at_once.clone()).await.err().as_deref(), Some("draining"));
    assert_eq!(within(note(&mut session)).await.expect("a note")["note"], "drain");
    cluster.cut(0, false);
    until(|| cluster.nodes[0].is_well()).await;
    assert_eq!(other.connect_with("ANOTHER", at_once).await.err().as_deref(), Some("not_found"));
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_was_given_up_before_its_answer_leaves_nothing() {
    let cluster = Together::new(2).await;
    cluster.cut(0, true);
    let one = cluster.proxies[0].peer();
    let mut control = one.begin("/browser-server/listen/NAME", json!({}));
    sleep(Duration::from_secs(1)).await;
    control.finish();
    let refused = within(reply(&mut control)).await;
    assert_eq!(refused.err().as_deref(), Some("cancelled"));
    cluster.cut(0, false);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(cluster.nodes[1].whereabouts(&place("NAME")), None);
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_write_comes_when_its_node_has_stopped_keeps_the_name_for_nobody() {
    let cluster = Together::new(2).await;
    cluster.hold_up(0);
    let (one, two) = (cluster.proxies[0].peer(), cluster.proxies[1].peer());
    assert_eq!(leased(&one, 0, json!(true)).await.err().as_deref(), Some("draining"));
    until(|| !cluster.nodes[0].is_in()).await;
    let life = cluster.nodes[0].id().life;
    cluster.cut(0, false);
    until(|| cluster.nodes[0].is_in() && cluster.nodes[0].id().life >= life).await;
    // It has looked what it left.
    sleep(Duration::from_secs(1)).await;
    assert!(two.claim("NAME").await.is_ok(), "nobody had it");
}

fn reset_draining() -> String {
    let code = browser_stream_server::Code::Draining.number();
    browser_stream_mux::FrameError::Stream(browser_stream_mux::StreamError::Reset(code)).to_string()
}
