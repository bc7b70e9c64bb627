//! From the proxy to a member.

use bytes::{Bytes, BytesMut};

use super::{
    Answer, EventName, MEMBER_MAX, PROFILE_MAX,
    fields::put_numbers,
    said::{ASKS, VOLATILE, answer, put_answer},
};
use crate::{
    channel::Ending,
    record::{BadRecord, Fields, Record, Stop, put, put_bytes, put_text},
};

const EVENT: u8 = 1;

/// Who can be asked at once, in a record: more than any room has.
const ASKED_MAX: usize = 65_536;
/// Names of rooms, JSON: as many as a session may be in, each of the longest, with room for escapes.
const ROOMS_MAX: usize = 65_536;
/// Where to a member was moved, JSON.
const MOVED_MAX: usize = 1024;

/// What a member is told. Members have numbers; 0 is the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Somebody's event.
    Event {
        /// Whose.
        from: u32,
        /// It is neither counted nor kept.
        is_volatile: bool,
        /// An answer is wanted, with this number.
        ask: Option<u64>,
        /// Its name.
        name: EventName,
        /// Its arguments, MessagePack.
        body: Bytes,
    },
    /// An answer to what it asked.
    Answer {
        /// Its own number for that.
        number: u64,
        /// Who answers.
        from: u32,
        /// The value, or why there is none.
        answer: Answer,
    },
    /// Who is asked.
    Asked {
        /// Its own number for that.
        number: u64,
        /// Who.
        members: Vec<u32>,
    },
    /// One who is here, when it comes itself.
    Member {
        /// Its number.
        number: u32,
        /// Its connection is there.
        is_live: bool,
        /// Who it is, JSON.
        who: Bytes,
    },
    /// One who comes.
    Joined {
        /// Its number.
        number: u32,
        /// Who it is, JSON.
        who: Bytes,
    },
    /// What one says of itself from now on.
    Profile {
        /// Its number.
        number: u32,
        /// JSON.
        profile: Bytes,
    },
    /// One's connection went, or is back.
    Live {
        /// Its number.
        number: u32,
        /// It is there.
        is_live: bool,
    },
    /// One's connection is over for good: it is about to leave.
    Leaving {
        /// Its number.
        number: u32,
        /// Why.
        ending: Ending,
        /// The names of the rooms that it leaves now, JSON.
        rooms: Bytes,
    },
    /// One has left.
    Left {
        /// Its number.
        number: u32,
        /// Why: 0 by its own will.
        ending: Ending,
    },
    /// So many counted records were left out here.
    Lost(u64),
    /// So many counted records of its own were received, in all.
    Got(u64),
    /// Something that it sent was not allowed.
    Refused(Ending),
    /// Its seat is in another room now, JSON with its `name`.
    Moved(Bytes),
    /// It is over for it here.
    End(Ending),
}

impl Told {
    /// Whether it counts, and is kept until it was received.
    pub fn is_counted(&self) -> bool {
        match self {
            Self::Event { is_volatile, .. } => !is_volatile,
            Self::Member { .. } | Self::Lost(_) | Self::Got(_) | Self::Moved(_) | Self::End(_) => false,
            _ => true,
        }
    }
}

/// Appends an event's record up to its name, which comes next with its length, as the arguments do: both stand there as their sender wrote them.
pub fn event_head(from: u32, is_volatile: bool, ask: Option<u64>, out: &mut BytesMut) {
    let kind = if is_volatile { VOLATILE } else { 0 } | if ask.is_some() { ASKS } else { 0 };
    put(EVENT, &[u64::from(from), kind], out);
    ask.into_iter().for_each(|ask| crate::integer::put(ask, out));
}

fn event(fields: &mut Fields) -> Result<Told, Stop> {
    let (from, kind) = (fields.small()?, fields.integer()?);
    if kind >= VOLATILE | ASKS {
        return Err(BadRecord::Integer.into());
    }
    let ask = if kind & ASKS != 0 { Some(fields.integer()?) } else { None };
    Ok(Told::Event { from, is_volatile: kind & VOLATILE != 0, ask, name: fields.name()?, body: fields.body()? })
}

impl Record for Told {
    fn read(fields: &mut Fields) -> Result<Self, Stop> {
        Ok(match fields.byte()? {
            EVENT => event(fields)?,
            2 => Self::Answer { number: fields.integer()?, from: fields.small()?, answer: answer(fields)? },
            3 => Self::Asked { number: fields.integer()?, members: fields.numbers(0, ASKED_MAX)? },
            4 => Self::Member { number: fields.small()?, is_live: fields.flag()?, who: fields.bytes(MEMBER_MAX)? },
            5 => Self::Joined { number: fields.small()?, who: fields.bytes(MEMBER_MAX)? },
            6 => Self::Profile { number: fields.small()?, profile: fields.bytes(PROFILE_MAX)? },
            7 => Self::Live { number: fields.small()?, is_live: fields.flag()? },
            8 => Self::Leaving { number: fields.small()?, ending: fields.ending()?, rooms: fields.bytes(ROOMS_MAX)? },
            9 => Self::Left { number: fields.small()?, ending: fields.ending()? },
            10 => Self::Lost(fields.integer()?),
            11 => Self::Got(fields.integer()?),
            12 => Self::Refused(fields.ending()?),
            13 => Self::Moved(fields.bytes(MOVED_MAX)?),
            14 => Self::End(fields.ending()?),
            kind => return Err(BadRecord::Kind(kind).into()),
        })
    }

    fn write(&self, out: &mut BytesMut) {
        let ending = |ending: &Ending, out: &mut BytesMut| {
            crate::integer::put(u64::from(ending.code), out);
            put_text(&ending.text, out);
        };
        match self {
            Self::Event { from, is_volatile, ask, name, body } => {
                event_head(*from, *is_volatile, *ask, out);
                put_bytes(name.bytes(), out);
                put_bytes(body, out);
            }
            Self::Answer { number, from, answer } => {
                put(2, &[*number, u64::from(*from)], out);
                put_answer(answer, out);
            }
            Self::Asked { number, members } => {
                put(3, &[*number], out);
                put_numbers(members, out);
            }
            Self::Member { number, is_live, who } => {
                put(4, &[u64::from(*number), u64::from(*is_live)], out);
                put_bytes(who, out);
            }
            Self::Joined { number, who } => {
                put(5, &[u64::from(*number)], out);
                put_bytes(who, out);
            }
            Self::Profile { number, profile } => {
                put(6, &[u64::from(*number)], out);
                put_bytes(profile, out);
            }
            Self::Live { number, is_live } => put(7, &[u64::from(*number), u64::from(*is_live)], out),
            Self::Leaving { number, ending: why, rooms } => {
                put(8, &[u64::from(*number)], out);
                ending(why, out);
                put_bytes(rooms, out);
            }
            Self::Left { number, ending: why } => {
                put(9, &[u64::from(*number)], out);
                ending(why, out);
            }
            Self::Lost(count) => put(10, &[*count], out),
            Self::Got(count) => put(11, &[*count], out),
            Self::Refused(why) => {
                put(12, &[], out);
                ending(why, out);
            }
            Self::Moved(to) => {
                put(13, &[], out);
                put_bytes(to, out);
            }
            Self::End(why) => {
                put(14, &[], out);
                ending(why, out);
            }
        }
    }
}
