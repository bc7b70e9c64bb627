//! The records of rooms, both ways. Whatever comes is read the same however it is cut, and holds no more memory than came; what was read is
//! written so that it reads the same; and what a peer of ours writes is read as it was meant.
#![no_main]

mod cuts;
mod said;

use std::fmt::Debug;

use arbitrary::Arbitrary;
use browser_stream_protocol::room::{BadRecord, Decoder, Record, Said, Told};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

use cuts::{Cuts, singly};

#[derive(Arbitrary, Debug)]
struct Input {
    raw: Vec<u8>,
    said: Vec<said::Said>,
    cuts: Cuts,
    /// The longest body that is taken.
    body_max: u16,
}

fuzz_target!(|input: Input| {
    let raw = Bytes::from(input.raw);
    any::<Said>(&raw, &input.cuts, input.body_max.into());
    any::<Told>(&raw, &input.cuts, input.body_max.into());
    let said: Vec<Said> = input.said.iter().filter_map(said::Said::record).collect();
    let bytes = written(&said);
    let whole = read::<Said>([bytes.clone()], usize::MAX);
    assert_eq!(whole, (said, Ok(())), "what was written");
    assert_eq!(read::<Said>(input.cuts.of(&bytes), usize::MAX), whole, "cut");
});

fn any<R: Record + Debug + PartialEq>(raw: &Bytes, cuts: &Cuts, body_max: usize) {
    let whole = read::<R>([raw.clone()], body_max);
    assert_eq!(read::<R>(cuts.of(raw), body_max), whole, "cut");
    assert_eq!(read::<R>(singly(raw), body_max), whole, "byte by byte");
    let again = written(&whole.0);
    let (records, verdict) = read::<R>([again.clone()], body_max);
    assert_eq!(verdict, Ok(()), "what was read is written as records");
    // A text that was no UTF-8 may have grown beyond what a record has room for, and is cut once.
    assert_eq!(written(&records), again);
    assert_eq!(records.len(), whole.0.len());
    if std::str::from_utf8(raw).is_ok() {
        assert_eq!(records, whole.0);
    }
}

/// Reads these chunks until their end, or the first that is no record.
fn read<R: Record>(chunks: impl IntoIterator<Item = Bytes>, body_max: usize) -> (Vec<R>, Result<(), BadRecord>) {
    let mut decoder = Decoder::<R>::with_body_max(body_max);
    let (mut records, mut came) = (Vec::new(), 0);
    for chunk in chunks {
        came += chunk.len();
        decoder.push(chunk);
        loop {
            match decoder.next() {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(error) => return (records, Err(error)),
            }
        }
        assert!(decoder.held() <= 2 * came + 64, "{} bytes held where {came} came", decoder.held());
    }
    (records, Ok(()))
}

fn written<R: Record>(records: &[R]) -> Bytes {
    let mut bytes = BytesMut::new();
    records.iter().for_each(|record| record.write(&mut bytes));
    bytes.freeze()
}
