//! Values that JSON has not, as the vectors write them (tests/vectors/README.md).

use std::{fs, path::Path};

use browser_stream_client::values::{Timestamp, Value};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

pub fn read<T: DeserializeOwned>() -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/values.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn from_tagged(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(bool) => Value::Bool(*bool),
        Json::Number(number) => from_number(number.as_f64().unwrap()),
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::Array(items.iter().map(from_tagged).collect()),
        Json::Object(fields) => {
            let tag = |name| fields.get(name);
            let text = |json: &Json| json.as_str().unwrap().to_owned();
            if let Some(bigint) = tag("$bigint") {
                Value::Integer(text(bigint).parse().unwrap())
            } else if let Some(date) = tag("$date") {
                Value::Timestamp(Timestamp::from_millis(date.as_i64().unwrap()))
            } else if let Some(binary) = tag("$binary") {
                Value::Binary(unhex(&text(binary)).into())
            } else if let Some(number) = tag("$number") {
                Value::Float(text(number).replace("Infinity", "inf").parse().unwrap())
            } else {
                Value::Map(fields.iter().map(|(name, value)| (name.clone(), from_tagged(value))).collect())
            }
        }
    }
}

/// A page's number: an integer on the way where it is whole and has at most 32 bits.
fn from_number(number: f64) -> Value {
    let is_short = number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(u32::MAX)).contains(&number);
    if is_short { Value::Integer(number as i128) } else { Value::Float(number) }
}

/// Equal, where NaN equals itself.
pub fn same(left: &Value, right: &Value) -> bool {
    matches!((left, right), (Value::Float(left), Value::Float(right)) if left.is_nan() && right.is_nan()) || left == right
}
