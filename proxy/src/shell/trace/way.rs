//! One direction of a stream: what its bytes are, and how they are told.

use super::{
    framed::{Frame, Framed},
    line::{Facts, Kind, Side},
    plan::Next,
    records::{HEAD_MAX, Records},
    redact::{Json, one_line},
    scribe::Scribe,
};

/// What a direction is made of, as far as it came.
#[derive(Debug)]
pub enum Way {
    /// Its open or reply comes first.
    First(Framed),
    Notes(Framed),
    Records(Records),
    Sealed(Sealed),
    Raw(Raw),
    /// So many raw bytes are left before what the reply decides, where it is there.
    Early {
        left: u64,
        raw: Raw,
        then: Option<Next>,
    },
    /// Nobody knows, or not any more.
    Unknown,
}

/// An open or a reply, which decides what follows.
pub type First = Option<Json>;

impl Way {
    pub fn first() -> Self {
        Self::First(Framed::default())
    }

    /// How it goes on.
    pub fn going_on(next: Next) -> Self {
        match next {
            Next::Raw => Self::Raw(Raw::default()),
            Next::Early(bytes) => Self::Early { left: bytes, raw: Raw::default(), then: None },
            Next::Notes => Self::Notes(Framed::default()),
            Next::Records(table) => Self::Records(Records::new(table)),
            Next::Sealed => Self::Sealed(Sealed::default()),
        }
    }

    /// Takes bytes off the front: all of them, or as far as the open or the reply, which it gives.
    pub fn take(&mut self, bytes: &mut &[u8], is_open: bool, stream: u32, scribe: &mut Scribe<'_>) -> Option<First> {
        match self {
            Self::First(framed) => {
                let frame = framed.take(bytes, scribe.budget)?;
                return Some(told(&frame, is_open, stream, scribe));
            }
            Self::Notes(framed) => {
                while let Some(frame) = framed.take(bytes, scribe.budget) {
                    note(&frame, stream, scribe);
                }
            }
            Self::Records(records) => {
                if let Err(why) = records.take(std::mem::take(bytes), stream, scribe) {
                    scribe.violation(Some(stream), "bad_request", &why);
                    *self = Self::Unknown;
                }
            }
            Self::Sealed(sealed) => {
                if let Err(why) = sealed.take(std::mem::take(bytes), stream, scribe) {
                    scribe.violation(Some(stream), "tampered", &why);
                    *self = Self::Unknown;
                }
            }
            Self::Raw(raw) => raw.take(std::mem::take(bytes), scribe),
            Self::Early { left, raw, then } => {
                let (now, rest) = bytes.split_at(usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len()));
                raw.take(now, scribe);
                *left -= now.len() as u64;
                *bytes = rest;
                if *left == 0 && !rest.is_empty() {
                    raw.tell(stream, scribe);
                    // Who has not been answered says no more: without one the answer was not seen.
                    *self = then.map_or(Self::Unknown, Self::going_on);
                }
            }
            Self::Unknown => *bytes = &[],
        }
        None
    }

    /// So many bytes are missing. Where what follows cannot be understood without them, nothing more of it is told.
    pub fn skip(&mut self, bytes: u64, stream: u32, scribe: &mut Scribe<'_>) {
        let goes_on = match self {
            Self::First(_) | Self::Notes(_) | Self::Sealed(_) => bytes == 0,
            Self::Records(records) => records.skip(bytes, stream, scribe),
            Self::Raw(_) | Self::Unknown => true,
            Self::Early { left, .. } => left.checked_sub(bytes).map(|rest| *left = rest).is_some(),
        };
        if !goes_on {
            *self = Self::Unknown;
        }
    }

    /// A frame is over: what of it is told by itself is told.
    pub fn frame_ended(&mut self, stream: u32, scribe: &mut Scribe<'_>) {
        if let Self::Raw(raw) | Self::Early { raw, .. } = self {
            raw.tell(stream, scribe);
        }
    }
}

/// The longest open or reply of a peer's.
const OF_PEER_MAX: usize = 8192;

