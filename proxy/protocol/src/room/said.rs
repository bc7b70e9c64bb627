//! From a member to the proxy.

use bytes::{Bytes, BytesMut};

use super::{EventName, PROFILE_MAX, TIMEOUT_MS_MAX, fields::put_numbers};
use crate::{
    channel::Ending,
    record::{BadRecord, Fields, Record, Stop, put, put_bytes, put_text},
};

const EMIT: u8 = 1;
const ANSWER: u8 = 2;
const PROFILE: u8 = 3;
const GOT: u8 = 4;
const LEAVE: u8 = 5;

pub(super) const VOLATILE: u64 = 1;
pub(super) const ASKS: u64 = 2;
const TO: u64 = 4;
const EXCEPT: u64 = 8;
const EVERYWHERE: u64 = 16;

/// What a member says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// An event for others.
    Emit(Emit),
    /// An answer to what it was asked.
    Answer {
        /// The ask's number.
        ask: u64,
        /// The value, or why not.
        answer: Answer,
    },
    /// What it says of itself from now on, JSON.
    Profile(Bytes),
    /// So many counted records were received, in all.
    Got(u64),
    /// It leaves.
    Leave {
        /// With it go all rooms of its session: the whole peer goes.
        is_peer: bool,
        /// For people; may be empty.
        text: String,
    },
}

/// An event as its sender says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emit {
    /// It is for nobody who cannot have it now.
    pub is_volatile: bool,
    /// An answer is wanted: the sender's own number for it, and for how many milliseconds.
    pub asks: Option<(u64, u32)>,
    /// The members that it is for; empty for all.
    pub to: Vec<u32>,
    /// And those that it is not for.
    pub except: Vec<u32>,
    /// It is for all rooms.
    pub is_everywhere: bool,
    /// Its name.
    pub name: EventName,
    /// Its arguments, MessagePack.
    pub body: Bytes,
}

/// An answer: one MessagePack value, or why there is none.
pub type Answer = Result<Bytes, Ending>;

impl Emit {
    /// An event for all others.
    pub fn new(name: EventName, body: Bytes) -> Self {
        let (to, except) = Default::default();
        Self { is_volatile: false, asks: None, to, except, is_everywhere: false, name, body }
    }

    fn read(fields: &mut Fields) -> Result<Self, Stop> {
        let kind = fields.integer()?;
        let has = |bit| kind & bit != 0;
        if kind >= 2 * EVERYWHERE || (has(VOLATILE) && has(ASKS)) {
            return Err(BadRecord::Integer.into());
        }
        let asks = if has(ASKS) { Some((fields.integer()?, timeout(fields)?)) } else { None };
        let to = if has(TO) { fields.named()? } else { Vec::new() };
        let except = if has(EXCEPT) { fields.named()? } else { Vec::new() };
        let (is_volatile, is_everywhere) = (has(VOLATILE), has(EVERYWHERE));
        Ok(Self { is_volatile, asks, to, except, is_everywhere, name: fields.name()?, body: fields.body()? })
    }

    fn write(&self, out: &mut BytesMut) {
        let bit = |is_set: bool, bit: u64| if is_set { bit } else { 0 };
        let kind = bit(self.is_volatile, VOLATILE)
            | bit(self.asks.is_some(), ASKS)
            | bit(!self.to.is_empty(), TO)
            | bit(!self.except.is_empty(), EXCEPT)
            | bit(self.is_everywhere, EVERYWHERE);
        put(EMIT, &[kind], out);
        if let Some((number, timeout)) = self.asks {
            crate::integer::put(number, out);
            crate::integer::put(u64::from(timeout), out);
        }
        for named in [&self.to, &self.except].into_iter().filter(|named| !named.is_empty()) {
            put_numbers(named, out);
        }
        put_bytes(self.name.bytes(), out);
        put_bytes(&self.body, out);
    }
}

fn timeout(fields: &mut Fields) -> Result<u32, Stop> {
    let timeout = fields.integer()?;
    let fits = u32::try_from(timeout).ok().filter(|_| (1..=TIMEOUT_MS_MAX).contains(&timeout));
    Ok(fits.ok_or(BadRecord::Integer)?)
}

impl Said {
    /// Whether it counts, and is sent anew where it did not arrive.
    pub fn is_counted(&self) -> bool {
        match self {
            Self::Emit(emit) => !emit.is_volatile,
            Self::Got(_) => false,
            _ => true,
        }
    }
}

impl Record for Said {
    fn read(fields: &mut Fields) -> Result<Self, Stop> {
        Ok(match fields.byte()? {
            EMIT => Self::Emit(Emit::read(fields)?),
            ANSWER => Self::Answer { ask: fields.integer()?, answer: answer(fields)? },
            PROFILE => Self::Profile(fields.bytes(PROFILE_MAX)?),
            GOT => Self::Got(fields.integer()?),
            LEAVE => Self::Leave { is_peer: fields.flag()?, text: fields.text()? },
            kind => return Err(BadRecord::Kind(kind).into()),
        })
    }

    fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Emit(emit) => emit.write(out),
            Self::Answer { ask, answer } => {
                put(ANSWER, &[*ask], out);
                put_answer(answer, out);
            }
            Self::Profile(profile) => {
                put(PROFILE, &[], out);
                put_bytes(profile, out);
            }
            Self::Got(count) => put(GOT, &[*count], out),
            Self::Leave { is_peer, text } => {
                put(LEAVE, &[u64::from(*is_peer)], out);
                put_text(text, out);
            }
        }
    }
}

/// A code, and the value or the text.
pub(super) fn answer(fields: &mut Fields) -> Result<Answer, Stop> {
    match fields.small()? {
        0 => fields.body().map(Ok),
        code => Ok(Err(Ending { code, text: fields.text()? })),
    }
}

pub(super) fn put_answer(answer: &Answer, out: &mut BytesMut) {
    match answer {
        Ok(value) => {
            crate::integer::put(0, out);
            put_bytes(value, out);
        }
        Err(ending) => {
            // Without a code it would be a value.
            crate::integer::put(u64::from(ending.code.max(1)), out);
            put_text(&ending.text, out);
        }
    }
}
