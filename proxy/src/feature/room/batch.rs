//! What was said in a room since it was last handed out: records in a row, made once for all members.

use std::{mem, sync::Arc};

use browser_stream_protocol::room::{EventName, Record, Told, event_head};
use bytes::{Bytes, BytesMut};

use super::word::Word;
use crate::memory::{Memory, booked};

/// Records in the order in which they were said.
#[derive(Debug)]
pub(super) struct Batch {
    bytes: Bytes,
    entries: Vec<Entry>,
    /// Whose they are, where all are for all others and all count: then few have to be looked at one by one.
    plain: Option<Vec<u32>>,
}

/// One record.
#[derive(Clone, Debug)]
struct Entry {
    /// Where it ends; it begins where the one before does.
    end: usize,
    /// Of whom it is.
    from: u32,
    target: Target,
    kind: Kind,
}

/// For whom a record is.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// All but the one of whom it is.
    Others,
    One(u32),
    /// These, in the order of their numbers.
    Some(Arc<[u32]>),
    /// All but these, in the order of their numbers, and the one of whom it is.
    Except(Arc<[u32]>),
}

/// What becomes of a record that its member cannot take.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// It is forgotten: it counts for nothing.
    Volatile,
    /// It may be left out.
    Event,
    /// It may not.
    Word,
    /// It may not; and that member was not there before.
    Joined,
    /// It may not; and that member, who was this, was there before.
    Left(Bytes),
}

/// Makes batches.
#[derive(Default)]
pub(super) struct Log {
    bytes: BytesMut,
    entries: Vec<Entry>,
    /// Other nodes have members here, too.
    pub has_nodes: bool,
    /// What they are told.
    words: Vec<Word>,
}

/// A part of a batch for one member, and what it weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub records: u64,
    pub bytes: usize,
}

impl Log {
    /// Adds an event; the name and arguments stand in its record as their sender wrote them.
    pub fn event(&mut self, from: u32, target: Target, is_volatile: bool, ask: Option<u64>, name: &EventName, body: &[u8]) {
        event_head(from, is_volatile, ask, &mut self.bytes);
        for part in [name.bytes(), body] {
            browser_stream_protocol::integer::put(part.len() as u64, &mut self.bytes);
            self.bytes.extend_from_slice(part);
        }
        self.entry(from, target, if is_volatile { Kind::Volatile } else { Kind::Event });
    }

    /// Adds another record, of this member.
    pub fn word(&mut self, from: u32, target: Target, kind: Kind, record: &Told) {
        record.write(&mut self.bytes);
        self.entry(from, target, kind);
    }

    /// Adds what others nodes have to hear of it, if there are any.
    pub fn tell_nodes(&mut self, word: impl FnOnce() -> Word) {
        if self.has_nodes {
            self.words.push(word());
        }
    }

    /// What they have to hear that was added since the last time.
    #[cfg(feature = "cluster")]
    pub fn take_words(&mut self) -> Vec<Word> {
        mem::take(&mut self.words)
    }

    /// Bytes of what was added, at least one for each word.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.words.len()
    }

    /// What was added since the last time.
    pub fn take(&mut self, memory: &Arc<Memory>) -> Option<Arc<Batch>> {
        if self.entries.is_empty() {
            return None;
        }
        let bytes = booked(mem::take(&mut self.bytes), memory);
        Some(Arc::new(Batch::new(bytes, mem::take(&mut self.entries))))
    }

    fn entry(&mut self, from: u32, target: Target, kind: Kind) {
        self.entries.push(Entry { end: self.bytes.len(), from, target, kind });
    }
}

impl Entry {
    fn is_for(&self, member: u32) -> bool {
        match &self.target {
            Target::Others => self.from != member,
            Target::One(one) => *one == member,
            Target::Some(some) => some.binary_search(&member).is_ok(),
            Target::Except(others) => self.from != member && others.binary_search(&member).is_err(),
        }
    }

