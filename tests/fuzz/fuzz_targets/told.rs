//! What a decoder told, comparable between runs that cut the same bytes differently.

use browser_stream_server::websocket::{Control, Kind, Messages, Violation};

#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    Begin(Kind),
    /// Pieces that followed one another, joined.
    Payload(Vec<u8>),
    End,
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

#[derive(Debug, Default)]
pub struct Log {
    pub told: Vec<Told>,
    open: bool,
    /// Pieces of the last input: where they lay, and their bytes.
    places: Vec<(usize, Vec<u8>)>,
}

/// Where the pieces lay depends on the cuts.
impl PartialEq for Log {
    fn eq(&self, other: &Self) -> bool {
        self.told == other.told
    }
}

impl Log {
    /// Checks that the pieces of this input lie unmasked where they were said to, each behind the one before.
    pub fn check_places(&mut self, input: &[u8]) {
        let mut end = 0;
        for (at, bytes) in self.places.drain(..) {
            assert!(at >= end, "pieces overlap");
            end = at + bytes.len();
            assert_eq!(input[at..end], bytes);
        }
    }

    /// Bytes and events that were told.
    pub fn len(&self) -> usize {
        let bytes = |told: &Told| match told {
            Told::Payload(bytes) | Told::Ping(bytes) | Told::Pong(bytes) => bytes.len(),
            Told::Close(Some((_, reason))) => 2 + reason.len(),
            Told::Begin(_) | Told::End | Told::Close(None) => 1,
        };
        self.told.iter().map(bytes).sum()
    }
}

impl Messages for Log {
    fn begin(&mut self, kind: Kind) -> Result<(), Violation> {
        assert!(!std::mem::replace(&mut self.open, true), "began twice");
        self.told.push(Told::Begin(kind));
        Ok(())
    }

    fn payload(&mut self, at: usize, bytes: &[u8]) {
        assert!(self.open && !bytes.is_empty());
        self.places.push((at, bytes.to_vec()));
        match self.told.last_mut() {
            Some(Told::Payload(payload)) => payload.extend_from_slice(bytes),
            _ => self.told.push(Told::Payload(bytes.to_vec())),
        }
    }

    fn end(&mut self) -> Result<(), Violation> {
        assert!(std::mem::replace(&mut self.open, false), "ended without a beginning");
        self.told.push(Told::End);
        Ok(())
    }

    fn control(&mut self, control: Control<'_>) {
        self.told.push(match control {
            Control::Ping(payload) => Told::Ping(payload.to_vec()),
            Control::Pong(payload) => Told::Pong(payload.to_vec()),
            Control::Close(why) => Told::Close(why.map(|(code, reason)| (code, reason.to_owned()))),
        });
    }
}
