//! Rooms: what members send, what each of them gets, and what they are told.

mod acks;
mod basics;
mod bounds;
mod directory;
mod gone;
mod program;
mod seats;
mod slow;

use browser_stream_server::{Limits, Rooms};
use harness::Proxy;
pub use harness::member::{Member, join, value};
use serde_json::{Value, json};

/// A proxy in memory that has rooms.
pub struct Hall {
    pub proxy: Proxy,
    pub rooms: Rooms,
}

impl Hall {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let proxy = Proxy::with(limits, |router| router);
        Self { rooms: proxy.rooms.clone(), proxy }
    }

    /// A peer of its own that joins, and has heard who is there.
    pub async fn join(&self, name: &str) -> Member {
        self.join_as(name, json!({})).await
    }

    pub async fn join_as(&self, name: &str, room: Value) -> Member {
        Member::join(self.proxy.peer(), name, room).await.expect("it may join")
    }
}

impl AsRef<Proxy> for Hall {
    fn as_ref(&self) -> &Proxy {
        &self.proxy
    }
}
