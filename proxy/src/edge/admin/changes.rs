//! What one who watches a table was told, and what it is to be told next: all rows once, and then those that changed and the keys of those that are gone.

use std::collections::HashMap;

use serde_json::json;

use super::{
    table::{Entry, Table, joined},
    tables::Kind,
};

/// So many rows go on one line.
pub(super) const ROWS_MAX: usize = 1000;

/// What one who watches a table was told.
#[derive(Default)]
pub(super) struct Changes {
    told: HashMap<String, u64>,
    /// It was told something.
    has_begun: bool,
}

impl Changes {
    /// What is to be told of the table as it is now, as lines; nothing where nothing changed.
    pub fn lines(&mut self, kind: Kind, table: &Table) -> Vec<String> {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let changed: Vec<&Entry> = table.rows.iter().filter(|entry| self.told.get(&entry.key) != Some(&entry.mark)).collect();
        // All that were told are still here, unless there are more of those than rows that were told.
        let new = changed.iter().filter(|entry| !self.told.contains_key(&entry.key)).count();
        let mut gone = Vec::new();
        if self.told.len() + new > table.rows.len() {
            let key = |key: &str| table.rows.binary_search_by(|entry| entry.key.as_str().cmp(key)).is_ok();
            gone.extend(self.told.keys().filter(|told| !key(told)).cloned());
            self.told.retain(|told, _| key(told));
        }
        for entry in &changed {
            self.told.insert(entry.key.clone(), entry.mark);
        }
        if changed.is_empty() && gone.is_empty() && !is_first {
            return Vec::new();
        }
        let parts: Vec<&[&Entry]> = if changed.is_empty() { vec![&[]] } else { changed.chunks(ROWS_MAX).collect() };
        let line = |(at, rows): (usize, &[&Entry])| {
            let begins = match at {
                0 if is_first => r#""reset":true,"#,
                _ => "",
            };
            let gone = if at == 0 && !gone.is_empty() { format!(r#","gone":{}"#, json!(gone)) } else { String::new() };
            format!("{{\"table\":\"{}\",{begins}\"rows\":[{}]{gone}}}\n", kind.as_str(), joined(rows))
        };
        parts.into_iter().enumerate().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{super::rows::RoomRow, *};

    fn table(rows: &[(&str, u64)]) -> Table {
        let row = |(name, emits): &(&str, u64)| RoomRow { name: (*name).into(), members: 1, live: 1, since_ms: 0, emits: *emits };
        Table::of(rows.iter().map(row))
    }

    fn told(changes: &mut Changes, rows: &[(&str, u64)]) -> Option<(bool, Vec<String>, Vec<String>)> {
        let lines = changes.lines(Kind::Rooms, &table(rows));
        let line: Value = serde_json::from_str(lines.first()?).expect("JSON");
        let texts = |field: &str, of: fn(&Value) -> &Value| {
            line[field].as_array().into_iter().flatten().map(|value| of(value).as_str().expect("a text").to_owned()).collect()
        };
        Some((line["reset"] == true, texts("rows", |row| &row["name"]), texts("gone", |key| key)))
    }

    #[test]
    fn who_watches_has_all_rows_once_and_then_what_changed_and_what_is_gone() {
        let mut changes = Changes::default();
        let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(told(&mut changes, &[("a", 0), ("b", 0)]), Some((true, all(&["a", "b"]), all(&[]))));
        assert_eq!(told(&mut changes, &[("a", 0), ("b", 0)]), None);
        assert_eq!(told(&mut changes, &[("a", 1), ("b", 0)]), Some((false, all(&["a"]), all(&[]))));
        assert_eq!(told(&mut changes, &[("a", 1), ("c", 0)]), Some((false, all(&["c"]), all(&["b"]))));
        assert_eq!(told(&mut changes, &[]).map(|(reset, rows, gone)| (reset, rows, gone.len())), Some((false, all(&[]), 2)));
        assert_eq!(told(&mut changes, &[]), None);
    }

    #[test]
    fn a_table_without_rows_is_told_too_and_a_long_one_in_parts() {
        let mut changes = Changes::default();
        assert_eq!(changes.lines(Kind::Rooms, &Table::default()), ["{\"table\":\"rooms\",\"reset\":true,\"rows\":[]}\n"]);
        let names: Vec<String> = (0..2500).map(|number| format!("{number:04}")).collect();
        let rows: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 0)).collect();
        let lines = Changes::default().lines(Kind::Rooms, &table(&rows));
        let parts: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part["rows"].as_array().map_or(0, Vec::len)).collect();
        assert_eq!(lengths, [1000, 1000, 500]);
        assert_eq!(parts.iter().filter(|part| part["reset"] == true).count(), 1, "the first begins anew, the others go on");
    }
}
