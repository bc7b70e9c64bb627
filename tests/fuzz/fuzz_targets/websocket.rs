//! The WebSocket decoder and any client. Legal frames are told as they were sent, any others are told or refused: never a panic, and
//! the same however the bytes are cut.
#![no_main]

mod frames;
mod told;

use arbitrary::Arbitrary;
use browser_stream_server::websocket::{Decoder, Violation, close, head, pong};
use libfuzzer_sys::fuzz_target;

use frames::{Message, Piece};
use told::{Log, Told};

#[derive(Arbitrary, Debug)]
struct Input {
    messages: Vec<Message>,
    pieces: Vec<Piece>,
    cuts: Vec<u8>,
    /// What the proxy sends.
    payload: Vec<u8>,
    code: u16,
}

fuzz_target!(|input: Input| {
    let (mut bytes, mut expected) = (Vec::new(), Log::default());
    for message in &input.messages {
        if bytes.len() < BYTES_MAX {
            message.write(&mut bytes, &mut expected);
        }
    }
    assert_eq!(decode(inputs(&bytes, &input.cuts)), (expected, Ok(())));

    for piece in &input.pieces {
        piece.write(&mut bytes);
    }
    let whole = decode([&bytes[..]]);
    assert_eq!(decode(inputs(&bytes, &input.cuts)), whole, "cut");
    if bytes.len() <= BYTE_BY_BYTE_MAX {
        assert_eq!(decode(bytes.chunks(1)), whole, "byte by byte");
    }

    check_sent(&input.payload, input.code);
});

/// Decodes these inputs; the decoder, once it refused something, must go on refusing.
fn decode<'a>(inputs: impl IntoIterator<Item = &'a [u8]>) -> (Log, Result<(), Violation>) {
    let (mut decoder, mut log) = (Decoder::default(), Log::default());
    let mut result = Ok(());
    let (mut taken, mut told) = (0, 0);
    for input in inputs {
        let mut bytes = input.to_vec();
        taken += bytes.len();
        let decoded = decoder.decode(&mut bytes, &mut log).map(drop);
        log.check_places(&bytes);
        if result.is_err() {
            assert_eq!(decoded, result, "another verdict than the first");
            assert_eq!(log.count, told, "told after a violation");
        }
        (result, told) = (decoded, log.count);
        assert!(told <= taken, "more was told than came");
    }
    (log, result)
}

/// The bytes in inputs of these lengths, in turn; of longer ones where there are many bytes.
fn inputs<'a>(mut bytes: &'a [u8], cuts: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let step = 1 + bytes.len() / BYTE_BY_BYTE_MAX;
    let mut cuts = cuts.iter().cycle();
    std::iter::from_fn(move || {
        let cut = cuts.next().map_or(bytes.len(), |cut| step * usize::from(*cut) + 1);
        let (input, rest) = bytes.split_at(cut.min(bytes.len()));
        bytes = rest;
        (!input.is_empty()).then_some(input)
    })
}

/// What the proxy sends is a legal frame: masked, a decoder takes it for what it is.
fn check_sent(payload: &[u8], code: u16) {
    let mut bytes = frames::masked(&pong(payload));
    bytes.extend(frames::masked(&close(code, &String::from_utf8_lossy(payload))));
    let (log, result) = decode([&bytes[..]]);
    assert_eq!(result, Ok(()));
    let [Told::Pong(answer), Told::Close(why)] = &log.told[..] else { panic!("{:?}", log.told) };
    assert_eq!(answer[..], payload[..payload.len().min(125)]);
    if let Some((told, reason)) = why {
        assert_eq!(*told, code);
        assert!(String::from_utf8_lossy(payload).starts_with(reason.as_str()));
    }
    let (bytes, count) = head(browser_stream_server::websocket::Opcode::Binary, payload.len());
    assert!(count <= bytes.len());
}

/// No more messages beyond this: they repeat themselves, and the fuzzer gets slow.
const BYTES_MAX: usize = 8 * 1024;
/// Longer inputs are cut, but not into bytes: that would only make the fuzzer slow.
const BYTE_BY_BYTE_MAX: usize = 512;
