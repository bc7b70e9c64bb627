//! The two ends of a stream within the process.

use std::sync::Arc;

use browser_stream_mux::{Cell, End, Host, Stream, StreamId};
use bytes::{Bytes, BytesMut};

use crate::memory::{Memory, booked};

/// What one end of a stream within the process does at the other.
struct Wire {
    near: Arc<Cell>,
    far: Arc<Cell>,
    memory: Arc<Memory>,
}

/// A stream whose both ends are in the process: what is written to one is read from the other. Each holds as much as a stream of a session's.
pub(super) fn pair(memory: &Arc<Memory>) -> (Stream, Stream) {
    let (one, two) = (Cell::new(), Cell::new());
    let end = |near: &Arc<Cell>, far: &Arc<Cell>| {
        let wire = Wire { near: near.clone(), far: far.clone(), memory: memory.clone() };
        Stream::new(0, near.clone(), Arc::new(wire))
    };
    (end(&one, &two), end(&two, &one))
}

impl Host for Wire {
    fn send(&self, _: StreamId, bytes: Bytes) {
        // A program's memory is none of the process's until it is here.
        let bytes = match bytes.try_into_mut() {
            Ok(alone) => booked(alone, &self.memory),
            Err(shared) => booked(BytesMut::from(&shared[..]), &self.memory),
        };
        self.far.data(bytes);
    }

    fn share(&self, _: StreamId, chunks: &[Bytes]) {
        chunks.iter().for_each(|chunk| self.far.data(chunk.clone()));
    }

    fn finish(&self, _: StreamId) {
        // As in a session: what was reset is not finished by that.
        if self.near.end().is_none() {
            self.far.finished();
        }
    }

    fn reset(&self, _: StreamId, code: u32) {
        self.far.ended(End::Reset(code));
    }

    fn reset_behind(&self, id: StreamId, code: u32) {
        // What was sent before stays readable.
        self.reset(id, code);
        self.near.abandon(End::Reset(code));
    }

    fn consumed(&self, _: StreamId, bytes: u32) {
        self.far.sent(bytes as usize);
    }

    fn set_priority(&self, _: StreamId, _: u8) {}
}
