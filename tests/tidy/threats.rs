//! The threat table of proxy/SECURITY.md: its rows, and that the tests which it names are there.

use crate::source::{Findings, root, sources};

const TABLE: &str = "proxy/SECURITY.md";
/// As many as the table of the design has, visitors by HTTP, and strangers among the nodes of a cluster.
const ROWS: usize = 35;

#[test]
fn every_row_of_the_threat_table_names_tests_that_there_are_or_says_why_not() {
    let mut findings = Findings::default();
    let code: Vec<_> = sources().into_iter().filter(|source| source.has_extension(&["rs", "ts", "mjs"])).collect();
    let text = std::fs::read_to_string(root().join(TABLE)).expect("the table is there");
    let rows = text.lines().enumerate().filter_map(|(at, line)| row(line).map(|(row, shown)| (at + 1, row, shown)));
    let mut numbers = Vec::new();
    for (line, number, shown) in rows {
        numbers.push(number);
        let names: Vec<_> = shown.split('`').filter(|word| word.starts_with("threat_")).collect();
        if names.is_empty() && !shown.starts_with("none yet") {
            findings.add(TABLE, line, "names no test, and does not say `none yet` and why");
        }
        for name in names {
            if !name.starts_with(&format!("threat_{number:02}_")) {
                findings.add(TABLE, line, &format!("{name} is of another row"));
            } else if !code.iter().any(|source| source.text.lines().any(|line| calls_a_test(line, name))) {
                findings.add(TABLE, line, &format!("there is no {name}"));
            }
        }
    }
    assert_eq!(numbers, (1..=ROWS).collect::<Vec<_>>(), "the rows of {TABLE}");
    findings.assert_none();
}

/// Whether a line of code begins a test of this name, and does not only speak of it.
fn calls_a_test(line: &str, name: &str) -> bool {
    let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ");
    let begins = ["fn ", "test(\"", "it(\"", "describe(\"", "])(\"", "\""];
    let rest = begins.iter().find_map(|begin| line.strip_prefix(begin)?.strip_prefix(name));
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
}

/// The number of a line of the table, and its last cell.
fn row(line: &str) -> Option<(usize, &str)> {
    let cells: Vec<_> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
    Some((cells.first()?.parse().ok()?, cells.last()?))
}

#[test]
fn a_row_is_a_number_and_what_shows_it() {
    assert_eq!(row("| 7 | a | b | `c`, `d` |"), Some((7, "`c`, `d`")));
    assert_eq!((row("| row | a | b |"), row("|---|---|"), row("7 | a")), (None, None, None));
}

#[test]
fn a_test_is_what_is_called_so_and_not_what_speaks_of_it() {
    let name = "threat_07_a_fact";
    let tests = ["    async fn threat_07_a_fact() {", "  it(\"threat_07_a_fact\", () => {", "  ])(\"threat_07_a_fact: %s\", (_) => {"];
    let others =
        ["// threat_07_a_fact", "fn threat_07_a_fact_of_another() {", "    threat_07_a_fact();", "/// As `fn threat_07_a_fact` does."];
    assert!(tests.iter().all(|line| calls_a_test(line, name)));
    assert!(!others.iter().any(|line| calls_a_test(line, name)));
}

#[test]
fn each_row_of_the_threat_table_has_its_line_in_make_threats() {
    let listed = std::process::Command::new("bash").arg("tests/threats.sh").current_dir(root()).output().expect("there is a bash");
    assert!(listed.status.success(), "{}{}", String::from_utf8_lossy(&listed.stdout), String::from_utf8_lossy(&listed.stderr));
    assert_eq!(String::from_utf8_lossy(&listed.stdout).lines().count(), ROWS);
}
