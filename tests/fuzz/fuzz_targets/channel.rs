//! The records of channels, in all three directions. Whatever comes is read the same however it is cut: messages' bytes come as they do, but the same
//! bytes; what was read is written so that it reads the same.
#![no_main]

mod cuts;

use std::fmt::Debug;

use arbitrary::Arbitrary;
use browser_stream_protocol::{
    INTEGER_MAX,
    channel::{BadRecord, Decoder, Delivered, Ending, JOINED_MAX, News, PART_MAX, Published, Records, TEXT_MAX},
};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

use cuts::{Cuts, singly};

#[derive(Arbitrary, Debug)]
struct Input {
    raw: Vec<u8>,
    delivered: Vec<Deliver>,
    cuts: Cuts,
}

/// What the proxy tells a subscriber; lengths alone, in units of 16, for a fuzzer would not invent so many bytes.
#[derive(Arbitrary, Debug)]
enum Deliver {
    Bytes(u32, u8, bool),
    Cut(u32),
    Joined(u32, u64, u8),
    Skipped(u32, u64),
    Left(u32, u32, String),
    End(u32, String),
}

fuzz_target!(|input: Input| {
    let raw = Bytes::from(input.raw);
    any::<Published>(&raw, &input.cuts);
    any::<Delivered>(&raw, &input.cuts);
    any::<News>(&raw, &input.cuts);
    let delivered: Vec<Delivered> = input.delivered.iter().map(Deliver::record).collect();
    let bytes = written(&delivered);
    let whole = read::<Delivered>([bytes.clone()]);
    assert_eq!(whole, (joined(delivered), Ok(())), "what was written");
    assert_eq!(read::<Delivered>(input.cuts.of(&bytes)), whole, "cut");
});

fn any<R: Records + Part + Debug + PartialEq>(raw: &Bytes, cuts: &Cuts) {
    let whole = read::<R>([raw.clone()]);
    assert_eq!(read::<R>(cuts.of(raw)), whole, "cut");
    assert_eq!(read::<R>(singly(raw)), whole, "byte by byte");
    let again = written(&whole.0);
    let (records, verdict) = read::<R>([again.clone()]);
    assert_eq!(verdict, Ok(()), "what was read is written as records");
    // A text that was no UTF-8 may have grown beyond what a record has room for, and is cut once.
    assert_eq!(written(&records), again);
    if std::str::from_utf8(raw).is_ok() {
        assert_eq!(records, whole.0);
    }
}

/// Reads these chunks until their end, or the first that is no record; the parts of a message that came one behind the other as one.
fn read<R: Records + Part>(chunks: impl IntoIterator<Item = Bytes>) -> (Vec<R>, Result<(), BadRecord>) {
    let mut decoder = Decoder::<R>::default();
    let mut records = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        loop {
            match decoder.next() {
                Ok(Some(record)) => {
                    if let Some((bytes, last)) = record.part() {
                        assert!(last || !bytes.is_empty(), "a part of nothing");
                        assert!(bytes.len() <= PART_MAX);
                    }
                    records.push(record);
                }
                Ok(None) => break,
                Err(error) => return (joined(records), Err(error)),
            }
        }
    }
    (joined(records), Ok(()))
}

fn joined<R: Part>(records: Vec<R>) -> Vec<R> {
    let mut joined: Vec<R> = Vec::new();
    for record in records {
        let Some(before) = joined.pop() else {
            joined.push(record);
            continue;
        };
        match before.with(record) {
            Ok(both) => joined.push(both),
            Err(apart) => joined.extend(apart),
        }
    }
    joined
}

fn written<R: Records>(records: &[R]) -> Bytes {
    let mut bytes = BytesMut::new();
    records.iter().for_each(|record| record.write(&mut bytes));
    bytes.freeze()
}

/// A record that may be a part of a message.
trait Part: Sized {
    fn part(&self) -> Option<(&Bytes, bool)>;

    /// Both in one, where the next goes on with the same message.
    fn with(self, next: Self) -> Result<Self, [Self; 2]>;
}

/// The one and the other behind it, with little copying.
fn both(one: Bytes, other: &Bytes) -> Bytes {
    let mut both = BytesMut::from(one);
    both.extend_from_slice(other);
    both.freeze()
}

impl Part for Published {
    fn part(&self) -> Option<(&Bytes, bool)> {
        let Self::Bytes { bytes, last } = self else { return None };
        Some((bytes, *last))
    }

    fn with(self, next: Self) -> Result<Self, [Self; 2]> {
        match (self, next) {
            (Self::Bytes { bytes: one, last: false }, Self::Bytes { bytes, last }) => Ok(Self::Bytes { bytes: both(one, &bytes), last }),
            (one, other) => Err([one, other]),
        }
    }
}

impl Part for Delivered {
    fn part(&self) -> Option<(&Bytes, bool)> {
        let Self::Bytes { bytes, last, .. } = self else { return None };
        Some((bytes, *last))
    }

    fn with(self, next: Self) -> Result<Self, [Self; 2]> {
        match (self, next) {
            (Self::Bytes { publisher: before, bytes: one, last: false }, Self::Bytes { publisher, bytes, last }) if publisher == before => {
                Ok(Self::Bytes { publisher, bytes: both(one, &bytes), last })
            }
            (one, other) => Err([one, other]),
        }
    }
}

impl Part for News {
    fn part(&self) -> Option<(&Bytes, bool)> {
        None
    }

    fn with(self, next: Self) -> Result<Self, [Self; 2]> {
        Err([self, next])
    }
}

/// An ending whose text a record has room for.
fn ending(code: u32, text: &str) -> Ending {
    Ending::new(code, &text[..text.floor_char_boundary(TEXT_MAX)])
}

impl Deliver {
    fn record(&self) -> Delivered {
        let bytes = |length: usize| Bytes::from((0..length).map(|at| at as u8).collect::<Vec<_>>());
        match self {
            Self::Bytes(publisher, length, last) => {
                let least = usize::from(!last);
                Delivered::Bytes { publisher: *publisher, bytes: bytes((16 * usize::from(*length)).max(least)), last: *last }
            }
            Self::Cut(publisher) => Delivered::Cut(*publisher),
            Self::Joined(publisher, first, length) => {
                let who = bytes((16 * usize::from(*length)).min(JOINED_MAX));
                Delivered::Joined { publisher: *publisher, first: first & INTEGER_MAX, who }
            }
            Self::Skipped(publisher, messages) => Delivered::Skipped { publisher: *publisher, messages: messages & INTEGER_MAX },
            Self::Left(publisher, code, text) => Delivered::Left(*publisher, ending(*code, text)),
            Self::End(code, text) => Delivered::End(ending(*code, text)),
        }
    }
}
