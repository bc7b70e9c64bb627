//! A connection over HTTP, for where no WebSocket comes through (PROTOCOL.md, section 17): what goes to the peer is the body of one long response, what comes
//! from it are the bodies of requests, which are numbered.
//!
//! Nothing here knows HTTP. Whoever does hands in the bodies ([`Ups`]) and takes the bytes of the response ([`Down`]); the session has the [`Http`] between them.

mod down;
mod order;
mod record;
mod up;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

pub use down::{Down, Outgoing};
pub use up::{Incoming, Over, Refused, Slot, Ups};

use super::transport::Transport;
use down::Outbox;
use up::Inbox;

/// A connection over HTTP, as its session has it.
pub struct Http {
    inbox: Arc<Inbox>,
    outbox: Arc<Outbox>,
}

/// A connection, and its two ends for whoever speaks HTTP. The response begins with `hello`, and so much padding; at most `ups_max` bodies may be under way at once.
pub fn connection(hello: &[u8], padding: usize, ups_max: usize) -> (Http, Down, Ups) {
    let (inbox, outbox) = (Arc::new(Inbox::new(ups_max)), Arc::new(Outbox::new(hello, padding)));
    let http = Http { inbox: inbox.clone(), outbox: outbox.clone() };
    (http, Down::new(outbox, inbox.clone()), Ups(inbox))
}

impl Transport for Http {
    type Reader = Incoming;
    type Writer = Outgoing;

    fn split(self) -> (Incoming, Outgoing) {
        (Incoming::new(self.inbox), Outgoing(self.outbox))
    }
}

/// Bytes of one body, in blocks: a slice of one never holds more than this.
pub type Blocks = std::collections::VecDeque<Bytes>;
