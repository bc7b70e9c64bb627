//! Who was asked what, and has not answered.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use browser_stream_protocol::room::Answer;
use tokio::{sync::mpsc::UnboundedSender, time::Instant};
use uuid::Uuid;

use crate::memory::{Lease, Memory};

/// The asks of one room that wait for answers.
#[derive(Default)]
pub(super) struct Asks {
    next: u64,
    live: HashMap<u64, Ask>,
    /// Asks of members, by member and its own number.
    of_members: BTreeMap<(u32, u64), u64>,
    /// When they are forgotten.
    times: BTreeSet<(Instant, u64)>,
}

/// One ask.
struct Ask {
    asker: Asker,
    until: Instant,
    /// Members that are asked; the asker, if it is among them, is not.
    asked: Arc<[u32]>,
    answered: HashSet<u32>,
    /// How many answers are missing.
    missing: usize,
    /// The program is asked, too.
    is_programs: bool,
    /// What it counts in the process's memory.
    _lease: Lease,
}

/// What an ask takes beside the numbers of who is asked, and of who has answered: its places in the maps.
const ASK_COSTS: usize = 384;
/// What each of these takes at most.
const NUMBER_COSTS: usize = 16;

/// Who wants to know.
#[derive(Clone)]
pub(super) enum Asker {
    /// A member, by its number, and its own number for the ask.
    Member(u32, u64),
    /// The program, which gets the number of who answers with the answer.
    Program(UnboundedSender<(u32, Answer)>),
    /// A member or the program of another node, which has its own number for the ask.
    #[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "without a cluster nobody is elsewhere"))]
    Node(Uuid, u64),
}

impl Asker {
    fn number(&self) -> u32 {
        match self {
            Self::Member(number, _) => *number,
            Self::Program(_) | Self::Node(..) => 0,
        }
    }
}

impl Asks {
    /// How many of a member's wait.
    pub fn of(&self, member: u32) -> usize {
        self.of_members.range((member, 0)..=(member, u64::MAX)).count()
    }

    /// Whether a member uses that number.
    pub fn uses(&self, member: u32, number: u64) -> bool {
        self.of_members.contains_key(&(member, number))
    }

    /// One more, of these members and the program; its number.
    pub fn begin(&mut self, asker: Asker, asked: Arc<[u32]>, is_programs: bool, until: Instant, memory: &Arc<Memory>) -> u64 {
        let number = self.next;
        self.next += 1;
        let itself = usize::from(asked.binary_search(&asker.number()).is_ok());
        let missing = asked.len() - itself + usize::from(is_programs);
        if missing == 0 {
            return number;
        }
        if let Asker::Member(member, own) = asker {
            self.of_members.insert((member, own), number);
        }
        self.times.insert((until, number));
        let _lease = memory.lease(ASK_COSTS + NUMBER_COSTS * missing);
        self.live.insert(number, Ask { asker, until, asked, answered: HashSet::new(), missing, is_programs, _lease });
        number
    }

    /// One answers, or is known not to: who wants to hear it, if it was asked and has not before.
    pub fn answer(&mut self, number: u64, from: u32) -> Option<Asker> {
        let ask = self.live.get_mut(&number)?;
        let is_asked = if from == 0 { ask.is_programs } else { from != ask.asker.number() && ask.asked.binary_search(&from).is_ok() };
        if !is_asked || !ask.answered.insert(from) {
            return None;
        }
        ask.missing -= 1;
        let (asker, is_over) = (ask.asker.clone(), ask.missing == 0);
        if is_over {
            self.forget(number);
        }
        Some(asker)
    }

    /// A member is gone: its own asks are forgotten, and these are asks that it will not answer.
    pub fn part(&mut self, member: u32) -> Vec<Asker> {
        let own: Vec<u64> = self.of_members.range((member, 0)..=(member, u64::MAX)).map(|(_, &number)| number).collect();
        own.into_iter().for_each(|number| self.forget(number));
        let mut open: Vec<u64> =
            self.live.iter().filter(|(_, ask)| ask.asked.binary_search(&member).is_ok()).map(|(&number, _)| number).collect();
        open.sort_unstable();
        open.into_iter().filter_map(|number| self.answer(number, member)).collect()
    }

    /// When the next is forgotten.
    pub fn due(&self) -> Option<Instant> {
        self.times.first().map(|&(until, _)| until)
    }

    /// Forgets those whose time is over.
    pub fn expire(&mut self, now: Instant) {
        while let Some(&(until, number)) = self.times.first().filter(|&&(until, _)| until <= now) {
            self.times.remove(&(until, number));
            self.forget(number);
        }
    }

    fn forget(&mut self, number: u64) {
        let Some(ask) = self.live.remove(&number) else { return };
        self.times.remove(&(ask.until, number));
        if let Asker::Member(member, own) = ask.asker {
            self.of_members.remove(&(member, own));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_ask_counts_in_the_memory_until_all_have_answered_or_its_time_is_over() {
        let (memory, mut asks, until) = (Arc::new(Memory::new(usize::MAX)), Asks::default(), Instant::now() + Duration::from_secs(1));
        let asked: Arc<[u32]> = [1, 2, 3].into();
        let answered = asks.begin(Asker::Member(1, 7), asked.clone(), false, until, &memory);
        asks.begin(Asker::Member(1, 8), asked, true, until, &memory);
        assert!(memory.used() > 2 * ASK_COSTS);
        assert!(asks.answer(answered, 2).is_some() && asks.answer(answered, 2).is_none() && asks.answer(answered, 3).is_some());
        assert_eq!(memory.used(), ASK_COSTS + 3 * NUMBER_COSTS);
        asks.expire(until);
        assert_eq!((memory.used(), asks.of(1)), (0, 0));
    }
}
