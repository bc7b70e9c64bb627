//! The limits, with their defaults and reasons.

use browser_stream_server::Config;

use super::{between, documented, read, row};

/// The page.
pub fn page() -> String {
    let source = read("proxy/src/limits.rs");
    let fields = documented(between(&source, "pub struct Limits {\n", "\n}\n"), |line| {
        Some(line.trim().strip_prefix("pub ")?.split_once(':')?.0.to_owned())
    });
    let defaults = Config::default().to_toml();
    let (_, table) = defaults.split_once("[limits]\n").expect("the table of limits");
    let mut rows = String::new();
    let mut found = 0;
    for line in table.lines().filter(|line| !line.is_empty()) {
        let (key, value) = line.split_once(" = ").expect("a key and its value");
        let field = key.strip_suffix("_ms").unwrap_or(key);
        let reason = fields.iter().find(|(name, _)| name == field || *name == format!("{field}_max"));
        let (_, reason) = reason.unwrap_or_else(|| panic!("{key} is no field of Limits"));
        rows += &row([&format!("`{key}`"), &readable(key, value.parse().expect("a number")), reason]);
        found += 1;
    }
    assert_eq!(found, fields.len(), "every limit is a setting");
    format!(
        "\
# Limits

Made from the code (`make reference`). They stand in `[limits]` of the [file of settings](settings.md), counts and bytes as whole numbers, times in milliseconds; `bss serve --print-config` prints those that hold.
A program has them in `Config::limits`. Per session where nothing else is said.

| key | default | |
|---|---:|---|
{rows}"
    )
}

/// The value as the file has it, and what that comes to.
fn readable(key: &str, value: u64) -> String {
    let in_units = |units: &[(u64, &str)]| {
        units.iter().find(|(unit, _)| value >= *unit && value.is_multiple_of(*unit)).map(|(unit, name)| format!("{} {name}", value / unit))
    };
    let units: &[_] = if key.ends_with("_ms") {
        &[(60_000, "min"), (1000, "s")]
    } else if key.contains("bytes") {
        &[(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
    } else {
        &[]
    };
    in_units(units).map_or_else(|| value.to_string(), |readable| format!("{value} ({readable})"))
}

#[test]
fn a_default_is_told_in_units_that_one_reads() {
    assert_eq!(readable("a_ms", 120_000), "120000 (2 min)");
    assert_eq!(readable("a_ms", 250), "250");
    assert_eq!(readable("a_bytes_max", 8192), "8192 (8 KiB)");
    assert_eq!(readable("a_max", 1024), "1024");
}
