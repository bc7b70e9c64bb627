//! What `bss serve` logs: each line tells whose it is, and no peer writes lines of its own.

use std::{net::Ipv4Addr, process::Stdio};

use harness::{DATA, SYN, blocking::Blocking, frame, wire::framed};
use serde_json::{Value, json};

use crate::program::{Program, bss, within};

/// What a terminal would obey, and what would begin a line, or turn one round.
const EVIL: &str = "\u{1b}[31mred\u{9b}2J\r\n2026-01-01T00:00:00Z ERROR forged\u{202e}\u{7f}";

/// The lines that are logged while a peer says such things.
async fn logged(format: &str) -> Vec<String> {
    let mut command = bss(&["serve", "--bind", "127.0.0.1:0", "--log-format", format]);
    let mut program = Program::start(command.env("RUST_LOG", "browser_stream_server=debug").stderr(Stdio::piped()));
    let line = program.line().await;
    let address = line.trim_end_matches('/').rsplit('/').next().and_then(|address| address.parse().ok()).expect("an address");
    let peer = tokio::task::spawn_blocking(move || {
        let mut peer = Blocking::dial(address, Ipv4Addr::LOCALHOST).expect("a session");
        let opens = [json!({ "path": "/session", "library": EVIL }), json!({ "path": format!("/browser-server/connect/{EVIL}") })];
        for (stream, open) in [1, 3].into_iter().zip(opens) {
            let open = framed(&open.to_string());
            peer.send(&frame(DATA, SYN, stream, open.len() as u32, &open)).expect("sent");
        }
        peer
    });
    let peer = peer.await.expect("it said it");
    let mut lines = Vec::new();
    while !lines.iter().any(|line: &String| line.contains("open refused")) {
        lines.push(program.said().await);
    }
    drop(peer);
    while !lines.iter().any(|line| line.contains("session over")) {
        lines.push(program.said().await);
    }
    within(program.0.kill()).await.expect("it runs");
    lines
}

/// Whether a terminal shows the text as it is.
fn is_plain(text: &str) -> bool {
    !text.contains(|character: char| character.is_control() || character == '\u{202e}')
}

fn line_with<'a>(lines: &'a [String], what: &str) -> &'a String {
    lines.iter().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what} is logged: {lines:#?}"))
}

#[tokio::test]
async fn threat_21_what_a_peer_says_is_escaped_in_the_log_for_people() {
    let lines = logged("pretty").await;
    for line in &lines {
        assert!(is_plain(line), "{line:?}");
        assert!(!line.starts_with("2026-01-01T00:00:00Z"), "a peer wrote this line: {line}");
    }
    let refused = line_with(&lines, "open refused");
    assert!(
        refused.contains("session{id=") && refused.contains(r#"}:stream{id=3 path="/browser-server/connect/\u{1b}[31mred\u{9b}2J\r\n"#),
        "{refused}"
    );
    assert!(line_with(&lines, "session stream").contains("}:stream{id=1 path=\"/session\"}"), "{lines:#?}");
    assert!(line_with(&lines, "session over").contains("session{id="), "{lines:#?}");
}

#[tokio::test]
async fn threat_21_what_a_peer_says_is_escaped_in_the_log_for_programs() {
    let lines = logged("json").await;
    for line in &lines {
        assert!(is_plain(line), "{line:?}");
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(object["timestamp"].is_string() && object["level"].is_string() && object["message"].is_string(), "{line}");
        for text in texts(&object) {
            assert!(is_plain(text), "{text:?} would be obeyed where it is shown");
        }
    }
    let refused: Value = serde_json::from_str(line_with(&lines, "open refused")).expect("JSON");
    let (session, stream) = (&refused["spans"][0], &refused["spans"][1]);
    assert_eq!((&session["name"], &stream["name"], &stream["id"]), (&json!("session"), &json!("stream"), &json!(3)), "{refused}");
    assert_eq!(session["id"].as_str().map(str::len), Some(36), "{refused}");
    let path = stream["path"].as_str().expect("a text");
    assert!(path.starts_with(r#""/browser-server/connect/\u{1b}[31mred\u{9b}2J\r\n"#), "{path}");
}

/// Each text within.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}
