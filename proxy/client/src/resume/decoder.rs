//! Bytes of a carrier into records, wherever its chunks begin and end.

use bytes::{Buf, Bytes};

use super::{Record, RecordError, record::RECORD_MAX};

/// Reads one carrier's bytes; holds at most one unfinished record's head, and never payload.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a record that spans chunks; without memory otherwise.
    head: Vec<u8>,
    /// Where the payload that comes next stands in its direction.
    offset: u64,
    /// Bytes of payload still to come.
    payload: u32,
}

/// What a carrier brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A record; after the head of DATA come its payloads.
    Record(Record),
    /// Payload as it arrived, never empty.
    Payload {
        /// Where it stands in the direction.
        offset: u64,
        /// A slice of the input.
        bytes: Bytes,
    },
}

impl Decoder {
    /// A decoder of a birth carrier: `length` raw bytes from offset 0 on come before the first record.
    pub fn after_early(length: u32) -> Self {
        Self { payload: length, ..Self::default() }
    }

    /// Takes the next thing off the front of `input`; `None` when nothing whole is left. After an error the carrier is of no use.
    pub fn next(&mut self, input: &mut Bytes) -> Result<Option<Received>, RecordError> {
        if input.is_empty() {
            return Ok(None);
        }
        if self.payload > 0 {
            return Ok(Some(self.take_payload(input)));
        }
        let record = if self.head.is_empty() { self.parse(input)? } else { self.parse_on(input)? };
        if let Some(Record::Data { offset, length }) = record {
            (self.offset, self.payload) = (offset, length);
        }
        Ok(record.map(Received::Record))
    }

    fn take_payload(&mut self, input: &mut Bytes) -> Received {
        let length = input.len().min(self.payload as usize);
        let (offset, bytes) = (self.offset, input.split_to(length));
        self.offset += length as u64;
        self.payload -= length as u32;
        Received::Payload { offset, bytes }
    }

    fn parse(&mut self, input: &mut Bytes) -> Result<Option<Record>, RecordError> {
        let mut rest = &input[..];
        let record = Record::parse(&mut rest)?;
        let taken = input.len() - rest.len();
        if record.is_some() {
            input.advance(taken);
        } else {
            self.head.extend_from_slice(&input.split_off(0));
        }
        Ok(record)
    }

    /// Goes on with a record that began in an earlier chunk, byte by byte: nothing behind it may be taken.
    fn parse_on(&mut self, input: &mut Bytes) -> Result<Option<Record>, RecordError> {
        while !input.is_empty() {
            self.head.extend_from_slice(&input.split_to(1));
            if let Some(record) = Record::parse(&mut &self.head[..])? {
                self.head = Vec::new();
                return Ok(Some(record));
            }
            debug_assert!(self.head.len() < RECORD_MAX, "a record of that length is whole or refused");
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::resume::Reason;

    fn read(decoder: &mut Decoder, mut input: Bytes) -> Vec<Received> {
        let mut all = Vec::new();
        while let Some(received) = decoder.next(&mut input).unwrap() {
            all.push(received);
        }
        assert!(input.is_empty());
        all
    }

    #[test]
    fn payload_is_handed_on_as_it_arrives_without_a_copy() {
        let mut decoder = Decoder::default();
        let input = Bytes::from_static(b"\x01\xac\x02\x05hel");
        let slice = input.slice(4..);
        let all = read(&mut decoder, input);
        assert_eq!(all[0], Received::Record(Record::Data { offset: 300, length: 5 }));
        let Received::Payload { offset: 300, bytes } = &all[1] else { panic!("{all:?}") };
        assert_eq!((bytes.as_ptr(), bytes.len()), (slice.as_ptr(), 3));
        let all = read(&mut decoder, Bytes::from_static(b"lo\x05"));
        assert_eq!(all, [Received::Payload { offset: 303, bytes: "lo".into() }, Received::Record(Record::Done)]);
    }

    #[test]
    fn the_longest_record_may_come_byte_by_byte_and_leaves_no_memory_behind() {
        let mut out = BytesMut::new();
        let record = Record::Reset(Reason::new(&"c".repeat(99), &"m".repeat(2000)));
        record.encode(&mut out);
        assert_eq!(out.len(), RECORD_MAX);
        let mut decoder = Decoder::default();
        let all: Vec<_> = out.iter().flat_map(|&byte| read(&mut decoder, Bytes::copy_from_slice(&[byte]))).collect();
        assert_eq!(all, [Received::Record(record)]);
        assert_eq!(decoder.head.capacity(), 0);
    }

    #[test]
    fn early_bytes_come_before_the_first_record() {
        let mut decoder = Decoder::after_early(3);
        let all = read(&mut decoder, Bytes::from_static(b"\x01\x02\x03\x06"));
        assert_eq!(all, [Received::Payload { offset: 0, bytes: "\x01\x02\x03".into() }, Received::Record(Record::Gone)]);
    }
}
