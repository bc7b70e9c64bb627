//! Links of the documents.

use std::path::Path;

use crate::source::{Findings, root, sources};

#[test]
fn relative_links_lead_somewhere() {
    let mut findings = Findings::default();
    for source in sources().iter().filter(|source| source.has_extension(&["md"])) {
        let folder = Path::new(&source.path).parent().unwrap_or(Path::new(""));
        let mut in_code = false;
        for (number, line) in source.lines() {
            in_code ^= line.trim_start().starts_with("```");
            if in_code {
                continue;
            }
            for target in targets(line) {
                let file = target.split('#').next().unwrap_or_default();
                if !file.is_empty() && !root().join(folder).join(file).exists() {
                    findings.add(&source.path, number, &format!("nothing at {target}"));
                }
            }
        }
    }
    findings.assert_none();
}

/// The targets of the line's links and images that stay in the repository.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let links = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    links.map(|target| target.split(' ').next().unwrap_or_default()).filter(|target| !target.contains(':'))
}

#[test]
fn a_link_to_elsewhere_is_not_followed() {
    let line = "see [one](a.md#part), [two](https://example.org/b.md) and ![three](c.png \"title\")";
    assert_eq!(targets(line).collect::<Vec<_>>(), ["a.md#part", "c.png"]);
}
