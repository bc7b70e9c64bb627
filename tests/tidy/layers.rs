//! Imports look down only: edge → feature → route → session → mux, and in the browser library nothing below looks up.

use crate::source::{Findings, Source, sources};

#[test]
fn the_proxys_imports_point_down() {
    let mut findings = Findings::default();
    for source in sources().iter().filter(|source| source.has_extension(&["rs"])) {
        let Some(path) = source.path.strip_prefix("proxy/src/") else { continue };
        let module = module(path);
        let Some(own) = module.first().map(|first| match module.as_slice() {
            // Its tests put it together with the routes that stand on it.
            ["cluster", "link", "tests", ..] => height("route"),
            ["cluster", "link", ..] => height("session"),
            _ => height(first),
        }) else {
            continue;
        };
        for (number, name) in crate_names(source, &module) {
            if name.starts_with(char::is_uppercase) {
                findings.add(&source.path, number, &format!("`{name}` by its re-export hides the layer: name its module"));
            } else if height(&name) > own {
                findings.add(&source.path, number, &format!("{} must not know {name}", module[0]));
            }
        }
    }
    findings.assert_none();
}

#[test]
fn features_never_touch_sockets() {
    let mut findings = Findings::default();
    for source in sources().iter().filter(|source| source.path.starts_with("proxy/src/feature/")) {
        for (number, line) in source.lines() {
            if ["tokio::net", "std::net::Tcp", "std::net::Udp", "hyper"].iter().any(|name| code(line).contains(name)) {
                findings.add(&source.path, number, "a feature is built on streams and the registry only");
            }
        }
    }
    findings.assert_none();
}

#[test]
fn the_mux_core_has_no_clock_and_no_socket() {
    let mut findings = Findings::default();
    for source in sources() {
        let Some(path) = source.path.strip_prefix("proxy/mux/src/") else { continue };
        let module = path.trim_end_matches(".rs");
        if module.ends_with("/tests") || MUX_SHELL.contains(&module.split('/').next().unwrap_or_default()) {
            continue;
        }
        for (number, line) in source.lines().take_while(|(_, line)| !line.starts_with("#[cfg(test)]")) {
            if ["tokio::", "Instant::now", "SystemTime", "std::net"].iter().any(|name| code(line).contains(name)) {
                findings.add(&source.path, number, "sockets and clocks belong to the shell");
            }
        }
    }
    findings.assert_none();
}

/// The builds of the MessagePack codec, and of what seals where the platform cannot, have their libraries in them, so that the package depends on none.
#[test]
fn the_browser_librarys_mux_knows_nothing_above_it() {
    let mut findings = Findings::default();
    for source in sources() {
        let Some(path) = source.path.strip_prefix("browser-lib/src/") else { continue };
        for (number, line) in source.lines() {
            let Some(import) = import(line) else { continue };
            let of_node = path.starts_with("node/") && import.starts_with("node:");
            let built_in = match path {
                "msgpack.ts" => import == "@msgpack/msgpack",
                "seal/noble.ts" => import.starts_with("@noble/"),
                _ => false,
            };
            if !(import.starts_with('.') || of_node || built_in) {
                findings.add(&source.path, number, &format!("`{import}`: the library has no runtime dependency"));
            } else if path.starts_with("mux/") && leaves(path, import) {
                findings.add(&source.path, number, &format!("mux must not know {import}"));
            }
        }
    }
    findings.assert_none();
}

/// How high a module of the proxy lies. What every layer may use is the ground: limits, error, metrics. Of the cluster, links are sessions.
fn height(module: &str) -> usize {
    match module {
        "edge" | "config" => 4,
        "feature" => 3,
        "route" => 2,
        "session" => 1,
        _ => 0,
    }
}

/// The module that a file is, from the crate's root; empty for the root itself and for the program.
fn module(path: &str) -> Vec<&str> {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    if matches!(path, "lib" | "main") { Vec::new() } else { path.split('/').collect() }
}

/// The names right below the crate's root that a file uses, by `crate::` or by as many `super::` as it takes.
fn crate_names(source: &Source, module: &[&str]) -> Vec<(usize, String)> {
    let text: String = source.text.lines().map(|line| format!("{}\n", code(line))).collect();
    let tests = text.find("#[cfg(test)]").unwrap_or(text.len());
    let mut names = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        names.push((at, &text[at + "crate::".len()..]));
    }
    for (at, _) in text.match_indices("super::") {
        if text[..at].ends_with("super::") {
            continue;
        }
        let rest = text[at..].trim_start_matches("super::");
        let steps = (text.len() - at - rest.len()) / "super::".len();
        let depth = module.len() + usize::from(at > tests);
        if steps == depth {
            names.push((at, rest));
        }
    }
    let line = |at: usize| text[..at].matches('\n').count() + 1;
    names.into_iter().flat_map(|(at, rest)| first_names(rest).into_iter().map(move |name| (line(at), name))).collect()
}

/// The first name of a path, or of each path in a `{group}`.
fn first_names(path: &str) -> Vec<String> {
    let word = |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let (mut depth, mut names, mut start) = (1, Vec::new(), 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && character == ',') {
            names.push(word(&group[start..at]));
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The line without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// What a TypeScript line imports or re-exports from.
fn import(line: &str) -> Option<&str> {
    let line = code(line).trim();
    let statement = ["import ", "import(", "export ", "} from "].iter().any(|start| line.starts_with(start)) || line.contains(" import(");
    let quoted = line.rsplit_once(" from ").map(|(_, quoted)| quoted);
    let quoted = quoted.or_else(|| line.strip_prefix("import ")).or_else(|| line.split_once("import(").map(|(_, quoted)| quoted));
    let quoted = quoted.filter(|_| statement)?.trim_start();
    let quote = quoted.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    quoted[1..].split(quote).next()
}

/// Whether a relative import of a file in `mux/` leads out of it.
fn leaves(path: &str, import: &str) -> bool {
    let mut folder: Vec<&str> = path.split('/').collect();
    folder.pop();
    for part in import.split('/') {
        match part {
            "." => {}
            ".." => {
                folder.pop();
            }
            name => folder.push(name),
        }
    }
    folder.first() != Some(&"mux")
}

/// The modules of the mux crate that may wait, read clocks and do I/O.
const MUX_SHELL: &[&str] = &["body", "cell", "session", "stream"];

#[test]
fn names_are_found_wherever_they_stand() {
    let text =
        "use crate::{\n    route::{Name, router},\n    limits,\n};\nfn f() { crate::edge::x(); super::super::edge::y() } // crate::feature";
    let source = Source { path: String::new(), text: text.to_owned() };
    let names: Vec<(usize, String)> = crate_names(&source, &["session", "splice"]);
    let names: Vec<(usize, &str)> = names.iter().map(|(line, name)| (*line, name.as_str())).collect();
    assert_eq!(names, [(1, "route"), (1, "limits"), (5, "edge"), (5, "edge")]);
}

#[test]
fn imports_are_found_however_they_are_written() {
    assert_eq!(import(r#"import { a } from "./a.ts";"#), Some("./a.ts"));
    assert_eq!(import(r#"} from "../b.ts";"#), Some("../b.ts"));
    assert_eq!(import(r#"import "./c.ts";"#), Some("./c.ts"));
    assert_eq!(import(r#"const d = await import("./d.ts");"#), Some("./d.ts"));
    assert_eq!(import(r#"export * from "./e.ts";"#), Some("./e.ts"));
    assert_eq!(import(r#"const text = "made from here";"#), None);
    assert!(leaves("mux/frame.ts", "../code.ts"));
    assert!(!leaves("mux/frame.ts", "./window.ts"));
}
