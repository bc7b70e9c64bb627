//! Whose turn it is among the streams that have something to send.
//!
//! Deficit round robin (Shreedhar and Varghese, 1995), with those ahead that have had nothing to send for a whole round, as in FQ-CoDel (RFC 8290, section 4.1): what a
//! stream says now and then does not wait behind everybody's bulk. Each takes one turn in that place, then all who wait have theirs before it is there again.

use std::collections::VecDeque;

use crate::StreamId;

/// The streams that have something to send.
#[derive(Default)]
pub(super) struct Round {
    /// Those that had nothing for a round.
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

impl Round {
    /// Adds a stream that had nothing to send since the turn after its own; `ahead_from` is what [`next_round`](Self::next_round) said then.
    pub(super) fn enter(&mut self, turn: Turn, ahead_from: u32) {
        // The count comes round; a stream that was idle for half of it waits once.
        if self.turns.wrapping_sub(ahead_from) <= u32::MAX / 2 {
            self.sparse.push_back(turn);
        } else {
            self.waiting.push_back(turn);
        }
    }

    /// Adds a stream that has had its turn and has more.
    pub(super) fn stay(&mut self, turn: Turn) {
        self.waiting.push_back(turn);
    }

    /// Takes out the one whose turn it is.
    pub(super) fn next(&mut self) -> Option<Turn> {
        self.sparse.pop_front().or_else(|| {
            let turn = self.waiting.pop_front()?;
            self.turns = self.turns.wrapping_add(1);
            Some(turn)
        })
    }

    /// The turn at which all that wait now have had theirs.
    pub(super) fn next_round(&self) -> u32 {
        self.turns.wrapping_add(self.waiting.len() as u32)
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
