//! The reference of the documents, made from the code that it tells of: `make reference` writes it anew.

mod codes;
mod dashboard;
mod events;
mod limits;
mod metrics;
mod settings;

use std::fs;

use crate::source::{Findings, root};

#[test]
fn the_reference_says_what_the_code_says() {
    let mut findings = Findings::default();
    let pages = [
        ("settings", settings::page()),
        ("limits", limits::page()),
        ("metrics", metrics::page()),
        ("codes", codes::page()),
        ("events", events::page()),
    ];
    for (page, text) in pages {
        let path = format!("proxy/docs/{page}.md");
        if std::env::var_os("WRITE").is_some() {
            fs::write(root().join(&path), &text).expect("written");
        }
        let written = fs::read_to_string(root().join(&path)).unwrap_or_default();
        if let Some(line) = different(&written, &text) {
            findings.add(&path, line, "is not what the code says now: `make reference` writes it anew");
        }
    }
    findings.assert_none();
}

/// The first line in which they differ.
fn different(written: &str, made: &str) -> Option<usize> {
    if written == made {
        return None;
    }
    let same = written.lines().zip(made.lines()).take_while(|(one, other)| one == other).count();
    Some(same + 1)
}

#[test]
fn the_first_line_that_is_another_is_told() {
    assert_eq!(different("a\nb\n", "a\nb\n"), None);
    assert_eq!(different("a\nb\n", "a\nc\n"), Some(2));
    assert_eq!(different("a\n", "a\nc\n"), Some(2));
    assert_eq!(different("", "a\n"), Some(1));
}

/// A source file of the repository.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A row of a table.
fn row<const CELLS: usize>(cells: [&str; CELLS]) -> String {
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

/// What stands between two pieces of a text, each of which must be there.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap_or_else(|| panic!("`{begin}` is not there"));
    rest.split_once(end).unwrap_or_else(|| panic!("`{end}` is not behind `{begin}`")).0
}

/// The members of a struct or an enum, each a line that ends as `is_member` knows, with the doc comment before it as one line.
fn documented(body: &str, name_of: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let (mut members, mut doc) = (Vec::new(), String::new());
    for line in body.lines() {
        if let Some(text) = line.trim_start().strip_prefix("/// ") {
            doc = format!("{doc} {text}").trim_start().to_owned();
        } else if let Some(name) = name_of(line) {
            members.push((name, std::mem::take(&mut doc)));
        } else if !line.trim_start().starts_with("#[") {
            doc.clear();
        }
    }
    members
}
