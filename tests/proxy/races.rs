//! Ends that come in the very moment of a join, on several threads: each round aims a little later than the one before.

use std::time::{Duration, Instant};

use browser_stream_server::{Event, Limits, Reason, StreamError};
use harness::{Peer, Proxy, reply, until, within};
use serde_json::json;

const CONNECT: &str = "/browser-server/connect/NAME";

/// Rounds of a race in `make test`; `LONG=1` runs fifty times as many.
fn rounds() -> u64 {
    if std::env::var_os("LONG").is_some() { 20_000 } else { 400 }
}

/// Lets so many microseconds go by without giving the thread away.
fn spin(microseconds: u64) {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_micros(microseconds) {
        std::hint::spin_loop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_client_that_resets_as_it_is_accepted_ends_at_the_server_with_its_code() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let _control = owner.claim("NAME").await.unwrap();
    for round in 0..rounds() {
        let mut near = client.begin(CONNECT, json!({}));
        let (_, mut far) = owner.next().await;
        let reset = tokio::spawn(async move {
            spin(round % 80);
            near.reset(4001u32);
        });
        far.write_frame(b"{}");
        assert_eq!(within(far.stopped()).await, browser_stream_mux::End::Reset(4001), "round {round}");
        reset.await.unwrap();
    }
    until(|| proxy.sessions.list().iter().map(|session| session.streams()).sum::<usize>() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_client_that_dies_as_it_is_accepted_is_lost_to_the_server() {
    let mut limits = Limits::default();
    limits.events_buffer = 1 << 18;
    let mut proxy = Proxy::with(limits, |router| router);
    let mut owner = proxy.peer();
    let _control = owner.claim("NAME").await.unwrap();
    for round in 0..rounds() {
        let client = proxy.peer();
        let near = client.begin(CONNECT, json!({}));
        let (_, mut far) = owner.next().await;
        let death = tokio::spawn(async move {
            spin(round % 80);
            client.vanish();
            // Kept until its session is over: its drop would be a word of its own.
            near
        });
        far.write_frame(b"{}");
        assert_eq!(within(far.stopped()).await, browser_stream_mux::End::Lost, "round {round}");
        drop(death.await.unwrap());
    }
    until(|| proxy.sessions.len() == 1).await;
    // Whoever was connected for a moment is disconnected, and for the right reason.
    let mut open = std::collections::HashSet::new();
    for event in events_until_the_name_is_free(&mut proxy, owner).await {
        match event {
            Event::ClientConnected { id, .. } => assert!(open.insert(id)),
            Event::ClientDisconnected { id, reason, .. } => {
                assert!(open.remove(&id));
                assert_eq!(reason, Reason::Lost);
            }
            _ => {}
        }
    }
    assert!(open.is_empty());
}

/// Lets the owner go, and gives every event up to the `server.destroyed` that this leads to.
async fn events_until_the_name_is_free(proxy: &mut Proxy, owner: Peer) -> Vec<Event> {
    owner.vanish();
    let mut events = Vec::new();
    while !matches!(events.last(), Some(Event::ServerDestroyed { .. })) {
        events.push(proxy.event().await);
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_server_that_resets_right_behind_its_reply_is_heard_with_its_code() {
    let mut limits = Limits::default();
    limits.events_buffer = 1 << 18;
    let mut proxy = Proxy::with(limits, |router| router);
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let _control = owner.claim("NAME").await.unwrap();
    for round in 0..rounds() {
        let mut near = client.begin(CONNECT, json!({}));
        let (_, mut far) = owner.next().await;
        far.write_frame(b"{}");
        spin(round % 120);
        far.reset(4001u32);
        match reply(&mut near).await {
            Ok(_) => assert_eq!(within(near.read_chunk()).await, Err(StreamError::Reset(4001)), "round {round}"),
            // A reset takes what is queued with it: the reply had not left the server, or not the proxy.
            Err(refused) => assert!(["4001", "Err(Stream(Reset(4001)))"].contains(&refused.as_str()), "round {round}: {refused}"),
        }
    }
    // On a busy machine the reset may have been first in every round: here it is not.
    let mut near = client.begin(CONNECT, json!({}));
    let (_, mut far) = owner.next().await;
    far.write_frame(b"{}");
    reply(&mut near).await.unwrap();
    far.reset(4001u32);
    assert_eq!(within(near.read_chunk()).await, Err(StreamError::Reset(4001)));
    until(|| proxy.sessions.list().iter().map(|session| session.streams()).sum::<usize>() == 1).await;
    let mut told = 0;
    for event in events_until_the_name_is_free(&mut proxy, owner).await {
        if let Event::ClientDisconnected { reason, .. } = event {
            assert_eq!(reason, Reason::Reset(4001));
            told += 1;
        }
    }
    assert!(told > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn threat_01_created_and_destroyed_alternate_for_every_subscriber() {
    let mut limits = Limits::default();
    limits.events_buffer = 1 << 18;
    let mut proxy = Proxy::with(limits, |router| router);
    let mut claimers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let peer = proxy.peer();
        claimers.spawn(async move {
            for _ in 0..rounds() {
                if let Ok(mut control) = peer.claim("NAME").await {
                    control.stream.finish();
                    within(control.stream.peer_done()).await;
                }
            }
        });
    }
    while let Some(done) = claimers.join_next().await {
        done.unwrap();
    }
    // A claim of another name is the last event: until then they take turns.
    let last = proxy.peer();
    let _control = last.claim("LAST").await.unwrap();
    let mut expected = ["server.created", "server.destroyed"].into_iter().cycle();
    loop {
        let event = proxy.event().await;
        assert_eq!(Some(event.kind()), expected.next());
        if matches!(&event, Event::ServerCreated { name, .. } if name.as_str() == "LAST") {
            return;
        }
    }
}
