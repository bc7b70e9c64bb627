//! Takes the records of a channel's stream apart, wherever its chunks end.

use bytes::{Bytes, BytesMut};

use super::record::{BadRecord, Body, Raw, Records};
use crate::integer;

/// One direction of a channel's stream: put chunks in, take records out. Bytes of messages come out as they came in, without a copy and without waiting for
/// the rest of them.
#[derive(Debug)]
pub struct Decoder<R> {
    input: Bytes,
    /// A record's head, or a short record, that is not whole yet.
    held: BytesMut,
    /// Of a record whose bytes come through: what its head said, and how many of them are missing.
    under_way: Option<(Head, usize)>,
    records: std::marker::PhantomData<R>,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    kind: u8,
    integers: [u64; 3],
}

/// What stands at the front of some bytes.
enum Front {
    /// A whole record, and its length in all.
    Whole(Head, std::ops::Range<usize>),
    /// A head of so many bytes; so many more come through.
    Through(Head, usize, usize),
}

impl<R> Default for Decoder<R> {
    fn default() -> Self {
        Self { input: Bytes::new(), held: BytesMut::new(), under_way: None, records: std::marker::PhantomData }
    }
}

impl<R: Records> Decoder<R> {
    /// Puts a chunk in, when [`next`](Self::next) has given all of the one before.
    pub fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.input.is_empty(), "records were left");
        self.input = chunk;
    }

    /// Whether the stream may end here: no record is under way.
    pub fn is_between_records(&self) -> bool {
        self.input.is_empty() && self.held.is_empty() && self.under_way.is_none()
    }

    /// The next record, or the next bytes of a long one; `None` when more has to be put in.
    ///
    /// # Errors
    /// What came is no record. Nothing that comes later makes sense.
    #[expect(clippy::should_implement_trait, reason = "it goes on after a `None`")]
    pub fn next(&mut self) -> Result<Option<R>, BadRecord> {
        if let Some((head, left)) = self.under_way {
            return self.through(head, left);
        }
        match self.front()? {
            None => Ok(None),
            Some((Front::Whole(head, body), bytes)) => {
                R::read(Raw { kind: head.kind, integers: head.integers, body: bytes.slice(body), left: 0 }).map(Some)
            }
            Some((Front::Through(head, _, 0), _)) => {
                R::read(Raw { kind: head.kind, integers: head.integers, body: Bytes::new(), left: 0 }).map(Some)
            }
            Some((Front::Through(head, _, left), _)) => {
                self.under_way = Some((head, left));
                self.through(head, left)
            }
        }
    }

    fn through(&mut self, head: Head, left: usize) -> Result<Option<R>, BadRecord> {
        if self.input.is_empty() {
            return Ok(None);
        }
        let body = self.input.split_to(left.min(self.input.len()));
        let left = left - body.len();
        self.under_way = (left > 0).then_some((head, left));
        R::read(Raw { kind: head.kind, integers: head.integers, body, left }).map(Some)
    }

    /// Takes what stands in front, and the bytes that it stood in.
    fn front(&mut self) -> Result<Option<(Front, Bytes)>, BadRecord> {
        if self.held.is_empty() {
            let Some(front) = parse::<R>(&self.input)? else {
                self.held = BytesMut::from(&self.input[..]);
                self.input.clear();
                return Ok(None);
            };
            let bytes = self.input.split_to(front.length());
            return Ok(Some((front, bytes)));
        }
        let before = self.held.len();
        self.held.extend_from_slice(self.input.get(..R::WHOLE_MAX).unwrap_or(&self.input));
        let Some(front) = parse::<R>(&self.held)? else {
            // So it was all of the input.
            self.input.clear();
            return Ok(None);
        };
        let _ = self.input.split_to(front.length() - before);
        let bytes = std::mem::take(&mut self.held).freeze();
        Ok(Some((front, bytes)))
    }
}

impl Front {
    fn length(&self) -> usize {
        match self {
            Self::Whole(_, body) => body.end,
            Self::Through(_, head, _) => *head,
        }
    }
}

fn parse<R: Records>(bytes: &[u8]) -> Result<Option<Front>, BadRecord> {
    let Some((&kind, mut rest)) = bytes.split_first() else { return Ok(None) };
    let shape = R::shape(kind).ok_or(BadRecord::Kind(kind))?;
    let mut integers = [0; 3];
    for place in integers.iter_mut().take(shape.integers) {
        let Some(value) = integer::take(&mut rest).map_err(|_| BadRecord::Integer)? else { return Ok(None) };
        *place = value;
    }
    let head = Head { kind, integers };
    let (least, most, is_whole) = match shape.body {
        Body::None => (0, 0, true),
        Body::Fixed(length) => (length, length, true),
        Body::Whole(most) => (0, most, true),
        Body::Through { least } => (least, super::PART_MAX, false),
    };
    let length = match shape.body {
        Body::None | Body::Fixed(_) => least,
        _ => match integer::take(&mut rest).map_err(|_| BadRecord::Integer)? {
            Some(length) => usize::try_from(length).unwrap_or(usize::MAX),
            None => return Ok(None),
        },
    };
    if length < least || length > most {
        return Err(BadRecord::Length { kind, length });
    }
    let begin = bytes.len() - rest.len();
    Ok(match is_whole {
        false => Some(Front::Through(head, begin, length)),
        true if rest.len() >= length => Some(Front::Whole(head, begin..begin + length)),
        true => None,
    })
}
