//! Names that come back to their owners.

use std::time::Duration;

use browser_stream_server::{ConnectOptions, Event, LeaseKey, Limits, Reason};
use futures::FutureExt;
use harness::{Control, Peer, Proxy, note, reply, until, within};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const INSTANCE: &str = "404142434445464748494a4b4c4d4e4f";
const GRACE: Duration = Duration::from_secs(120);

/// A claim that asks for a lease, and the lease.
async fn leased(peer: &Peer, name: &str) -> (Control, Value) {
    let control = peer.claim_with(name, json!({ "lease": true, "instance": INSTANCE })).await.unwrap();
    let lease = control.reply["lease"].clone();
    (control, lease)
}

/// A claim that shows its lease.
async fn shown(peer: &Peer, lease: &Value, attempt: u64) -> Result<Control, String> {
    peer.claim_with("NAME", json!({ "lease": lease, "attempt": attempt })).await
}

async fn kinds(proxy: &mut Proxy, count: usize) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    for _ in 0..count {
        kinds.push(proxy.event().await.kind());
    }
    kinds
}

/// That nothing more was told so far.
async fn quiet(proxy: &mut Proxy) {
    assert!(tokio::time::timeout(Duration::from_millis(10), proxy.event()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_lease_says_what_it_is_for_and_only_to_one_who_asks() {
    let proxy = Proxy::new();
    let peer = proxy.peer();
    let (control, lease) = leased(&peer, "NAME").await;
    assert_eq!((&lease["name"], &lease["instance"]), (&json!("NAME"), &json!(INSTANCE)));
    assert!(lease["generation"].is_u64() && lease["mac"].as_str().is_some_and(|mac| mac.len() == 64));
    assert!(control.reply["id"].is_string());
    for fields in [json!({}), json!({ "lease": false }), json!({ "instance": INSTANCE })] {
        let control = peer.claim_with("OTHER", fields).await.unwrap();
        assert!(control.reply.get("lease").is_none());
        drop(control);
        until(|| !proxy.names.release("OTHER")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn threat_02_the_owner_takes_over_from_its_own_half_open_session_at_once() {
    let mut proxy = Proxy::new();
    let (mut old, mut new, client) = (proxy.peer(), proxy.peer(), proxy.peer());
    let (mut before, lease) = leased(&old, "NAME").await;
    let (connected, (_, mut at_old)) = tokio::join!(client.connect("NAME"), old.accept());
    let mut at_client = connected.unwrap();
    let after = shown(&new, &lease, 1).await.unwrap();
    assert_eq!((&after.reply["id"], &after.reply["lease"]), (&before.reply["id"], &lease));
    assert_eq!(note(&mut before.stream).await, Some(json!({ "note": "superseded" })));
    assert_eq!(note(&mut before.stream).await, None);
    let (_connected, _accepted) = tokio::join!(client.connect("NAME"), new.accept());
    at_old.write_chunk("goes on".into()).await.unwrap();
    assert_eq!(within(at_client.read_chunk()).await.unwrap().unwrap(), "goes on");
    assert_eq!(kinds(&mut proxy, 3).await, ["server.created", "client.connected", "client.connected"]);
    old.vanish();
    assert_eq!(kinds(&mut proxy, 1).await, ["client.disconnected"], "nothing of the server's");
    quiet(&mut proxy).await;
    let (connected, _) = tokio::join!(client.connect("NAME"), new.accept());
    connected.unwrap();
}

#[tokio::test(start_paused = true)]
async fn threat_02_an_owner_that_was_cut_has_its_name_back_under_the_same_id() {
    let mut proxy = Proxy::new();
    let (old, new) = (proxy.peer(), proxy.peer());
    let (_control, lease) = leased(&old, "NAME").await;
    old.vanish();
    let Event::ServerCreated { id: created, .. } = proxy.event().await else { panic!("created first") };
    let Event::ServerSuspended { id: suspended, reason: Reason::Lost, .. } = proxy.event().await else { panic!("then suspended") };
    sleep(GRACE - Duration::from_millis(1)).await;
    let control = shown(&new, &lease, 1).await.unwrap();
    let Event::ServerResumed { id: resumed, .. } = proxy.event().await else { panic!("then resumed") };
    assert_eq!((created, created, control.reply["id"].as_str()), (suspended, resumed, Some(created.to_string().as_str())));
    sleep(2 * GRACE).await;
    quiet(&mut proxy).await;
}

#[tokio::test(start_paused = true)]
async fn threat_03_a_stranger_gets_a_name_when_its_grace_is_over_and_not_before() {
    let mut proxy = Proxy::new();
    let (owner, stranger) = (proxy.peer(), proxy.peer());
    let (_control, _) = leased(&owner, "NAME").await;
    owner.vanish();
    assert_eq!(kinds(&mut proxy, 2).await, ["server.created", "server.suspended"]);
    let begun = Instant::now();
    let other = json!({ "lease": true, "instance": "ff".repeat(16), "attempt": 9 });
    for fields in [json!({}), json!({ "lease": true }), other] {
        assert_eq!(stranger.claim_with("NAME", fields).await.err().as_deref(), Some("name_reserved"));
    }
    sleep(GRACE - begun.elapsed() - Duration::from_millis(5)).await;
    assert_eq!(stranger.claim("NAME").await.err().as_deref(), Some("name_reserved"));
    assert!(matches!(proxy.event().await, Event::ServerDestroyed { reason: Reason::Lost, .. }));
    assert_eq!(begun.elapsed().as_secs(), 120);
    stranger.claim("NAME").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn threat_03_late_clean_up_does_not_free_the_name_of_the_newer_owner() {
    let mut proxy = Proxy::new();
    let (first, second, third) = (proxy.peer(), proxy.peer(), proxy.peer());
    let (mut at_first, lease) = leased(&first, "NAME").await;
    let mut at_second = shown(&second, &lease, 1).await.unwrap();
    let _at_third = shown(&third, &lease, 2).await.unwrap();
    at_first.stream.finish();
    at_second.stream.reset(9u32);
    first.vanish();
    second.vanish();
    until(|| proxy.sessions.len() == 1).await;
    assert_eq!(kinds(&mut proxy, 1).await, ["server.created"]);
    quiet(&mut proxy).await;
    sleep(2 * GRACE).await;
    assert_eq!(proxy.peer().claim("NAME").await.err().as_deref(), Some("name_taken"));
}

#[tokio::test(start_paused = true)]
async fn threat_04_a_frozen_tab_is_a_timeout_then_dead_and_its_name_free_after_the_grace() {
    let mut proxy = Proxy::new();
    let mut frozen = proxy.raw();
    let begun = Instant::now();
    frozen.open(1, &format!(r#"{{"path":"/browser-server/listen/NAME","lease":true,"instance":"{INSTANCE}"}}"#)).await;
    assert!(frozen.reply(1).await["lease"].is_object());
    let client = proxy.peer();
    assert_eq!(client.connect("NAME").await.err().as_deref(), Some("timeout"));
    assert_eq!(begun.elapsed().as_secs(), 15);
    assert_eq!(kinds(&mut proxy, 2).await, ["server.created", "server.suspended"]);
    assert_eq!(begun.elapsed().as_secs(), 45);
    // The wait for an event is a minute at most.
    sleep(Duration::from_secs(100)).await;
    assert_eq!(kinds(&mut proxy, 1).await, ["server.destroyed"]);
    assert_eq!(begun.elapsed().as_secs(), 165);
}

#[tokio::test(start_paused = true)]
async fn threat_33_a_lower_or_equal_attempt_is_superseded_and_the_live_owner_goes_on() {
    let mut proxy = Proxy::new();
    let (mut owner, thief, client) = (proxy.peer(), proxy.peer(), proxy.peer());
    let (_control, lease) = leased(&owner, "NAME").await;
    let mut control = shown(&owner, &lease, 7).await.unwrap();
    for attempt in [0, 6, 7] {
        assert_eq!(shown(&thief, &lease, attempt).await.err().as_deref(), Some("superseded"), "{attempt}");
    }
    assert_eq!(thief.claim_with("NAME", json!({ "lease": lease })).await.err().as_deref(), Some("superseded"), "0 unless said");
    let (_connected, _accepted) = tokio::join!(client.connect("NAME"), owner.accept());
    assert!(tokio::time::timeout(Duration::from_secs(1), control.stream.read_chunk()).await.is_err(), "not a word to the owner");
    control.stream.reset(9u32);
    assert_eq!(kinds(&mut proxy, 3).await, ["server.created", "client.connected", "server.suspended"]);
    assert_eq!(shown(&thief, &lease, 7).await.err().as_deref(), Some("superseded"), "while it is suspended, too");
    shown(&owner, &lease, 8).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn threat_33_a_lease_that_was_tampered_with_or_is_anothers_is_worth_nothing() {
    let proxy = Proxy::new();
    let (mut owner, thief) = (proxy.peer(), proxy.peer());
    let (mut control, lease) = leased(&owner, "NAME").await;
    let (_connected, _accepted) = tokio::join!(thief.connect("NAME"), owner.accept());
    let with = |field: &str, value: Value| {
        let mut lease = lease.clone();
        lease[field] = value;
        lease
    };
    let (_, of_other) = leased(&thief, "OTHER").await;
    for wrong in [with("name", json!("OTHER")), with("mac", json!("0")), with("generation", json!(-1)), of_other, json!(null), json!([])] {
        assert_eq!(shown(&thief, &wrong, 9).await.err().as_deref(), Some("bad_request"), "{wrong}");
    }
    assert_eq!(proxy.refused("bad_open"), 6);
    let newer = lease["generation"].as_u64().unwrap() + 1;
    for forged in [with("mac", json!("00".repeat(32))), with("generation", json!(newer)), with("instance", json!("00".repeat(16)))] {
        assert_eq!(shown(&thief, &forged, 9).await.err().as_deref(), Some("name_taken"), "{forged}");
    }
    let on_a_free_name = thief.claim_with("FREE", json!({ "lease": with("name", json!("FREE")) })).await.unwrap();
    assert_ne!(on_a_free_name.reply["lease"]["mac"], lease["mac"], "a new one");
    control.stream.finish();
    assert_eq!(note(&mut control.stream).await, None, "the owner was told nothing");
}

#[tokio::test(start_paused = true)]
async fn who_gives_a_leased_name_up_has_not_got_it_any_more() {
    let mut proxy = Proxy::new();
    let (owner, stranger) = (proxy.peer(), proxy.peer());
    let (mut control, lease) = leased(&owner, "NAME").await;
    control.stream.finish();
    assert_eq!(note(&mut control.stream).await, None);
    let _theirs = stranger.claim("NAME").await.unwrap();
    assert_eq!(kinds(&mut proxy, 3).await, ["server.created", "server.destroyed", "server.created"]);
    assert_eq!(shown(&owner, &lease, 1).await.err().as_deref(), Some("name_taken"), "a lease is no right to another's name");
    stranger.vanish();
    proxy.event().await;
    let again = shown(&owner, &lease, 2).await.unwrap();
    assert_eq!(again.reply["lease"], lease, "to a free name it is as good as any");
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_was_started_again_with_its_key_honours_a_lease_over_a_claim_without_one() {
    let key = LeaseKey::random();
    let before = Proxy::keyed(key.clone(), Limits::default(), |router| router);
    let (_control, lease) = leased(&before.peer(), "NAME").await;
    let mut after = Proxy::keyed(key.clone(), Limits::default(), |router| router);
    let (squatter, owner) = (after.peer(), after.peer());
    let mut theirs = squatter.claim("NAME").await.unwrap();
    let mine = shown(&owner, &lease, 1).await.unwrap();
    assert_eq!(mine.reply["lease"], lease);
    assert_eq!(note(&mut theirs.stream).await, Some(json!({ "note": "superseded" })));
    after.event().await;
    assert!(matches!(after.event().await, Event::ServerDestroyed { reason: Reason::Superseded, .. }));
    assert_eq!(kinds(&mut after, 1).await, ["server.created"]);
    // Who has a lease, too, keeps it; and so does everybody once no grace can last from before the start.
    let third = Proxy::keyed(key.clone(), Limits::default(), |router| router);
    let (_theirs, _) = leased(&third.peer(), "NAME").await;
    let late = Proxy::keyed(key, Limits::default(), |router| router);
    let squatter = late.peer();
    let _theirs = squatter.claim("NAME").await.unwrap();
    sleep(GRACE).await;
    assert_eq!(shown(&late.peer(), &lease, 2).await.err().as_deref(), Some("name_taken"));
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_another_key_asks_for_a_new_one() {
    let before = Proxy::new();
    let (_control, lease) = leased(&before.peer(), "NAME").await;
    let after = Proxy::new();
    let peer = after.peer();
    let control = shown(&peer, &lease, 1).await.unwrap();
    assert_eq!(control.reply["lease"]["instance"], lease["instance"]);
    assert_ne!(control.reply["lease"]["mac"], lease["mac"]);
    assert_eq!(shown(&after.peer(), &lease, 1).await.err().as_deref(), Some("name_taken"));
}

#[tokio::test(start_paused = true)]
async fn an_owner_whose_reply_got_lost_has_its_name_back_until_a_client_knows_its_instance() {
    let mut proxy = Proxy::new();
    let claim = |attempt: u64| json!({ "lease": true, "instance": INSTANCE, "attempt": attempt });
    let lost = proxy.peer();
    lost.claim_with("NAME", claim(1)).await.unwrap();
    lost.vanish();
    assert_eq!(kinds(&mut proxy, 2).await, ["server.created", "server.suspended"]);
    let (mut owner, late, client) = (proxy.peer(), proxy.peer(), proxy.peer());
    assert_eq!(late.claim_with("NAME", claim(1)).await.err().as_deref(), Some("name_reserved"), "an open that comes late");
    let control = owner.claim_with("NAME", claim(2)).await.unwrap();
    assert_eq!(late.claim_with("NAME", claim(1)).await.err().as_deref(), Some("name_taken"));
    let (connected, _accepted) = tokio::join!(client.connect_with("NAME", json!({})), owner.accept());
    let (reply, _stream) = connected.unwrap();
    assert_eq!(reply["instance"], INSTANCE);
    assert_eq!(client.claim_with("NAME", claim(3)).await.err().as_deref(), Some("name_taken"), "a client knows it, and gets nothing");
    owner.vanish();
    assert_eq!(kinds(&mut proxy, 4).await, ["server.resumed", "client.connected", "client.disconnected", "server.suspended"]);
    assert_eq!(client.claim_with("NAME", claim(3)).await.err().as_deref(), Some("name_reserved"));
    shown(&late, &control.reply["lease"], 3).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn threat_32_a_client_is_told_the_instance_by_the_proxy_whatever_the_server_says() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let mut told = Vec::new();
    for fields in [json!({ "instance": INSTANCE }), json!({})] {
        let control = owner.claim_with("NAME", fields).await.unwrap();
        let mut stream = client.begin("/browser-server/connect/NAME", json!({ "instance": "ff".repeat(16) }));
        let (open, mut at_owner) = owner.next().await;
        assert!(open.get("instance").is_none());
        at_owner.write_frame(br#"{"instance":"00000000000000000000000000000000"}"#);
        told.push(reply(&mut stream).await.unwrap()["instance"].as_str().unwrap().to_owned());
        drop(control);
        until(|| !proxy.names.release("NAME")).await;
    }
    assert_eq!(told[0], INSTANCE);
    assert!(told[1].len() == 32 && told[1] != "0".repeat(32), "the proxy draws one: {}", told[1]);
    assert_eq!(owner.claim_with("NAME", json!({ "instance": "x" })).await.err().as_deref(), Some("bad_request"));
}

#[tokio::test(start_paused = true)]
async fn a_client_of_a_suspended_name_waits_for_the_owner_and_then_it_is_unresponsive() {
    let mut proxy = Proxy::new();
    let (owner, client) = (proxy.peer(), proxy.peer());
    let (_control, lease) = leased(&owner, "NAME").await;
    owner.vanish();
    kinds(&mut proxy, 2).await;
    let begun = Instant::now();
    assert_eq!(client.connect_with("NAME", json!({ "wait": 0 })).await.err().as_deref(), Some("unresponsive"));
    assert_eq!(begun.elapsed().as_secs(), 15);
    let mut waiting = client.begin("/browser-server/connect/NAME", json!({}));
    sleep(Duration::from_secs(14)).await;
    let mut back = proxy.peer();
    let _control = shown(&back, &lease, 1).await.unwrap();
    let _stream = back.accept().await;
    reply(&mut waiting).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_in_the_moment_in_which_the_owners_connection_ends_waits_for_it_too() {
    let proxy = Proxy::new();
    let owner = proxy.peer();
    let (_control, lease) = leased(&owner, "NAME").await;
    // Nobody has run since: the claim has not heard of it.
    proxy.sessions.list()[0].close(4000, "over");
    let options = ConnectOptions::default().wait(Duration::ZERO);
    let mut waiting = std::pin::pin!(proxy.names.connect_with("NAME", options));
    assert!(waiting.as_mut().now_or_never().is_none(), "it waits");
    let mut back = proxy.peer();
    let serves = async {
        let control = shown(&back, &lease, 1).await.unwrap();
        (control, back.accept().await)
    };
    let (stream, _served) = tokio::join!(waiting, serves);
    stream.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_operator_frees_a_suspended_name() {
    let mut proxy = Proxy::new();
    let owner = proxy.peer();
    let (_control, _) = leased(&owner, "NAME").await;
    owner.vanish();
    kinds(&mut proxy, 2).await;
    assert!(proxy.names.release("NAME"));
    assert!(matches!(proxy.event().await, Event::ServerDestroyed { reason: Reason::Released, .. }));
    assert!(!proxy.names.release("NAME"));
    proxy.peer().claim("NAME").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn threat_08_beyond_so_many_suspended_names_one_is_free_when_its_session_goes() {
    let mut limits = Limits::default();
    limits.suspended_names_max = 1;
    let mut proxy = Proxy::with(limits, |router| router);
    let peers = [proxy.peer(), proxy.peer()];
    for (peer, name) in peers.iter().zip(["A", "B"]) {
        leased(peer, name).await.0.stream.reset(9u32);
    }
    let kinds = kinds(&mut proxy, 4).await;
    assert_eq!(kinds.iter().filter(|kind| **kind == "server.suspended").count(), 1, "{kinds:?}");
    assert_eq!((kinds.last(), proxy.refused("suspended_names")), (Some(&"server.destroyed"), 1));
}

#[tokio::test(start_paused = true)]
async fn threat_08_names_that_a_session_lets_go_by_resets_are_counted_until_they_are_free() {
    let mut limits = Limits::default();
    limits.names_per_session_max = 2;
    let mut proxy = Proxy::with(limits, |router| router);
    let peer = proxy.peer();
    for name in ["A", "B"] {
        leased(&peer, name).await.0.stream.reset(9u32);
        assert_eq!(kinds(&mut proxy, 2).await, ["server.created", "server.suspended"]);
    }
    assert_eq!(peer.claim("C").await.err().as_deref(), Some("limit"));
    sleep(GRACE).await;
    assert_eq!(kinds(&mut proxy, 2).await, ["server.destroyed"; 2]);
    peer.claim("C").await.unwrap();
}