/// Tells an open or a reply.
fn told(frame: &Frame, is_open: bool, stream: u32, scribe: &mut Scribe<'_>) -> First {
    let (kind, name) = if is_open { (Kind::Open, "open") } else { (Kind::Reply, "reply") };
    match frame {
        Frame::Whole(kept) => {
            if scribe.side == Side::Peer && kept.bytes().len() > OF_PEER_MAX {
                scribe.violation(Some(stream), "bad_request", &format!("{name} of {} bytes is too long", kept.bytes().len()));
            }
            let read = Json::read(kept.bytes());
            match one_line(kept.bytes(), scribe.shown.secrets) {
                Some(json) => scribe.stream(stream, kind, Facts::new().json("json", json)),
                None => scribe.violation(Some(stream), "bad_request", &format!("{name} of {} bytes that is no JSON", kept.bytes().len())),
            }
            let path = |open: &Json| open.field("path").and_then(Json::text).is_some_and(|path| path.starts_with('/'));
            match &read {
                Some(Json::Object(_)) if !is_open || read.as_ref().is_some_and(path) => return read,
                Some(_) => scribe.violation(Some(stream), "bad_request", &format!("{name} that has no path or is no object")),
                None => {}
            }
        }
        Frame::Long(length) => scribe.violation(Some(stream), "bad_request", &format!("{name} of {length} bytes is too long")),
        Frame::NoRoom(length) => scribe.limit(Some(stream), &format!("no room for the {length} bytes of its {name}: it is not decoded")),
    }
    None
}

fn note(frame: &Frame, stream: u32, scribe: &mut Scribe<'_>) {
    let facts = match frame {
        Frame::Whole(kept) => match one_line(kept.bytes(), scribe.shown.secrets) {
            Some(json) => Facts::new().json("json", json),
            // Those of a sealed stream's signals are sealed as well.
            None => Facts::new().number("length", kept.bytes().len() as u64).flag("opaque"),
        },
        Frame::Long(length) | Frame::NoRoom(length) => Facts::new().number("length", *length as u64),
    };
    scribe.stream(stream, Kind::Note, facts);
}

/// Bytes that are an application's: told by their first ones, and only where that was asked for.
#[derive(Debug, Default)]
pub struct Raw {
    length: u64,
    head: Vec<u8>,
}

impl Raw {
    fn take(&mut self, bytes: &[u8], scribe: &Scribe<'_>) {
        if scribe.shown.data {
            self.length += bytes.len() as u64;
            self.head.extend_from_slice(&bytes[..bytes.len().min(HEAD_MAX - self.head.len())]);
        }
    }

    fn tell(&mut self, stream: u32, scribe: &mut Scribe<'_>) {
        let Self { length, head } = std::mem::take(self);
        if length > 0 {
            scribe.stream(stream, Kind::Bytes, Facts::new().number("length", length).hex("hex", &head));
        }
    }
}

/// Records that only the two ends can read (SEAL.md, section 3): their lengths.
#[derive(Debug, Default)]
pub struct Sealed {
    head: Option<u8>,
    left: usize,
}

impl Sealed {
    fn take(&mut self, mut bytes: &[u8], stream: u32, scribe: &mut Scribe<'_>) -> Result<(), String> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.left > 0 {
                let now = self.left.min(bytes.len());
                self.left -= now;
                bytes = &bytes[now..];
                continue;
            }
            bytes = rest;
            let Some(high) = self.head.take() else {
                self.head = Some(byte);
                continue;
            };
            self.left = usize::from(u16::from_be_bytes([high, byte]));
            if !(TAG..=SEALED_MAX).contains(&self.left) {
                return Err(format!("a sealed record of {} bytes", self.left));
            }
            let facts = Facts::new().number("length", self.left as u64);
            scribe.stream(stream, Kind::Sealed, if self.left == TAG { facts.flag("end") } else { facts });
        }
        Ok(())
    }
}

/// A record of nothing, which ends its direction.
const TAG: usize = 16;
const SEALED_MAX: usize = 32_784;
