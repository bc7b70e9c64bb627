//! End-to-end credit of one direction of a splice: how much more the sender may send.

use super::end::Far;

/// The most credit that a sender is given in advance.
pub const CAP: u32 = 4 * 1024 * 1024;

/// Credit is handed back in steps of at least this, unless the sender has none left.
const STEP: u64 = 32 * 1024;

/// Keeps one direction of a splice within what its reader granted: nothing is lost, nothing is made (PROTOCOL.md, section 6).
///
/// It lives beside the reader's stream, under the lock of the reader's session, so that one lock decides.
#[derive(Debug)]
pub struct Ledger {
    /// Where the bytes come from.
    pub source: Far,
    credit: Credit,
    /// The sender gets no credit until there is memory again.
    pub starved: bool,
}

/// A ledger's arithmetic, without the session that the bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// Credit that the sender still has, as far as its bytes have reached this session.
    from: u32,
}

impl Ledger {
    /// A ledger for a sender that may still send `from` bytes.
    pub fn new(source: Far, from: u32) -> Self {
        Self { source, credit: Credit::new(from), starved: false }
    }

    /// `bytes` of the sender's were queued here.
    pub fn took(&mut self, bytes: usize) {
        self.credit.took(bytes);
    }

    /// The credit to hand to the sender now; it counts as handed over.
    ///
    /// `to` is what the reader granted and no byte has used, `held` the bytes queued here, `cap` the most to give in advance.
    pub fn grant(&mut self, to: u32, held: usize, cap: u32) -> Option<u32> {
        self.credit.grant(to, held, cap)
    }
}

impl Credit {
    /// Of a sender that may still send `from` bytes.
    pub fn new(from: u32) -> Self {
        Self { from }
    }

    /// As [`Ledger::took`].
    pub fn took(&mut self, bytes: usize) {
        // The sender's session already holds it to its credit, so this never runs short.
        self.from = self.from.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// As [`Ledger::grant`].
    pub fn grant(&mut self, to: u32, held: usize, cap: u32) -> Option<u32> {
        let room = u64::from(to.min(cap)).saturating_sub(held as u64).saturating_sub(u64::from(self.from));
        if room == 0 || (room < STEP && self.from > 0) {
            return None;
        }
        // `room` is at most `cap`, a u32.
        let grant = room as u32;
        self.from += grant;
        Some(grant)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        limits::Limits,
        session::{Opening, Opens, Sessions},
    };

    struct Nobody;

    impl Opens for Nobody {
        fn opened(&self, _: Opening) -> futures::future::BoxFuture<'static, ()> {
            Box::pin(async {})
        }
    }

    const WINDOW: u32 = 256 * 1024;

    fn ledger(from: u32) -> Ledger {
        let sessions = Sessions::new(Arc::new(Limits::default()), Arc::new(Nobody));
        Ledger::new(Far { session: sessions.session(None), id: 1 }, from)
    }

    /// A sender, the proxy and a reader with its own window, each allowed to do any part of what it may at any time.
    struct Line {
        ledger: Ledger,
        credit: u32,
        to_send: u64,
        held: usize,
        to: u32,
        unread: u32,
        read: u32,
        delivered: u64,
    }

    impl Line {
        fn new(total: u64, spent_by_open: u32, opened_with: u32) -> Self {
            let from = WINDOW - spent_by_open;
            // The accept's open is queued before the client's bytes.
            Self {
                ledger: ledger(from),
                credit: from,
                to_send: total,
                held: opened_with as usize,
                to: WINDOW,
                unread: 0,
                read: 0,
                delivered: 0,
            }
        }

        fn settle(&mut self) {
            if let Some(grant) = self.ledger.grant(self.to, self.held, CAP) {
                self.credit += grant;
            }
            assert!(
                self.held as u64 + u64::from(self.credit) <= u64::from(CAP.max(WINDOW)) + 9 * 1024,
                "more is under way than was allowed"
            );
        }

        fn act(&mut self, who: u8, most: u32) {
            match who % 3 {
                0 => {
                    let bytes = u64::from(most.min(self.credit)).min(self.to_send);
                    self.to_send -= bytes;
                    self.credit -= bytes as u32;
                    self.ledger.took(bytes as usize);
                    self.held += bytes as usize;
                }
                1 => {
                    let bytes = (most.min(self.to) as usize).min(self.held);
                    self.held -= bytes;
                    self.to -= bytes as u32;
                    self.unread += bytes as u32;
                }
                _ => {
                    let bytes = most.min(self.unread);
                    self.unread -= bytes;
                    self.read += bytes;
                    self.delivered += u64::from(bytes);
                    if self.read >= WINDOW / 2 {
                        self.to += std::mem::take(&mut self.read);
                    }
                }
            }
            self.settle();
        }
    }

    proptest! {
        #[test]
        fn every_schedule_ends_with_every_byte_delivered(
            total in 0u64..3_000_000,
            open in 20u32..8192,
            opened_with in 20u32..9216,
            steps in prop::collection::vec((any::<u8>(), 1u32..400_000), 0..200),
        ) {
            let mut line = Line::new(total, open, opened_with);
            for (who, most) in steps {
                line.act(who, most);
            }
            // Then everybody goes on as far as it can: a schedule that cannot end has a fault.
            for _ in 0..200 {
                for who in 0..3 {
                    line.act(who, u32::MAX);
                }
            }
            prop_assert_eq!(line.delivered, total + u64::from(opened_with));
        }
    }

    #[test]
    fn credit_comes_in_steps_unless_the_sender_has_none() {
        let mut full = ledger(WINDOW);
        assert_eq!(full.grant(WINDOW + 1000, 0, CAP), None);
        assert_eq!(full.grant(WINDOW + 32 * 1024, 0, CAP), Some(32 * 1024));
        let mut empty = ledger(0);
        assert_eq!(empty.grant(1, 0, CAP), Some(1));
        assert_eq!(empty.grant(5, 4, CAP), None);
    }

    #[test]
    fn a_sender_is_never_given_more_than_the_cap() {
        let mut ledger = ledger(0);
        assert_eq!(ledger.grant(u32::MAX, 0, CAP), Some(CAP));
        assert_eq!(ledger.grant(u32::MAX, 0, CAP), None);
    }
}
