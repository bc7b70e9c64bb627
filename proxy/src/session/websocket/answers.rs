//! What the reading half of a WebSocket has to say to the peer, for the writing half to send between two messages.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{CONTROL_BYTES_MAX, frame};

/// Process by the two halves.
#[derive(Default)]
pub(super) struct Answers(Mutex<State>);

#[derive(Default)]
struct State {
    pongs: VecDeque<Bytes>,
    /// The peer's close, with its code.
    closed: Option<Option<u16>>,
}

impl Answers {
    /// The peer closed.
    pub fn close(&self, code: Option<u16>) {
        self.0.lock().closed.get_or_insert(code);
    }

    /// Moves the answers that wait to the end of `message`; whether there were any.
    pub fn take(&self, message: &mut Vec<Bytes>) -> bool {
        let pongs = std::mem::take(&mut self.0.lock().pongs);
        message.extend(pongs);
        !message.is_empty()
    }

    /// The close frame to end with: the peer's code where it closed first, else ours.
    pub fn goodbye(&self, code: u16, reason: &str) -> Bytes {
        match self.0.lock().closed {
            Some(code) => frame::close(code.unwrap_or(NO_CODE), ""),
            None => frame::close(code, reason),
        }
    }
}

/// The pings of one read: the last few are answered (RFC 6455 section 5.5.3 allows that), so that asking faster than one reads costs little.
#[derive(Default)]
pub(super) struct Pings {
    last: Vec<Ping>,
    next: usize,
    asked: usize,
}

struct Ping {
    payload: [u8; CONTROL_BYTES_MAX],
    length: usize,
}

impl Pings {
    /// The peer asked for a sign of life.
    pub fn keep(&mut self, payload: &[u8]) {
        self.asked += 1;
        let mut ping = Ping { payload: [0; CONTROL_BYTES_MAX], length: payload.len() };
        if let Some(place) = ping.payload.get_mut(..payload.len()) {
            place.copy_from_slice(payload);
        }
        match self.last.get_mut(self.next) {
            Some(oldest) => *oldest = ping,
            None => self.last.push(ping),
        }
        self.next = (self.next + 1) % PONGS_MAX;
    }

    /// Puts the answers among those that wait to be sent, of which there are no more either; how many will not be sent.
    pub fn answer(mut self, answers: &Answers) -> usize {
        if self.last.is_empty() {
            return 0;
        }
        let oldest = self.next % self.last.len();
        self.last.rotate_left(oldest);
        let mut state = answers.0.lock();
        let pongs = self.last.iter().map(|ping| frame::pong(ping.payload.get(..ping.length).unwrap_or_default()));
        state.pongs.extend(pongs);
        let beyond = state.pongs.len().saturating_sub(PONGS_MAX);
        state.pongs.drain(..beyond);
        self.asked - self.last.len() + beyond
    }
}

const PONGS_MAX: usize = 16;

/// "No status received": stands for a close without a code, and is never sent (RFC 6455 section 7.4.1).
const NO_CODE: u16 = 1005;
