//! Who a peer is by its token, where its name, its server or its seat is at another node.

use browser_stream_server::{
    cluster::State,
    token::{JwtAuthorizer, SigningKey},
};
use harness::{Peer, until};
use serde_json::{Value, json};

use super::{place, together::Together};

/// Nodes that all want the tokens of one key.
struct Guarded {
    cluster: Together,
    key: SigningKey,
}

impl Guarded {
    async fn new(count: usize) -> Self {
        let (cluster, key) = (Together::linked(count).await, SigningKey::ed25519());
        for proxy in &cluster.proxies {
            let authorizer = JwtAuthorizer::from_jwks(&key.jwks()).expect("keys");
            let _ = proxy.sessions.clone().with_authorizer(authorizer);
        }
        Self { cluster, key }
    }

    /// Somebody at that node who may serve and connect under all names.
    fn peer(&self, at: usize, sub: &str) -> Peer {
        let claims = json!({ "sub": sub, "exp": 4_000_000_000_u64, "listen": ["*"], "connect": ["*"] });
        self.cluster.proxies[at].peer_shown(&self.key.sign(&claims).expect("a token"))
    }

    /// Waits until that node knows that another has the name in that state.
    async fn known(&self, at: usize, state: State) {
        until(|| self.cluster.nodes[at].whereabouts(&place("NAME")).is_some_and(|found| found.state == state)).await;
    }
}

/// What a claim came to that shows this.
async fn claims(peer: &Peer, fields: Value) -> String {
    peer.claim_with("NAME", fields).await.map_or_else(|code| code, |_| "granted".to_owned())
}

#[tokio::test]
async fn a_token_is_good_at_every_node_and_a_server_is_told_who_comes_from_another() {
    let guarded = Guarded::new(2).await;
    let mut ann = guarded.peer(0, "ann");
    let _control = ann.claim("NAME").await.expect("it is free");
    guarded.known(1, State::Up).await;
    let bob = guarded.peer(1, "bob");
    let (connected, (open, _theirs)) = tokio::join!(bob.connect("NAME"), ann.accept());
    assert!(connected.is_ok(), "{:?}", connected.err());
    assert_eq!(open["peer"]["sub"], "bob");
    let nobody = guarded.cluster.proxies[1].peer();
    assert_eq!(nobody.connect("NAME").await.err().as_deref(), Some("unauthorized"));
}

#[tokio::test]
async fn threat_33_a_name_of_one_sub_is_not_anothers_at_any_node_whatever_it_shows() {
    let guarded = Guarded::new(2).await;
    let ann = guarded.peer(0, "ann");
    let control = ann.claim_with("NAME", json!({ "lease": true })).await.expect("it is free");
    let shows = |attempt: u64| json!({ "lease": control.reply["lease"], "attempt": attempt });
    guarded.known(1, State::Up).await;
    let bob = guarded.peer(1, "bob");
    assert_eq!(claims(&bob, shows(5)).await, "name_taken");
    ann.vanish();
    guarded.known(1, State::Suspended).await;
    assert_eq!(claims(&bob, shows(5)).await, "name_reserved");
    assert_eq!(claims(&guarded.peer(1, "ann"), shows(1)).await, "granted");
}

#[tokio::test]
async fn what_is_taken_back_at_one_node_is_taken_back_there_and_its_names_are_free_at_all() {
    let guarded = Guarded::new(2).await;
    let (here, there) = (guarded.peer(0, "ann"), guarded.peer(1, "ann"));
    let _control = here.claim_with("NAME", json!({ "lease": true })).await.expect("it is free");
    let _other = there.claim("OTHER").await.expect("it is free");
    guarded.known(1, State::Up).await;
    let revoked = guarded.cluster.proxies[0].sessions.revoke(|identity| identity.sub.as_deref() == Some("ann"));
    assert_eq!(revoked, 1);
    until(|| guarded.cluster.nodes[1].whereabouts(&place("NAME")).is_none()).await;
    assert_eq!(claims(&guarded.peer(1, "bob"), json!({})).await, "granted");
    assert!(there.claim("THIRD").await.is_ok(), "the other node has not heard of it");
}
