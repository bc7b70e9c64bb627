//! The facts of tests/vectors/values.json, which the browser library reads, too.

use browser_stream_client::values::{Codec, Json, MsgPack, Value, Values};
use serde::Deserialize;
use serde_json::Value as Tagged;

use crate::{
    chunking::Chunked,
    tagged::{from_tagged, hex, read, same, unhex},
};

#[derive(Deserialize)]
struct Vectors {
    values: Vec<ValueVector>,
    decoded: Vec<ValueVector>,
    deepest: Vec<Bytes>,
    refused: Vec<Bytes>,
    framed: Vec<Framed>,
}

#[derive(Deserialize)]
struct ValueVector {
    name: String,
    value: Tagged,
    json: Option<String>,
    msgpack: String,
    /// `shorter`: Rust writes an integer as short as it goes.
    rust: Option<String>,
}

#[derive(Deserialize)]
struct Bytes {
    name: String,
    codec: String,
    hex: String,
}

#[derive(Deserialize)]
struct Framed {
    name: String,
    max: Option<u32>,
    hex: String,
    values: Vec<Tagged>,
    error: Option<String>,
}

fn encode(codec: &impl Codec, value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec.encode(value, &mut bytes).unwrap();
    bytes
}

#[test]
fn messagepack_writes_and_reads_the_same_bytes_as_a_page() {
    for vector in read::<Vectors>().values {
        let value = from_tagged(&vector.value);
        let read: Value = MsgPack.decode(&unhex(&vector.msgpack)).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert!(same(&read, &value), "{}: {read:?}", vector.name);
        let written = encode(&MsgPack, &value);
        match vector.rust.as_deref() {
            Some("shorter") => assert!(written.len() < vector.msgpack.len() / 2, "{}", vector.name),
            _ => assert_eq!(hex(&written), vector.msgpack, "{}", vector.name),
        }
    }
}

#[test]
fn messagepack_reads_what_others_write() {
    for vector in read::<Vectors>().decoded {
        let read: Value = MsgPack.decode(&unhex(&vector.msgpack)).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert_eq!(read, from_tagged(&vector.value), "{}", vector.name);
    }
}

#[test]
fn json_writes_and_reads_the_same_text_as_a_page() {
    for vector in read::<Vectors>().values {
        let Some(json) = vector.json else { continue };
        let value = from_tagged(&vector.value);
        assert_eq!(String::from_utf8(encode(&Json, &value)).unwrap(), json, "{}", vector.name);
        assert_eq!(Json.decode::<Value>(json.as_bytes()).unwrap(), value, "{}", vector.name);
    }
}

#[test]
fn a_hundred_levels_pass_and_one_more_does_not() {
    let vectors: Vectors = read();
    let decode = |vector: &Bytes| match vector.codec.as_str() {
        "json" => Json.decode::<Value>(&unhex(&vector.hex)),
        _ => MsgPack.decode::<Value>(&unhex(&vector.hex)),
    };
    for vector in &vectors.deepest {
        let value = decode(vector).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        let bytes = if vector.codec == "json" { encode(&Json, &value) } else { encode(&MsgPack, &value) };
        assert_eq!(hex(&bytes), vector.hex, "{}", vector.name);
        let mut deeper = Vec::new();
        let outer = Value::Array(vec![value]);
        let is_text = vector.name.contains("text");
        assert_eq!(Json.encode(&outer, &mut deeper).is_ok(), is_text, "{}", vector.name);
        assert_eq!(MsgPack.encode(&outer, &mut deeper).is_ok(), is_text, "{}", vector.name);
    }
    for vector in &vectors.refused {
        assert!(decode(vector).is_err(), "{} {} was taken", vector.codec, vector.name);
    }
}

#[tokio::test]
async fn framed_values_end_as_they_should_in_chunks_of_any_length() {
    for vector in read::<Vectors>().framed {
        let bytes = unhex(&vector.hex);
        for size in 1..=bytes.len() + 1 {
            let mut values = Values::new(Chunked::new(&bytes, vec![size]), Json).max(vector.max.unwrap_or(1000));
            let mut read = Vec::new();
            let error = loop {
                match values.next::<Value>().await {
                    Ok(Some(value)) => read.push(value),
                    Ok(None) => break None,
                    Err(error) => break Some(error.code().into_owned()),
                }
            };
            let expected: Vec<Value> = vector.values.iter().map(from_tagged).collect();
            assert_eq!((read, error), (expected, vector.error.clone()), "{} in chunks of {size}", vector.name);
        }
    }
}
