//! The tracker of a swarm: who is told of whom, what that needs, and how much of it there is.

mod basics;
mod bounds;
mod failures;
mod rights;

use browser_stream_mux::{Stream, StreamError};
use browser_stream_server::Limits;
use harness::{Peer, Proxy, within};
use serde_json::{Value, json};

/// A peer of the swarm, and its stream to the tracker.
pub struct Member {
    pub peer: Peer,
    pub name: String,
    pub stream: Stream,
    pub welcome: Value,
    _claim: Stream,
}

/// The id of a content; the tracker knows no more of it.
pub fn content(number: usize) -> String {
    format!("{number:064x}")
}

pub fn name(number: usize) -> String {
    format!("swarm-00000000-0000-4000-8000-{number:012x}")
}

pub fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

impl Member {
    pub async fn come(proxy: &Proxy, number: usize) -> Self {
        Self::over(proxy.peer(), number).await
    }

    pub async fn over(peer: Peer, number: usize) -> Self {
        let name = name(number);
        let (_, claim) = peer.ask(&format!("/swarm/listen/{name}"), json!({})).await.expect("the name is free");
        let (welcome, stream) = peer.ask("/swarm/track", json!({})).await.expect("it may come");
        Self { peer, name, stream, welcome, _claim: claim }
    }

    pub fn say(&mut self, note: &str, value: Value) {
        say(&mut self.stream, note, value);
    }

    pub async fn hear(&mut self) -> Value {
        hear(&mut self.stream).await.expect("the stream goes on").expect("it is not the end")
    }

    /// Announces all of these.
    pub fn announce(&mut self, contents: &[usize]) {
        let contents: Vec<_> = contents.iter().map(|&number| json!({ "id": content(number), "pieces": 4 })).collect();
        self.say("announce", json!({ "name": self.name, "contents": contents }));
    }

    pub fn announce_some(&mut self, number: usize, share: f64) {
        let contents = [json!({ "id": content(number), "pieces": 4, "share": share })];
        self.say("announce", json!({ "name": self.name, "contents": contents }));
    }

    pub fn failed(&mut self, name: &str) {
        self.say("failed", json!({ "name": name, "why": "lied" }));
    }

    /// What is found of a content: the proxy has heard all that was said before.
    pub async fn find(&mut self, number: usize) -> Value {
        self.say("find", json!({ "ask": 7, "id": content(number) }));
        let found = self.hear().await;
        assert_eq!((&found["note"], &found["value"]["ask"], &found["value"]["id"]), (&json!("found"), &json!(7), &json!(content(number))));
        found["value"].clone()
    }

    /// The names of who is found.
    pub async fn names(&mut self, number: usize) -> Vec<String> {
        names(&self.find(number).await)
    }

    /// The proxy has heard all that was said.
    pub async fn settled(&mut self) {
        self.find(0xffff).await;
    }

    /// The code of a refusal.
    pub async fn refused(&mut self, note: &str) -> String {
        let refused = self.hear().await;
        assert_eq!((&refused["note"], &refused["value"]["note"]), (&json!("refused"), &json!(note)));
        refused["value"]["code"].as_str().expect("a code").to_owned()
    }
}

pub fn names(found: &Value) -> Vec<String> {
    let candidates = found["candidates"].as_array().expect("a list");
    candidates.iter().map(|candidate| candidate["name"].as_str().expect("a name").to_owned()).collect()
}

pub fn say(stream: &mut Stream, note: &str, value: Value) {
    stream.write_frame(json!({ "note": note, "value": value }).to_string().as_bytes());
}

/// The next note; `None` where the proxy has finished.
pub async fn hear(stream: &mut Stream) -> Result<Option<Value>, StreamError> {
    match within(stream.read_frame(65_535)).await {
        Ok(body) => Ok(body.map(|body| serde_json::from_slice(&body).expect("a note is JSON"))),
        Err(browser_stream_mux::FrameError::Stream(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}
