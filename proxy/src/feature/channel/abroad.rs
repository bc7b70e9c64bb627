//! Channels whose publishers and readers are at different nodes (proxy/docs/cluster.md, section 7).
//!
//! Which node has publishers of which channel is known to all, by a lane. A node whose readers want a channel reads it itself at each node that publishes in it, over one stream
//! for all of them (`mirror`), and hands on what comes as if it were published here.

mod claim;
mod hub;
mod mirror;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use browser_stream_mux::{Code, Stream};
use browser_stream_protocol::channel::Accepted;
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::claim::Claims;
pub(super) use self::claim::Right;
use super::{
    Channels, bad,
    hub::{Hub, Over},
    pair,
    reader::Reader,
};
use crate::{
    cluster::{Heard, Lane, Listener, Node, Post, Subject, Word, listen},
    error::OpenError,
    route::{Handler, Name},
    session::Opening,
};

/// Opens streams at other nodes, on which they answer as [`Channels::read_by_node`] does.
#[doc(hidden)]
pub trait Ways: Send + Sync + 'static {
    /// Reads a channel at that node for all readers of this one.
    fn read(&self, node: Uuid, name: &Name) -> BoxFuture<'static, Result<(Accepted, Stream), OpenError>>;
}

/// What is known of the channels of other nodes.
pub(super) struct Abroad {
    post: Post,
    subject: Subject,
    ways: Arc<dyn Ways>,
    claims: Arc<Claims>,
    lane: Mutex<Lane<Vec<Tiding>, Tiding>>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// What was told of this node.
    here: HashMap<Name, Tiding>,
    there: HashMap<Uuid, HashMap<Name, Tiding>>,
    /// What is read at other nodes.
    mirrors: HashSet<(Uuid, Name)>,
}

/// A node's part of a channel: nothing holds any more where nobody publishes or reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tiding {
    name: Arc<str>,
    publishes: bool,
    readers: usize,
}

impl Word for Tiding {
    /// What was missed follows from what holds.
    fn counts(&self) -> bool {
        false
    }
}

/// The route of other nodes, which read channels here for their readers.
pub(super) struct Read(pub Channels);

impl Handler for Read {
    fn call(&self, opening: Opening) -> BoxFuture<'static, ()> {
        self.0.clone().read_over_link(opening).boxed()
    }
}

fn nobody() -> OpenError {
    OpenError::new(Code::NotFound, "nobody publishes in that channel at this node")
}

impl Channels {
    /// Where a node is asked for a channel, over a link; its name stands behind that.
    pub(crate) fn path_of_nodes(&self) -> String {
        format!("{}/read", self.inner.prefix)
    }

    /// From now on the channels are those of all nodes, this one being `node`, which are reached by `ways`. To be said before anybody publishes or subscribes.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[doc(hidden)]
    pub fn span(&self, node: &Node, post: &Post, ways: Arc<dyn Ways>) {
        let subject = Subject::new("channels", &[&self.inner.prefix]);
        let lane = Mutex::new(Lane::new(post.clone(), subject.clone()));
        let claims = Claims::new(node.clone(), &self.inner.prefix);
        let abroad = Arc::new(Abroad { post: post.clone(), subject, ways, claims, lane, known: Mutex::default() });
        if self.inner.abroad.set(abroad.clone()).is_ok() {
            let inner = Arc::downgrade(&self.inner);
            tokio::spawn(async move {
                listen(&abroad.post, &abroad.subject, &abroad.lane, || Some(Channels { inner: inner.upgrade()? })).await
            });
        }
    }

    /// Another node reads a channel for all of its readers: what publishers of this node say, and of no other.
    ///
    /// # Errors
    /// `not_found` where none publishes here, `limit`.
    #[doc(hidden)]
    pub fn read_by_node(&self, name: &Name) -> Result<(Accepted, Stream), OpenError> {
        let hub = self.published(name)?;
        let (near, far) = pair::pair(&self.ground().memory);
        let id = Uuid::new_v4();
        let reader = hub.subscribe_as(id, || Some(far), true).map_err(|_| nobody())??;
        let accepted = Accepted::new(id, hub.info(None));
        tokio::spawn(self.clone().run_reader(name.clone(), hub, reader));
        Ok((accepted, near))
    }

    /// The same over a link. That node has looked at what its readers may.
    async fn read_over_link(self, opening: Opening) {
        let process = &opening.session().process;
        self.belong_to(&process.memory, &process.counters);
        let segment = opening.open().path.rsplit('/').next().unwrap_or_default();
        let found = Name::from_segment(segment).map_err(|error| bad(&error)).and_then(|name| Ok((self.published(&name)?, name)));
        let (hub, name) = match found {
            Ok(found) => found,
            Err(error) => return opening.refuse(error).await,
        };
        let (id, mut coming) = (Uuid::new_v4(), Some(opening));
        let accepted = Accepted::new(id, hub.info(None));
        let subscribed = hub.subscribe_as(id, || coming.take().map(|opening| opening.accept_with(&accepted)), true);
        match (subscribed, coming) {
            (Ok(Ok(reader)), _) => self.run_reader(name, hub, reader).await,
            (Ok(Err(error)), Some(opening)) => opening.refuse(error).await,
            (Err(Over), Some(opening)) => opening.refuse(nobody()).await,
            (_, None) => {}
        }
    }

