//! The connection to the proxy, and what is said of it.

use std::{io::IsTerminal, time::Duration};

use browser_stream_client::{Peer, State, StreamClient, StreamServer, seal::FilePins};
use browser_stream_server::config::RoutePath;
use futures::StreamExt;
use tokio_util::task::AbortOnDropHandle;

use super::{
    Failure,
    args::{Far, Reach},
    keys,
    shown::Shown,
    soon,
    standard::say,
    trust::trusting,
};

/// The proxy, and how much of it is told.
pub struct Proxy {
    peer: Peer,
    prefix: String,
    url: String,
    /// How long somebody may be away, where that was said.
    pub grace: Option<Duration>,
    /// How much is said beside errors.
    pub voice: Voice,
    _told: Option<AbortOnDropHandle<()>>,
}

/// What is said on stderr beside errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voice {
    /// What becomes of the connection: where somebody reads it, or was asked for.
    pub connection: bool,
    /// What becomes of each client.
    pub clients: bool,
    /// What somebody needs who is to reach us.
    pub address: bool,
    /// How far a transfer is: on a terminal only.
    pub progress: bool,
}

impl Voice {
    fn of(far: &Far) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self {
            connection: far.verbose || (is_terminal && !far.quiet),
            clients: far.verbose,
            address: !far.quiet,
            progress: is_terminal && !far.quiet && !far.verbose,
        }
    }
}

impl Proxy {
    /// Dials it, for names below this prefix unless another was said. From then on it is dialled again whenever that is needed, and that is told.
    pub async fn dial(far: &Far, prefix: &str) -> Result<Self, Failure> {
        let url = url(&far.url);
        let mut dial = Peer::dial(&url);
        if let Some(token) = far.token.as_ref().map(Shown::read).transpose()?.flatten() {
            dial = dial.token(token);
        }
        if let Some(file) = &far.ca {
            dial = dial.tls(trusting(file)?);
        }
        if let Some(fingerprint) = far.fingerprint {
            dial = dial.tls(fingerprint.trusting()?);
        }
        if let Some(grace) = far.grace {
            dial = dial.grace(grace);
        }
        let peer = dial.await.map_err(|error| Failure::dial(&url, &error))?;
        let prefix = far.prefix.as_ref().map_or(prefix, RoutePath::as_str).to_owned();
        let voice = Voice::of(far);
        let told = voice.connection.then(|| AbortOnDropHandle::new(tokio::spawn(tell(peer.clone()))));
        Ok(Self { peer, prefix, url, grace: far.grace, voice, _told: told })
    }

    pub fn client(&self) -> StreamClient {
        let client = self.peer.client().with_prefix(&self.prefix);
        match self.pins() {
            Some(pins) => client.with_pins(pins),
            None => client,
        }
    }

    fn pins(&self) -> Option<FilePins> {
        // What follows a ? is no part of where it is.
        let proxy = self.url.split(['?', '#']).next().unwrap_or_default();
        keys::pins(&format!("{proxy}{}", self.prefix))
    }

    /// Says so if keys that are believed for the first time cannot be remembered.
    pub fn warn_of_pins(&self, reach: &Reach, name: &str) {
        if self.voice.address && reach.pins(name) && self.pins().is_none() {
            say(&format!(
                "{name}: the key that it shows is believed, and forgotten when this ends: there is no folder to remember it in, for HOME is not set"
            ));
        }
    }

    pub fn server(&self) -> StreamServer {
        self.peer.server().with_prefix(&self.prefix)
    }

    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Below which prefix its names are.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Where it was dialled.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Resolves when the proxy refuses us for good.
    pub async fn refuses(&self) -> Failure {
        let mut states = self.peer.states();
        while let Some(state) = states.next().await {
            if let State::Closed(Some(error)) = state {
                return Failure::dial(&self.url, &error);
            }
        }
        std::future::pending().await
    }

    /// Lets what was said last arrive, then ends the connection.
    pub async fn leave(self, most: Duration) {
        soon(most, self.peer.settled()).await;
        soon(most, self.peer.close()).await;
    }
}

/// Says when the connection is gone, and when it is there again.
async fn tell(peer: Peer) {
    let mut states = peer.states();
    let mut is_gone = false;
    while let Some(state) = states.next().await {
        match state {
            State::Open if is_gone => {
                say("the connection to the proxy is there again");
                is_gone = false;
            }
            State::Connecting { .. } | State::Waiting { .. } if !is_gone => {
                say("lost: the connection to the proxy broke; trying again");
                is_gone = true;
            }
            _ => {}
        }
    }
}

/// What can be dialled: without a scheme it is WebSocket, without a path the proxy's usual one.
pub fn url(given: &str) -> String {
    let whole = if given.contains("://") { given.to_owned() } else { format!("ws://{given}") };
    let host = whole.find("://").map_or(0, |at| at + 3);
    match whole[host..].find('/') {
        None => format!("{whole}/mux"),
        Some(slash) if host + slash + 1 == whole.len() => format!("{whole}mux"),
        Some(_) => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn a_url_is_completed_by_what_a_proxy_usually_has() {
        for (given, whole) in [
            ("localhost:8080", "ws://localhost:8080/mux"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/mux"),
            ("https://bss.example", "https://bss.example/mux"),
            ("ws://h:1/other", "ws://h:1/other"),
            ("wss://h/a/", "wss://h/a/"),
            ("[::1]:8080", "ws://[::1]:8080/mux"),
        ] {
            assert_eq!(url(given), whole);
        }
    }
}
