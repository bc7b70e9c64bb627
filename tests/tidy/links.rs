//! Links of the documents.

use std::{collections::HashSet, fs, path::Path};

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
                let (file, part) = target.split_once('#').unwrap_or((target, ""));
                let path = if file.is_empty() { root().join(&source.path) } else { root().join(folder).join(file) };
                if !path.exists() {
                    findings.add(&source.path, number, &format!("nothing at {target}"));
                } else if !part.is_empty() && !parts(&path).contains(part) {
                    findings.add(&source.path, number, &format!("no such part: {target}"));
                }
            }
        }
    }
    findings.assert_none();
}

/// The names of a document's parts, as GitHub makes them of its headings.
fn parts(document: &Path) -> HashSet<String> {
    let text = fs::read_to_string(document).unwrap_or_default();
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let name = |heading: &str| {
        let kept = heading.chars().filter(|character| character.is_alphanumeric() || " -_".contains(*character));
        kept.map(|character| if character == ' ' { '-' } else { character }).collect::<String>().to_lowercase()
    };
    headings.map(name).collect()
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
