//! Bytes in the chunks that a network could make of them.

use arbitrary::Arbitrary;
use bytes::Bytes;

/// How long chunks are, in turn; empty for one that is all.
#[derive(Arbitrary, Debug)]
pub struct Cuts(Vec<u8>);

impl Cuts {
    /// The bytes in chunks, of which none is empty.
    pub fn of(&self, bytes: &Bytes) -> impl Iterator<Item = Bytes> {
        let (mut rest, mut lengths) = (bytes.clone(), self.0.iter().cycle());
        std::iter::from_fn(move || {
            let length = lengths.next().map_or(rest.len(), |length| usize::from(*length) + 1);
            let chunk = rest.split_to(length.min(rest.len()));
            (!chunk.is_empty()).then_some(chunk)
        })
    }
}

/// The bytes one by one; in longer chunks where there are many, for that would only make the fuzzer slow.
pub fn singly(bytes: &Bytes) -> impl Iterator<Item = Bytes> {
    let bytes = bytes.clone();
    let step = 1 + bytes.len() / 512;
    (0..bytes.len()).step_by(step).map(move |at| bytes.slice(at..bytes.len().min(at + step)))
}
