//! A table as it was at one moment: rows in the order of their keys, as JSON, for whoever asks for a part of it or for what changed.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::rows::Row;

/// A table as it was at one moment.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// In the order of their keys.
    pub rows: Vec<Entry>,
}

/// A row.
#[derive(Debug)]
pub(super) struct Entry {
    pub key: String,
    /// What is searched, in lower case.
    text: String,
    /// The row as JSON.
    pub json: String,
    /// Another where the row is another.
    pub mark: u64,
}

/// Some rows of a table.
pub(super) struct Part<'a> {
    pub rows: Vec<&'a Entry>,
    /// The key behind which the next part begins, if there is one.
    pub next: Option<&'a str>,
    /// As many as there are in all parts.
    pub total: usize,
}

impl Table {
    /// A table of these rows.
    pub fn of<R: Row>(rows: impl IntoIterator<Item = R>) -> Self {
        let mut rows: Vec<Entry> = rows.into_iter().map(|row| Entry::of(&row)).collect();
        rows.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Self { rows }
    }

    /// A table of rows that are JSON already, by their keys; it is not searched.
    #[cfg(feature = "cluster")]
    pub fn told(rows: impl IntoIterator<Item = (String, String)>) -> Self {
        let entry = |(key, json): (String, String)| Entry { key, text: String::new(), mark: mark(&json), json };
        let mut rows: Vec<Entry> = rows.into_iter().map(entry).collect();
        rows.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Self { rows }
    }

    /// At most so many rows behind a key, of those in which this is found.
    pub fn part(&self, after: Option<&str>, limit: usize, search: &str) -> Part<'_> {
        let search = search.to_lowercase();
        let found = || self.rows.iter().filter(|entry| entry.text.contains(&search));
        let mut behind = found().filter(|entry| after.is_none_or(|after| entry.key.as_str() > after));
        let rows: Vec<&Entry> = behind.by_ref().take(limit).collect();
        let next = behind.next().and(rows.last()).map(|last| last.key.as_str());
        Part { rows, next, total: found().count() }
    }
}

impl Part<'_> {
    /// As the API answers it.
    pub fn to_json(&self) -> String {
        let next = serde_json::Value::from(self.next);
        format!(r#"{{"rows":[{}],"next":{next},"total":{}}}"#, joined(&self.rows), self.total)
    }
}

impl Entry {
    fn of(row: &impl Row) -> Self {
        // Rows are structs of plain fields: nothing of them has a way to fail.
        let json = serde_json::to_string(row).unwrap_or_default();
        let (key, mark) = (row.key(), mark(&json));
        let mut text = key.to_lowercase();
        for more in row.texts() {
            text.push('\n');
            text.push_str(&more.to_lowercase());
        }
        Self { key, text, json, mark }
    }
}

fn mark(json: &str) -> u64 {
    let mut mark = DefaultHasher::new();
    json.hash(&mut mark);
    mark.finish()
}

/// Rows as the inside of a JSON array.
pub(super) fn joined(rows: &[&Entry]) -> String {
    let mut text = String::with_capacity(rows.iter().map(|entry| entry.json.len() + 1).sum());
    for (at, entry) in rows.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&entry.json);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::rows::RoomRow, *};

    fn room(name: &str) -> RoomRow {
        RoomRow { name: name.into(), members: 1, live: 1, since_ms: 7, emits: 0 }
    }

    #[test]
    fn a_table_comes_in_parts_that_have_each_row_once_and_say_where_the_next_begins() {
        let table = Table::of((0..10_000).rev().map(|number| room(&format!("room {number:05}"))));
        let (mut after, mut keys) = (None, Vec::new());
        loop {
            let part = table.part(after.as_deref(), 999, "");
            assert_eq!(part.total, 10_000);
            keys.extend(part.rows.iter().map(|entry| entry.key.clone()));
            match part.next {
                Some(next) => after = Some(next.to_owned()),
                None => break,
            }
        }
        assert_eq!(keys.len(), 10_000);
        assert!(keys.is_sorted());
    }

    #[test]
    fn what_is_searched_is_found_whatever_its_case_and_no_field_is_taken_for_it() {
        let table = Table::of(["Hall", "日本", "<b>hall</b>"].map(room));
        let found = |search: &str| table.part(None, 10, search).rows.iter().map(|entry| entry.key.clone()).collect::<Vec<_>>();
        assert_eq!(found("HALL"), ["<b>hall</b>", "Hall"]);
        assert_eq!(found("日"), ["日本"]);
        assert!(found("members").is_empty());
        let part = table.part(None, 1, "hall");
        let said: Value = serde_json::from_str(&part.to_json()).expect("JSON");
        assert_eq!((&said["next"], &said["total"]), (&json!("<b>hall</b>"), &json!(2)));
        assert_eq!(said["rows"][0]["name"], "<b>hall</b>");
    }
}
