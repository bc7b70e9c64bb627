//! Rows for people: a table with aligned columns, ages and sizes in units. Nothing of a peer's breaks a line, or changes how it looks.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::super::escape::escaped;

/// A column: its head, the field, and how that is shown.
pub(super) type Column = (&'static str, &'static str, As);

/// The columns of a table.
pub(super) type Shape = &'static [Column];

/// How a field is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum As {
    Text,
    Number,
    Bytes,
    /// How long ago that was.
    Age,
    Milliseconds,
}

pub(super) const SESSIONS: Shape = &[
    ("SESSION", "id", As::Text),
    ("ADDRESS", "address", As::Text),
    ("WHO", "sub", As::Text),
    ("AGE", "since_ms", As::Age),
    ("RTT", "rtt_ms", As::Milliseconds),
    ("STREAMS", "streams", As::Number),
    ("NAMES", "names", As::Number),
    ("RECEIVED", "received", As::Bytes),
    ("SENT", "sent", As::Bytes),
    ("QUEUED", "queue", As::Bytes),
];

pub(super) const NAMES: Shape = &[
    ("NAME", "key", As::Text),
    ("STATE", "state", As::Text),
    ("SESSION", "session", As::Text),
    ("AGE", "since_ms", As::Age),
    ("CLIENTS", "clients", As::Number),
    ("RECEIVED", "received", As::Bytes),
    ("SENT", "sent", As::Bytes),
];

pub(super) const STREAMS: Shape = &[
    ("STREAM", "id", As::Text),
    ("KIND", "kind", As::Text),
    ("NAME", "name", As::Text),
    ("PATH", "path", As::Text),
    ("ACCEPTOR", "acceptor", As::Text),
    ("AGE", "since_ms", As::Age),
    ("RECEIVED", "received", As::Bytes),
    ("SENT", "sent", As::Bytes),
    ("QUEUED", "queue", As::Bytes),
];

pub(super) const CHANNELS: Shape = &[
    ("CHANNEL", "name", As::Text),
    ("POLICY", "policy", As::Text),
    ("PUBLISHERS", "publishers", As::Number),
    ("SUBSCRIBERS", "subscribers", As::Number),
    ("AGE", "since_ms", As::Age),
    ("RECEIVED", "received", As::Bytes),
    ("SENT", "sent", As::Bytes),
    ("QUEUED", "queue", As::Bytes),
];

pub(super) const ROOMS: Shape = &[
    ("ROOM", "name", As::Text),
    ("MEMBERS", "members", As::Number),
    ("LIVE", "live", As::Number),
    ("AGE", "since_ms", As::Age),
    ("EVENTS", "emits", As::Number),
];

pub(super) const MEMBERS: Shape =
    &[("MEMBER", "id", As::Text), ("ALIAS", "alias", As::Text), ("SESSION", "session", As::Text), ("AGE", "since_ms", As::Age)];

pub(super) const EVENTS: Shape =
    &[("AGO", "at_ms", As::Age), ("KIND", "kind", As::Text), ("SESSION", "session", As::Text), ("TEXT", "text", As::Text)];

const NODE: Shape = &[("NODE", "node", As::Text)];

