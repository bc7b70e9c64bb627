//! One live channel: who publishes, who reads, and what is kept for who comes later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicIsize, AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use browser_stream_mux::{Code, Stream};
use browser_stream_protocol::channel::{ChannelInfo, ChannelOptions, Delivered, Ending, News, Policy, Publishers};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    backlog::Backlog,
    batch::{Batch, Item, Kind},
    members::{Member, Members},
    publisher::Publisher,
    reader::{Reader, Took},
};
use crate::{
    counters::{Counters, Deed, Refusal},
    error::OpenError,
    limits::Limits,
    memory::Memory,
    session::together,
};

/// A channel as long as somebody publishes in it.
pub(super) struct Hub {
    pub policy: Policy,
    pub(super) since: SystemTime,
    pub(super) replay_max: usize,
    pub(super) is_open: bool,
    limits: Arc<Limits>,
    memory: Arc<Memory>,
    pub(super) counters: Arc<Counters>,
    pub(super) members: Mutex<Members>,
    /// Readers that publishers wait for.
    full: AtomicIsize,
    /// A reader has room again, or is gone; or there are as many as were waited for.
    pub(super) changed: Notify,
    /// The most readers that were here at once.
    pub(super) most_readers: AtomicUsize,
    /// How many read at other nodes.
    pub(super) readers_abroad: AtomicUsize,
    /// An operator ended it.
    pub stopped: CancellationToken,
}

/// A channel that ended while somebody came: there may be another by now.
#[derive(Debug)]
pub(super) struct Over;

impl Hub {
    /// A channel as its first publisher wants it.
    pub fn new(options: &ChannelOptions, limits: Arc<Limits>, memory: Arc<Memory>, counters: Arc<Counters>) -> Self {
        let replay = Backlog::new(memory.clone());
        let members = Members {
            publishers: Vec::new(),
            readers: Vec::new(),
            replay,
            next_publisher: 0,
            next_reader: 0,
            is_over: false,
            past: (0, 0),
        };
        Self {
            policy: options.policy,
            since: SystemTime::now(),
            replay_max: options.replay as usize,
            is_open: options.publishers == Publishers::Many,
            limits,
            memory,
            counters,
            members: Mutex::new(members),
            full: AtomicIsize::new(0),
            changed: Notify::new(),
            most_readers: AtomicUsize::new(0),
            readers_abroad: AtomicUsize::new(0),
            stopped: CancellationToken::new(),
        }
    }

    /// What holds here, for a publisher with this number or for a reader.
    pub fn info(&self, number: Option<u32>) -> ChannelInfo {
        let mut info = ChannelInfo::default();
        info.policy = self.policy;
        info.replay = u32::try_from(self.replay_max).unwrap_or(u32::MAX);
        info.publishers = if self.is_open { Publishers::Many } else { Publishers::One };
        info.number = number;
        info.message_bytes_max = self.limits.channel_message_bytes_max as u64;
        info
    }

    /// One more publisher.
    pub fn publish(&self, options: &ChannelOptions, id: Uuid, who: Bytes) -> Result<Result<Arc<Publisher>, OpenError>, Over> {
        together(|| {
            let mut members = self.members.lock();
            if members.is_over {
                return Err(Over);
            }
            let live = members.live().count();
            if live > 0 && !(self.is_open && options.publishers == Publishers::Many) {
                return Ok(Err(OpenError::new(Code::NameTaken, NOT_ALONE)));
            }
            if live >= self.limits.channel_publishers_max {
                self.counters.count(Refusal::ChannelMembers);
                return Ok(Err(OpenError::new(Code::Limit, "as many publish in that channel as may")));
            }
            Ok(Ok(self.add(&mut members, (id, who), 0, true)))
        })
    }

