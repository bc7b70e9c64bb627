//! Tokens: who a peer is, what it may do, for how long, and how much of it.

mod again;
mod asked;
mod judged;
mod quotas;
mod renewal;
mod seen;
mod verbs;
mod whose;

use std::time::{Duration, SystemTime};

use browser_stream_mux::Stream;
use browser_stream_server::token::{JwtAuthorizer, SigningKey};
use harness::{Peer, Proxy, within};
use serde_json::{Value, json};

/// A proxy in memory that wants tokens, and the key that makes them.
pub struct Guard {
    pub proxy: Proxy,
    pub key: SigningKey,
}

impl Guard {
    pub fn new() -> Self {
        Self::with(|authorizer| authorizer)
    }

    pub fn with(change: impl FnOnce(JwtAuthorizer) -> JwtAuthorizer) -> Self {
        Self::over(Proxy::new(), change)
    }

    /// The same of that proxy.
    pub fn over(proxy: Proxy, change: impl FnOnce(JwtAuthorizer) -> JwtAuthorizer) -> Self {
        let key = SigningKey::ed25519();
        let authorizer = change(JwtAuthorizer::from_jwks(&key.jwks()).expect("keys"));
        let _ = proxy.sessions.clone().with_authorizer(authorizer);
        Self { proxy, key }
    }

    /// A token with these claims; it is Ann's and holds for an hour, where they do not say otherwise.
    pub fn token(&self, claims: Value) -> String {
        let mut all = json!({ "sub": "ann", "exp": now() + 3600 });
        all.as_object_mut().expect("an object").extend(claims.as_object().expect("an object").clone());
        self.key.sign(&all).expect("a token")
    }

    /// A peer that has shown such a token, its session stream, and what the proxy answered there.
    pub async fn peer(&self, claims: Value) -> Known {
        let peer = self.proxy.peer();
        let (reply, session) = peer.ask("/session", json!({ "token": self.token(claims) })).await.expect("a token that holds");
        Known { peer, session, reply }
    }
}

/// A peer that the proxy knows.
pub struct Known {
    pub peer: Peer,
    pub session: Stream,
    pub reply: Value,
}

impl std::ops::Deref for Known {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

impl Known {
    /// Shows a new token.
    pub fn renew(&mut self, token: &str) {
        self.session.write_frame(json!({ "note": "token", "value": token }).to_string().as_bytes());
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
}

/// The code and the text of a refusal.
pub async fn refused(peer: &Peer, path: &str, fields: Value) -> (String, String) {
    let mut stream = peer.begin(path, fields);
    let body = within(stream.read_frame(9000)).await.expect("an answer").expect("an answer before the end");
    let reply: Value = serde_json::from_slice(&body).expect("JSON");
    let said = |field| reply["error"][field].as_str().unwrap_or_else(|| panic!("a refusal, not {reply}")).to_owned();
    (said("code"), said("message"))
}

/// What an open came to, in one word.
pub async fn comes_to(peer: &Peer, path: &str, fields: Value) -> String {
    peer.ask(path, fields).await.map_or_else(|code| code, |_| "granted".to_owned())
}

/// Shows a token on a new session stream, as soon as the proxy has heard that the last one is over.
pub async fn introduced(peer: &Peer, token: &str) -> Result<(Value, Stream), String> {
    loop {
        match peer.ask("/session", json!({ "token": token })).await {
            Err(code) if code == "bad_request" => tokio::task::yield_now().await,
            answer => return answer,
        }
    }
}

/// So long after now.
pub async fn later(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
