//! The head of an HTTP message, with which a WebSocket begins.

use super::{
    line::{Facts, Kind},
    redact::{HIDDEN, without_query},
    scribe::Scribe,
};

/// The longest head that is looked at.
pub const HEAD_MAX: usize = 16 * 1024;

/// A head, read as far as it is told.
#[derive(Debug)]
pub struct Head<'a> {
    first: &'a str,
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Head<'a> {
    /// Reads a whole one, without the empty line that ends it; nothing where it is none.
    pub fn read(head: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(head).ok()?;
        let mut lines = text.split("\r\n");
        let first = lines.next()?;
        let fields = lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim())).collect();
        Some(Self { first, fields })
    }

    fn field(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// Whether a WebSocket is asked for.
    pub fn asks(&self) -> bool {
        self.first.starts_with("GET ") && self.field("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
    }

    /// Whether it is there.
    pub fn answers(&self) -> bool {
        self.status() == Some(101)
    }

    fn status(&self) -> Option<u64> {
        self.first.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
    }

    /// Tells who asks for what.
    pub fn tell_request(&self, scribe: &mut Scribe<'_>) {
        let path = self.first.split(' ').nth(1).unwrap_or_default();
        let path = if scribe.shown.secrets { path.to_owned() } else { without_query(path) };
        let mut facts = Facts::new().text("path", &path);
        for (name, told) in [("host", "host"), ("origin", "origin"), ("sec-websocket-extensions", "extensions")] {
            if let Some(value) = self.field(name) {
                facts = facts.text(told, value);
            }
        }
        facts = self.subprotocol(facts, scribe);
        if let Some(value) = self.field("authorization") {
            facts = facts.text("authorization", if scribe.shown.secrets { value } else { HIDDEN });
        }
        scribe.connection(Kind::Upgrade, facts);
    }

    /// Tells the answer. What follows a refusal is its text.
    pub fn tell_answer(&self, body: &[u8], scribe: &mut Scribe<'_>) {
        let facts = Facts::new().number("status", self.status().unwrap_or_default());
        let mut facts = self.subprotocol(facts, scribe);
        if !self.answers() && !body.is_empty() {
            let shown = &body[..body.len().min(REFUSAL_MAX)];
            facts = facts.text("text", String::from_utf8_lossy(shown).trim());
        }
        scribe.connection(Kind::Upgrade, facts);
    }

    /// Some hide a token among the protocols: those of others are not told.
    fn subprotocol(&self, facts: Facts, scribe: &Scribe<'_>) -> Facts {
        let Some(value) = self.field("sec-websocket-protocol") else { return facts };
        let name = |name: &str| if scribe.shown.secrets || name.starts_with("bss.") { name.to_owned() } else { HIDDEN.to_owned() };
        let names: Vec<String> = value.split(',').map(|part| name(part.trim())).collect();
        facts.text("subprotocol", &names.join(", "))
    }
}

/// How much is told of what a refusal says.
const REFUSAL_MAX: usize = 200;

/// Where a head ends: its length, and with the empty line behind it.
pub fn end(bytes: &[u8]) -> Option<(usize, usize)> {
    let at = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((at, at + 4))
}

/// Whether these bytes may be, or begin, the first line of an HTTP message.
pub fn may_begin(bytes: &[u8], is_request: bool) -> bool {
    let begins: &[u8] = if is_request { b"GET " } else { b"HTTP/1." };
    let length = begins.len().min(bytes.len());
    bytes[..length] == begins[..length]
}
