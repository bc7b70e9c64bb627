//! What the reading half of a WebSocket has to say to the peer, for the writing half to send between two messages.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;

use super::frame;

/// Shared by the two halves.
#[derive(Default)]
pub(super) struct Answers(Mutex<State>);

#[derive(Default)]
struct State {
    pongs: VecDeque<Bytes>,
    /// The peer's close, with its code.
    closed: Option<Option<u16>>,
}

impl Answers {
    /// The peer asked for a sign of life. If it asks faster than it reads, the last asked get an answer (RFC 6455 section 5.5.3 allows that).
    pub fn ping(&self, payload: &[u8]) {
        let mut state = self.0.lock();
        if state.pongs.len() == PONGS_MAX {
            state.pongs.pop_front();
        }
        state.pongs.push_back(frame::pong(payload));
    }

    /// The peer closed.
    pub fn close(&self, code: Option<u16>) {
        self.0.lock().closed.get_or_insert(code);
    }

    /// The next answer to send.
    pub fn next(&self) -> Option<Bytes> {
        let mut state = self.0.lock();
        let pong = state.pongs.pop_front();
        if state.pongs.is_empty() {
            state.pongs = VecDeque::new();
        }
        pong
    }

    /// The close frame to end with: the peer's code where it closed first, else ours.
    pub fn goodbye(&self, code: u16, reason: &str) -> Bytes {
        match self.0.lock().closed {
            Some(code) => frame::close(code.unwrap_or(NO_CODE), ""),
            None => frame::close(code, reason),
        }
    }
}

const PONGS_MAX: usize = 16;

/// "No status received": stands for a close without a code, and is never sent (RFC 6455 section 7.4.1).
const NO_CODE: u16 = 1005;
