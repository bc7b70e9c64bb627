//! The facts that all implementations share (`tests/vectors`): the trace reads them as the libraries do.

use std::{fs, path::Path, time::Duration};

use serde_json::Value;

use super::told::Watched;
use crate::shell::trace::{
    budget::Budget,
    line::{Facts, Side},
    records::Records,
    scribe::{Scribe, Shown},
    tables::{self, Table},
};

fn read(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(file);
    serde_json::from_str(&fs::read_to_string(path).expect("the vectors")).expect("JSON")
}

fn unhex(value: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(value.as_str().expect("hex").as_bytes()).expect("hex")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// What is told of these records, or why they are none.
fn told(table: &'static Table, bytes: &[u8], size: usize) -> Result<Vec<Facts>, String> {
    let (budget, mut facts, mut records) = (Budget::new(), Vec::new(), Records::new(table));
    let shown = Shown { data: false, secrets: true };
    let mut out = |line: crate::shell::trace::line::Line| facts.push(line.facts);
    let mut scribe = Scribe { at: Duration::ZERO, connection: 1, side: Side::Peer, shown, budget: &budget, out: &mut out };
    bytes.chunks(size).try_for_each(|piece| records.take(piece, 7, &mut scribe))?;
    Ok(facts)
}

/// The names that the trace has for the fields of a vector's record: who somebody is, is its JSON.
fn names(field: &str) -> [&str; 2] {
    match field {
        "event" => ["name"; 2],
        "who" | "member" | "profile" => ["json"; 2],
        "to" => ["to", "json"],
        other => [other; 2],
    }
}

/// Each field of the record that the trace tells is told with the value that the vector has.
fn assert_told(facts: &Facts, vector: &Value) {
    let label = &vector["name"];
    let record = vector["record"].as_object().expect("a record");
    let (mut kind, last) = (record["type"].as_str().expect("a type").to_uppercase(), record.get("last") == Some(&Value::Bool(true)));
    if kind == "BYTES" {
        kind = if last { "LAST" } else { "PART" }.to_owned();
    }
    assert_eq!(facts.value("type"), Some(format!("{kind:?}").as_str()), "{label}");
    for (field, value) in record {
        // These are told otherwise: as the length of what is not shown, by names of bits, by the name of a code, as a number.
        if matches!(field.as_str(), "type" | "last" | "bytes" | "body" | "volatile" | "everywhere" | "code" | "live") {
            continue;
        }
        let told = names(field).into_iter().find_map(|name| facts.value(name)).unwrap_or_else(|| panic!("{label}: {field}: {facts:?}"));
        let told: Value = serde_json::from_str(told).expect("JSON");
        let is_json = value.is_string() && !told.is_string();
        let wanted = if is_json { serde_json::from_str(value.as_str().expect("text")).expect("JSON") } else { value.clone() };
        match (told.as_array(), wanted.as_array()) {
            // Of many numbers the first are told.
            (Some(told), Some(wanted)) if wanted.len() > told.len() => assert!(wanted.starts_with(told), "{label}: {field}"),
            _ => assert_eq!(told, wanted, "{label}: {field}"),
        }
    }
    if let (Some(bytes), None) = (record.get("bytes").or(record.get("body")), record.get("text")) {
        assert_eq!(facts.value("length"), Some(unhex(bytes).len().to_string().as_str()), "{label}");
    }
    for (flag, bit) in [("volatile", "volatile"), ("everywhere", "everywhere"), ("ref", "asks"), ("ask", "asks"), ("except", "except")] {
        if matches!(kind.as_str(), "EMIT" | "EVENT") && record.get(flag).is_some_and(|value| *value != Value::Bool(false)) {
            assert!(facts.value("flags").is_some_and(|flags| flags.contains(bit)), "{label}: {flag}");
        }
    }
    if let Some(code) = record.get("code").and_then(Value::as_u64) {
        let named = u32::try_from(code).ok().and_then(code_name);
        let told = facts.value("code").expect("a code").trim_matches('"');
        assert_eq!(told, named.unwrap_or_else(|| code.to_string()), "{label}");
    }
}

fn code_name(number: u32) -> Option<String> {
    browser_stream_mux::Code::from_number(number).map(|code| code.to_string())
}

fn assert_records(table: &'static Table, vectors: &[Value], refused: &[&Value]) {
    for vector in vectors {
        let mut bytes = unhex(&vector["hex"]);
        bytes.resize(bytes.len() + vector["zeros"].as_u64().unwrap_or_default() as usize, 0);
        for size in [1, 2, 3, bytes.len()] {
            let facts = told(table, &bytes, size).unwrap_or_else(|why| panic!("{}: {why}", vector["name"]));
            assert_eq!(facts.len(), 1, "{}: {facts:?}", vector["name"]);
            assert_told(&facts[0], vector);
        }
    }
    for vector in refused {
        let bytes = unhex(&vector["hex"]);
        for size in [1, bytes.len()] {
            assert!(told(table, &bytes, size).is_err(), "{}", vector["name"]);
        }
    }
}

#[test]
fn records_of_each_kind_are_told_and_what_is_none_is_called_that() {
    let resume = read("resume.json");
    assert_records(&tables::RESUME, list(&resume["records"]), &list(&resume["refused"]).iter().collect::<Vec<_>>());
    for (file, directions) in [
        ("channel.json", &[("published", &tables::PUBLISHED), ("delivered", &tables::DELIVERED), ("news", &tables::NEWS)][..]),
        ("room.json", &[("said", &tables::SAID), ("told", &tables::TOLD)]),
    ] {
        let vectors = read(file);
        for (direction, table) in directions {
            let refused = list(&vectors["refused"]).iter().filter(|vector| vector["direction"] == **direction);
            assert_records(table, list(&vectors[*direction]), &refused.collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_headers_of_frames_are_told_and_bad_ones_named() {
    let vectors = read("frames.json");
    for vector in list(&vectors["frames"]) {
        let mut watched = Watched::upgraded(Shown::default());
        watched.sends(Side::Peer, &unhex(&vector["hex"]));
        let line: Value = serde_json::from_str(&watched.lines[0].json()).expect("an object");
        let (flags, length) = (vector["flags"].as_u64().expect("flags"), &vector["length"]);
        let kind = match vector["type"].as_u64() {
            Some(0 | 1) if flags & 8 != 0 => "reset",
            Some(0) => "data",
            Some(1) => "window",
            Some(2) => "ping",
            _ => "goaway",
        };
        assert_eq!(line["kind"], kind, "{}", vector["name"]);
        let told = ["length", "credit", "number", "token"].iter().find_map(|name| line.get(name));
        assert_eq!(told, Some(length), "{}", vector["name"]);
        if matches!(kind, "data" | "window" | "reset") {
            assert_eq!(line["stream"], vector["stream"], "{}", vector["name"]);
        }
        let names = line["flags"].as_str().unwrap_or_default();
        for (bit, name) in [(1, "SYN"), (2, "ACK"), (4, "FIN"), (8, "RST")] {
            assert_eq!(flags & bit != 0, names.contains(name), "{}", vector["name"]);
        }
    }
    for vector in list(&vectors["refused"]) {
        let mut watched = Watched::upgraded(Shown::default());
        watched.sends(Side::Peer, &unhex(&vector["hex"]));
        let line: Value = serde_json::from_str(&watched.lines[0].json()).expect("an object");
        assert_eq!((&line["kind"], &line["code"]), (&"violation".into(), &vector["violation"]), "{}", vector["name"]);
    }
}

/// Each side's frames of the scripts of `mux.json`, as far as both sides' are in them.
#[test]
fn what_breaks_the_scripts_of_the_mux_is_found_between_the_two_as_well() {
    let mut found = 0;
    for script in list(&read("mux.json")) {
        let own = if script["role"] == "opener" { Side::Peer } else { Side::Proxy };
        let mut watched = Watched::upgraded(Shown::default());
        for step in list(&script["steps"]) {
            if let Some(sent) = step.get("transmit") {
                watched.sends(own, &unhex(sent));
            }
            for header in step.get("transmit_summary").map(list).unwrap_or_default() {
                let [kind, flags, stream, length] = [0, 1, 2, 3].map(|at| header[at].as_u64().expect("a number") as u32);
                let payload = vec![0; if kind == 0 { length as usize } else { 0 }];
                watched.sends(own, &harness::frame(kind as u8, flags as u16, stream, length, &payload));
            }
            let Some(received) = step.get("receive") else { continue };
            let mut bytes = unhex(received);
            bytes.resize(bytes.len() + step["zeros"].as_u64().unwrap_or_default() as usize, 0);
            watched.sends(own.other(), &bytes);
            if let Some(violation) = step.get("violation").and_then(Value::as_str) {
                let said = format!("violation: {violation} ");
                let lines = watched.told();
                assert!(lines.iter().any(|line| line.contains(&said)), "{}: {said}: {lines:#?}", script["name"]);
                found += 1;
            }
        }
    }
    assert!(found >= 16, "{found}");
}