    /// Adds a publisher of whose messages so many were before.
    pub(super) fn add(&self, members: &mut Members, (id, who): (Uuid, Bytes), first: u64, is_native: bool) -> Arc<Publisher> {
        let number = members.next_publisher;
        members.next_publisher += 1;
        let shared = Arc::new(Publisher::new(number, id));
        let joined = [Item::word(number, &Delivered::Joined { publisher: number, first, who: who.clone() })];
        for reader in members.readers.iter().filter(|reader| reader.hears(is_native)) {
            reader.begin(number);
            self.took(reader.tell(&joined));
            if !reader.is_node {
                shared.hear(News::Came { reader: reader.number, id: reader.id.into_bytes() });
            }
        }
        members.publishers.push(Member {
            shared: shared.clone(),
            who,
            messages: first,
            is_midway: false,
            published: 0,
            delivered_before: 0,
            told: (0, 0),
            has_left: false,
            is_native,
            is_done: false,
        });
        shared
    }

    /// One more reader, whose stream is made where it is certain that it comes in: it gets what is kept, and what comes from the next message on.
    pub fn subscribe(&self, id: Uuid, stream: impl FnOnce() -> Option<Stream>) -> Result<Result<Arc<Reader>, OpenError>, Over> {
        self.subscribe_as(id, stream, false)
    }

    /// The same, which may be for all readers of another node.
    pub fn subscribe_as(
        &self,
        id: Uuid,
        stream: impl FnOnce() -> Option<Stream>,
        is_node: bool,
    ) -> Result<Result<Arc<Reader>, OpenError>, Over> {
        together(|| {
            let mut members = self.members.lock();
            if members.is_over {
                return Err(Over);
            }
            if members.readers.len() >= self.limits.channel_readers_max {
                self.counters.count(Refusal::ChannelMembers);
                return Ok(Err(OpenError::new(Code::Limit, "as many subscribe to that channel as may")));
            }
            let Some(stream) = stream() else { return Err(Over) };
            let number = members.next_reader;
            members.next_reader += 1;
            let most = self.limits.channel_queue_bytes_max;
            let reader = Reader::new((number, is_node), id, stream, self.policy, most, self.memory.clone(), self.counters.clone());
            let reader = Arc::new(reader);
            let (items, absent) = members.welcome(&reader);
            self.took(reader.tell(&items));
            absent.into_iter().for_each(|publisher| reader.miss(publisher));
            for member in members.live().filter(|_| !is_node) {
                member.shared.hear(News::Came { reader: number, id: id.into_bytes() });
            }
            members.readers.push(reader.clone());
            self.count_readers(&members);
            Ok(Ok(reader))
        })
    }

    /// Hands every reader what a publisher sent, and keeps what is to be kept; how many readers there were.
    pub fn deliver(&self, publisher: u32, batch: &Batch) -> usize {
        together(|| {
            let mut members = self.members.lock();
            let of = members.publishers.iter().find(|member| member.shared.number == publisher);
            let is_native = of.is_none_or(|member| member.is_native);
            for reader in members.readers.iter().filter(|reader| reader.hears(is_native)) {
                self.took(reader.hand(batch));
            }
            if self.replay_max > 0 {
                batch.items.iter().for_each(|item| self.keep(&mut members.replay, item));
            }
            let readers = members.readers.len();
            if let Some(member) = members.publishers.iter_mut().find(|member| member.shared.number == publisher) {
                let messages = batch.messages.saturating_sub(member.messages);
                self.counters.did(Deed::ChannelMessage, messages);
                self.counters.did(Deed::ChannelDelivery, messages * readers as u64);
                (member.messages, member.is_midway) = (batch.messages, batch.is_midway);
                member.published += batch.payload;
            }
            readers
        })
    }

    fn keep(&self, replay: &mut Backlog, item: &Item) {
        if !replay.wants(item) {
            return;
        }
        if item.kind == Kind::Cut {
            if let Some(at) = replay.cut(item.publisher, item.message) {
                // It counts as one for who comes later, too.
                replay.insert(at, item.owned(&self.memory));
                replay.tidy();
            }
            return;
        }
        replay.push(item.owned(&self.memory));
        let most = if self.memory.tight() { 0 } else { self.replay_max };
        while replay.cost() > most && replay.drop_oldest().is_some() {}
        replay.tidy();
    }

