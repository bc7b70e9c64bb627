//! A channel as nodes have it in common.

use std::sync::atomic::Ordering;

use browser_stream_protocol::channel::{ChannelOptions, Delivered, Publishers};
use bytes::Bytes;
use uuid::Uuid;

use super::super::{
    batch::{Item, Kind},
    hub::Hub,
};
use crate::session::together;

impl Hub {
    /// Whether anybody publishes at this node.
    pub fn is_native(&self) -> bool {
        self.members.lock().live().any(|member| member.is_native)
    }

    /// Whether one may publish here by these terms: those that hold, and nobody does who is alone by them. One that is over makes room.
    pub fn suits(&self, terms: &ChannelOptions) -> bool {
        let is_same = self.policy == terms.policy && self.replay_max == terms.replay as usize;
        let is_open = terms.publishers == Publishers::Many;
        let members = self.members.lock();
        members.is_over || (is_same && self.is_open == is_open && (is_open || members.live().next().is_none()))
    }

    /// How many read at this node.
    pub fn own_readers(&self) -> usize {
        self.members.lock().readers.iter().filter(|reader| !reader.is_node).count()
    }

    /// So many read at other nodes: publishers are told, and who waits for readers.
    pub fn others_read(&self, readers: usize) {
        let members = self.members.lock();
        if self.readers_abroad.swap(readers, Ordering::AcqRel) == readers {
            return;
        }
        self.count_readers(&members);
        members.live().for_each(|member| member.shared.rouse());
    }

    /// One more publisher that is at another node, of whose messages so many were before; its number here, unless the channel is over.
    pub fn stand_for(&self, id: Uuid, who: Bytes, first: u64) -> Option<u32> {
        together(|| {
            let mut members = self.members.lock();
            (!members.is_over).then(|| self.add(&mut members, (id, who), first, false).number)
        })
    }

    /// So many messages of such a publisher were left out on the way here.
    pub fn skip(&self, publisher: u32, messages: u64) {
        together(|| {
            let mut members = self.members.lock();
            let Some(member) = members.publishers.iter_mut().find(|member| member.shared.number == publisher) else { return };
            let skipped = Item { kind: Kind::Skipped(messages), ..Item::word(publisher, &Delivered::Skipped { publisher, messages }) };
            member.messages += messages;
            let told = [Item { head: Bytes::new(), message: member.messages, ..skipped }];
            for reader in members.readers.iter().filter(|reader| reader.hears(false)) {
                self.took(reader.tell(&told));
            }
        });
    }

    /// These publishers are not read any more, as nobody reads here; false if somebody does, who came in this moment. With nobody else who publishes it is over.
    pub fn let_go(&self, publishers: &[u32]) -> bool {
        let mut members = self.members.lock();
        if members.readers.iter().any(|reader| !reader.is_node) {
            return false;
        }
        let is_empty = members.live().all(|member| publishers.contains(&member.shared.number));
        members.is_over |= is_empty;
        true
    }

    /// It is over, if nobody publishes.
    pub fn close_if_empty(&self) {
        let mut members = self.members.lock();
        let is_empty = members.live().next().is_none();
        members.is_over |= is_empty;
    }
}