    fn counts(&self) -> bool {
        !matches!(self.kind, Kind::Volatile)
    }
}

impl Batch {
    fn new(bytes: Bytes, entries: Vec<Entry>) -> Self {
        let is_plain = entries.iter().all(|entry| matches!(entry.target, Target::Others) && entry.counts());
        let plain = is_plain.then(|| {
            let mut senders: Vec<u32> = entries.iter().map(|entry| entry.from).collect();
            senders.sort_unstable();
            senders.dedup();
            senders
        });
        Self { bytes, entries, plain }
    }

    /// How many records it has, of which a member may have fewer.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes that are held as long as any of it is.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether all of it is for this member, as it is.
    fn is_whole_for(&self, member: u32) -> bool {
        self.plain.as_ref().is_some_and(|senders| senders.binary_search(&member).is_err())
    }

    /// What counts of it for this member.
    pub fn weight(&self, member: u32) -> Weight {
        if self.is_whole_for(member) {
            return Weight { records: self.entries.len() as u64, bytes: self.bytes.len() };
        }
        let mut weight = Weight::default();
        for at in self.counted(member, 0..self.entries.len()) {
            weight.records += 1;
            weight.bytes += self.bytes_of(at);
        }
        weight
    }

    /// The places of the records that count for this member, within these.
    pub fn counted(&self, member: u32, within: std::ops::Range<usize>) -> impl DoubleEndedIterator<Item = usize> {
        let is_counted = move |at: &usize| self.entries.get(*at).is_some_and(|entry| entry.counts() && entry.is_for(member));
        within.filter(is_counted)
    }

    /// Whether the record there may be left out.
    pub fn is_event(&self, at: usize) -> bool {
        self.entries.get(at).is_some_and(|entry| matches!(entry.kind, Kind::Event))
    }

    /// Of whom the record there is, and what it does to who is in the room.
    pub fn change(&self, at: usize) -> Option<(u32, &Kind)> {
        self.entries.get(at).map(|entry| (entry.from, &entry.kind))
    }

    /// How long the record there is.
    pub fn bytes_of(&self, at: usize) -> usize {
        self.end(at) - self.start(at)
    }

    /// Adds what of this is for a member, in as few slices as it takes; without `volatile`, what counts.
    pub fn slices(&self, member: u32, within: std::ops::Range<usize>, volatile: bool, into: &mut Vec<Bytes>) {
        if within == (0..self.entries.len()) && self.is_whole_for(member) {
            into.push(self.bytes.clone());
            return;
        }
        let mut run: Option<(usize, usize)> = None;
        for at in within {
            let Some(entry) = self.entries.get(at) else { break };
            if !entry.is_for(member) || !(volatile || entry.counts()) {
                continue;
            }
            let start = self.start(at);
            match &mut run {
                Some((_, end)) if *end == start => *end = entry.end,
                _ => {
                    into.extend(run.map(|(start, end)| self.bytes.slice(start..end)));
                    run = Some((start, entry.end));
                }
            }
        }
        into.extend(run.map(|(start, end)| self.bytes.slice(start..end)));
    }

    /// What counts of it for one member, in memory of its own: a slice would keep all of it.
    pub fn owned(&self, member: u32, memory: &Arc<Memory>) -> Self {
        let mut log = Log::default();
        for at in self.counted(member, 0..self.entries.len()) {
            log.bytes.extend_from_slice(&self.bytes[self.start(at)..self.end(at)]);
            if let Some(entry) = self.entries.get(at) {
                log.entry(entry.from, Target::One(member), entry.kind.clone());
            }
        }
        Self::new(booked(log.bytes, memory), log.entries)
    }

    fn start(&self, at: usize) -> usize {
        at.checked_sub(1).map_or(0, |before| self.end(before))
    }

    fn end(&self, at: usize) -> usize {
        self.entries.get(at).map_or(self.bytes.len(), |entry| entry.end)
    }
}
