//! JSON of an open, a reply or a note, without what lets somebody in.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::Number;

/// What stands where a secret was.
pub const HIDDEN: &str = "(hidden)";

/// The JSON on one line, its fields in their order; nothing where it is no JSON.
pub fn one_line(json: &[u8], secrets: bool) -> Option<String> {
    let mut read = Json::read(json)?;
    if !secrets {
        read.redact();
    }
    serde_json::to_string(&read).ok()
}

/// JSON whose fields keep their order.
#[derive(Debug)]
pub enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// The field of that name, of an object that has it.
    pub fn field(&self, name: &str) -> Option<&Self> {
        let Self::Object(fields) = self else { return None };
        fields.iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    pub fn text(&self) -> Option<&str> {
        let Self::Text(text) = self else { return None };
        Some(text)
    }

    pub fn number(&self) -> Option<u64> {
        let Self::Number(number) = self else { return None };
        number.as_u64()
    }

    fn redact(&mut self) {
        match self {
            Self::List(values) => values.iter_mut().for_each(Self::redact),
            Self::Object(fields) => {
                let is_secret_note = matches!(fields.iter().find(|(name, _)| name == "note"), Some((_, Self::Text(note))) if note == "token" || note == "proof");
                for (name, value) in fields {
                    match (name.as_str(), &mut *value) {
                        ("path", Self::Text(path)) => *path = without_query(path),
                        // The proxy's word of a token is how long it holds.
                        ("value", Self::Text(_)) if is_secret_note => *value = Self::Text(HIDDEN.into()),
                        (_, Self::Null | Self::Bool(_)) => {}
                        (name, _) if is_secret(name) => *value = Self::Text(HIDDEN.into()),
                        _ => value.redact(),
                    }
                }
            }
            _ => {}
        }
    }
}

/// A path, or a URL, without what follows its question mark.
pub fn without_query(path: &str) -> String {
    match path.split_once('?') {
        Some((path, _)) => format!("{path}?{HIDDEN}"),
        None => path.to_owned(),
    }
}

/// Whether a field of this name holds what lets somebody in: ours, and what applications call theirs in `meta`.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    WHOLE.contains(&name.as_str()) || PARTS.iter().any(|part| name.contains(part))
}

const WHOLE: [&str; 6] = ["mac", "key", "sdp", "pin", "auth", "jwt"];
const PARTS: [&str; 10] =
    ["token", "secret", "passw", "credential", "authorization", "cookie", "api_key", "apikey", "private", "session_key"];

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                values.iter().try_for_each(|value| list.serialize_element(value))?;
                list.end()
            }
            Self::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                fields.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = access.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = access.next_entry()? {
            fields.push(field);
        }
        Ok(Json::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_secrets_are_hidden_wherever_they_stand() {
        let json = r#"{"path": "/session?t=s3cret", "token": "s3cret", "a": [1.5, -2, {"resume": {"v": 1, "secret": "s3cret", "early": 7}}], "lease": {"name": "n", "mac": "s3cret"},
            "meta": {"Password": "s3cret", "apiKey": ["s3cret"], "X-Auth-Token": {"x": "s3cret"}}, "ice": {"credential": "s3cret"}, "lease2": true}"#;
        let shown = one_line(json.as_bytes(), false).expect("JSON");
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(
            shown.starts_with(
                r#"{"path":"/session?(hidden)","token":"(hidden)","a":[1.5,-2,{"resume":{"v":1,"secret":"(hidden)","early":7}}]"#
            ),
            "{shown}"
        );
        assert_eq!(one_line(json.as_bytes(), true).expect("JSON").matches("s3cret").count(), 8);
    }

    #[test]
    fn a_token_in_a_note_is_hidden_and_how_long_one_holds_is_not() {
        assert_eq!(one_line(br#"{"note":"token","value":"s3cret"}"#, false).as_deref(), Some(r#"{"note":"token","value":"(hidden)"}"#));
        assert_eq!(one_line(br#"{"value":"s3cret","note":"proof"}"#, false).as_deref(), Some(r#"{"value":"(hidden)","note":"proof"}"#));
        assert_eq!(one_line(br#"{"note":"token","value":5000}"#, false).as_deref(), Some(r#"{"note":"token","value":5000}"#));
        assert_eq!(one_line(br#"{"note":"up","value":"NAME"}"#, false).as_deref(), Some(r#"{"note":"up","value":"NAME"}"#));
        assert_eq!(one_line(b"no JSON", false), None);
    }
}
