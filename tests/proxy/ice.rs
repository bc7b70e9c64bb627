//! Which servers help two peers to reach each other directly.

use std::time::Duration;

use browser_stream_server::{IceServers, Limits, TurnServer, token::JwtAuthorizer, token::SigningKey};
use harness::Proxy;
use serde_json::json;

use crate::tokens::now;

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

#[tokio::test(start_paused = true)]
async fn threat_17_a_login_ends_with_the_token_and_is_for_whoever_may_meet_somebody() {
    let turn = TurnServer { urls: vec!["turn:turn.example:3478".into()], secret: "north".into(), lifetime: Duration::from_secs(12 * 3600) };
    let (key, proxy) = (SigningKey::ed25519(), Proxy::with(Limits::default(), |router| router.route("/ice", IceServers::new().turn(turn))));
    let anybody = ["subscribe=*".parse().expect("a right")].into_iter().collect();
    let authorizer = JwtAuthorizer::from_jwks(&key.jwks()).expect("keys").anonymous(anybody);
    let _ = proxy.sessions.clone().with_authorizer(authorizer);
    let login = async |claims: serde_json::Value| {
        let peer = proxy.peer();
        let token = (!claims.is_null()).then(|| key.sign(&claims).expect("a token"));
        let _session = peer.ask("/session", json!({ "token": token })).await.expect("it holds");
        let (reply, _stream) = peer.ask("/ice", json!({})).await.expect("an answer");
        reply["ice"]["servers"][0].clone()
    };
    let exp = now() + 600;
    for verb in ["listen", "connect", "join"] {
        let login = login(json!({ "sub": "ann", "exp": exp, verb: ["NAME"] })).await;
        // With the half minute that clocks may differ by.
        let left = login["expires_in"].as_u64().expect("a login");
        assert!((600..=630).contains(&left), "{verb}: {left}");
        let until = login["username"].as_str().and_then(|name| name.split(':').next()?.parse::<u64>().ok()).expect("an end");
        assert!(until <= exp + 31, "{verb}: {until}, and the token ends {exp}");
    }
    assert_eq!(login(json!({ "sub": "ann", "exp": now() + 7 * 24 * 3600, "listen": ["*"] })).await["expires_in"], 12 * 3600);
    for claims in [json!(null), json!({ "sub": "ann", "exp": exp, "publish": ["*"], "subscribe": ["*"], "admin": ["*"] })] {
        assert!(login(claims.clone()).await.is_null(), "{claims}");
    }
}
