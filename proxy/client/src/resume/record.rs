//! Records: facts about a stream that stay true for ever, and how they look as bytes (`proxy/RESUME.md`, section 1).

use browser_stream_protocol::integer;
use bytes::{BufMut, BytesMut};

use super::{DATA_MAX, Mac, Nonce, StreamId};

/// One record; of DATA its head, whose payload follows as it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// `length` bytes at `offset` follow.
    Data {
        /// Where in the direction they stand.
        offset: u64,
        /// How many: 1–65,536.
        length: u32,
    },
    /// My direction ends after `total` bytes.
    Fin {
        /// Bytes of the whole direction.
        total: u64,
    },
    /// I hold everything below `received`; you may send below `received + room`.
    Ack {
        /// Position: bytes, and one more once FIN is held.
        received: u64,
        /// Bytes that may come beyond it.
        room: u64,
    },
    /// Both directions end.
    Reset(Reason),
    /// All is held on both sides and I know it; or your RESET arrived.
    Done,
    /// I do not hold this stream.
    Gone,
    /// Are you there?
    Ping(u64),
    /// The answer, with the PING's token.
    Pong(u64),
    /// Client: this carrier belongs to that stream.
    Join {
        /// The stream.
        stream: StreamId,
        /// The client's nonce.
        nonce: Nonce,
    },
    /// Server: I know the secret.
    Prove {
        /// The server's nonce.
        nonce: Nonce,
        /// The server's mac.
        mac: Mac,
    },
    /// Client: so do I.
    Proof {
        /// The client's mac.
        mac: Mac,
    },
}

/// Why a stream was reset or refused: a stable code of at most 64 bytes and a message of at most 1,024.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    code: Box<str>,
    message: Box<str>,
}

/// Bytes that are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// More than 8 bytes, or above 2^53 - 1.
    #[error("an integer is too long")]
    Integer,
    /// 00, or above 0b.
    #[error("no record has the type {0:#04x}")]
    Type(u8),
    /// DATA of no bytes, or of more than 65,536.
    #[error("DATA has the length {0}")]
    Length(u64),
    /// A RESET whose code or message is too long.
    #[error("a text is too long")]
    TextLength,
}

const CODE_MAX: usize = 64;
const MESSAGE_MAX: usize = 1024;

/// Bytes of the longest record without a payload: RESET.
pub(super) const RECORD_MAX: usize = 1 + 1 + CODE_MAX + 2 + MESSAGE_MAX;

impl Reason {
    /// Cuts both to what a record carries, between two characters.
    pub fn new(code: &str, message: &str) -> Self {
        Self { code: cut(code, CODE_MAX).into(), message: cut(message, MESSAGE_MAX).into() }
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What happened, for people.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl Record {
    /// Appends the record; of DATA the head only.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Data { offset, length } => integers(1, &[*offset, u64::from(*length)], out),
            Self::Fin { total } => integers(2, &[*total], out),
            Self::Ack { received, room } => integers(3, &[*received, *room], out),
            Self::Reset(reason) => {
                out.put_u8(4);
                text(&reason.code, out);
                text(&reason.message, out);
            }
            Self::Done => out.put_u8(5),
            Self::Gone => out.put_u8(6),
            Self::Ping(token) => integers(7, &[*token], out),
            Self::Pong(token) => integers(8, &[*token], out),
            Self::Join { stream, nonce } => {
                out.put_u8(9);
                out.put_slice(&stream.0);
                out.put_slice(&nonce.0);
            }
            Self::Prove { nonce, mac } => {
                out.put_u8(10);
                out.put_slice(&nonce.0);
                out.put_slice(&mac.0);
            }
            Self::Proof { mac } => {
                out.put_u8(11);
                out.put_slice(&mac.0);
            }
        }
    }

    /// Takes one record off the front of `input`; `None`, and nothing taken, if it is not whole yet.
    pub(super) fn parse(input: &mut &[u8]) -> Result<Option<Self>, RecordError> {
        let mut parser = Parser { rest: input };
        match parser.record() {
            Ok(record) => {
                *input = parser.rest;
                Ok(Some(record))
            }
            Err(Stop::Short) => Ok(None),
            Err(Stop::Wrong(error)) => Err(error),
        }
    }
}

struct Parser<'a> {
    rest: &'a [u8],
}

enum Stop {
    Short,
    Wrong(RecordError),
}

impl From<RecordError> for Stop {
    fn from(error: RecordError) -> Self {
        Self::Wrong(error)
    }
}

impl<'a> Parser<'a> {
    fn record(&mut self) -> Result<Record, Stop> {
        let [kind] = self.array()?;
        Ok(match kind {
            1 => self.data()?,
            2 => Record::Fin { total: self.integer()? },
            3 => Record::Ack { received: self.integer()?, room: self.integer()? },
            4 => Record::Reset(Reason { code: self.text(CODE_MAX)?, message: self.text(MESSAGE_MAX)? }),
            5 => Record::Done,
            6 => Record::Gone,
            7 => Record::Ping(self.integer()?),
            8 => Record::Pong(self.integer()?),
            9 => Record::Join { stream: StreamId(self.array()?), nonce: Nonce(self.array()?) },
            10 => Record::Prove { nonce: Nonce(self.array()?), mac: Mac(self.array()?) },
            11 => Record::Proof { mac: Mac(self.array()?) },
            other => return Err(RecordError::Type(other).into()),
        })
    }

    fn data(&mut self) -> Result<Record, Stop> {
        let offset = self.integer()?;
        let length = self.integer()?;
        match u32::try_from(length) {
            Ok(short) if (1..=DATA_MAX).contains(&short) => Ok(Record::Data { offset, length: short }),
            _ => Err(RecordError::Length(length).into()),
        }
    }

    fn integer(&mut self) -> Result<u64, Stop> {
        integer::take(&mut self.rest).map_err(|_| RecordError::Integer)?.ok_or(Stop::Short)
    }

    fn text(&mut self, max: usize) -> Result<Box<str>, Stop> {
        let length = usize::try_from(self.integer()?).unwrap_or(usize::MAX);
        if length > max {
            return Err(RecordError::TextLength.into());
        }
        // A reset that came must end the stream, whatever its text looks like.
        let text = String::from_utf8_lossy(self.slice(length)?);
        Ok(cut(&text, max).into())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Stop::Short)?;
        self.rest = rest;
        Ok(*array)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        let (slice, rest) = self.rest.split_at_checked(length).ok_or(Stop::Short)?;
        self.rest = rest;
        Ok(slice)
    }
}

fn integers(kind: u8, values: &[u64], out: &mut BytesMut) {
    out.put_u8(kind);
    for &value in values {
        integer::put(value, out);
    }
}

fn text(text: &str, out: &mut BytesMut) {
    integer::put(text.len() as u64, out);
    out.put_slice(text.as_bytes());
}

fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}