    pub(super) fn took(&self, took: Took) {
        if took == Took::Full {
            self.full.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// A reader that publishers waited for has room again.
    pub fn caught_up(&self) {
        if self.full.fetch_sub(1, Ordering::AcqRel) <= 1 {
            self.changed.notify_waiters();
        }
    }

    /// Resolves when no reader is waited for. Cancel-safe.
    pub async fn room(&self) {
        self.until(|| self.full.load(Ordering::Acquire) <= 0).await;
    }

    pub(super) async fn until(&self, what: impl Fn() -> bool) {
        while !what() {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if !what() {
                changed.await;
            }
        }
    }

    /// Whether readers are waited for, and there is no memory for what comes.
    pub fn waits_for_memory(&self) -> bool {
        if !self.memory.tight() {
            return false;
        }
        let mut members = self.members.lock();
        while members.replay.drop_oldest().is_some() {}
        members.replay.tidy();
        drop(members);
        self.policy == Policy::Wait && self.memory.pressed()
    }

    /// A reader is gone, with this code.
    pub fn part(&self, reader: &Reader, code: u32) {
        let mut members = self.members.lock();
        if members.readers.iter().any(|one| one.number == reader.number) {
            members.past.1 += reader.handed().1;
        }
        members.readers.retain(|one| one.number != reader.number);
        self.count_readers(&members);
        for member in members.publishers.iter_mut().filter(|member| !member.is_done) {
            let taken = reader.taken(member.shared.number);
            member.delivered_before += taken;
            if !reader.is_node {
                member.shared.hear(News::Left { reader: reader.number, code, taken });
            }
        }
        drop(members);
        if reader.give_up() {
            self.caught_up();
        }
    }

    /// A publisher ended. With the last of them the channel is over. What every reader has to have taken before that is known to be all.
    pub fn leave(&self, publisher: u32, ending: Ending) -> Vec<(u32, u64)> {
        together(|| {
            let mut members = self.members.lock();
            let is_last = members.live().all(|member| member.shared.number == publisher);
            let is_native = members.publishers.iter().any(|member| member.shared.number == publisher && member.is_native);
            let is_last_native = members.live().all(|member| member.shared.number == publisher || !member.is_native);
            let left = Item::word(publisher, &Delivered::Left(publisher, ending.clone()));
            for reader in members.readers.iter().filter(|reader| reader.hears(is_native)) {
                if is_last || (reader.is_node && is_last_native) {
                    reader.end(&[left.clone(), Item::word(publisher, &Delivered::End(ending.clone()))]);
                } else {
                    self.took(reader.tell(std::slice::from_ref(&left)));
                }
            }
            members.is_over |= is_last;
            let Members { publishers, replay, .. } = &mut *members;
            if let Some(member) = publishers.iter_mut().find(|member| member.shared.number == publisher) {
                member.has_left = true;
                if member.is_midway {
                    // It will never be whole.
                    replay.cut(publisher, member.messages);
                }
            }
            replay.miss_no_more(publisher);
            let is_kept = replay.items().any(|item| item.publisher == publisher);
            if is_last {
                members.replay = Backlog::new(self.memory.clone());
            } else if is_kept {
                members.replay.push(left);
            }
            members.readers.iter().map(|reader| (reader.number, reader.handed().0)).collect()
        })
    }

    /// A publisher that has left wants to know no more.
    pub fn forget(&self, publisher: u32) {
        let mut members = self.members.lock();
        if let Some(member) = members.publishers.iter_mut().find(|member| member.shared.number == publisher) {
            member.is_done = true;
        }
        members.forget_the_gone(publisher, self.limits.channel_publishers_max);
    }

    /// Whether the channel is over.
    pub fn is_over(&self) -> bool {
        self.members.lock().is_over
    }
}

/// Why somebody may not publish beside another.
pub(super) const NOT_ALONE: &str = "somebody publishes in that channel: both have to allow others (publishers: \"many\")";
