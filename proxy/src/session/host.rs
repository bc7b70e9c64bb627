//! What a session does for the local handles of its streams.

use browser_stream_mux::{End as Ended, Host, StreamId};
use bytes::Bytes;

use super::Session;

impl Host for Session {
    fn send(&self, id: StreamId, bytes: Bytes) {
        self.change(|state, effects| state.send(id, bytes, effects));
    }

    fn share(&self, id: StreamId, chunks: &[Bytes]) {
        self.change(|state, effects| state.share(id, chunks, effects));
    }

    fn finish(&self, id: StreamId) {
        let mut state = self.state.lock();
        state.mux.finish(id);
        state.half_closed(id, tokio::time::Instant::now().into_std());
        self.see_to(&state);
    }

    fn reset(&self, id: StreamId, code: u32) {
        let ended = {
            let mut state = self.state.lock();
            state.mux.reset(id, code);
            self.see_to(&state);
            state.take_ended()
        };
        for end in ended {
            if let Some(watch) = &end.watch {
                watch.ended(Ended::Reset(code));
            }
        }
    }

    fn reset_behind(&self, id: StreamId, code: u32) {
        let watch = {
            let mut state = self.state.lock();
            state.mux.reset_behind(id, code);
            self.see_to(&state);
            state.mux.value(id).and_then(|end| end.watch.clone())
        };
        if let Some(watch) = watch {
            watch.ended(Ended::Reset(code));
        }
    }

    fn set_priority(&self, id: StreamId, priority: u8) {
        self.state.lock().mux.set_priority(id, priority);
    }

    fn consumed(&self, id: StreamId, bytes: u32) {
        let mut state = self.state.lock();
        state.mux.consumed(id, bytes);
        state.was_read(id, bytes);
        self.see_to(&state);
    }
}
