//! Which servers help two peers to reach each other directly.

use std::time::Duration;

use browser_stream_server::{IceServers, TurnServer};
use harness::Proxy;
use serde_json::json;

async fn told(servers: IceServers) -> serde_json::Value {
    let proxy = Proxy::with(Default::default(), |router| router.route("/ice", servers));
    let (reply, mut stream) = proxy.peer().ask("/ice", json!({})).await.expect("an answer");
    assert_eq!(harness::note(&mut stream).await, None, "and nothing more");
    reply["ice"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_proxy_without_servers_says_so() {
    assert_eq!(told(IceServers::new()).await, json!({"servers": []}));
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_told_where_stun_is_and_given_a_login_of_its_own() {
    let urls = vec!["turn:turn.example:3478".to_owned()];
    let turn = TurnServer { urls: urls.clone(), secret: "north".into(), lifetime: Duration::from_secs(600) };
    let servers = IceServers::new().stun(3478).turn(turn);
    let (ice, other) = (told(servers.clone()).await, told(servers).await);
    assert_eq!(ice["stun_port"], 3478);
    assert_eq!((&ice["servers"][0]["urls"], &ice["servers"][0]["expires_in"]), (&json!(urls), &json!(600)));
    assert_ne!(ice["servers"][0]["username"], other["servers"][0]["username"], "a login names the session");
    assert_ne!(ice["servers"][0]["credential"], other["servers"][0]["credential"]);
}
