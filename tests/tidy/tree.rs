//! Where files lie, what they are called and how long they are (design: "The tree and its layers").

use std::collections::BTreeSet;

use crate::source::{Findings, paths, sources};

#[test]
fn the_top_level_holds_what_was_agreed_and_nothing_else() {
    let mut findings = Findings::default();
    let tops: BTreeSet<String> = paths().iter().filter_map(|path| path.split('/').next().map(str::to_owned)).collect();
    for top in &tops {
        if !top.starts_with('.') && !TOP_LEVEL.contains(&top.as_str()) {
            findings.add(top, 1, "belongs into proxy, browser-lib, examples or tests");
        }
    }
    findings.assert_none();
}

#[test]
fn no_npm_package_at_the_root() {
    let mut findings = Findings::default();
    for path in paths() {
        if matches!(path.as_str(), "package.json" | "package-lock.json" | "node_modules") {
            findings.add(&path, 1, "the npm packages are browser-lib and tests");
        }
    }
    findings.assert_none();
}

#[test]
fn no_file_is_longer_than_one_room() {
    let mut findings = Findings::default();
    for source in sources().iter().filter(|source| source.has_extension(CODE)) {
        let lines = source.lines().count();
        let excused = LONG.iter().any(|(path, _reason)| *path == source.path);
        if lines > LINES_MAX && !excused {
            findings.add(&source.path, LINES_MAX + 1, &format!("{lines} lines: is it one room, or several?"));
        } else if lines <= LINES_MAX && excused {
            findings.add(&source.path, lines, "needs its exception no more: take it off the list");
        }
    }
    findings.assert_none();
}

#[test]
fn files_are_named_after_what_they_hold() {
    let mut findings = Findings::default();
    for path in paths() {
        for part in path.split('/') {
            let stem = part.trim_start_matches('.').split('.').next().unwrap_or_default();
            if VAGUE.contains(&stem) {
                findings.add(&path, 1, &format!("`{stem}` says nothing: name the one thing that it is about"));
            }
        }
    }
    findings.assert_none();
}

const TOP_LEVEL: &[&str] =
    &["Cargo.toml", "Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT", "Makefile", "README.md", "browser-lib", "examples", "proxy", "tests"];

const CODE: &[&str] = &["rs", "ts", "tsx", "js", "mjs", "sh"];
const LINES_MAX: usize = 400;
/// Files that may be longer, each with the reason why splitting it would make it worse.
const LONG: &[(&str, &str)] = &[];

const VAGUE: &[&str] = &["util", "utils", "helper", "helpers", "common", "shared", "types", "misc"];
