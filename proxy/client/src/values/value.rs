//! Any value.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor},
    ser,
};

use super::Timestamp;

/// Any value, for whoever does not know what comes. It keeps whole numbers of 64 bits, moments and binary apart from what JSON knows.
///
/// See [`Codec`](super::Codec).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number from −2⁶³ to 2⁶⁴−1: in a page a number, or from 33 bits a BigInt. One of another size cannot be sent.
    Integer(i128),
    /// Any other number; also a whole one that a page sent as a number, not as a BigInt, if it has more than 32 bits.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes: a `Uint8Array` in a page. Not in JSON.
    Binary(Bytes),
    /// A moment: a `Date` in a page. Not in JSON.
    Timestamp(Timestamp),
    /// An array.
    Array(Vec<Value>),
    /// An object. Of two fields with the same name the later one counts.
    Map(BTreeMap<String, Value>),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(bool) => serializer.serialize_bool(*bool),
            Self::Integer(integer) => match (u64::try_from(*integer), i64::try_from(*integer)) {
                (Ok(integer), _) => serializer.serialize_u64(integer),
                (_, Ok(integer)) => serializer.serialize_i64(integer),
                _ => Err(ser::Error::custom(format!("{integer} has more than 64 bits: send it as text"))),
            },
            Self::Float(float) if serializer.is_human_readable() && !float.is_finite() => {
                Err(ser::Error::custom(format!("JSON has no {float}: use MessagePack")))
            }
            Self::Float(float) => serializer.serialize_f64(*float),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Binary(_) if serializer.is_human_readable() => Err(ser::Error::custom("JSON has no binary: use MessagePack")),
            Self::Binary(bytes) => serializer.serialize_bytes(bytes),
            Self::Timestamp(timestamp) => timestamp.serialize(serializer),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Map(fields) => serializer.collect_map(fields),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Value, E> {
        Ok(Value::Bool(bool))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Value, E> {
        Ok(Value::Integer(integer.into()))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Value, E> {
        Ok(Value::Integer(integer.into()))
    }

    fn visit_f64<E>(self, float: f64) -> Result<Value, E> {
        Ok(Value::Float(float))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Binary(Bytes::copy_from_slice(bytes)))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Timestamp::from_extension(deserializer).map(Value::Timestamp)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((Field(name), value)) = access.next_entry()? {
            fields.insert(name, value);
        }
        Ok(Value::Map(fields))
    }
}

/// A field's name. A whole number stands for its digits, as in a page.
struct Field(String);

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Text(name) => Ok(Self(name)),
            Value::Integer(number) if number.unsigned_abs() <= u32::MAX.into() => Ok(Self(number.to_string())),
            _ => Err(de::Error::custom("a key that is neither text nor a number of 32 bits")),
        }
    }
}
