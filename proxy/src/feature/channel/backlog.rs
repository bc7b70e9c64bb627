//! Records that wait, and which of them may be left out: whole messages, the oldest first.

use std::{collections::VecDeque, sync::Arc};

use browser_stream_protocol::channel::{Delivered, Records};
use bytes::{Bytes, BytesMut};

use super::batch::{Item, Kind};
use crate::memory::Memory;

/// What a record that waits counts beside its bytes: its place in the queue.
pub(super) const ITEM_COSTS: usize = 64;

/// Records that wait for one reader, or for who comes later.
#[derive(Debug)]
pub(super) struct Backlog {
    items: VecDeque<Item>,
    /// Bytes on the wire.
    wire: usize,
    /// What records cost that are about no message: they cannot be left out.
    words: usize,
    /// Publishers of whose message under way nothing more is taken.
    absent: Vec<u32>,
    memory: Arc<Memory>,
}

/// A message that was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dropped {
    pub publisher: u32,
    /// Where it stood.
    pub at: usize,
}

impl Backlog {
    pub fn new(memory: Arc<Memory>) -> Self {
        Self { items: VecDeque::new(), wire: 0, words: 0, absent: Vec::new(), memory }
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes on the wire.
    pub fn wire(&self) -> usize {
        self.wire
    }

    /// What counts against a bound.
    pub fn cost(&self) -> usize {
        self.wire + self.items.len() * ITEM_COSTS
    }

    /// What of that is about no message, and so is never left out.
    pub fn words(&self) -> usize {
        self.words
    }

    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.iter()
    }

    /// Nothing more of this publisher's message under way is wanted.
    pub fn miss(&mut self, publisher: u32) {
        if !self.misses(publisher) {
            self.absent.push(publisher);
        }
    }

    /// It has no message under way any more.
    pub fn miss_no_more(&mut self, publisher: u32) {
        self.absent.retain(|&missed| missed != publisher);
    }

    pub fn misses(&self, publisher: u32) -> bool {
        self.absent.contains(&publisher)
    }

    /// Whether all that comes is wanted.
    pub fn misses_nothing(&self) -> bool {
        self.absent.is_empty()
    }

    /// Whether this record is wanted; the first of a message always is.
    pub fn wants(&mut self, item: &Item) -> bool {
        if self.absent.is_empty() || matches!(item.kind, Kind::Skipped(_)) {
            return true;
        }
        if item.kind == Kind::Word {
            // It came just now, or is gone.
            self.miss_no_more(item.publisher);
            return true;
        }
        if item.begins() {
            self.miss_no_more(item.publisher);
            return true;
        }
        !self.misses(item.publisher)
    }

    pub fn push(&mut self, item: Item) {
        self.insert(self.items.len(), item);
    }

    pub fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.forget(&item);
        if self.items.is_empty() {
            self.items = VecDeque::new();
        }
        Some(item)
    }

    /// Leaves out the oldest message whose first part still waits.
    pub fn drop_oldest(&mut self) -> Option<Dropped> {
        let at = self.items.iter().position(Item::begins)?;
        let (publisher, message) = self.items.get(at).map(|item| (item.publisher, item.message))?;
        if !self.take_out(at, publisher, message) {
            self.miss(publisher);
        }
        Some(Dropped { publisher, at })
    }

    /// Says at this place that one more message of this publisher was left out.
    pub fn tell(&mut self, Dropped { publisher, at }: Dropped) {
        // What others sent in between makes no difference. The oldest go first, so what was left out before stands in front.
        let before = self.items.iter_mut().take(at).rev().find(|item| item.publisher == publisher);
        if let Some(Item { kind: Kind::Skipped(messages), .. }) = before {
            *messages += 1;
            return;
        }
        let (head, body) = Default::default();
        self.insert(at, Item { publisher, message: 0, kind: Kind::Skipped(1), payload: 0, head, body });
    }

    /// Cuts the oldest message of which a part has left: the rest of it waits no longer, and none comes. Whether there was one.
    pub fn cut_oldest(&mut self) -> bool {
        let Some(at) = self.items.iter().position(|item| matches!(item.kind, Kind::Part { .. })) else { return false };
        let Some((publisher, message)) = self.items.get(at).map(|item| (item.publisher, item.message)) else { return false };
        if !self.take_out(at, publisher, message) {
            self.miss(publisher);
        }
        let mut record = BytesMut::new();
        Delivered::Cut(publisher).write(&mut record);
        self.insert(at, Item { publisher, message, kind: Kind::Cut, payload: 0, head: record.freeze(), body: Bytes::new() });
        true
    }

    /// Forgets a message that will never be whole, and of which nothing has left; where it stood.
    pub fn cut(&mut self, publisher: u32, message: u64) -> Option<usize> {
        let at = self.items.iter().position(|item| item.publisher == publisher && item.message == message && item.begins())?;
        self.take_out(at, publisher, message);
        Some(at)
    }

    /// Takes all out that there is of a publisher.
    pub fn forget_all_of(&mut self, publisher: u32) {
        let items = std::mem::take(&mut self.items);
        for item in items {
            if item.publisher == publisher { self.forget(&item) } else { self.items.push_back(item) }
        }
    }

    /// Takes out what stands in front and is about no message that is kept.
    pub fn tidy(&mut self) {
        while self.items.front().is_some_and(|item| matches!(item.kind, Kind::Word | Kind::Cut)) {
            self.pop();
        }
    }

    /// Takes a message out that begins at this place; whether its end was there.
    fn take_out(&mut self, mut at: usize, publisher: u32, message: u64) -> bool {
        while let Some(item) = self.items.get(at) {
            let is_word = matches!(item.kind, Kind::Word | Kind::Skipped(_));
            if is_word || item.publisher != publisher || item.message != message {
                at += 1;
                continue;
            }
            let ends = item.ends();
            if let Some(item) = self.items.remove(at) {
                self.forget(&item);
            }
            if ends {
                return true;
            }
        }
        false
    }

    /// Puts a record at this place.
    pub fn insert(&mut self, at: usize, item: Item) {
        self.memory.take(ITEM_COSTS);
        self.wire += item.wire();
        self.words += words(&item);
        self.items.insert(at, item);
    }

    fn forget(&mut self, item: &Item) {
        self.memory.give(ITEM_COSTS);
        self.wire -= item.wire();
        self.words -= words(item);
    }
}