/// Rows as a table, or as JSON: an array.
pub(super) fn rows(rows: &[Value], shape: Shape, as_json: bool) -> String {
    if as_json {
        return format!("{}\n", json!(rows));
    }
    let now = now_ms();
    // In a cluster alone.
    let has_nodes = rows.iter().any(|row| row["node"].is_string());
    let shape: Vec<&Column> = shape.iter().chain(NODE.iter().filter(|_| has_nodes)).collect();
    let head = shape.iter().map(|(head, ..)| (*head).to_owned()).collect();
    let cells = rows.iter().map(|row| shape.iter().map(|(_, field, how)| how.show(&row[field], now)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(cells).collect();
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..shape.len()).map(width).collect();
    let text = |cells: &Vec<String>| {
        let padded = cells.iter().zip(&widths).zip(&shape).map(|((cell, &width), (.., how))| match how {
            As::Text => format!("{cell:width$}"),
            _ => format!("{cell:>width$}"),
        });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    lines.iter().map(text).collect()
}

/// The overview: a number on a line.
pub(super) fn overview(overview: &Value, as_json: bool) -> String {
    if as_json {
        return format!("{overview}\n");
    }
    let now = now_ms();
    let how = |field: &str| match field {
        "since_ms" => As::Age,
        "received" | "sent" | "memory_used" | "memory_budget" | "rss" => As::Bytes,
        _ => As::Text,
    };
    let fields = overview.as_object().into_iter().flatten().filter(|(field, value)| *field != "now_ms" && !value.is_null());
    let mut text = String::new();
    for (field, value) in fields {
        match value.as_object() {
            Some(counts) => counts.iter().for_each(|(of, count)| text.push_str(&format!("{field:15}{of}: {count}\n"))),
            None if value.is_array() => {
                let each = value.as_array().into_iter().flatten();
                each.for_each(|one| text.push_str(&format!("{field:15}{}\n", As::Text.show(one, now))));
            }
            None => {
                let name = if field == "since_ms" { "up" } else { field };
                text.push_str(&format!("{name:15}{}\n", how(field).show(value, now)));
            }
        }
    }
    text
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

impl As {
    fn show(self, value: &Value, now: u64) -> String {
        match (self, value) {
            (_, Value::Null) => "-".to_owned(),
            (Self::Bytes, value) => value.as_u64().map_or_else(String::new, bytes),
            (Self::Age, value) => value.as_u64().map_or_else(String::new, |since| age(now.saturating_sub(since) / 1000)),
            (Self::Milliseconds, value) => value.as_f64().map_or_else(String::new, milliseconds),
            (_, Value::String(text)) if text.is_empty() => "-".to_owned(),
            (_, Value::String(text)) => escaped(text),
            (_, value) => value.to_string(),
        }
    }
}

/// A number of bytes, as the admin page has it (`quantity.ts`): three digits as a rule.
fn bytes(count: u64) -> String {
    let (mut value, mut unit) = (count as f64, 0);
    while value >= 999.5 && unit < UNITS.len() - 1 {
        (value, unit) = (value / 1000.0, unit + 1);
    }
    let decimals = usize::from(unit > 0 && value < 99.95);
    format!("{value:.decimals$} {}", UNITS[unit])
}

const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];

/// A time on the way, as the page has it, too.
fn milliseconds(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

/// So many seconds, in the two largest units.
fn age(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes_are_told_in_units_that_fit() {
        // `browser-lib/test/admin/order.test.ts` has the same of the page.
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (99_949, "99.9 kB"),
            (99_950, "100 kB"),
            (999_500, "1.0 MB"),
            (1 << 30, "1.1 GB"),
            (u64::MAX, "18447 PB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        assert_eq!((milliseconds(0.04), milliseconds(9.94), milliseconds(12.4)), ("0.0 ms".into(), "9.9 ms".into(), "12 ms".into()));
        for (seconds, text) in [(0, "0 s"), (61, "1 min 1 s"), (7320, "2 h 2 min"), (90_000, "1 d 1 h")] {
            assert_eq!(age(seconds), text);
        }
    }

    #[test]
    fn a_table_is_aligned_and_no_name_breaks_its_line() {
        let room = |name: &str, members: usize| json!({ "name": name, "members": members, "live": null, "since_ms": now_ms(), "emits": 0 });
        let text = rows(&[room("日本", 10), room("a\nb\u{1b}\u{202e}\u{200b}", 2)], ROOMS, false);
        assert_eq!(
            text,
            "ROOM                        MEMBERS  LIVE  AGE  EVENTS\n日本                               10     -  0 s       0\na\\u000ab\\u001b\\u202e\\u200b        2     -  0 s       0\n"
        );
        assert_eq!(rows(&[], ROOMS, true), "[]\n");
        let of_nodes = [json!({ "id": "1", "node": "0123abcd" }), json!({ "id": "2", "node": "4567cdef" })];
        assert_eq!(rows(&of_nodes, &MEMBERS[..1], false), "MEMBER  NODE\n1       0123abcd\n2       4567cdef\n");
        let told = overview(&json!({ "missing": ["0123abcd"], "names": 1, "node": "4567cdef" }), false);
        assert_eq!(told, "missing        0123abcd\nnames          1\nnode           4567cdef\n");
    }
}
