//! Who writes lines: knows where and when something was seen, and how much of it is to be shown.

use std::time::Duration;

use super::{
    budget::Budget,
    line::{Facts, Kind, Line, Side},
};

/// How much is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown {
    /// The first bytes of what streams carry.
    pub data: bool,
    /// Tokens and keys, too.
    pub secrets: bool,
}

/// Writes what is found in the bytes that one side of one connection sent at one time.
pub struct Scribe<'a> {
    pub at: Duration,
    pub connection: u32,
    pub side: Side,
    pub shown: Shown,
    pub budget: &'a Budget,
    pub out: &'a mut dyn FnMut(Line),
}

impl Scribe<'_> {
    /// A line about the connection.
    pub fn connection(&mut self, kind: Kind, facts: Facts) {
        self.write(None, kind, facts);
    }

    /// A line about a stream; 0 is the session.
    pub fn stream(&mut self, stream: u32, kind: Kind, facts: Facts) {
        self.write(Some(stream), kind, facts);
    }

    /// The protocol was broken.
    pub fn violation(&mut self, stream: Option<u32>, code: &str, why: &str) {
        self.write(stream, Kind::Violation, Facts::new().text("code", code).text("text", why));
    }

    /// Something is not decoded, for more would have to be kept than may be.
    pub fn limit(&mut self, stream: Option<u32>, what: &str) {
        self.write(stream, Kind::Limit, Facts::new().text("text", what));
    }

    fn write(&mut self, stream: Option<u32>, kind: Kind, facts: Facts) {
        let &mut Self { at, connection, side, .. } = self;
        (self.out)(Line { at, connection, side, stream, kind, facts });
    }
}
