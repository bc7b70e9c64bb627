//! What nodes say on one subject: each its words in order, and what holds now where words were missed.

use std::{
    collections::HashMap,
    marker::PhantomData,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Post, Subject,
    parcel::{HEAD, Parcel},
};

/// One node's end of a lane: what it says, and how far it has heard the others. `S` is all that holds, `W` one thing that happened.
pub(crate) struct Lane<S, W> {
    post: Post,
    subject: Subject,
    epoch: u64,
    next: u64,
    /// Words of this node that count.
    said: u64,
    ways: HashMap<Uuid, Way>,
    _says: PhantomData<fn(S, W)>,
}

/// What happened, as one node tells others.
pub(crate) trait Word {
    /// Whether who misses it is to be told so.
    fn counts(&self) -> bool;
}

/// What another node has said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard<S, W> {
    /// All that holds there. Of what it said `lost` words that count were not heard.
    State { from: Uuid, state: S, lost: u64 },
    /// What happened there since.
    Words { from: Uuid, words: Vec<W> },
    /// Nothing holds there any more.
    Gone { from: Uuid },
}

/// What is heard, and whether somebody has to hear in turn what holds here.
pub(crate) struct Hearing<S, W> {
    pub heard: Option<Heard<S, W>>,
    pub is_asked: bool,
}

/// As much as was heard of one node.
#[derive(Default)]
struct Way {
    epoch: u64,
    /// The parcel that comes next.
    next: u64,
    /// Nothing was missed since its last state.
    is_current: bool,
    /// Its words that count, as far as they were heard; `None` before its first state.
    said: Option<u64>,
    /// Of the message that is coming, if its beginning was heard.
    parts: Option<BytesMut>,
    asked: Option<Instant>,
}

#[derive(Serialize, Deserialize)]
enum Message<S, W> {
    State { said: u64, asks: bool, state: S },
    Words(Vec<W>),
    Want(Uuid),
    Gone,
}

/// Lanes of this process so far: a later one of the same subject has a higher number, and what an earlier one says then is not heard.
static EPOCHS: AtomicU64 = AtomicU64::new(1);

/// A state that was asked for and did not come is asked for again after so long.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// No message is longer.
const MESSAGE_MAX: usize = 64 * 1024 * 1024;
/// So many nodes are remembered of which nothing holds.
const SILENT_MAX: usize = 256;

