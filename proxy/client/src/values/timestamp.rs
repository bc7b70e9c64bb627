//! A moment, as MessagePack says it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rmp_serde::MSGPACK_EXT_STRUCT_NAME;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
    ser,
};

/// A moment: MessagePack's timestamp, a `Date` in a page, which keeps its milliseconds. JSON has none: send text or a number there.
///
/// ```
/// use browser_stream_client::values::Timestamp;
///
/// let moment = Timestamp::from_millis(1_500); // Date(1500) in a page
/// assert_eq!((moment.seconds(), moment.nanos()), (1, 500_000_000));
/// assert_eq!(Timestamp::new(1, 500_000_000), Some(moment));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Since the first of January 1970, UTC; negative before it.
    seconds: i64,
    /// Behind that second.
    nanos: u32,
}

/// The extension's type.
const TYPE: i8 = -1;
const NANOS_PER_SECOND: u32 = 1_000_000_000;

impl Timestamp {
    /// So many seconds since the first of January 1970, UTC, and so many nanoseconds behind that; `None` if these are a second or more.
    pub fn new(seconds: i64, nanos: u32) -> Option<Self> {
        (nanos < NANOS_PER_SECOND).then_some(Self { seconds, nanos })
    }

    /// A page's `Date`, by its `getTime()`.
    pub fn from_millis(millis: i64) -> Self {
        let nanos = u32::try_from(millis.rem_euclid(1000)).unwrap_or_default() * 1_000_000;
        Self { seconds: millis.div_euclid(1000), nanos }
    }

    /// Whole seconds since the first of January 1970, UTC.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds behind that second: less than a second.
    pub fn nanos(self) -> u32 {
        self.nanos
    }

    /// The same as the system's; `None` beyond what that can be.
    pub fn to_system_time(self) -> Option<SystemTime> {
        let seconds = Duration::from_secs(self.seconds.unsigned_abs());
        let whole = if self.seconds < 0 { UNIX_EPOCH.checked_sub(seconds) } else { UNIX_EPOCH.checked_add(seconds) };
        whole?.checked_add(Duration::from_nanos(self.nanos.into()))
    }

    /// The shortest of the three forms that holds it.
    fn to_bytes(self) -> Vec<u8> {
        match (u64::try_from(self.seconds), u32::try_from(self.seconds)) {
            (_, Ok(seconds)) if self.nanos == 0 => seconds.to_be_bytes().to_vec(),
            (Ok(seconds), _) if seconds >> 34 == 0 => (u64::from(self.nanos) << 34 | seconds).to_be_bytes().to_vec(),
            _ => [&self.nanos.to_be_bytes()[..], &self.seconds.to_be_bytes()].concat(),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(short) = bytes.try_into() {
            return Self::new(u32::from_be_bytes(short).into(), 0);
        }
        if let Ok(middle) = bytes.try_into().map(u64::from_be_bytes) {
            return Self::new(i64::try_from(middle & ((1 << 34) - 1)).ok()?, u32::try_from(middle >> 34).ok()?);
        }
        let (nanos, seconds) = bytes.split_first_chunk()?;
        Self::new(i64::from_be_bytes(seconds.try_into().ok()?), u32::from_be_bytes(*nanos))
    }

    /// What an extension is, once it is known to be one.
    pub(super) fn from_extension<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (kind, bytes) = <(i8, Bytes)>::deserialize(deserializer)?;
        if kind != TYPE {
            return Err(de::Error::custom(format!("the extension type {kind}, which only its maker knows")));
        }
        Self::from_bytes(&bytes).ok_or_else(|| de::Error::custom("a timestamp that is none"))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let whole = |since: Duration| i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Self { seconds: whole(since), nanos: since.subsec_nanos() },
            Err(before) => match before.duration() {
                until if until.subsec_nanos() == 0 => Self { seconds: -whole(until), nanos: 0 },
                until => Self { seconds: -whole(until) - 1, nanos: NANOS_PER_SECOND - until.subsec_nanos() },
            },
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return Err(ser::Error::custom("JSON has no timestamp: use MessagePack, or send text or a number"));
        }
        serializer.serialize_newtype_struct(MSGPACK_EXT_STRUCT_NAME, &(TYPE, Bytes::from(self.to_bytes())))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Extension;
        impl<'de> Visitor<'de> for Extension {
            type Value = Timestamp;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a timestamp")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Timestamp, D::Error> {
                Timestamp::from_extension(deserializer)
            }
        }
        deserializer.deserialize_newtype_struct(MSGPACK_EXT_STRUCT_NAME, Extension)
    }
}
