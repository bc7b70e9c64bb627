//! One node, step by step: what it does at which moment.

use uuid::Uuid;

use crate::cluster::{
    Change, Core, Event, Expected, Hold, NameRow, NodeId, NodeRow, Outcome, Place, Row, State, Time, Timing, Title, Why, Write,
    table::Table,
};

/// A node, and a table that answers when it is told to.
struct One {
    core: Core,
    table: Table,
    now: Time,
}

impl One {
    /// It is in since 0 s.
    fn new() -> Self {
        let mut one = Self { core: Core::new(Uuid::from_u128(1), "node", Timing::default()), table: Table::default(), now: Time::ZERO };
        for change in one.table.told() {
            one.core.changed(one.now, change);
        }
        one.at(0);
        assert!(one.core.is_in(one.now));
        one
    }

    /// Time passes, and the table answers all that is wanted then.
    fn at(&mut self, milliseconds: u64) {
        self.pass(milliseconds);
        while let Some((number, write)) = self.core.next_write() {
            let (outcome, told) = self.table.write(write);
            self.core.answered(self.now, number, outcome);
            self.tell(told);
        }
    }

    /// Time passes, and the table says nothing.
    fn pass(&mut self, milliseconds: u64) {
        self.now = Time::from_millis(milliseconds);
        self.core.tick(self.now);
    }

    fn tell(&mut self, told: Option<Change>) {
        if let Some(change) = told {
            self.core.changed(self.now, change);
        }
    }

    fn write(&mut self) -> (u64, Write) {
        self.core.next_write().expect("it wants something written")
    }

    /// Somebody else writes, and that is told.
    fn put(&mut self, row: Row, expected: Expected) -> u64 {
        let (outcome, told) = self.table.write(Write { row, expected });
        self.tell(told);
        let Outcome::Done(revision) = outcome else { panic!("it is not what is expected") };
        revision
    }

    fn claim(&mut self) -> u64 {
        self.claim_by(None)
    }

    fn claim_by(&mut self, generation: Option<u64>) -> u64 {
        let title = Title { instance: Uuid::from_u128(2), attempt: 1, generation, sub: None };
        self.core.claim(self.now, &place(), title, false)
    }

    /// Has the name.
    fn holds(&mut self) -> Hold {
        let asked = self.claim();
        self.at(0);
        let granted = self.events().into_iter().find_map(|event| match event {
            Event::Granted { claim, hold } if claim == asked => Some(hold),
            _ => None,
        });
        granted.expect("the name is free")
    }

    /// What happened, but for what is only news.
    fn events(&mut self) -> Vec<Event> {
        let events = std::iter::from_fn(|| self.core.next_event());
        events.filter(|event| !matches!(event, Event::Changed(_))).collect()
    }
}

fn place() -> Place {
    Place { prefix: "/p".into(), name: "n".into() }
}

#[test]
fn a_node_without_answers_stops_so_long_after_it_sent_its_last_renewal() {
    let mut one = One::new();
    let hold = one.holds();
    one.at(4_000);
    // The answer to that one takes a while, and counts from when it was sent.
    one.pass(8_000);
    let (number, write) = one.write();
    one.now = Time::from_millis(9_500);
    let (outcome, _) = one.table.write(write);
    one.core.answered(one.now, number, outcome);
    assert_eq!(one.core.serves_until(), Some(Time::from_secs(20)));
    one.pass(19_999);
    assert!(one.core.is_in(one.now) && one.events().is_empty());
    one.pass(20_000);
    assert!(!one.core.is_in(one.now));
    assert_eq!(one.events(), [Event::Lost { place: place(), hold, why: Why::Unavailable }]);
}

#[test]
fn an_answer_that_comes_when_a_node_has_stopped_makes_it_serve_no_name_again() {
    let mut one = One::new();
    one.holds();
    one.pass(4_000);
    let (number, write) = one.write();
    let (outcome, _) = one.table.write(write);
    assert!(matches!(outcome, Outcome::Done(_)));
    let life = one.core.id().life;
    one.now = Time::from_secs(12);
    one.core.answered(one.now, number, outcome);
    assert!(!one.core.is_in(one.now) && one.core.id().life > life);
}

#[test]
fn a_renewal_that_was_taken_without_an_answer_does_not_stop_a_node() {
    let mut one = One::new();
    let hold = one.holds();
    one.pass(4_000);
    let (number, write) = one.write();
    let (_, told) = one.table.write(write);
    one.now = Time::from_secs(6);
    one.core.answered(one.now, number, Outcome::Unknown);
    // It cannot know, so the table refuses the next one; then that is told.
    one.at(6_500);
    one.tell(told);
    one.at(7_000);
    assert_eq!(one.core.serves_until(), Some(Time::from_secs(19)));
    one.core.release(one.now, &place(), hold);
    one.at(7_000);
    assert_eq!((one.table.count().0, one.events().len()), (0, 0));
}

