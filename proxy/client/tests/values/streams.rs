//! Streams of values as their user sees them.

use std::{
    collections::HashMap,
    time::{Duration, UNIX_EPOCH},
};

use browser_stream_client::values::{Codec, Json, MsgPack, Timestamp, Value, ValueError, Values};
use bytes::Bytes;
use futures::{FutureExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Photo {
    name: String,
    taken: Timestamp,
    pixels: Bytes,
    id: u64,
    place: Option<(f64, f64)>,
}

fn photo(id: u64) -> Photo {
    let taken = Timestamp::from(UNIX_EPOCH + Duration::from_millis(1_764_396_000_123));
    Photo { name: "日の出.jpg".to_owned(), taken, pixels: Bytes::from_static(&[0, 255]), id, place: Some((35.4, -1.0)) }
}

#[tokio::test]
async fn types_of_ones_own_arrive_in_order_and_the_end_is_clean() {
    let (near, far) = duplex(16);
    let (mut near, mut far) = (Values::new(near, MsgPack), Values::new(far, MsgPack));
    let sending = async {
        for id in 0..20 {
            near.send(&photo(u64::MAX - id)).await.unwrap();
        }
        near.finish().await.unwrap();
    };
    let reading = async {
        for id in 0..20 {
            assert_eq!(far.next::<Photo>().await.unwrap().unwrap(), photo(u64::MAX - id));
        }
        assert!(far.next::<Photo>().await.unwrap().is_none());
    };
    tokio::join!(sending, reading);
}

#[tokio::test]
async fn a_stream_of_the_futures_kind_ends_behind_its_error() {
    let (near, far) = duplex(1000);
    let mut near = Values::new(near, Json);
    near.send(&[1, 2]).await.unwrap();
    near.send("no number").await.unwrap();
    near.finish().await.unwrap();
    let mut values = Box::pin(Values::new(far, Json).into_stream::<Vec<u8>>());
    assert_eq!(values.try_next().await.unwrap(), Some(vec![1, 2]));
    assert_eq!(values.try_next().await.unwrap_err().code(), "bad_value");
    assert!(values.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_value_of_another_type_is_bad_and_the_next_can_be_read() {
    let (near, far) = duplex(1000);
    let (mut near, mut far) = (Values::new(near, MsgPack), Values::new(far, MsgPack));
    near.send("text").await.unwrap();
    near.send(&7).await.unwrap();
    assert!(matches!(far.next::<u64>().await, Err(ValueError::Bad(_))));
    assert_eq!(far.next::<u64>().await.unwrap(), Some(7));
}

#[tokio::test]
async fn what_is_too_large_is_not_sent_and_harms_nothing() {
    let (near, far) = duplex(1000);
    let (mut near, mut far) = (Values::new(near, Json).max(10), Values::new(far, Json));
    let error = near.send("123456789").await.unwrap_err();
    assert_eq!(error.to_string(), "value_too_large: a value of 11 bytes, 10 at most: raise `max` at both ends, or send it in parts");
    near.send("12345678").await.unwrap();
    assert_eq!(far.next::<String>().await.unwrap().unwrap(), "12345678");
}

#[tokio::test]
async fn a_length_alone_is_refused_or_costs_nothing() {
    let (mut near, far) = duplex(1000);
    let mut far = Values::new(far, Json).max(u32::MAX);
    near.write_all(&[0xff, 0xff, 0xff, 0xfe, b'1']).await.unwrap();
    assert!(far.next::<Value>().now_or_never().is_none());
    // A buffer of that length would not fit beside this one.
    let mut far = far.max(100);
    assert_eq!(far.next::<Value>().await.unwrap_err().code(), "value_too_large");
    assert_eq!(far.next::<Value>().await.unwrap_err().code(), "value_too_large");
}

#[tokio::test]
async fn a_read_that_is_given_up_loses_nothing() {
    let (mut near, far) = duplex(1000);
    let mut far = Values::new(far, Json);
    near.write_all(&[0, 0, 0, 3, b'1']).await.unwrap();
    assert!(far.next::<u32>().now_or_never().is_none());
    near.write_all(b"23").await.unwrap();
    assert_eq!(far.next::<u32>().await.unwrap(), Some(123));
}

#[tokio::test]
async fn a_send_that_is_given_up_is_sent_with_the_next() {
    let (near, mut far) = duplex(3);
    let mut near = Values::new(near, Json);
    assert!(near.send("first").now_or_never().is_none());
    let mut bytes = vec![0; 22];
    let (sent, read) = tokio::join!(near.send("second"), far.read_exact(&mut bytes));
    sent.unwrap();
    read.unwrap();
    assert_eq!(bytes, b"\0\0\0\x07\"first\"\0\0\0\x08\"second\"".get(..22).unwrap());
}

#[tokio::test]
async fn a_value_that_has_no_bytes_is_bad() {
    let (near, far) = duplex(1000);
    let mut near = Values::new(near, MsgPack);
    for integer in [i128::from(u64::MAX) + 1, i128::from(i64::MIN) - 1] {
        let error = near.send(&Value::Integer(integer)).await.unwrap_err();
        assert!(error.to_string().ends_with("has more than 64 bits: send it as text"), "{error}");
    }
    let mut json = Values::new(far, Json);
    let values = [Value::Binary(Bytes::new()), Value::Timestamp(Timestamp::from_millis(0)), Value::Float(f64::NAN)];
    for value in values {
        assert!(json.send(&value).await.unwrap_err().to_string().contains("use MessagePack"));
    }
}

#[test]
fn a_timestamp_is_the_systems_time_before_the_epoch_too() {
    for offset in [Duration::ZERO, Duration::from_millis(1), Duration::from_secs(3), Duration::new(5, 999_999_999)] {
        for time in [UNIX_EPOCH + offset, UNIX_EPOCH - offset] {
            assert_eq!(Timestamp::from(time).to_system_time(), Some(time));
        }
    }
    assert_eq!(Timestamp::from_millis(-1), Timestamp::from(UNIX_EPOCH - Duration::from_millis(1)));
    assert_eq!(Timestamp::new(0, 1_000_000_000), None);
}

#[test]
fn a_map_with_numbers_for_keys_is_an_object_of_a_page() {
    let mut bytes = Vec::new();
    MsgPack.encode(&HashMap::from([(1_u32, "a")]), &mut bytes).unwrap();
    let Value::Map(fields) = MsgPack.decode::<Value>(&bytes).unwrap() else { panic!("an object") };
    assert_eq!(fields.get("1"), Some(&Value::Text("a".to_owned())));
}
