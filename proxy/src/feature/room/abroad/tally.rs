//! How many members each room has at each node, and what is for all rooms.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use browser_stream_protocol::room::{Emit, EventName};
use bytes::Bytes;
use futures::StreamExt;
use hmac::Mac as _;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Notify, broadcast::error::RecvError},
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use super::{
    super::{batch::Target, house::House, room::Room, seat::Secret},
    said::{Aim, milliseconds},
};
use crate::{
    cluster::{self, Heard, Lane, Mail, News, Post, Subject, Word},
    route::Name,
};

/// What is known of the rooms of all nodes.
pub(in super::super) struct Tally {
    post: Post,
    secret: cluster::Secret,
    /// When that was by the wall clock, which is not asked again: it may jump.
    begun: (Instant, u64),
    prefix: Arc<str>,
    subject: Subject,
    lane: Mutex<Lane<Vec<Count>, Tiding>>,
    counts: Mutex<Counts>,
    changed: Notify,
}

#[derive(Default)]
struct Counts {
    here: HashMap<Name, Count>,
    there: HashMap<Uuid, HashMap<Name, Count>>,
    /// Rooms of this node of which others were not told how many are in them now.
    untold: HashSet<Name>,
}

/// A room of one node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in super::super) struct Count {
    name: Arc<str>,
    members: usize,
    is_public: bool,
}

/// What happened to a room of one node, or is for those of all.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) enum Tiding {
    Room(Count),
    Everywhere(Everywhere),
}

/// An event for all rooms.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) struct Everywhere {
    /// The session that says it; none is a program.
    session: Option<Uuid>,
    /// In this room these do not get it.
    except: Option<(Arc<str>, Vec<Uuid>)>,
    is_volatile: bool,
    name: Bytes,
    body: Bytes,
}

/// What changes within so long is told together.
const TOGETHER: Duration = Duration::from_millis(100);
/// How often it is looked whether something was missed behind which nothing was said.
const PULSE: Duration = Duration::from_secs(4);

impl Word for Tiding {
    fn counts(&self) -> bool {
        matches!(self, Self::Everywhere(everywhere) if !everywhere.is_volatile)
    }
}

impl Tally {
    pub fn new(post: Post, secret: cluster::Secret, prefix: &Arc<str>) -> Self {
        let subject = Subject::new("rooms", &[prefix]);
        let lane = Mutex::new(Lane::new(post.clone(), subject.clone()));
        let begun = (Instant::now(), milliseconds(SystemTime::now()));
        Self { post, secret, begun, prefix: prefix.clone(), subject, lane, counts: Mutex::default(), changed: Notify::new() }
    }

