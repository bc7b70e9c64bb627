//! Who is in a channel, how many that are, and how far they have come.

use std::{sync::atomic::Ordering, time::SystemTime};

use super::{hub::Hub, members::Members};

/// How far a publisher's messages came.
pub(super) struct Progress {
    /// What the slowest has taken, and all together.
    pub told: (u64, u64),
    /// Whether nothing is missing.
    pub is_all: bool,
}

/// What a channel is made of, for who looks at it.
pub(super) struct Census {
    pub publishers: usize,
    pub readers: usize,
    pub replay_bytes: usize,
    pub queued_bytes: u64,
    pub messages: u64,
    pub bytes: u64,
    pub bytes_sent: u64,
    pub since: SystemTime,
}

impl Hub {
    /// Whether there ever were so many readers at once.
    pub fn has_had(&self, readers: u32) -> bool {
        self.most_readers.load(Ordering::Acquire) >= readers as usize
    }

    /// Resolves when that is so. Cancel-safe.
    pub async fn readers_came(&self, readers: u32) {
        self.until(|| self.has_had(readers)).await;
    }

    /// How many read, those of other nodes among them: who reads for them is none.
    fn all_readers(members: &Members, abroad: usize) -> usize {
        members.readers.iter().filter(|reader| !reader.is_node).count() + abroad
    }

    /// Another number reads than before: who waits for more, or for anybody, or for nobody, looks again.
    pub(super) fn count_readers(&self, members: &Members) {
        let readers = Self::all_readers(members, self.readers_abroad.load(Ordering::Acquire));
        if self.most_readers.fetch_max(readers, Ordering::AcqRel) < readers || readers <= 1 {
            self.changed.notify_waiters();
        }
    }

    /// How many read.
    pub fn readers(&self) -> u64 {
        Self::all_readers(&self.members.lock(), self.readers_abroad.load(Ordering::Acquire)) as u64
    }

    /// How far a publisher's messages came.
    pub fn progress(&self, publisher: u32) -> Progress {
        let mut members = self.members.lock();
        let Members { publishers, readers, .. } = &mut *members;
        let Some(member) = publishers.iter_mut().find(|member| member.shared.number == publisher) else {
            return Progress { told: (0, 0), is_all: true };
        };
        let lag = readers.iter().map(|reader| reader.lag()).max().unwrap_or_default();
        let taken: u64 = readers.iter().map(|reader| reader.taken(publisher)).sum();
        let (slowest, delivered) = member.told;
        member.told = (slowest.max(member.published.saturating_sub(lag)), delivered.max(member.delivered_before + taken));
        Progress { told: member.told, is_all: lag == 0 }
    }

    /// Whether each of these readers has taken so much, or is gone.
    pub fn have_taken(&self, marks: &[(u32, u64)]) -> bool {
        let members = self.members.lock();
        members.readers.iter().all(|reader| {
            // They are in the order of their numbers, as the readers are.
            let mark = marks.binary_search_by_key(&reader.number, |&(number, _)| number).ok().and_then(|at| marks.get(at));
            mark.is_none_or(|&(_, mark)| reader.handed().1 >= mark)
        })
    }

    /// Who is here, and what is kept.
    pub fn census(&self) -> Census {
        let members = self.members.lock();
        Census {
            publishers: members.live().count(),
            readers: members.readers.len(),
            replay_bytes: members.replay.wire(),
            queued_bytes: members.readers.iter().map(|reader| reader.lag()).sum(),
            messages: members.publishers.iter().map(|member| member.messages).sum(),
            bytes: members.past.0 + members.publishers.iter().map(|member| member.published).sum::<u64>(),
            bytes_sent: members.past.1 + members.readers.iter().map(|reader| reader.handed().1).sum::<u64>(),
            since: self.since,
        }
    }
}
