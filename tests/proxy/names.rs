//! Who holds a name.

use browser_stream_server::{Event, Limits, Reason};
use harness::{Proxy, Raw, until, within};
use serde_json::json;

/// The events of a proxy by kind and name, as far as they have come.
async fn kinds(proxy: &mut Proxy, count: usize) -> Vec<String> {
    let mut kinds = Vec::new();
    for _ in 0..count {
        let event = proxy.event().await;
        kinds.push(event.kind().to_owned());
    }
    kinds
}

#[tokio::test(start_paused = true)]
async fn threat_01_of_two_claims_that_race_exactly_one_wins() {
    let mut proxy = Proxy::new();
    let peers: Vec<_> = (0..20).map(|_| proxy.peer()).collect();
    let claims = futures::future::join_all(peers.iter().map(|peer| peer.claim("NAME"))).await;
    let lost: Vec<_> = claims.iter().filter_map(|claim| claim.as_ref().err()).collect();
    assert_eq!(lost, vec!["name_taken"; 19]);
    assert_eq!(kinds(&mut proxy, 1).await, ["server.created"]);
    drop(peers);
    assert_eq!(kinds(&mut proxy, 1).await, ["server.destroyed"], "no second server.created came before");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_free_again_when_its_owner_finishes() {
    let mut proxy = Proxy::new();
    let (first, second) = (proxy.peer(), proxy.peer());
    let mut control = first.claim("NAME").await.unwrap().stream;
    control.finish();
    assert_eq!(within(control.read_chunk()).await, Ok(None), "the proxy finishes too");
    second.claim("NAME").await.unwrap();
    assert_eq!(kinds(&mut proxy, 3).await, ["server.created", "server.destroyed", "server.created"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_free_again_when_its_owner_resets_or_vanishes() {
    let mut proxy = Proxy::new();
    let owner = proxy.peer();
    owner.claim("NAME").await.unwrap().stream.reset(4001u32);
    proxy.event().await;
    assert!(matches!(proxy.event().await, Event::ServerDestroyed { reason: Reason::Reset(4001), .. }));
    let _control = owner.claim("NAME").await.unwrap();
    owner.vanish();
    proxy.event().await;
    assert!(matches!(proxy.event().await, Event::ServerDestroyed { reason: Reason::Lost, .. }));
    proxy.peer().claim("NAME").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_operator_takes_a_name_away_and_its_owner_is_told() {
    let mut proxy = Proxy::new();
    let owner = proxy.peer();
    let mut control = owner.claim("NAME").await.unwrap().stream;
    assert!(proxy.names.release("NAME"));
    let note = within(control.read_frame(1024)).await.unwrap().unwrap();
    assert_eq!(note, r#"{"note":"released"}"#);
    proxy.event().await;
    assert!(matches!(proxy.event().await, Event::ServerDestroyed { reason: Reason::Released, .. }));
    until(|| !proxy.names.release("NAME")).await;
}

#[tokio::test(start_paused = true)]
async fn threat_05_odd_names_are_names_like_any_other() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    for name in ["constructor", "__proto__", "toString", "a%2Fb", "%E6%97%A5%E6%9C%AC", "%252e%252e"] {
        let _control = owner.claim(name).await.unwrap();
        let (connected, (open, _stream)) = tokio::join!(client.connect(name), owner.accept());
        connected.unwrap();
        assert_eq!(open["path"], format!("/browser-server/accept/{name}"));
    }
}

#[tokio::test(start_paused = true)]
async fn threat_05_what_is_no_name_is_bad_request_or_no_route() {
    let proxy = Proxy::new();
    let peer = proxy.peer();
    for name in ["%2e%2e", "..", ".", "%61", "%2f", "e%CC%81", "%E2%80%AE", "%E2%80%8B", "%00", "%FF", &"a".repeat(129)] {
        for verb in ["listen", "connect"] {
            let refused = peer.ask(&format!("/browser-server/{verb}/{name}"), json!({})).await.err();
            assert_eq!(refused.as_deref(), Some("bad_request"), "{verb} {name}");
        }
    }
    assert_eq!(proxy.refused("bad_open"), 22);
    for path in ["/browser-server/listen/", "/browser-server/listen/a/b", "/browser-server/listen", "/other/listen/NAME", "/"] {
        assert_eq!(peer.ask(path, json!({})).await.err().as_deref(), Some("not_found"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn threat_08_a_session_holds_so_many_names_and_no_more() {
    let mut limits = Limits::default();
    limits.names_per_session_max = 2;
    let proxy = Proxy::with(limits, |router| router);
    let peer = proxy.peer();
    let first = peer.claim("A").await.unwrap();
    let _second = peer.claim("B").await.unwrap();
    assert_eq!(peer.claim("C").await.err().as_deref(), Some("limit"));
    assert_eq!(peer.claim("A").await.err().as_deref(), Some("limit"));
    assert_eq!(proxy.refused("names_per_session"), 2);
    drop(first);
    until(|| !proxy.names.release("A")).await;
    let mut again: Raw = proxy.raw();
    again.open(1, r#"{"path":"/browser-server/listen/A"}"#).await;
    assert!(again.reply(1).await["id"].is_string());
}
