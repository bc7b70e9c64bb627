//! What is said on the streams of a channel (PROTOCOL.md, section 12), in each of its three directions.

use bytes::{BufMut, Bytes, BytesMut};

use super::TEXT_MAX;
use crate::integer;

/// The longest JSON in a JOINED record: an open of the longest, and what the proxy knows.
pub const JOINED_MAX: usize = 9 * 1024;

const PART: u8 = 1;
const LAST: u8 = 2;
const CUT: u8 = 3;

/// How a publisher, or a channel, ended.
///
/// ```
/// use browser_stream_protocol::channel::Ending;
///
/// assert!(Ending::clean().is_clean());
/// let ending = Ending::new(4001_u32, "the match is over"); // an application's own code
/// assert!(!ending.is_clean());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// 0 for a clean end: everything was said. Else why not, as in a reset.
    pub code: u32,
    /// For people; may be empty.
    pub text: String,
}

/// From a publisher to the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// Bytes of the message under way; with `last` they are its last.
    Bytes {
        /// Never empty unless they are the last.
        bytes: Bytes,
        /// Whether the message is whole with them.
        last: bool,
    },
    /// The message under way is given up.
    Cut,
    /// That was all.
    End(Ending),
}

/// From the proxy to a subscriber. Publishers have numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// Bytes of the message under way of this publisher.
    Bytes {
        /// Whose.
        publisher: u32,
        /// Never empty unless they are the last.
        bytes: Bytes,
        /// Whether the message is whole with them.
        last: bool,
    },
    /// The message under way of this publisher is given up.
    Cut(u32),
    /// A publisher that is heard of for the first time.
    Joined {
        /// Its number.
        publisher: u32,
        /// How many of its messages went before the first that this subscriber gets.
        first: u64,
        /// Who it is, JSON.
        who: Bytes,
    },
    /// So many messages of this publisher were left out for this subscriber, which was behind.
    Skipped {
        /// Whose.
        publisher: u32,
        /// How many.
        messages: u64,
    },
    /// A publisher ended.
    Left(u32, Ending),
    /// The channel ended.
    End(Ending),
}

/// From the proxy to a publisher.
///
/// See [`Publisher`](super::Publisher).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// So many subscribers are there now.
    Readers(u64),
    /// A subscriber came.
    Came {
        /// Its number in the channel.
        reader: u32,
        /// Its id.
        id: [u8; 16],
    },
    /// A subscriber is gone.
    Left {
        /// Its number.
        reader: u32,
        /// 0 where it left by itself; else why.
        code: u32,
        /// Bytes of this publisher's messages that it had taken.
        taken: u64,
    },
    /// How much of this publisher's messages was taken.
    Progress {
        /// Bytes that every subscriber has taken.
        slowest: u64,
        /// Bytes in all, over all subscribers that ever were.
        delivered: u64,
    },
    /// The channel is over for this publisher.
    End(Ending),
}

/// What is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// No record begins with this byte.
    #[error("no record begins with {0:#04x}")]
    Kind(u8),
    /// An integer is too long or too large.
    #[error("an integer of a record is too long or too large")]
    Integer,
    /// A record of this kind has not so many bytes.
    #[error("a record {kind:#04x} with {length} bytes")]
    Length {
        /// Its first byte.
        kind: u8,
        /// What it says.
        length: usize,
    },
}

/// How a record is made up behind its first byte.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub(super) integers: usize,
    pub(super) body: Body,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    None,
    /// So many bytes.
    Fixed(usize),
    /// A length of at most so many, and that many bytes, which are given whole.
    Whole(usize),
    /// A length, and that many bytes, which are given as they come.
    Through {
        least: usize,
    },
}

/// A record, or a part of one whose bytes come through.
#[derive(Debug)]
pub struct Raw {
    pub(super) kind: u8,
    pub(super) integers: [u64; 3],
    pub(super) body: Bytes,
    /// How many bytes of it are missing.
    pub(super) left: usize,
}

/// The records of one direction.
pub trait Records: Sized {
    /// No record, or head of one, is longer.
    #[doc(hidden)]
    const WHOLE_MAX: usize = JOINED_MAX + 64;
    /// How the record is made up that begins so.
    #[doc(hidden)]
    fn shape(kind: u8) -> Option<Shape>;
    /// The record.
    #[doc(hidden)]
    fn read(raw: Raw) -> Result<Self, BadRecord>;
    /// Appends the record.
    fn write(&self, out: &mut BytesMut);
}

const fn shape(integers: usize, body: Body) -> Option<Shape> {
    Some(Shape { integers, body })
}

impl Records for Published {
    fn shape(kind: u8) -> Option<Shape> {
        match kind {
            PART => shape(0, Body::Through { least: 1 }),
            LAST => shape(0, Body::Through { least: 0 }),
            CUT => shape(0, Body::None),
            4 => shape(1, Body::Whole(TEXT_MAX)),
            _ => None,
        }
    }

    fn read(raw: Raw) -> Result<Self, BadRecord> {
        Ok(match raw.kind {
            CUT => Self::Cut,
            4 => Self::End(raw.ending(0)?),
            kind => Self::Bytes { last: kind == LAST && raw.left == 0, bytes: raw.body },
        })
    }

    fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Bytes { bytes, last } => {
                published_head(bytes.len(), *last, out);
                out.put_slice(bytes);
            }
            Self::Cut => out.put_u8(CUT),
            Self::End(ending) => ending.write(4, None, out),
        }
    }
}

/// The head of a record with so many bytes of a message, for a publisher who sends the bytes themselves behind it.
pub fn published_head(length: usize, last: bool, out: &mut BytesMut) {
    out.put_u8(if last { LAST } else { PART });
    integer::put(length as u64, out);
}

/// The same for the proxy, which names the publisher.
pub fn delivered_head(publisher: u32, length: usize, last: bool, out: &mut BytesMut) {
    put(if last { LAST } else { PART }, &[u64::from(publisher), length as u64], out);
}

impl Records for Delivered {
    fn shape(kind: u8) -> Option<Shape> {
        match kind {
            PART => shape(1, Body::Through { least: 1 }),
            LAST => shape(1, Body::Through { least: 0 }),
            CUT => shape(1, Body::None),
            4 => shape(2, Body::Whole(JOINED_MAX)),
            5 => shape(2, Body::None),
            6 => shape(2, Body::Whole(TEXT_MAX)),
            7 => shape(1, Body::Whole(TEXT_MAX)),
            _ => None,
        }
    }

    fn read(raw: Raw) -> Result<Self, BadRecord> {
        let publisher = || small(raw.integers[0]);
        Ok(match raw.kind {
            CUT => Self::Cut(publisher()?),
            4 => Self::Joined { publisher: publisher()?, first: raw.integers[1], who: raw.body },
            5 => Self::Skipped { publisher: publisher()?, messages: raw.integers[1] },
            6 => Self::Left(publisher()?, raw.ending(1)?),
            7 => Self::End(raw.ending(0)?),
            kind => Self::Bytes { publisher: publisher()?, last: kind == LAST && raw.left == 0, bytes: raw.body },
        })
    }

    fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Bytes { publisher, bytes, last } => {
                delivered_head(*publisher, bytes.len(), *last, out);
                out.put_slice(bytes);
            }
            Self::Cut(publisher) => put(CUT, &[u64::from(*publisher)], out),
            Self::Joined { publisher, first, who } => {
                put(4, &[u64::from(*publisher), *first, who.len() as u64], out);
                out.put_slice(who);
            }
            Self::Skipped { publisher, messages } => put(5, &[u64::from(*publisher), *messages], out),
            Self::Left(publisher, ending) => ending.write(6, Some(*publisher), out),
            Self::End(ending) => ending.write(7, None, out),
        }
    }
}

impl Records for News {
    fn shape(kind: u8) -> Option<Shape> {
        match kind {
            1 => shape(1, Body::None),
            2 => shape(1, Body::Fixed(16)),
            3 => shape(3, Body::None),
            4 => shape(2, Body::None),
            5 => shape(1, Body::Whole(TEXT_MAX)),
            _ => None,
        }
    }

    fn read(raw: Raw) -> Result<Self, BadRecord> {
        let [first, second, third] = raw.integers;
        Ok(match raw.kind {
            1 => Self::Readers(first),
            2 => Self::Came { reader: small(first)?, id: raw.body[..].try_into().unwrap_or_default() },
            3 => Self::Left { reader: small(first)?, code: small(second)?, taken: third },
            4 => Self::Progress { slowest: first, delivered: second },
            _ => Self::End(raw.ending(0)?),
        })
    }

    fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Readers(count) => put(1, &[*count], out),
            Self::Came { reader, id } => {
                put(2, &[u64::from(*reader)], out);
                out.put_slice(id);
            }
            Self::Left { reader, code, taken } => put(3, &[u64::from(*reader), u64::from(*code), *taken], out),
            Self::Progress { slowest, delivered } => put(4, &[*slowest, *delivered], out),
            Self::End(ending) => ending.write(5, None, out),
        }
    }
}

impl Raw {
    fn ending(&self, at: usize) -> Result<Ending, BadRecord> {
        let code = small(self.integers.get(at).copied().unwrap_or_default())?;
        Ok(Ending { code, text: String::from_utf8_lossy(&self.body).into_owned() })
    }
}

impl Ending {
    /// The clean end, without a word.
    pub fn clean() -> Self {
        Self::default()
    }

    /// An end with this code and text.
    pub fn new(code: impl Into<u32>, text: impl Into<String>) -> Self {
        Self { code: code.into(), text: text.into() }
    }

    /// Whether everything was said.
    pub fn is_clean(&self) -> bool {
        self.code == 0
    }

    fn write(&self, kind: u8, publisher: Option<u32>, out: &mut BytesMut) {
        let text = cut(&self.text);
        put(kind, &[], out);
        publisher.into_iter().for_each(|publisher| integer::put(u64::from(publisher), out));
        integer::put(u64::from(self.code), out);
        integer::put(text.len() as u64, out);
        out.put_slice(text.as_bytes());
    }
}

/// As much of a text as a record has room for, cut between two characters.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_MAX)).unwrap_or_default()
}

fn put(kind: u8, integers: &[u64], out: &mut BytesMut) {
    out.put_u8(kind);
    integers.iter().for_each(|&value| integer::put(value, out));
}

fn small(value: u64) -> Result<u32, BadRecord> {
    u32::try_from(value).map_err(|_| BadRecord::Integer)
}