fn words(item: &Item) -> usize {
    if item.kind == Kind::Word { item.wire() + ITEM_COSTS } else { 0 }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        self.memory.give(self.items.len() * ITEM_COSTS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(publisher: u32, message: u64, begins: bool, ends: bool) -> Item {
        Item { publisher, message, kind: Kind::Part { begins, ends }, payload: 9, head: Bytes::from_static(&[0; 10]), body: Bytes::new() }
    }

    fn backlog(items: impl IntoIterator<Item = Item>) -> Backlog {
        let mut backlog = Backlog::new(Arc::new(Memory::new(usize::MAX)));
        items.into_iter().for_each(|item| backlog.push(item));
        backlog
    }

    fn left(backlog: &Backlog) -> Vec<(u32, u64)> {
        backlog.items().map(|item| (item.publisher, item.message)).collect()
    }

    #[test]
    fn the_oldest_whole_message_goes_first_and_none_of_which_a_part_has_left() {
        let mut backlog = backlog([part(0, 4, false, true), part(0, 5, true, false), part(0, 5, false, true), part(0, 6, true, true)]);
        assert_eq!(backlog.drop_oldest(), Some(Dropped { publisher: 0, at: 1 }));
        assert_eq!(left(&backlog), [(0, 4), (0, 6)]);
        assert!(backlog.drop_oldest().is_some());
        assert_eq!(backlog.drop_oldest(), None, "a part of it has left");
        assert!(backlog.misses_nothing());
    }

    #[test]
    fn the_rest_of_a_message_that_was_left_out_is_not_wanted() {
        let mut backlog = backlog([part(3, 1, true, false)]);
        backlog.drop_oldest();
        assert!(!backlog.wants(&part(3, 1, false, false)) && backlog.wants(&part(4, 0, false, false)));
        assert!(!backlog.wants(&part(3, 1, false, true)));
        assert!(backlog.wants(&part(3, 2, true, false)) && backlog.wants(&part(3, 2, false, true)));
        backlog.miss(3);
        assert!(backlog.wants(&Item::word(3, &Delivered::Cut(3))) && backlog.misses_nothing(), "it left");
    }

    #[test]
    fn the_rest_of_a_message_of_which_a_part_has_left_may_be_cut() {
        let mut backlog = backlog([part(0, 4, false, false), part(1, 0, false, true), part(0, 4, false, false)]);
        assert_eq!(backlog.drop_oldest(), None);
        assert!(backlog.cut_oldest() && backlog.cut_oldest() && !backlog.cut_oldest());
        let told: Vec<_> = backlog.items().map(|item| (item.publisher, item.message, item.kind)).collect();
        assert_eq!(told, [(0, 4, Kind::Cut), (1, 0, Kind::Cut)]);
        assert!(
            !backlog.wants(&part(0, 4, false, true)) && backlog.wants(&part(0, 5, true, true)) && backlog.wants(&part(1, 1, true, true))
        );
    }

    #[test]
    fn messages_of_others_in_between_stay() {
        let mut backlog = backlog([part(0, 0, true, false), part(1, 0, true, true), part(0, 0, false, true)]);
        backlog.drop_oldest();
        assert_eq!(left(&backlog), [(1, 0)]);
    }

    #[test]
    fn what_is_left_out_in_a_row_is_told_once() {
        let mut backlog = backlog([part(0, 1, false, true), part(0, 2, true, true), part(0, 3, true, true), part(0, 4, true, true)]);
        for _ in 0..3 {
            let dropped = backlog.drop_oldest().unwrap();
            backlog.tell(dropped);
        }
        let told: Vec<Kind> = backlog.items().map(|item| item.kind).collect();
        assert_eq!(told, [Kind::Part { begins: false, ends: true }, Kind::Skipped(3)]);
    }

    #[test]
    fn what_is_left_out_of_two_in_turn_takes_no_more_room_however_much_it_is() {
        let mut backlog = backlog([]);
        for message in 0..100 {
            for publisher in 0..2 {
                backlog.push(part(publisher, message, true, true));
                let dropped = backlog.drop_oldest().unwrap();
                backlog.tell(dropped);
            }
        }
        let told: Vec<_> = backlog.items().map(|item| (item.publisher, item.kind)).collect();
        assert_eq!(told, [(0, Kind::Skipped(100)), (1, Kind::Skipped(100))]);
    }

    #[test]
    fn its_places_count_in_the_memory_and_are_given_back() {
        let memory = Arc::new(Memory::new(usize::MAX));
        let mut backlog = Backlog::new(memory.clone());
        (0..10).for_each(|message| backlog.push(part(0, message, true, true)));
        assert_eq!((memory.used(), backlog.wire(), backlog.cost()), (10 * ITEM_COSTS, 100, 100 + 10 * ITEM_COSTS));
        backlog.pop();
        backlog.drop_oldest();
        backlog.cut(0, 9);
        assert_eq!((memory.used(), backlog.wire()), (7 * ITEM_COSTS, 70));
        drop(backlog);
        assert_eq!(memory.used(), 0);
    }
}
