//! One line of a trace: where it was seen, what it is, and facts about it.

use std::{fmt::Write, time::Duration};

use clap::ValueEnum;
use serde_json::to_string;

use super::super::escape::escaped;

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Peer,
    Proxy,
}

impl Side {
    pub fn index(self) -> usize {
        self as usize
    }

    pub fn other(self) -> Self {
        match self {
            Self::Peer => Self::Proxy,
            Self::Proxy => Self::Peer,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Proxy => "proxy",
        }
    }
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Tcp,
    Upgrade,
    Websocket,
    Data,
    Window,
    Reset,
    Ping,
    Goaway,
    Open,
    Reply,
    Note,
    Record,
    Channel,
    Room,
    Sealed,
    Bytes,
    Violation,
    Limit,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Upgrade => "upgrade",
            Self::Websocket => "websocket",
            Self::Data => "data",
            Self::Window => "window",
            Self::Reset => "reset",
            Self::Ping => "ping",
            Self::Goaway => "goaway",
            Self::Open => "open",
            Self::Reply => "reply",
            Self::Note => "note",
            Self::Record => "record",
            Self::Channel => "channel",
            Self::Room => "room",
            Self::Sealed => "sealed",
            Self::Bytes => "bytes",
            Self::Violation => "violation",
            Self::Limit => "limit",
        }
    }
}

/// Facts, each a name and a value that is JSON already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts(Vec<(&'static str, String)>);

impl Facts {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn number(mut self, name: &'static str, value: u64) -> Self {
        self.0.push((name, value.to_string()));
        self
    }

    /// Any text; it is escaped when it is printed.
    pub fn text(mut self, name: &'static str, text: &str) -> Self {
        self.0.push((name, to_string(text).unwrap_or_default()));
        self
    }

    /// What is JSON already.
    pub fn json(mut self, name: &'static str, json: String) -> Self {
        self.0.push((name, json));
        self
    }

    pub fn flag(mut self, name: &'static str) -> Self {
        self.0.push((name, "true".into()));
        self
    }

    /// Bytes in hex.
    pub fn hex(self, name: &'static str, bytes: &[u8]) -> Self {
        self.text(name, &data_encoding::HEXLOWER.encode(bytes))
    }

    pub fn numbers(mut self, name: &'static str, numbers: &[u64]) -> Self {
        self.0.push((name, to_string(numbers).unwrap_or_default()));
        self
    }

    #[cfg(test)]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
    }
}

/// A line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Since the trace began.
    pub at: Duration,
    pub connection: u32,
    pub side: Side,
    /// 0 is the session itself.
    pub stream: Option<u32>,
    pub kind: Kind,
    pub facts: Facts,
}

impl Line {
    /// For people: columns, then `name=value`.
    pub fn plain(&self) -> String {
        let arrow = if self.side == Side::Peer { '→' } else { '←' };
        let stream = self.stream.map_or_else(|| "-".to_owned(), |stream| stream.to_string());
        let mut text = format!("{:>11.6} {:>3} {arrow} {stream:>5} ", self.at.as_secs_f64(), self.connection);
        // Writing to a text does not fail.
        if let (Kind::Violation, Some((_, code)), Some((_, why))) = (self.kind, self.facts.0.first(), self.facts.0.get(1)) {
            let _ = write!(text, "violation: {} {}", bare(code), why.trim_matches('"'));
            return escaped(&text);
        }
        let _ = write!(text, "{:<9}", self.kind.name());
        for (name, value) in &self.facts.0 {
            let _ = match *name {
                "json" => write!(text, " {value}"),
                _ => write!(text, " {name}={}", bare(value)),
            };
        }
        escaped(text.trim_end())
    }

    /// For programs: one object.
    pub fn json(&self) -> String {
        let (at, connection, side, kind) = (self.at.as_secs_f64(), self.connection, self.side.name(), self.kind.name());
        let mut text = format!("{{\"at\":{at:.6},\"connection\":{connection},\"side\":\"{side}\"");
        if let Some(stream) = self.stream {
            let _ = write!(text, ",\"stream\":{stream}");
        }
        let _ = write!(text, ",\"kind\":\"{kind}\"");
        for (name, value) in &self.facts.0 {
            let _ = write!(text, ",\"{name}\":{value}");
        }
        text.push('}');
        escaped(&text)
    }
}

/// A text without its quotes, where nobody could take it for anything else.
fn bare(value: &str) -> &str {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let plain = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-|./:[]".contains(&byte));
    inner.filter(plain).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: Kind, facts: Facts) -> Line {
        Line { at: Duration::from_micros(1204), connection: 1, side: Side::Peer, stream: Some(3), kind, facts }
    }

    #[test]
    fn a_line_is_columns_for_people_and_an_object_for_programs() {
        let data = line(Kind::Data, Facts::new().text("flags", "SYN|FIN").number("length", 82));
        assert_eq!(data.plain(), "   0.001204   1 →     3 data      flags=SYN|FIN length=82");
        assert_eq!(data.json(), r#"{"at":0.001204,"connection":1,"side":"peer","stream":3,"kind":"data","flags":"SYN|FIN","length":82}"#);
        let violation = line(Kind::Violation, Facts::new().text("code", "window").text("text", "receive window exceeded"));
        assert_eq!(violation.plain(), "   0.001204   1 →     3 violation: window receive window exceeded");
    }

    #[test]
    fn threat_05_nothing_that_a_terminal_obeys_leaves_and_json_stays_json() {
        let evil = "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\r\n\u{200b}\u{e0041}";
        let line = line(Kind::Upgrade, Facts::new().text("path", evil));
        for text in [line.plain(), line.json()] {
            assert!(!text.chars().any(|character| evil.contains(character) && !"]0;owned2J".contains(character)), "{text:?}");
        }
        let read: serde_json::Value = serde_json::from_str(&line.json()).expect("an object");
        assert_eq!(read["path"], evil);
    }
}
