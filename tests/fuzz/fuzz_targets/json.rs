//! JSON that the fuzzer makes up, and what must be true of it.

use std::collections::HashSet;

use arbitrary::Arbitrary;

#[derive(Arbitrary, Debug)]
pub enum Json {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    /// A text that starts as a path does.
    Path(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
    /// A value in so many arrays.
    Nested(u8, Box<Json>),
}

impl Json {
    pub fn text(&self) -> String {
        let list = |items: Vec<String>| items.join(",");
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Text(text) => quoted(text),
            Self::Path(text) => quoted(&format!("/{text}")),
            Self::Array(items) => format!("[{}]", list(items.iter().map(Self::text).collect())),
            Self::Object(fields) => {
                format!("{{{}}}", list(fields.iter().map(|(key, value)| format!("{}:{}", quoted(key), value.text())).collect()))
            }
            Self::Nested(levels, inner) => {
                let levels = usize::from(*levels);
                format!("{}{}{}", "[".repeat(levels), inner.text(), "]".repeat(levels))
            }
        }
    }

    /// Whether no object has a key twice and objects and arrays are nested at most so deep.
    pub fn is_strict(&self, depth_max: usize) -> bool {
        let within = |inner: &Self, levels: usize| depth_max.checked_sub(levels).is_some_and(|left| inner.is_strict(left));
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Path(_) => true,
            Self::Array(items) => depth_max > 0 && items.iter().all(|item| within(item, 1)),
            Self::Object(fields) => {
                let mut keys = HashSet::new();
                depth_max > 0 && fields.iter().all(|(key, value)| keys.insert(key) && within(value, 1))
            }
            Self::Nested(levels, inner) => within(inner, (*levels).into()),
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text serializes")
}
