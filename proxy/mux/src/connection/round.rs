//! Whose turn it is among the streams that have something to send.
//!
//! Deficit round robin (Shreedhar and Varghese, 1995), with those ahead that say little, as in FQ-CoDel (RFC 8290, section 4.1): what a stream says now and then
//! does not wait behind everybody's bulk. What it says there is taken off its share; when that is used up it waits with the others until all of these
//! have had their turns.

use std::collections::VecDeque;

use crate::StreamId;

/// The streams that have something to send.
#[derive(Default)]
pub(super) struct Round {
    /// Those that have said less than their share of this round.
    sparse: VecDeque<Turn>,
    waiting: VecDeque<Turn>,
    /// Turns that those who wait have had.
    turns: u32,
}

/// A place in the round. The serial tells a stream from an earlier one with the same id.
#[derive(Clone, Copy)]
pub(super) struct Turn {
    pub(super) id: StreamId,
    pub(super) serial: u32,
}

/// What a stream may still send ahead of the others in this round.
#[derive(Clone, Copy, Default)]
pub(super) struct Share {
    left: u32,
    /// The turn with which the round is over.
    until: u32,
}

impl Share {
    /// It sent so much.
    pub(super) fn spend(&mut self, bytes: u32) {
        self.left = self.left.saturating_sub(bytes);
    }
}

/// Less than this is not worth a frame.
const CRUMB: u32 = 1024;

impl Round {
    /// Adds a stream that had nothing to send, with what it has of its share.
    #[inline]
    pub(super) fn enter(&mut self, turn: Turn, share: &Share) {
        if share.left >= CRUMB || self.is_over(share) {
            self.sparse.push_back(turn);
        } else {
            self.waiting.push_back(turn);
        }
    }

    /// What a stream with a share of `most` may send in the turn that it has; `waited`: it is the one that comes after all others'.
    #[inline]
    pub(super) fn begin(&self, share: &mut Share, most: u32, waited: bool) -> u32 {
        if waited || self.is_over(share) {
            *share = Share { left: most, until: self.next_round() };
        }
        share.left
    }

    /// Whether all have had their turns since this share began. The count comes round; a stream that was idle for half of it waits once.
    fn is_over(&self, share: &Share) -> bool {
        self.turns.wrapping_sub(share.until) <= u32::MAX / 2
    }

    /// Adds a stream that has had its turn and has more.
    pub(super) fn stay(&mut self, turn: Turn) {
        self.waiting.push_back(turn);
    }

    /// Takes out the one whose turn it is; whether it waited for it.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(Turn, bool)> {
        if let Some(turn) = self.sparse.pop_front() {
            return Some((turn, false));
        }
        let turn = self.waiting.pop_front()?;
        self.turns = self.turns.wrapping_add(1);
        Some((turn, true))
    }

    /// The share of a stream that is new: none before a round is over, for opening streams is no way past the others.
    pub(super) fn no_share(&self) -> Share {
        Share { left: 0, until: self.next_round() }
    }

    /// The turn at which all that wait now have had theirs; where nobody does, the next of one that will.
    fn next_round(&self) -> u32 {
        self.turns.wrapping_add(self.waiting.len().max(1) as u32)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sparse.is_empty() && self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.sparse.len() + self.waiting.len()
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Turn) -> bool) {
        self.sparse.retain(&keep);
        self.waiting.retain(&keep);
    }

    pub(super) fn shrink_to(&mut self, streams: usize) {
        self.sparse.shrink_to(streams);
        self.waiting.shrink_to(streams);
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.sparse.capacity() + self.waiting.capacity()
    }
}
