//! What the decoder tells, whatever is sent and however it is cut.

mod halves;
mod legal;
mod random;
mod threads;
mod violations;

use super::*;

/// What was told, pieces of payload joined: where they end means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Begin(Kind),
    Payload(Vec<u8>),
    End,
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

#[derive(Default)]
struct Log {
    told: Vec<Told>,
    refuses: Option<Kind>,
    refuses_ends: bool,
}

impl Messages for Log {
    fn begin(&mut self, kind: Kind) -> Result<(), Violation> {
        if self.refuses == Some(kind) {
            return Err(Violation::Text);
        }
        self.told.push(Told::Begin(kind));
        Ok(())
    }

    fn payload(&mut self, _: usize, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        match self.told.last_mut() {
            Some(Told::Payload(payload)) => payload.extend_from_slice(bytes),
            _ => self.told.push(Told::Payload(bytes.to_vec())),
        }
    }

    fn end(&mut self) -> Result<(), Violation> {
        if self.refuses_ends {
            return Err(Violation::NotUtf8);
        }
        self.told.push(Told::End);
        Ok(())
    }

    fn control(&mut self, control: Control<'_>) {
        self.told.push(match control {
            Control::Ping(payload) => Told::Ping(payload.to_vec()),
            Control::Pong(payload) => Told::Pong(payload.to_vec()),
            Control::Close(close) => Told::Close(close.map(|(code, reason)| (code, reason.to_owned()))),
        });
    }
}

type Outcome = (Vec<Told>, Result<(), Violation>);

fn decode<'a>(inputs: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let (mut decoder, mut log) = (Decoder::default(), Log::default());
    for input in inputs {
        let result = decoder.decode(&mut input.to_vec(), &mut log).map(drop);
        if result.is_err() {
            return (log.told, result);
        }
    }
    (log.told, Ok(()))
}

/// What is told of these bytes; the same whole, byte by byte, and cut in two at any place.
fn outcome(bytes: &[u8]) -> Outcome {
    let whole = decode([bytes]);
    assert_eq!(decode(bytes.chunks(1)), whole, "byte by byte: {bytes:?}");
    for (at, _) in bytes.iter().enumerate() {
        assert_eq!(decode([&bytes[..at], &bytes[at..]]), whole, "cut at {at}: {bytes:?}");
    }
    whole
}

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame: its first byte as given, its payload masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let (head, count) = head(Opcode::Binary, payload.len());
    let mut frame = head[..count].to_vec();
    frame[0] = first;
    frame[1] |= 0x80;
    frame.extend_from_slice(&KEY);
    let start = frame.len();
    frame.extend_from_slice(payload);
    unmask(&mut frame[start..], KEY, 0);
    frame
}

fn frames(frames: &[(u8, &[u8])]) -> Vec<u8> {
    frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect()
}

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = FIN | 8;
const PING: u8 = FIN | 9;
const PONG: u8 = FIN | 10;

fn is_legal(bytes: &[u8]) -> Vec<Told> {
    let (told, result) = outcome(bytes);
    assert_eq!(result, Ok(()), "{bytes:?}");
    told
}

/// Breaks the protocol so, and nothing of it is told.
fn breaks(bytes: &[u8], violation: Violation) {
    assert_eq!(outcome(bytes), (vec![], Err(violation)), "{bytes:?}");
}

fn message(kind: Kind, payload: &[u8]) -> Vec<Told> {
    let payload = Some(Told::Payload(payload.to_vec())).filter(|_| !payload.is_empty());
    [Told::Begin(kind)].into_iter().chain(payload).chain([Told::End]).collect()
}