    /// The channel in which somebody publishes at this node.
    fn published(&self, name: &Name) -> Result<Arc<Hub>, OpenError> {
        self.inner.registry.find(name).filter(|hub| hub.is_native()).ok_or_else(nobody)
    }

    /// Something about who is in a channel has changed here.
    pub(super) fn tell_nodes(&self, name: &Name) {
        if let Some(abroad) = self.inner.abroad.get() {
            abroad.tell(name, self.inner.registry.find(name).as_deref());
        }
    }

    /// Somebody publishes in a channel here from now on.
    pub(super) fn meet_nodes(&self, name: &Name, hub: &Hub) {
        hub.others_read(self.readers_abroad(name));
        self.tell_nodes(name);
    }

    /// Somebody reads a channel here from now on: of other nodes, too.
    pub(super) fn reads(&self, name: &Name, reader: &Reader) {
        self.tell_nodes(name);
        if !reader.is_node {
            self.seek(name);
        }
    }

    /// Somebody here wants what is published in a channel: it is read wherever that is.
    pub(super) fn seek(&self, name: &Name) {
        let Some(abroad) = self.inner.abroad.get() else { return };
        for node in abroad.to_read(name) {
            tokio::spawn(mirror::run(self.clone(), abroad.clone(), (node, name.clone())));
        }
    }

    /// How many read at other nodes.
    fn readers_abroad(&self, name: &Name) -> usize {
        self.inner.abroad.get().map_or(0, |abroad| abroad.readers(name))
    }
}

impl Listener<Vec<Tiding>, Tiding> for Channels {
    fn tell_all(&self, asks: bool) {
        if let Some(abroad) = self.inner.abroad.get() {
            abroad.tell_all(asks);
        }
    }

    fn hear(&self, heard: Heard<Vec<Tiding>, Tiding>) {
        let Some(abroad) = self.inner.abroad.get() else { return };
        match heard {
            Heard::State { from, state, .. } => abroad.replace(self, from, state),
            Heard::Words { from, words } => words.into_iter().for_each(|tiding| abroad.hear(self, from, tiding)),
            Heard::Gone { from } => abroad.replace(self, from, Vec::new()),
        }
    }
}

impl Abroad {
    fn readers(&self, name: &Name) -> usize {
        let known = self.known.lock();
        known.there.values().filter_map(|channels| channels.get(name)).map(|tiding| tiding.readers).sum()
    }

    /// The nodes where a channel is published and not read yet: from now on it is.
    fn to_read(&self, name: &Name) -> Vec<Uuid> {
        let mut known = self.known.lock();
        let Known { there, mirrors, .. } = &mut *known;
        let publish = there.iter().filter(|(_, channels)| channels.get(name).is_some_and(|tiding| tiding.publishes));
        publish.map(|(&node, _)| node).filter(|&node| mirrors.insert((node, name.clone()))).collect()
    }

    /// It is read there no longer.
    fn read_no_more(&self, (node, name): &(Uuid, Name)) {
        self.known.lock().mirrors.remove(&(*node, name.clone()));
    }

    fn tell(&self, name: &Name, hub: Option<&Hub>) {
        let mut lane = self.lane.lock();
        let (publishes, readers) = hub.map_or((false, 0), |hub| (hub.is_native(), hub.own_readers()));
        let tiding = Tiding { name: name.as_str().into(), publishes, readers };
        let mut known = self.known.lock();
        let before = if tiding.is_nothing() { known.here.remove(name) } else { known.here.insert(name.clone(), tiding.clone()) };
        drop(known);
        if before.as_ref() != Some(&tiding) && (before.is_some() || !tiding.is_nothing()) && lane.has_others() {
            lane.words(vec![tiding]);
        }
    }

    fn tell_all(&self, asks: bool) {
        let mut lane = self.lane.lock();
        let all = self.known.lock().here.values().cloned().collect();
        lane.state(all, asks);
    }

    /// A node has these channels, and no others.
    fn replace(&self, channels: &Channels, node: Uuid, now: Vec<Tiding>) {
        let before: Vec<Name> = self.known.lock().there.get(&node).into_iter().flatten().map(|(name, _)| name.clone()).collect();
        for name in before.iter().filter(|name| !now.iter().any(|tiding| *tiding.name == *name.as_str())) {
            self.hear(channels, node, Tiding { name: name.as_str().into(), publishes: false, readers: 0 });
        }
        now.into_iter().for_each(|tiding| self.hear(channels, node, tiding));
    }

    fn hear(&self, channels: &Channels, node: Uuid, tiding: Tiding) {
        let Ok(name) = Name::try_from(&*tiding.name) else { return };
        let mut known = self.known.lock();
        let there = known.there.entry(node).or_default();
        if tiding.is_nothing() {
            there.remove(&name);
        } else {
            there.insert(name.clone(), tiding);
        }
        if there.is_empty() {
            known.there.remove(&node);
        }
        drop(known);
        if let Some(hub) = channels.inner.registry.find(&name) {
            hub.others_read(channels.readers_abroad(&name));
        }
        if channels.inner.registry.is_wanted(&name) {
            channels.seek(&name);
        }
    }
}

impl Tiding {
    fn is_nothing(&self) -> bool {
        !self.publishes && self.readers == 0
    }
}
