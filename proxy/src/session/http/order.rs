//! Bodies that come in any order, some of them twice, and leave in the order of their numbers.

use std::collections::BTreeMap;

/// What is kept until its turn comes: no more than `window` at once.
#[derive(Debug)]
pub struct Order<T> {
    /// The number whose turn it is.
    next: u64,
    window: u64,
    waiting: BTreeMap<u64, T>,
}

/// What a number means at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It was taken before: whoever sends it again did not hear so.
    Taken,
    /// It waits for its turn already.
    Waits,
    /// It is wanted.
    Wanted,
    /// It is so far ahead that it could never be honest.
    Beyond,
}

impl<T> Order<T> {
    /// The first number is 0.
    pub fn new(window: usize) -> Self {
        Self { next: 0, window: window as u64, waiting: BTreeMap::new() }
    }

    /// What is to be done with this number.
    pub fn place(&self, number: u64) -> Place {
        if number < self.next {
            Place::Taken
        } else if number - self.next >= self.window {
            Place::Beyond
        } else if self.waiting.contains_key(&number) {
            Place::Waits
        } else {
            Place::Wanted
        }
    }

    /// Keeps it until its turn, if it is wanted.
    pub fn put(&mut self, number: u64, item: T) {
        if self.place(number) == Place::Wanted {
            self.waiting.insert(number, item);
        }
    }

    /// The one whose turn it is, if it is there.
    pub fn pop(&mut self) -> Option<T> {
        let item = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(item)
    }

    /// Drops what waits.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_number_leaves_once_and_in_its_turn() {
        let mut order = Order::new(4);
        order.put(1, "b");
        assert_eq!(
            (order.place(0), order.place(1), order.place(3), order.place(4)),
            (Place::Wanted, Place::Waits, Place::Wanted, Place::Beyond)
        );
        assert_eq!(order.pop(), None, "a gap is waited for");
        order.put(1, "another b");
        order.put(0, "a");
        assert_eq!((order.pop(), order.pop(), order.pop()), (Some("a"), Some("b"), None));
        assert_eq!(
            (order.place(0), order.place(1), order.place(5), order.place(u64::MAX)),
            (Place::Taken, Place::Taken, Place::Wanted, Place::Beyond)
        );
    }

    proptest! {
        #[test]
        fn whatever_comes_what_leaves_is_counted_up_and_no_more_waits_than_may(numbers in prop::collection::vec(0_u64..40, 0..200), window in 1_usize..6) {
            let mut order = Order::new(window);
            let mut expected = 0;
            for number in numbers {
                order.put(number, number);
                prop_assert!(order.waiting.len() <= window);
                while let Some(left) = order.pop() {
                    prop_assert_eq!(left, expected);
                    expected += 1;
                }
                prop_assert!(order.place(expected) == Place::Wanted);
            }
        }
    }
}
