//! Any value survives any chunking.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use browser_stream_client::values::{Codec, Json, MsgPack, Timestamp, Value, Values};
use futures::executor::block_on;
use proptest::{collection, prelude::*};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tagged::same;

/// Gives its bytes in parts of these lengths, over and over, with nothing there between two.
pub struct Chunked<'a> {
    rest: &'a [u8],
    sizes: Vec<usize>,
    turn: usize,
    is_pending: bool,
}

impl<'a> Chunked<'a> {
    pub fn new(rest: &'a [u8], sizes: Vec<usize>) -> Self {
        Self { rest, sizes, turn: 0, is_pending: false }
    }
}

impl AsyncRead for Chunked<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.is_pending = !self.is_pending;
        if self.is_pending {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let size = self.sizes[self.turn % self.sizes.len()].min(self.rest.len()).min(buffer.remaining());
        let (part, rest) = self.rest.split_at(size);
        buffer.put_slice(part);
        self.rest = rest;
        self.turn += 1;
        Poll::Ready(Ok(()))
    }
}

/// Takes a few bytes at a time.
#[derive(Default)]
struct Narrow(Vec<u8>);

impl AsyncWrite for Narrow {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = bytes.len().min(7);
        self.0.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn tree(leaf: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            collection::btree_map(any::<String>(), inner, 0..6).prop_map(Value::Map),
        ]
    })
}

fn plain() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<String>().prop_map(Value::Text),
        (i128::from(i64::MIN)..=i128::from(u64::MAX)).prop_map(Value::Integer),
        any::<f64>().prop_filter("JSON has no others", |float| float.is_finite()).prop_map(Value::Float),
    ]
}

fn rich() -> impl Strategy<Value = Value> {
    prop_oneof![
        plain(),
        any::<f64>().prop_map(Value::Float),
        collection::vec(any::<u8>(), 0..400).prop_map(|bytes| Value::Binary(bytes.into())),
        (any::<i64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Value::Timestamp(Timestamp::new(seconds, nanos).unwrap())),
    ]
}

fn survives(codec: impl Codec + Copy, sent: &[Value], sizes: Vec<usize>) -> Result<(), TestCaseError> {
    let mut sending = Values::new(Narrow::default(), codec);
    for value in sent {
        block_on(sending.send(value)).unwrap();
    }
    let bytes = sending.into_inner().0;
    let mut reading = Values::new(Chunked::new(&bytes, sizes), codec);
    for value in sent {
        let read: Value = block_on(reading.next()).unwrap().unwrap();
        prop_assert!(same(&read, value), "{read:?} is not {value:?}");
    }
    prop_assert!(block_on(reading.next::<Value>()).unwrap().is_none());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_value_survives_any_chunking_as_messagepack(
        sent in collection::vec(tree(rich()), 0..5),
        sizes in collection::vec(1..700_usize, 1..8),
    ) {
        survives(MsgPack, &sent, sizes)?;
    }

    #[test]
    fn any_value_survives_any_chunking_as_json(
        sent in collection::vec(tree(plain()), 0..5),
        sizes in collection::vec(1..700_usize, 1..8),
    ) {
        survives(Json, &sent, sizes)?;
    }

    #[test]
    fn bytes_that_mean_nothing_are_refused_or_mean_a_value(bytes in collection::vec(any::<u8>(), 0..60)) {
        if let Ok(value) = MsgPack.decode::<Value>(&bytes) {
            MsgPack.encode(&value, &mut Vec::new()).unwrap();
        }
    }
}