impl<S, W> Lane<S, W>
where
    S: Serialize + DeserializeOwned,
    W: Serialize + DeserializeOwned + Word,
{
    pub fn new(post: Post, subject: Subject) -> Self {
        let epoch = EPOCHS.fetch_add(1, Ordering::Relaxed);
        Self { post, subject, epoch, next: 0, said: 0, ways: HashMap::new(), _says: PhantomData }
    }

    /// Whether anybody else has said anything.
    pub fn has_others(&self) -> bool {
        self.ways.values().any(|way| way.said.is_some())
    }

    /// Whether it is known what holds at that node.
    pub fn knows(&self, node: Uuid) -> bool {
        self.ways.get(&node).is_some_and(|way| way.is_current)
    }

    /// Tells all that holds; with `asks` the others are to do the same.
    pub fn state(&mut self, state: S, asks: bool) {
        self.say(&Message::State { said: self.said, asks, state });
    }

    /// Tells what happened. Where there are no others it may be left out: who is heard for the first time is told all that holds.
    pub fn words(&mut self, words: Vec<W>) {
        self.said += words.iter().filter(|word| word.counts()).count() as u64;
        self.say(&Message::Words(words));
    }

    /// The last of this node.
    pub fn gone(&mut self) {
        self.say(&Message::Gone);
    }

    /// A node is not heard any more. What it says again is its state, with how much was missed.
    pub fn forget(&mut self, node: Uuid) {
        if let Some(way) = self.ways.get_mut(&node) {
            (way.is_current, way.parts) = (false, None);
        }
        if self.ways.len() > SILENT_MAX {
            self.ways.retain(|_, way| way.is_current);
        }
    }

    /// Takes what came.
    pub fn take(&mut self, parcel: Bytes) -> Hearing<S, W> {
        let had_others = self.has_others();
        let mut hearing = self.hear(parcel);
        // What happened while there were none was told to nobody.
        hearing.is_asked |= !had_others && self.has_others();
        hearing
    }

    fn hear(&mut self, parcel: Bytes) -> Hearing<S, W> {
        let nothing = Hearing { heard: None, is_asked: false };
        let Some(parcel) = Parcel::read(parcel).filter(|parcel| parcel.node != self.post.node()) else { return nothing };
        let from = parcel.node;
        let is_new = !self.ways.contains_key(&from);
        let way = self.ways.entry(from).or_default();
        if parcel.epoch < way.epoch {
            return nothing;
        }
        if is_new || way.epoch != parcel.epoch {
            // What it said in another life is over: that it misses all of this one's begins with its state.
            let said = way.said.map(|_| 0);
            *way = Way { epoch: parcel.epoch, said, ..Way::default() };
        } else if way.next != parcel.number {
            (way.is_current, way.parts) = (false, None);
        }
        way.next = parcel.number + 1;
        let Some(body) = way.join(parcel) else { return nothing };
        match rmp_serde::from_slice(&body) {
            Ok(Message::State { said, asks, state }) => {
                let before = way.said.replace(said).unwrap_or(said);
                (way.is_current, way.asked) = (true, None);
                let heard = Some(Heard::State { from, state, lost: said.saturating_sub(before) });
                Hearing { heard, is_asked: asks }
            }
            Ok(Message::Words(words)) if way.is_current => {
                let count = words.iter().filter(|word: &&W| word.counts()).count() as u64;
                way.said = way.said.map(|said| said + count);
                Hearing { heard: Some(Heard::Words { from, words }), is_asked: false }
            }
            Ok(Message::Words(_)) => {
                self.want(from);
                nothing
            }
            Ok(Message::Want(node)) => Hearing { heard: None, is_asked: node == self.post.node() },
            Ok(Message::Gone) => {
                self.ways.remove(&from);
                Hearing { heard: Some(Heard::Gone { from }), is_asked: false }
            }
            Err(error) => {
                tracing::warn!(
                    subject = self.subject.as_str(),
                    "what another node says cannot be read ({error}): is another version of bss in the cluster?"
                );
                nothing
            }
        }
    }

    /// Says nothing, by which is heard whether the last was missed.
    pub fn pulse(&mut self) {
        // Those that nothing was heard of here may not have heard of this one, either.
        if !self.post.nodes().is_empty() {
            self.say(&Message::Words(Vec::new()));
        }
    }

    fn want(&mut self, node: Uuid) {
        let now = Instant::now();
        let Some(way) = self.ways.get_mut(&node) else { return };
        if way.asked.is_none_or(|asked| now - asked >= ASK_AGAIN) {
            way.asked = Some(now);
            self.say(&Message::Want(node));
        }
    }

    fn say(&mut self, message: &Message<S, W>) {
        // What these are made of has no way to fail.
        let Ok(bytes) = rmp_serde::to_vec(message) else { return };
        let most = self.post.bus().parcel_max().saturating_sub(HEAD).max(1);
        let mut rest = Bytes::from(bytes);
        let mut is_first = true;
        while !rest.is_empty() {
            let body = rest.split_to(rest.len().min(most));
            let (node, epoch, number, is_last) = (self.post.node(), self.epoch, self.next, rest.is_empty());
            self.next += 1;
            self.post.send(&self.subject, Parcel { node, epoch, number, is_first, is_last, body }.write());
            is_first = false;
        }
    }
}

impl Way {
    /// The message that is whole with this part.
    fn join(&mut self, parcel: Parcel) -> Option<Bytes> {
        if parcel.is_first && parcel.is_last {
            self.parts = None;
            return Some(parcel.body);
        }
        if parcel.is_first {
            self.parts = Some(BytesMut::new());
        }
        let Some(parts) = self.parts.as_mut().filter(|parts| parts.len() + parcel.body.len() <= MESSAGE_MAX) else {
            // Its beginning was not heard, or it is none of ours.
            (self.parts, self.is_current) = (None, false);
            return None;
        };
        parts.extend_from_slice(&parcel.body);
        if !parcel.is_last {
            return None;
        }
        self.parts.take().map(BytesMut::freeze)
    }
}
