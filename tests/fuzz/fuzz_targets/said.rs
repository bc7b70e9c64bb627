//! What a member of a room says, as a peer of ours could say it.

use arbitrary::Arbitrary;
use browser_stream_protocol::{
    INTEGER_MAX,
    channel::Ending,
    room::{Emit, EventName, NAMED_MAX, PROFILE_MAX, Said as Record, TEXT_MAX, TIMEOUT_MS_MAX},
};
use bytes::Bytes;

#[derive(Arbitrary, Debug)]
pub enum Said {
    Emit { is_volatile: bool, asks: Option<(u64, u32)>, to: Vec<u8>, except: Vec<u8>, is_everywhere: bool, name: Name, body: Body },
    Answer(u64, Body),
    NoAnswer(u64, u32, String),
    Profile(Body),
    Got(u64),
    Leave(bool, String),
}

/// A name that is often another's, too.
#[derive(Arbitrary, Debug)]
pub enum Name {
    Usual,
    Any(String),
}

/// Some bytes, or so many times 32 that are alike.
#[derive(Arbitrary, Debug)]
pub enum Body {
    Bytes(Vec<u8>),
    Nothings(u8),
}

impl Said {
    /// The record; `None` where that cannot be said.
    pub fn record(&self) -> Option<Record> {
        Some(match self {
            Self::Emit { is_volatile, asks, to, except, is_everywhere, name, body } => Record::Emit(Emit {
                is_volatile: *is_volatile && asks.is_none(),
                asks: asks.map(|(number, timeout)| (number & INTEGER_MAX, 1 + timeout % TIMEOUT_MS_MAX as u32)),
                to: numbers(to),
                except: numbers(except),
                is_everywhere: *is_everywhere,
                ..Emit::new(name.name()?, body.bytes(usize::MAX))
            }),
            Self::Answer(ask, body) => Record::Answer { ask: ask & INTEGER_MAX, answer: Ok(body.bytes(usize::MAX)) },
            Self::NoAnswer(ask, code, why) => {
                Record::Answer { ask: ask & INTEGER_MAX, answer: Err(Ending { code: (*code).max(1), text: text(why) }) }
            }
            Self::Profile(body) => Record::Profile(body.bytes(PROFILE_MAX)),
            Self::Got(count) => Record::Got(count & INTEGER_MAX),
            Self::Leave(is_peer, why) => Record::Leave { is_peer: *is_peer, text: text(why) },
        })
    }
}

impl Name {
    fn name(&self) -> Option<EventName> {
        match self {
            Self::Usual => EventName::try_from("say").ok(),
            Self::Any(text) => EventName::try_from(text.as_str()).ok(),
        }
    }
}

impl Body {
    pub fn bytes(&self, most: usize) -> Bytes {
        let mut bytes = match self {
            Self::Bytes(bytes) => Bytes::copy_from_slice(bytes),
            Self::Nothings(length) => vec![0xc0; 32 * usize::from(*length)].into(),
        };
        bytes.truncate(most);
        bytes
    }
}

/// Small ones, so that they are somebody's.
fn numbers(numbers: &[u8]) -> Vec<u32> {
    numbers.iter().take(NAMED_MAX).map(|number| u32::from(*number)).collect()
}

fn text(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_MAX)].to_owned()
}
