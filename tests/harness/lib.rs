//! What tests of the proxy share: peers in memory or over a real socket, and waits that are bounded.

/// The Rust of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The Rust of the documents, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../proxy/docs/embed.md")]
struct Embed;

/// The same of how tokens are used.
#[cfg(doctest)]
#[doc = include_str!("../../proxy/docs/tokens.md")]
struct Tokens;

pub mod blocking;
mod cable;
pub mod capture;
pub mod member;
mod memory;
mod peer;
mod port;
mod raw;
mod shim;
mod socket;
pub mod wire;

use std::{future::Future, sync::Arc, time::Duration};

use browser_stream_server::{
    Channels, Event, Events, LeaseKey, Limits, Rooms, Sessions, StreamRouter, StreamServerProxy, Tracker, token::Token,
};
use futures::StreamExt;

pub use cable::{Cable, Two};
pub use capture::Capture;
pub use memory::Memory;
pub use peer::{Control, Peer, note, reply};
pub use port::Port;
pub use raw::*;
pub use shim::{Shim, Way};
pub use socket::serve;

/// A proxy without sockets: its peers are in memory, so that a paused clock decides all times.
pub struct Proxy {
    pub names: StreamServerProxy,
    pub channels: Channels,
    pub rooms: Rooms,
    pub tracker: Tracker,
    pub sessions: Sessions,
    pub events: Events,
}

impl AsRef<Self> for Proxy {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Proxy {
    /// A proxy with the default limits.
    pub fn new() -> Self {
        Self::with(Limits::default(), |router| router)
    }

    /// A proxy with limits and routes of its own.
    pub fn with(limits: Limits, routes: impl FnOnce(StreamRouter) -> StreamRouter) -> Self {
        Self::keyed(LeaseKey::random(), limits, routes)
    }

    /// The same with a lease key that another proxy may have, too.
    pub fn keyed(key: LeaseKey, limits: Limits, routes: impl FnOnce(StreamRouter) -> StreamRouter) -> Self {
        let limits = Arc::new(limits);
        let names = StreamServerProxy::with_lease_key("/browser-server", limits.clone(), key);
        let channels = Channels::new(limits.clone());
        let rooms = Rooms::new(limits.clone());
        let tracker = Tracker::new(limits.clone());
        let router = tracker.mount(rooms.mount(channels.mount(routes(StreamRouter::new().mount(names.clone())))));
        let events = names.events();
        Self { sessions: Sessions::new(limits, Arc::new(router)), names, channels, rooms, tracker, events }
    }

    /// A peer that speaks the mux through a library.
    pub fn peer(&self) -> Peer {
        self.peer_with(64 * 1024)
    }

    /// The same, which showed a token before its first byte.
    pub fn peer_shown(&self, token: &str) -> Peer {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (sessions, token) = (self.sessions.clone(), Token::new(token));
        tokio::spawn(async move { sessions.run_shown(Memory(far), None, Some(token)).await });
        Peer::over(near)
    }

    /// The same over a connection that holds only so many bytes each way.
    pub fn peer_with(&self, capacity: usize) -> Peer {
        let (near, far) = tokio::io::duplex(capacity);
        self.attach(far);
        Peer::over(near)
    }

    /// A peer that writes its frames by hand.
    pub fn raw(&self) -> Raw {
        self.raw_with(1024 * 1024)
    }

    /// The same over a connection that holds only so many bytes each way.
    pub fn raw_with(&self, capacity: usize) -> Raw {
        let (near, far) = tokio::io::duplex(capacity);
        self.attach(far);
        Raw::over(near)
    }

    /// How often the proxy refused, or cut, for this reason.
    pub fn refused(&self, reason: &str) -> u64 {
        let found = self.sessions.refusals().find(|&(name, _)| name == reason);
        found.unwrap_or_else(|| panic!("{reason}: a kind of refusal")).1
    }

    /// Serves a peer at the other end of this pipe.
    pub fn attach(&self, io: tokio::io::DuplexStream) {
        let sessions = self.sessions.clone();
        tokio::spawn(async move { sessions.run(Memory(io), None).await });
    }

    /// The next event, which must be there within bounds.
    pub async fn event(&mut self) -> Event {
        within(self.events.next()).await.expect("the events go on")
    }
}

impl Default for Proxy {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits for what must come, at most a minute: with a paused clock that is no time at all.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it happens within a minute")
}

/// Waits until something is true, looking whenever other tasks had their turn.
pub async fn until(mut what: impl FnMut() -> bool) {
    within(async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// `length` bytes that differ by position and seed, so that a lost, doubled or moved byte shows.
pub fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
