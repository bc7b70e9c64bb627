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
    /// Bytes and events that were told.
    pub count: usize,
    /// A close was told.
    pub closed: bool,
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
}

impl Messages for Log {
    fn begin(&mut self, kind: Kind) -> Result<(), Violation> {
        assert!(!self.closed, "told after a close");
        assert!(!std::mem::replace(&mut self.open, true), "began twice");
        self.count += 1;
        self.told.push(Told::Begin(kind));
        Ok(())
    }

    fn payload(&mut self, at: usize, bytes: &[u8]) {
        assert!(self.open && !self.closed && !bytes.is_empty());
        self.count += bytes.len();
        self.places.push((at, bytes.to_vec()));
        match self.told.last_mut() {
            Some(Told::Payload(payload)) => payload.extend_from_slice(bytes),
            _ => self.told.push(Told::Payload(bytes.to_vec())),
        }
    }

    fn end(&mut self) -> Result<(), Violation> {
        assert!(std::mem::replace(&mut self.open, false), "ended without a beginning");
        self.count += 1;
        self.told.push(Told::End);
        Ok(())
    }

    fn control(&mut self, control: Control<'_>) {
        assert!(!self.closed, "told after a close");
        self.count += 1;
        self.closed = matches!(control, Control::Close(_));
        self.told.push(match control {
            Control::Ping(payload) => Told::Ping(payload.to_vec()),
            Control::Pong(payload) => Told::Pong(payload.to_vec()),
            Control::Close(why) => Told::Close(why.map(|(code, reason)| (code, reason.to_owned()))),
        });
    }
}
