//! What no file may say.

use crate::source::{Findings, Source, sources};

#[test]
fn nothing_is_left_for_later() {
    let mut findings = Findings::default();
    for source in sources() {
        for (number, line) in source.lines() {
            for word in unfinished(&source) {
                if line.contains(&word) {
                    findings.add(&source.path, number, &format!("`{word}`: finish it or delete it"));
                }
            }
        }
    }
    findings.assert_none();
}

#[test]
fn no_path_of_one_machine() {
    let mut findings = Findings::default();
    for source in sources() {
        for (number, line) in source.lines() {
            for home in ["root", "work", "home", "Users"] {
                if names_folder(line, home) {
                    findings.add(&source.path, number, &format!("a path below /{home} is there on one machine only"));
                }
            }
        }
    }
    findings.assert_none();
}

#[test]
fn lock_files_name_the_two_public_registries_only() {
    let mut findings = Findings::default();
    for source in sources() {
        let (field, registry) = match source.path.rsplit('/').next() {
            Some("Cargo.lock") => ("source = \"", "registry+https://github.com/rust-lang/crates.io-index\""),
            Some("package-lock.json") => ("\"resolved\": \"", "https://registry.npmjs.org/"),
            _ => continue,
        };
        for (number, line) in source.lines() {
            if let Some((_, from)) = line.split_once(field)
                && !from.starts_with(registry)
            {
                findings.add(&source.path, number, &format!("comes from elsewhere: {from}"));
            }
        }
    }
    findings.assert_none();
}

/// Stubs and tests that do not run. Put together here so that this file does not name them itself.
fn unfinished(source: &Source) -> Vec<String> {
    if source.has_extension(&["rs"]) {
        ["todo", "unimplemented"].map(|name| format!("{name}!(")).into_iter().chain([format!("#[{}", "ignore")]).collect()
    } else if source.has_extension(&["ts", "tsx", "js", "mjs"]) {
        let runners = ["it", "test", "describe", "suite"];
        let modes = ["skip", "only", "todo", "fixme"];
        runners.iter().flat_map(|runner| modes.map(|mode| format!("{runner}.{mode}("))).collect()
    } else {
        Vec::new()
    }
}

/// Whether an absolute path into `/folder/` stands in the line; a URL or a relative path with such a part is none.
fn names_folder(line: &str, folder: &str) -> bool {
    let path = format!("/{folder}/");
    line.match_indices(&path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|character| !character.is_alphanumeric() && !"._-~*}$".contains(character))
    })
}

#[test]
fn an_absolute_path_is_told_from_a_part_of_one() {
    let folder = "root";
    assert!(names_folder(&format!("cd /{folder}/project"), folder));
    assert!(names_folder(&format!("\"/{folder}/project\""), folder));
    assert!(!names_folder(&format!("https://host/{folder}/page"), folder));
    assert!(!names_folder(&format!("./{folder}/page"), folder));
}
