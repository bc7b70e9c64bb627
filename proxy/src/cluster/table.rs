//! The table in memory: what there is, and the number of its newest change.

use std::collections::BTreeMap;

use super::{Change, Expected, Outcome, Row, Write};
#[cfg(test)]
use super::{NameRow, NodeId, NodeRow, Place};

/// What there is, by the text of its key.
#[derive(Default)]
pub(super) struct Table {
    rows: BTreeMap<String, (Row, u64)>,
    newest: u64,
}

impl Table {
    /// Takes a write if the row is the one that is expected, and says what is to be told of it.
    pub fn write(&mut self, Write { row, expected }: Write) -> (Outcome, Option<Change>) {
        let key = key(&row);
        let found = self.rows.get(&key).map(|(_, revision)| *revision);
        let fits = match expected {
            Expected::Absent => found.is_none(),
            Expected::At(revision) => found == Some(revision),
        };
        if !fits {
            return (Outcome::Conflict, None);
        }
        self.newest += 1;
        if is_gone(&row) {
            self.rows.remove(&key);
        } else {
            self.rows.insert(key, (row.clone(), self.newest));
        }
        (Outcome::Done(self.newest), Some(Change::Row(row, self.newest)))
    }

    /// All that there is, for one who begins to listen.
    pub fn told(&self) -> Vec<Change> {
        let mut rows: Vec<_> = self.rows.values().cloned().collect();
        rows.sort_by_key(|(_, revision)| *revision);
        let rows = rows.into_iter().map(|(row, revision)| Change::Row(row, revision));
        [Change::Begun, Change::Newest(self.newest)].into_iter().chain(rows).chain([Change::Current]).collect()
    }

    /// The names that are in it, and by which changes.
    #[cfg(test)]
    pub fn names(&self) -> impl Iterator<Item = (&Place, &NameRow, u64)> {
        self.rows.values().filter_map(|(row, revision)| match row {
            Row::Name(place, Some(row)) => Some((place, row, *revision)),
            _ => None,
        })
    }

    /// By which change a node was written off.
    #[cfg(test)]
    pub fn end_of(&self, id: NodeId) -> Option<u64> {
        let (row, revision) = self.rows.get(&key(&Row::Node(id, None)))?;
        matches!(row, Row::Node(_, Some(NodeRow::Fenced))).then_some(*revision)
    }

    /// How many names are in it, and how many nodes.
    #[cfg(test)]
    pub fn count(&self) -> (usize, usize) {
        let names = self.rows.values().filter(|(row, _)| matches!(row, Row::Name(..))).count();
        (names, self.rows.len() - names)
    }
}

fn key(row: &Row) -> String {
    match row {
        Row::Node(id, _) => format!("node {id}"),
        Row::Name(place, _) => format!("name {} {}", place.prefix, place.name),
    }
}

fn is_gone(row: &Row) -> bool {
    matches!(row, Row::Node(_, None) | Row::Name(_, None))
}