#[test]
fn a_claim_that_was_given_up_leaves_nothing_whatever_became_of_its_write() {
    for is_answered in [true, false] {
        let mut one = One::new();
        let claim = one.claim();
        let (number, write) = one.write();
        one.core.give_up(one.now, &place(), claim);
        let (outcome, told) = one.table.write(write);
        assert_eq!(one.table.count().0, 1);
        one.core.answered(one.now, number, if is_answered { outcome } else { Outcome::Unknown });
        one.tell(told);
        one.at(600);
        assert_eq!((one.table.count().0, one.events().len()), (0, 0), "answered: {is_answered}");
    }
}

#[test]
fn what_is_told_of_an_owner_is_written_over_its_claim_alone() {
    let mut one = One::new();
    let hold = one.holds();
    one.core.tell(one.now, &place(), hold, State::Suspended);
    one.at(0);
    assert_eq!(one.core.whereabouts(one.now, &place()).map(|found| found.state), Some(State::Suspended));
    let other = Hold { serial: hold.serial + 1, ..hold };
    one.core.tell(one.now, &place(), other, State::Up);
    one.core.release(one.now, &place(), other);
    assert!(one.core.is_quiet());
}

#[test]
fn a_claim_that_the_table_does_not_answer_is_refused_in_time() {
    let mut one = One::new();
    let claim = one.claim();
    one.pass(7_999);
    assert!(one.events().is_empty());
    one.pass(8_000);
    assert_eq!(one.events(), [Event::Refused { claim, why: Why::Unavailable }]);
}

#[test]
fn a_claim_whose_write_comes_when_its_nodes_life_is_over_leaves_nothing_for_whomever_it_was() {
    for is_written_off_before in [true, false] {
        let mut one = One::new();
        one.claim_by(Some(7));
        let (number, late) = one.write();
        one.pass(2_000);
        one.core.answered(one.now, number, Outcome::Unknown);
        one.pass(12_000);
        if is_written_off_before {
            one.at(12_000);
        }
        let (_, told) = one.table.write(late);
        assert_eq!(one.table.count().0, 1);
        one.tell(told);
        // In its next life it looks.
        one.at(12_600);
        one.at(12_700);
        assert_eq!(one.table.count().0, 0, "written off before: {is_written_off_before}");
    }
}

#[test]
fn of_another_node_that_is_known_by_what_came_first() {
    for (is_written_off_before, had) in [(true, false), (true, true), (false, false)] {
        let mut one = One::new();
        let other = NodeId { process: Uuid::from_u128(9), life: 0 };
        let alive = NodeRow::Alive { address: "other".into(), heard: 0, proof: None };
        let joined = one.put(Row::Node(other, Some(alive)), Expected::Absent);
        let title = Title { instance: Uuid::from_u128(2), attempt: 1, generation: Some(7), sub: None };
        let row = NameRow { node: other, title, state: State::Up, http: false, left: Vec::new(), had, share: None };
        let (fenced, named) = (Row::Node(other, Some(NodeRow::Fenced)), Row::Name(place(), Some(row)));
        if is_written_off_before {
            one.put(fenced, Expected::At(joined));
            one.put(named, Expected::Absent);
        } else {
            one.put(named, Expected::Absent);
            one.put(fenced, Expected::At(joined));
        }
        one.at(100);
        let is_kept = one.table.count().0 == 1;
        assert_eq!(is_kept, had || !is_written_off_before, "written off before: {is_written_off_before}, had: {had}");
    }
}

#[test]
fn an_answer_for_a_table_that_was_forgotten_says_nothing_of_the_one_that_is() {
    let mut one = One::new();
    for revision in 0..20 {
        one.put(Row::Node(NodeId { process: Uuid::from_u128(9), life: revision }, Some(NodeRow::Fenced)), Expected::Absent);
    }
    one.claim();
    let (number, write) = one.write();
    let (outcome, _) = one.table.write(write);
    one.table = Table::default();
    for change in one.table.told() {
        one.core.changed(one.now, change);
    }
    one.core.answered(one.now, number, outcome);
    one.at(100);
    one.at(1_000);
    let known = one.core.whereabouts(one.now, &place());
    assert_eq!(
        (known.map(|known| known.node), one.table.count().0),
        (Some(one.core.id()), 1),
        "the claim waits, and gets the name of the new table"
    );
    assert!(one.events().iter().any(|event| matches!(event, Event::Granted { .. })));
}