    pub fn post(&self) -> &Post {
        &self.post
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What the wall clock says, if it has not jumped.
    pub fn now_ms(&self) -> u64 {
        let (at, ms) = self.begun;
        ms + u64::try_from(at.elapsed().as_millis()).unwrap_or_default()
    }

    /// What shows at all nodes that a seat with that id is one's own.
    pub fn secret(&self, id: Uuid, sub: Option<&str>) -> Secret {
        // A prefix has no zero byte, and what stands before it is of fixed length.
        let mac = self.secret.hmac(b"seats 1").chain_update(id).chain_update(self.prefix.as_bytes());
        let mac = if let Some(sub) = sub { mac.chain_update(b"\0").chain_update(sub) } else { mac };
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        Secret::of(bytes)
    }

    /// The other nodes that are there and have a room of that name.
    pub fn nodes_with(&self, name: &Name) -> Vec<Uuid> {
        let counts = self.counts.lock();
        let with = counts.there.iter().filter(|(_, rooms)| rooms.contains_key(name)).map(|(node, _)| *node);
        with.filter(|node| self.post.has(*node)).collect()
    }

    /// Whether a room of that name is public where it is elsewhere.
    pub fn is_public(&self, name: &Name) -> Option<bool> {
        self.counts.lock().there.values().find_map(|rooms| rooms.get(name)).map(|count| count.is_public)
    }

    /// A room has so many members at this node now; how many in all is shown to `show`.
    pub fn count(&self, name: &Name, members: usize, is_public: bool, show: impl FnOnce(usize)) {
        let mut counts = self.counts.lock();
        if members > 0 {
            counts.here.insert(name.clone(), Count { name: name.as_str().into(), members, is_public });
        } else {
            counts.here.remove(name);
        }
        counts.untold.insert(name.clone());
        if is_public {
            show(counts.all(name));
        }
        drop(counts);
        self.changed.notify_one();
    }

    /// Tells other nodes an event for all rooms.
    pub fn everywhere(&self, session: Option<Uuid>, except: Option<(Arc<str>, Vec<Uuid>)>, emit: &Emit) {
        let (is_volatile, name, body) = (emit.is_volatile, emit.name.bytes().clone(), emit.body.clone());
        let everywhere = Everywhere { session, except, is_volatile, name, body };
        self.lane.lock().words(vec![Tiding::Everywhere(everywhere)]);
    }

    /// Hears other nodes for as long as there are rooms.
    pub async fn run(self: Arc<Self>, house: Weak<House>) {
        let (mut mail, mut news) = (self.post.bus().listen(&self.subject), self.post.news());
        let (mut free_at, mut pulse_at) = (Instant::now(), Instant::now() + PULSE);
        let mut suspects = HashSet::new();
        loop {
            let changed = async {
                sleep_until(free_at).await;
                self.changed.notified().await;
            };
            tokio::select! {
                mail = mail.next() => {
                    let (Some(house), Some(mail)) = (house.upgrade(), mail) else { return };
                    match mail {
                        Mail::Listening => self.tell_all(true),
                        Mail::Parcel(parcel) => self.take(&house, parcel),
                    }
                }
                news = news.recv() => {
                    let Some(house) = house.upgrade() else { return };
                    match news {
                        Ok(News::Came(_)) | Err(RecvError::Lagged(_)) => self.ask(&house),
                        Ok(News::Gone(node)) => self.lose(&house, node),
                        Err(RecvError::Closed) => return,
                    }
                }
                () = changed => {
                    self.tell_changes();
                    free_at = Instant::now() + TOGETHER;
                }
                () = sleep_until(pulse_at) => {
                    let Some(house) = house.upgrade() else { return };
                    self.lane.lock().pulse();
                    house.list().iter().for_each(|room| room.pulse());
                    suspects = self.doubt(&house, suspects);
                    pulse_at = Instant::now() + PULSE;
                }
            }
        }
    }

    /// Where a node has said its last in a room, and that was lost, nothing more comes of it there: who was there has left. Something else may be on its way yet; so that has
    /// to be so twice. Of which nodes it is so now.
    fn doubt(&self, house: &House, suspects: HashSet<(Name, Uuid)>) -> HashSet<(Name, Uuid)> {
        let mut doubted = HashSet::new();
        for room in house.list() {
            for node in room.nodes() {
                let is_known = self.lane.lock().knows(node);
                let is_there = self.counts.lock().there.get(&node).is_some_and(|rooms| rooms.contains_key(&room.name));
                let suspect = (room.name.clone(), node);
                match is_known && !is_there {
                    true if suspects.contains(&suspect) => room.lose_node(node),
                    true => drop(doubted.insert(suspect)),
                    false => {}
                }
            }
        }
        doubted
    }

    /// Tells all that holds here, and with `asks` wants to hear what holds there.
    fn tell_all(&self, asks: bool) {
        let mut lane = self.lane.lock();
        let mut counts = self.counts.lock();
        counts.untold.clear();
        let all = counts.here.values().cloned().collect();
        drop(counts);
        lane.state(all, asks);
    }

    fn tell_changes(&self) {
        let mut lane = self.lane.lock();
        let mut counts = self.counts.lock();
        let untold: Vec<Name> = counts.untold.drain().collect();
        let gone = |name: &Name| Count { name: name.as_str().into(), members: 0, is_public: false };
        let told = untold.iter().map(|name| Tiding::Room(counts.here.get(name).cloned().unwrap_or_else(|| gone(name))));
        let told: Vec<Tiding> = told.collect();
        drop(counts);
        if !told.is_empty() && lane.has_others() {
            lane.words(told);
        }
    }

    /// Who is there is exchanged anew.
    fn ask(&self, house: &House) {
        self.tell_all(true);
        house.list().iter().for_each(|room| room.ask_nodes());
    }

    fn lose(&self, house: &House, node: Uuid) {
        self.lane.lock().forget(node);
        self.replace(house, node, Vec::new());
        house.list().iter().for_each(|room| room.lose_node(node));
    }

    fn take(&self, house: &Arc<House>, parcel: Bytes) {
        let hearing = self.lane.lock().take(parcel);
        if hearing.is_asked {
            self.tell_all(false);
        }
        match hearing.heard {
            Some(Heard::State { from, state, .. }) => self.replace(house, from, state),
            Some(Heard::Words { from, words }) => words.into_iter().for_each(|tiding| match tiding {
                Tiding::Room(count) => self.hear_of(house, from, count),
                Tiding::Everywhere(everywhere) => everywhere.emit(house, from),
            }),
            Some(Heard::Gone { from }) => self.replace(house, from, Vec::new()),
            None => {}
        }
    }

    /// A node has these rooms, and no others.
    fn replace(&self, house: &House, node: Uuid, rooms: Vec<Count>) {
        let before: Vec<Name> = self.counts.lock().there.get(&node).into_iter().flatten().map(|(name, _)| name.clone()).collect();
        let gone = |name: &Name| !rooms.iter().any(|count| *count.name == *name.as_str());
        for name in before.iter().filter(|name| gone(name)) {
            self.hear_of(house, node, Count { name: name.as_str().into(), members: 0, is_public: true });
        }
        rooms.into_iter().for_each(|count| self.hear_of(house, node, count));
    }

    fn hear_of(&self, house: &House, node: Uuid, count: Count) {
        let Ok(name) = Name::try_from(&*count.name) else { return };
        let mut counts = self.counts.lock();
        let rooms = counts.there.entry(node).or_default();
        let is_there = count.members > 0;
        let before = if is_there { rooms.insert(name.clone(), count.clone()) } else { rooms.remove(&name) };
        if rooms.is_empty() {
            counts.there.remove(&node);
        }
        if before.map_or(is_there && count.is_public, |before| before.is_public) {
            house.directory.set(&name, counts.all(&name));
        }
    }
}

impl Counts {
    fn all(&self, name: &Name) -> usize {
        let there = self.there.values().filter_map(|rooms| rooms.get(name));
        there.chain(self.here.get(name)).map(|count| count.members).sum()
    }
}

impl Everywhere {
    /// Hands it to all members of all rooms of this node.
    fn emit(&self, house: &House, node: Uuid) {
        let Ok(name) = EventName::new(self.name.clone()) else { return };
        for room in house.list() {
            let except = self.except.as_ref().filter(|(own, _)| **own == *room.name.as_str()).map(|(_, ids)| ids.clone());
            room.emit_of(node, self.session, &Aim::Except(except.unwrap_or_default()), self.is_volatile, (&name, &self.body));
        }
    }
}

impl Room {
    /// Hands out what a session of another node, or its program, says in all rooms.
    fn emit_of(&self, node: Uuid, session: Option<Uuid>, aim: &Aim, is_volatile: bool, (name, body): (&EventName, &Bytes)) {
        let state = self.state.lock();
        let own = state.strangers.iter().find(|(_, stranger)| stranger.node == node && Some(stranger.info.session) == session);
        let (from, target): (u32, Target) = (own.map_or(0, |(number, _)| number), aim.target(&state));
        self.log.lock().event(from, target, is_volatile, None, name, body);
        drop(state);
        self.rouse();
    }
}
