//! Servers that help two peers to reach each other directly: where STUN is, and a login of the peer's own at a TURN server (PROTOCOL.md, section 13).

use std::time::{Duration, SystemTime};

use data_encoding::BASE64;
use futures::future::{BoxFuture, FutureExt};
use hmac::{Hmac, Mac};
use serde::Serialize;
use sha1::Sha1;
use uuid::Uuid;

use crate::{
    route::Handler,
    session::{Opening, Session},
    token::Verb,
};

/// A TURN server that shares a secret with this proxy, as coturn does with `use-auth-secret`.
///
/// See [`IceServers`].
#[derive(Clone)]
pub struct TurnServer {
    /// Where it is: one or more of `turn:host:port`, `turn:host:port?transport=tcp`, `turns:host:port`.
    pub urls: Vec<String>,
    /// What both know: coturn's `static-auth-secret`.
    pub secret: String,
    /// How long a login is good for, at most: where the proxy has an authorizer, no longer than what its peer is known by.
    pub lifetime: Duration,
}

/// Tells peers that ask which servers help them to a direct connection. Mount it at `/ice`, where our libraries look.
///
/// ```
/// use std::time::Duration;
///
/// use browser_stream_server::{IceServers, StreamRouter, TurnServer};
///
/// let turn = TurnServer {
///     urls: vec!["turn:turn.example:3478".into()],
///     secret: "what coturn has as static-auth-secret".into(),
///     lifetime: Duration::from_secs(3600),
/// };
/// let router = StreamRouter::new().route("/ice", IceServers::new().stun(3478).turn(turn));
/// ```
#[derive(Clone, Default)]
pub struct IceServers {
    stun_port: Option<u16>,
    turn: Option<TurnServer>,
}

impl IceServers {
    /// No server.
    pub fn new() -> Self {
        Self::default()
    }

    /// STUN is answered at this port of the host that the peer reached the proxy by.
    #[must_use]
    pub fn stun(mut self, port: u16) -> Self {
        self.stun_port = Some(port);
        self
    }

    /// A TURN server beside the proxy carries what finds no other way. Every session that asks gets a login, where there is an authorizer every one that may listen, connect or join
    /// something: what one may cost is for that server to bound (`deploy/turnserver.conf`).
    #[must_use]
    pub fn turn(mut self, server: TurnServer) -> Self {
        self.turn = Some(server);
        self
    }

    fn answer(&self, session: &Session, now: SystemTime) -> Answer {
        let turn = self.turn.as_ref().and_then(|turn| {
            let life = session.lets_for(&MEETING, turn.lifetime)?;
            let (username, credential) = turn.login(session.id(), now + life);
            Some(Server { urls: turn.urls.clone(), username, credential, expires_in: life.as_secs() })
        });
        Answer { id: Uuid::new_v4().to_string(), ice: Ice { stun_port: self.stun_port, servers: turn.into_iter().collect() } }
    }
}

impl Handler for IceServers {
    fn call(&self, opening: Opening) -> BoxFuture<'static, ()> {
        let answer = self.answer(opening.session(), SystemTime::now());
        async move {
            let mut stream = opening.accept_aside(&answer);
            stream.finish();
            // A stream that is let go of before its peer finished is reset, which would say something else.
            stream.peer_done().await;
        }
        .boxed()
    }
}

impl TurnServer {
    /// A name that says until when it is good, and who it was given to, and what proves that this proxy gave it
    /// (draft-uberti-behave-turn-rest-00, section 2.2).
    fn login(&self, peer: Uuid, until: SystemTime) -> (String, String) {
        let until = until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let username = format!("{}:{peer}", until.as_secs());
        // HMAC takes a key of any length.
        let proof = <Hmac<Sha1> as Mac>::new_from_slice(self.secret.as_bytes()).map(|mac| mac.chain_update(&username).finalize());
        (username, proof.map(|proof| BASE64.encode(&proof.into_bytes())).unwrap_or_default())
    }
}

/// Who may do none of these has nobody to be direct with.
const MEETING: [Verb; 3] = [Verb::Listen, Verb::Connect, Verb::Join];

#[derive(Serialize)]
struct Answer {
    id: String,
    ice: Ice,
}

#[derive(Serialize)]
struct Ice {
    #[serde(skip_serializing_if = "Option::is_none")]
    stun_port: Option<u16>,
    servers: Vec<Server>,
}

#[derive(Serialize)]
struct Server {
    urls: Vec<String>,
    username: String,
    credential: String,
    expires_in: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_what_coturn_makes_of_the_same_secret() {
        let turn = TurnServer { urls: vec!["turn:turn.example:3478".into()], secret: "north".into(), lifetime: Duration::from_secs(600) };
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_600);
        let (username, credential) = turn.login(Uuid::nil(), until);
        assert_eq!(username, "1700000600:00000000-0000-0000-0000-000000000000");
        // echo -n USERNAME | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(credential, "taCMb5b/RNipHjUP8CRy+Ff0Mx4=");
    }
}
