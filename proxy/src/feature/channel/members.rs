//! Who publishes and who reads in one channel, and what is kept of them.

use std::{collections::HashSet, sync::Arc};

use browser_stream_protocol::channel::Delivered;
use bytes::Bytes;

use super::{
    backlog::Backlog,
    batch::{Item, Kind},
    publisher::Publisher,
    reader::Reader,
};

/// Everybody in a channel.
pub(super) struct Members {
    pub publishers: Vec<Member>,
    pub readers: Vec<Arc<Reader>>,
    pub replay: Backlog,
    pub next_publisher: u32,
    pub next_reader: u32,
    /// Nobody publishes any more.
    pub is_over: bool,
    /// What was published by those who are forgotten, and taken by readers that are gone: bytes.
    pub past: (u64, u64),
}

/// A publisher, or one that has left and of whose messages some are kept.
pub(super) struct Member {
    pub shared: Arc<Publisher>,
    /// Who it is, as readers are told.
    pub who: Bytes,
    /// Messages that are over.
    pub messages: u64,
    pub is_midway: bool,
    /// Bytes of its messages that went out.
    pub published: u64,
    /// What readers had taken that are gone.
    pub delivered_before: u64,
    /// What it was told last, for that only grows.
    pub told: (u64, u64),
    pub has_left: bool,
    /// It publishes at this node, and is not stood for by what another hands on.
    pub is_native: bool,
    /// Nobody asks any more how far its messages came.
    pub is_done: bool,
}

impl Members {
    /// Those who publish.
    pub fn live(&self) -> impl Iterator<Item = &Member> {
        self.publishers.iter().filter(|member| !member.has_left)
    }

    /// What a new reader gets first: who publishes, and what is kept of them; and of whose message under way it gets nothing.
    pub fn welcome(&self, reader: &Reader) -> (Vec<Item>, Vec<u32>) {
        let (mut items, mut absent) = (Vec::new(), Vec::new());
        for member in self.publishers.iter().filter(|member| reader.hears(member.is_native)) {
            let publisher = member.shared.number;
            let counts = |item: &&Item| item.publisher == publisher && (item.begins() || item.kind == Kind::Cut);
            let mut kept = self.replay.items().filter(counts).peekable();
            let under_way = member.messages + u64::from(member.is_midway);
            let first = kept.peek().map_or(under_way, |item| item.message);
            if member.has_left && kept.peek().is_none() {
                continue;
            }
            // Either all of it is kept so far, or nothing.
            if member.is_midway && !kept.any(|item| item.message == member.messages) {
                absent.push(publisher);
            }
            items.push(Item::word(publisher, &Delivered::Joined { publisher, first, who: member.who.clone() }));
            if !member.is_done {
                reader.begin(publisher);
            }
        }
        let joined: HashSet<u32> = items.iter().map(|item| item.publisher).collect();
        items.extend(self.replay.items().filter(|item| joined.contains(&item.publisher)).cloned());
        (items, absent)
    }

    /// Forgets publishers that have left, but for some of whom messages are kept.
    pub fn forget_the_gone(&mut self, publisher: u32, most: usize) {
        let Self { publishers, readers, replay, past, .. } = self;
        let mut gone: Vec<u32> = publishers.iter().filter(|member| member.is_done).map(|member| member.shared.number).collect();
        gone.truncate(gone.len().saturating_sub(most));
        gone.into_iter().for_each(|oldest| replay.forget_all_of(oldest));
        let kept: HashSet<u32> = replay.items().filter(|item| item.kind != Kind::Word).map(|item| item.publisher).collect();
        let goes = |member: &&Member| member.is_done && !kept.contains(&member.shared.number);
        past.0 += publishers.iter().filter(goes).map(|member| member.published).sum::<u64>();
        publishers.retain(|member| !member.is_done || kept.contains(&member.shared.number));
        readers.iter().for_each(|reader| reader.forget(publisher));
    }
}
