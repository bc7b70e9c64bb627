//! Nodes of one table that do not have the same secret: who joins, who does not, and who hears of it.

use uuid::Uuid;

use crate::cluster::{Change, Core, Event, Expected, NodeId, NodeRow, Row, Secret, Stranger, Time, Timing, Write, table::Table};

/// Nodes with one clock and a table that answers at once, in the order in which they are.
struct Both {
    table: Table,
    nodes: Vec<Core>,
    now: Time,
}

impl Both {
    fn new() -> Self {
        Self { table: Table::default(), nodes: Vec::new(), now: Time::ZERO }
    }

    /// One more, that has heard what there is.
    fn starts(&mut self, secret: Option<&str>) -> usize {
        let at = self.nodes.len();
        let core = Core::new(Uuid::from_u128(at as u128 + 1), &format!("node-{at}:7070"), Timing::default());
        let mut core = match secret {
            Some(secret) => core.with_secret(Secret::new(secret.as_bytes()).expect("long enough")),
            None => core,
        };
        self.table.told().into_iter().for_each(|change| core.changed(self.now, change));
        self.nodes.push(core);
        at
    }

    /// What a node wants written now, not yet sent.
    fn wants(&mut self, at: usize) -> Option<(u64, Write)> {
        self.nodes[at].tick(self.now);
        self.nodes[at].next_write()
    }

    /// The table takes it, tells all, and answers.
    fn takes(&mut self, at: usize, (number, write): (u64, Write)) {
        let (outcome, told) = self.table.write(write);
        self.nodes[at].answered(self.now, number, outcome);
        for (node, change) in self.nodes.iter_mut().flat_map(|node| told.clone().map(|change| (node, change))) {
            node.changed(self.now, change);
        }
    }

    /// Time passes, and whoever is `alive` does what there is to do.
    fn at(&mut self, seconds: u64, alive: &[usize]) {
        self.now = Time::from_secs(seconds);
        while alive.iter().fold(false, |wrote, &at| {
            let wants = self.wants(at);
            wants.map(|write| self.takes(at, write)).is_some() || wrote
        }) {}
    }

    fn is_in(&self, at: usize) -> bool {
        self.nodes[at].is_in(self.now)
    }

    /// What a node was told, but for what is of names.
    fn events(&mut self, at: usize) -> Vec<Event> {
        std::iter::from_fn(|| self.nodes[at].next_event()).filter(|event| !matches!(event, Event::Changed(_))).collect()
    }

    fn stranger(&self, at: usize) -> Stranger {
        Stranger { node: self.nodes[at].id(), address: format!("node-{at}:7070").into() }
    }
}

const OURS: Option<&str> = Some("a secret that all of these nodes have");
const OTHER: Option<&str> = Some("a secret that was meant for others");

#[test]
fn who_has_the_secret_joins_at_once_and_its_row_shows_that() {
    let mut both = Both::new();
    let (one, two) = (both.starts(OURS), both.starts(OURS));
    both.at(0, &[one, two]);
    assert!(both.is_in(one) && both.is_in(two));
    assert_eq!((both.nodes[one].count().0, both.nodes[one].others().count()), (2, 1));
    assert_eq!((both.events(one), both.events(two)), (vec![], vec![]));
}

#[test]
fn who_comes_to_a_node_with_another_secret_does_not_join_and_says_whose() {
    let mut both = Both::new();
    let there = both.starts(OURS);
    both.at(0, &[there]);
    let late = both.starts(OTHER);
    both.at(1, &[late]);
    assert!(!both.is_in(late), "it may be dead, and is not known to be");
    let stranger = both.stranger(there);
    assert_eq!(both.events(late), [Event::Stranger(stranger.clone())]);
    both.at(4, &[there, late]);
    assert_eq!(both.events(late), [Event::Unwelcome(stranger)]);
    assert!(both.nodes[late].has_left() && both.is_in(there));
    assert_eq!((both.events(there), both.table.count().1), (vec![], 1), "it has written nothing");
}

#[test]
fn who_comes_where_a_node_of_another_secret_was_killed_joins_when_that_is_written_off() {
    let mut both = Both::new();
    let killed = both.starts(OTHER);
    both.at(0, &[killed]);
    let fresh = both.starts(OURS);
    both.at(14, &[fresh]);
    assert!(!both.is_in(fresh));
    both.at(15, &[fresh]);
    assert!(both.is_in(fresh), "no longer than a lease");
}

#[test]
fn of_two_with_different_secrets_that_join_in_one_moment_the_later_leaves() {
    for late_answers in [false, true] {
        let mut both = Both::new();
        let (first, second) = (both.starts(OURS), both.starts(OTHER));
        let joins = [both.wants(first).expect("it joins"), both.wants(second).expect("it joins")];
        let [one, two] = joins;
        if late_answers {
            // The table tells of both before either hears that its own was taken.
            let (a, b) = (both.table.write(one.1), both.table.write(two.1));
            for change in [a.1, b.1].into_iter().flatten() {
                both.nodes.iter_mut().for_each(|node| node.changed(Time::ZERO, change.clone()));
            }
            both.nodes[first].answered(Time::ZERO, one.0, a.0);
            both.nodes[second].answered(Time::ZERO, two.0, b.0);
        } else {
            both.takes(first, one);
            both.takes(second, two);
        }
        let (earlier, later) =
            (both.stranger(first), Stranger { node: NodeId { process: Uuid::from_u128(2), life: 0 }, address: "node-1:7070".into() });
        assert!(both.is_in(first) && both.nodes[second].has_left(), "late answers: {late_answers}");
        assert_eq!(both.events(first), [Event::Stranger(later)]);
        assert_eq!(both.events(second), [Event::Stranger(earlier.clone()), Event::Unwelcome(earlier)]);
        both.at(4, &[first, second]);
        assert!(both.is_in(first) && !both.is_in(second));
        assert_eq!(both.nodes[first].count().0, 1);
    }
}

#[test]
fn a_node_that_was_in_comes_back_whoever_came_meanwhile_and_sends_nobody_to_a_stranger() {
    let mut both = Both::new();
    let there = both.starts(OURS);
    both.at(0, &[there]);
    // One that does not look: of a version that shows nothing.
    let row = NodeRow::Alive { address: "elsewhere:7070".into(), heard: 0, proof: None };
    let node = NodeId { process: Uuid::from_u128(9), life: 0 };
    let (_, told) = both.table.write(Write { row: Row::Node(node, Some(row)), expected: Expected::Absent });
    told.into_iter().for_each(|change: Change| both.nodes[there].changed(both.now, change));
    assert_eq!(both.events(there), [Event::Stranger(Stranger { node, address: "elsewhere:7070".into() })]);
    assert_eq!((both.nodes[there].count().0, both.nodes[there].others().count()), (1, 0));
    // It could not renew in time.
    both.at(12, &[there]);
    assert!(both.is_in(there) && both.nodes[there].id().life == 1, "in its next life");
}
