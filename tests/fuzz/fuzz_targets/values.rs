//! Values that members of rooms and streams send. Whatever comes is a value or refused, never a panic and never deeper than agreed; what a client takes the proxy's
//! program takes as the same; what is written reads the same.
#![no_main]

mod cuts;

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use browser_stream_client::values::{Codec, Json, MsgPack, Timestamp, Value, Values};
use browser_stream_server::fuzzing::room_value;
use bytes::Bytes;
use futures::FutureExt;
use libfuzzer_sys::fuzz_target;

use cuts::{Cuts, singly};

#[derive(Arbitrary, Debug)]
struct Input {
    raw: Vec<u8>,
    value: Any,
    /// What stands behind a value.
    behind: Vec<u8>,
    cuts: Cuts,
}

#[derive(Arbitrary, Debug)]
enum Any {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    Binary(Vec<u8>),
    Moment(i64, u32),
    Array(Vec<Any>),
    Map(Vec<(String, Any)>),
    /// A value in so many arrays.
    Nested(u8, Box<Any>),
}

fuzz_target!(|input: Input| {
    let raw = Bytes::from(input.raw);
    taken(&raw);
    framed(&raw, &input.cuts);
    if let Ok(value) = Json.decode::<Value>(&raw) {
        again(&Json, &value);
    }
    let value = input.value.value(LEVELS_MAX);
    again(&Json, &value);
    if let Some(bytes) = again(&MsgPack, &value) {
        taken(&bytes);
        if !input.behind.is_empty() {
            let bytes = [&bytes[..], &input.behind].concat();
            assert!(MsgPack.decode::<Value>(&bytes).is_err() && room_value(bytes.into()).to::<Value>().is_err(), "more came behind it");
        }
    }
});

/// What a client takes is what the proxy's program takes.
fn taken(bytes: &Bytes) {
    let here = room_value(bytes.clone()).to::<Value>();
    let Ok(value) = MsgPack.decode::<Value>(bytes) else { return };
    let bytes = again(&MsgPack, &value).expect("what was read can be written");
    let here = here.expect("a client takes it");
    assert_eq!(again(&MsgPack, &here), Some(bytes), "the same value");
}

/// Writes the value, if it can be written, and reads it again: it is the same, as far as its bytes tell.
fn again(codec: &impl Codec, value: &Value) -> Option<Bytes> {
    let mut bytes = Vec::new();
    codec.encode(value, &mut bytes).ok()?;
    let read: Value = codec.decode(&bytes).expect("what was written is read");
    let mut again = Vec::new();
    codec.encode(&read, &mut again).expect("what was read is written");
    assert_eq!(bytes, again);
    Some(bytes.into())
}

/// Values on a stream, behind their lengths: the same however they are cut.
fn framed(raw: &Bytes, cuts: &Cuts) {
    let whole = read(raw, [raw.clone()]);
    assert_eq!(read(raw, cuts.of(raw)), whole, "cut");
    assert_eq!(read(raw, singly(raw)), whole, "byte by byte");
}

/// How many values there are, and whether they end well.
fn read(raw: &Bytes, chunks: impl IntoIterator<Item = Bytes>) -> (usize, bool) {
    let chunks = chunks.into_iter().map(Ok::<_, std::io::Error>).collect::<Vec<_>>();
    let mut values = Values::new(tokio_util::io::StreamReader::new(futures::stream::iter(chunks)), MsgPack).max(1024);
    let mut count = 0;
    loop {
        // What is there is there: nothing waits.
        match values.next::<Value>().now_or_never().expect("nothing to wait for") {
            Ok(Some(_)) => count += 1,
            ended => break (count, ended.is_ok()),
        }
        assert!(count <= raw.len(), "more values than bytes");
    }
}

impl Any {
    /// The value, with no more levels than these: it is a program's own, which its own stack bounds.
    fn value(&self, most: usize) -> Value {
        let inner = |value: &Self| value.value(most.saturating_sub(1));
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Unsigned(value) => Value::Integer((*value).into()),
            Self::Signed(value) => Value::Integer((*value).into()),
            Self::Float(value) => Value::Float(*value),
            Self::Text(text) => Value::Text(text.clone()),
            Self::Binary(bytes) => Value::Binary(Bytes::copy_from_slice(bytes)),
            Self::Moment(seconds, nanos) => Timestamp::new(*seconds, *nanos).map_or(Value::Null, Value::Timestamp),
            Self::Array(_) | Self::Map(_) | Self::Nested(..) if most == 0 => Value::Null,
            Self::Array(items) => Value::Array(items.iter().map(inner).collect()),
            Self::Map(fields) => Value::Map(fields.iter().map(|(name, value)| (name.clone(), inner(value))).collect::<BTreeMap<_, _>>()),
            Self::Nested(levels, value) => {
                let levels = most.min((*levels).into());
                (0..levels).fold(value.value(most - levels), |value, _| Value::Array(vec![value]))
            }
        }
    }
}

/// A few times as many as are agreed.
const LEVELS_MAX: usize = 300;
