//! One direction of a TCP connection: its segments in their order, each byte once, and what is missing said.

use std::collections::BTreeMap;

use super::budget::{Budget, Kept, Share};

/// Puts segments in order.
#[derive(Debug)]
pub struct Order {
    /// The sequence number of the byte that comes next, and where in the direction it stands.
    next: u32,
    at: u64,
    /// What came too early, by where it stands.
    early: BTreeMap<u64, Early>,
    /// What they weigh.
    waiting: usize,
    /// Where the direction ends, if that is known.
    end: Option<u64>,
    /// What the other side has.
    acknowledged: u64,
}

#[derive(Debug)]
struct Early {
    bytes: Kept,
    missing: u32,
    _share: Share,
}

/// What comes out, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Bytes(&'a [u8]),
    Missing(u64),
}

/// So much may wait for what is missing before it; then that counts as lost.
const WAITING_MAX: usize = 1 << 20;
/// What one segment that waits is counted as, beside its bytes.
const EARLY_BYTES: usize = 128;

impl Order {
    /// One whose first byte has this sequence number.
    pub fn new(first: u32) -> Self {
        Self { next: first, at: 0, early: BTreeMap::new(), waiting: 0, end: None, acknowledged: 0 }
    }

    /// A segment: `bytes`, and `missing` more that were not captured.
    pub fn segment(&mut self, sequence: u32, bytes: &[u8], missing: u32, fin: bool, budget: &Budget, out: &mut dyn FnMut(Piece<'_>)) {
        let Some(start) = self.place(sequence) else {
            // It began before what is known: all of it, or its front, was there already.
            let known = self.next.wrapping_sub(sequence) as usize;
            return self.rest(known, bytes, missing, fin, out);
        };
        let length = bytes.len() as u64 + u64::from(missing);
        if fin {
            self.end = Some(start + length);
        }
        if start == self.at {
            self.pass(bytes, missing, out);
            return self.release(out);
        }
        if length == 0 || self.early.get(&start).is_some_and(|early| early.length() >= length) {
            return;
        }
        let mut kept = Kept::new(budget);
        let share = budget.take(EARLY_BYTES).filter(|_| kept.keep(bytes));
        let Some(share) = share else {
            // There is no room to wait for what is before it.
            self.give_up(u64::MAX, out);
            if start > self.at {
                out(Piece::Missing(start - self.at));
                self.step(start - self.at);
            }
            return self.segment(sequence, bytes, missing, fin, budget, out);
        };
        let early = Early { bytes: kept, missing, _share: share };
        self.waiting += early.weight();
        if let Some(shorter) = self.early.insert(start, early) {
            self.waiting -= shorter.weight();
        }
        if self.waiting > WAITING_MAX {
            self.give_up(start, out);
        }
    }

    /// The other side has everything before this sequence number: what of it was not captured never will be.
    pub fn acknowledged(&mut self, sequence: u32, out: &mut dyn FnMut(Piece<'_>)) {
        if let Some(until) = self.place(sequence) {
            self.acknowledged = until;
            self.give_up(until, out);
        }
    }

    /// Nothing more comes: what waits is passed on, behind what is missing.
    pub fn close(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        self.give_up(u64::MAX, out);
        // The end counts as one byte more to who acknowledges it.
        let known = self.end.unwrap_or(self.acknowledged);
        if known > self.at {
            out(Piece::Missing(known - self.at));
            self.step(known - self.at);
        }
    }

    /// Whether its end was reached.
    pub fn is_finished(&self) -> bool {
        self.end.is_some_and(|end| self.at >= end)
    }

    /// Where a sequence number stands, if not before what comes next.
    fn place(&self, sequence: u32) -> Option<u64> {
        let ahead = sequence.wrapping_sub(self.next);
        (ahead < 1 << 31).then(|| self.at + u64::from(ahead))
    }

    /// The rest of a segment of which so many bytes are known.
    fn rest(&mut self, known: usize, bytes: &[u8], missing: u32, fin: bool, out: &mut dyn FnMut(Piece<'_>)) {
        let length = bytes.len() + missing as usize;
        if known > length {
            return;
        }
        if fin {
            self.end = Some(self.at + (length - known) as u64);
        }
        let gone = known.saturating_sub(bytes.len()) as u32;
        self.pass(bytes.get(known..).unwrap_or_default(), missing - gone, out);
        self.release(out);
    }

    fn pass(&mut self, bytes: &[u8], missing: u32, out: &mut dyn FnMut(Piece<'_>)) {
        if !bytes.is_empty() {
            out(Piece::Bytes(bytes));
        }
        if missing > 0 {
            out(Piece::Missing(u64::from(missing)));
        }
        self.step(bytes.len() as u64 + u64::from(missing));
    }

    fn step(&mut self, bytes: u64) {
        self.at += bytes;
        self.next = self.next.wrapping_add(bytes as u32);
    }

    /// Passes on what waited and follows now.
    fn release(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        while let Some(entry) = self.early.first_entry().filter(|entry| *entry.key() <= self.at) {
            let (start, early) = entry.remove_entry();
            let bytes = early.bytes.bytes();
            self.waiting -= early.weight();
            let known = self.at - start;
            if known < early.length() {
                let known = known as usize;
                let gone = known.saturating_sub(bytes.len()) as u32;
                self.pass(bytes.get(known..).unwrap_or_default(), early.missing - gone, out);
            }
        }
    }

    /// Passes on what waits and begins at or before `until`, behind what is missing.
    fn give_up(&mut self, until: u64, out: &mut dyn FnMut(Piece<'_>)) {
        while let Some((&start, _)) = self.early.first_key_value().filter(|(start, _)| **start <= until) {
            if start > self.at {
                out(Piece::Missing(start - self.at));
                self.step(start - self.at);
            }
            self.release(out);
        }
    }
}

impl Early {
    fn length(&self) -> u64 {
        self.bytes.bytes().len() as u64 + u64::from(self.missing)
    }

    fn weight(&self) -> usize {
        self.bytes.bytes().len() + EARLY_BYTES
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes out, missing bytes as dots.
    fn put(order: &mut Order, text: &mut String, steps: &[(u32, &str, u32)]) {
        let budget = Budget::new();
        for (sequence, bytes, missing) in steps {
            order.segment(*sequence, bytes.as_bytes(), *missing, false, &budget, &mut |piece| shown(text, &piece));
        }
    }

    fn shown(text: &mut String, piece: &Piece<'_>) {
        match piece {
            Piece::Bytes(bytes) => text.push_str(std::str::from_utf8(bytes).expect("text")),
            Piece::Missing(bytes) => text.extend((0..*bytes).map(|_| '.')),
        }
    }

    #[test]
    fn what_comes_twice_or_out_of_order_comes_out_once_and_in_order() {
        let (mut order, mut text) = (Order::new(u32::MAX - 1), String::new());
        put(
            &mut order,
            &mut text,
            &[(u32::MAX - 1, "ab", 0), (2, "ef", 0), (2, "e", 0), (0, "cd", 0), (u32::MAX, "bcdefg", 0), (3, "f", 0)],
        );
        assert_eq!(text, "abcdefg");
    }

    #[test]
    fn what_is_missing_is_said_once_it_cannot_come_any_more() {
        let (mut order, mut text) = (Order::new(0), String::new());
        put(&mut order, &mut text, &[(0, "ab", 3), (8, "ij", 0)]);
        assert_eq!(text, "ab...");
        order.acknowledged(10, &mut |piece| shown(&mut text, &piece));
        assert_eq!(text, "ab......ij");
        put(&mut order, &mut text, &[(5, "fgh", 0), (20, "z", 0)]);
        order.close(&mut |piece| shown(&mut text, &piece));
        assert_eq!(text, "ab......ij..........z");
    }

    #[test]
    fn more_than_may_wait_counts_what_is_before_it_as_lost() {
        let (mut order, budget, mut missing) = (Order::new(0), Budget::new(), 0);
        let segment = vec![0; 64 << 10];
        for number in 0..17 {
            order.segment(1 + number * (64 << 10), &segment, 0, false, &budget, &mut |piece| {
                missing += if let Piece::Missing(bytes) = piece { bytes } else { 0 };
            });
        }
        assert_eq!((missing, order.waiting), (1, 0));
    }

    proptest! {
        #[test]
        fn any_order_with_repeats_gives_the_same_bytes(
            first in any::<u32>(),
            cuts in proptest::collection::vec((0_usize..200, 1_usize..60), 1..40).prop_map(|mut cuts| {
                // Everything is there at least once.
                cuts.extend((0..20).map(|n| (n * 10, 10)));
                cuts
            }).prop_shuffle(),
        ) {
            let bytes: Vec<u8> = (0..200).collect();
            let (mut order, budget, mut out) = (Order::new(first), Budget::new(), Vec::new());
            let left = budget.left();
            for (at, length) in cuts {
                let part = &bytes[at..(at + length).min(200)];
                let fin = at + length >= 200;
                order.segment(first.wrapping_add(at as u32), part, 0, fin, &budget, &mut |piece| match piece {
                    Piece::Bytes(bytes) => out.extend_from_slice(bytes),
                    Piece::Missing(_) => panic!("nothing is missing"),
                });
            }
            prop_assert_eq!(&out, &bytes);
            prop_assert!(order.is_finished());
            prop_assert_eq!(budget.left(), left);
        }
    }
}
