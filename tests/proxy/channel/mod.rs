//! Channels: what a publisher sends, what each subscriber gets, and what either is told.

mod bounds;
mod figures;
mod inside;
mod late;
mod policies;
mod publishers;

use browser_stream_mux::Stream;
use browser_stream_server::{Channels, Delivery, Limits, Publisher, Subscription};
use harness::{Peer, Proxy, within};
use serde_json::{Value, json};

/// A proxy in memory that has channels.
pub struct Hall {
    pub proxy: Proxy,
    pub channels: Channels,
}

impl Hall {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let proxy = Proxy::with(limits, |router| router);
        Self { channels: proxy.channels.clone(), proxy }
    }

    /// A peer of its own that publishes.
    pub async fn publish(&self, name: &str, options: Value) -> Member<Publisher> {
        let peer = self.proxy.peer();
        let (reply, stream) = publish(&peer, name, options).await.expect("it may publish");
        Member { peer, member: Publisher::new(stream, serde_json::from_value(reply).unwrap()) }
    }

    /// A peer of its own that subscribes, over a connection that holds so much.
    pub async fn subscribe_over(&self, name: &str, capacity: usize) -> Member<Subscription> {
        let peer = self.proxy.peer_with(capacity);
        let (reply, stream) = subscribe(&peer, name).await.expect("it may subscribe");
        Member { peer, member: Subscription::new(stream, serde_json::from_value(reply).unwrap()) }
    }

    pub async fn subscribe(&self, name: &str) -> Member<Subscription> {
        self.subscribe_over(name, 64 * 1024).await
    }
}

/// A publisher or subscriber, and the peer that it belongs to.
pub struct Member<M> {
    pub peer: Peer,
    pub member: M,
}

impl<M> std::ops::Deref for Member<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.member
    }
}

impl<M> std::ops::DerefMut for Member<M> {
    fn deref_mut(&mut self) -> &mut M {
        &mut self.member
    }
}

pub async fn publish(peer: &Peer, name: &str, options: Value) -> Result<(Value, Stream), String> {
    peer.ask(&format!("/channel/publish/{name}"), json!({ "channel": options, "meta": { "of": name } })).await
}

pub async fn subscribe(peer: &Peer, name: &str) -> Result<(Value, Stream), String> {
    peer.ask(&format!("/channel/subscribe/{name}"), json!({ "wait": 0 })).await
}

/// The next message, as text.
pub async fn text(subscription: &mut Subscription) -> String {
    let message = within(subscription.next()).await.expect("the channel goes on").expect("it is not the end");
    String::from_utf8(message.bytes.to_vec()).unwrap()
}

/// Everything until the end: whole messages, and how it ended.
pub async fn rest(subscription: &mut Subscription) -> (Vec<Vec<u8>>, Result<(), u32>) {
    let mut messages = Vec::new();
    loop {
        match within(subscription.next()).await {
            Ok(Some(message)) => messages.push(message.bytes.to_vec()),
            Ok(None) => return (messages, Ok(())),
            Err(error) => return (messages, Err(error.code())),
        }
    }
}

/// The next thing that comes, whatever it is.
pub async fn next(subscription: &mut Subscription) -> Delivery {
    within(subscription.incoming()).await.expect("the channel goes on").expect("it is not the end")
}
