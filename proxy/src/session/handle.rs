//! What becomes of a stream whose handle has decided.

use std::sync::Arc;

use browser_stream_mux::{Stream, StreamId};

use super::{
    Session,
    end::{Path, Sink, Watch},
};

/// `watch` is told how the stream ends if not cleanly, and dropped when it is gone.
pub(crate) fn watch(session: &Arc<Session>, stream: &Stream, watch: Arc<dyn Watch>) {
    let gone = session.change(|state, _| match state.mux.value_mut(stream.id()) {
        Some(end) => {
            end.watch = Some(watch);
            None
        }
        None => Some(watch),
    });
    if let (Some(watch), Some(how)) = (gone, stream.cell().end()) {
        watch.ended(how);
    }
}

impl Session {
    /// The peer opened this stream with that path: for whoever runs the proxy.
    pub(super) fn called(&self, id: StreamId, path: &str) {
        let path = Arc::new(Path(path.into()));
        if let Some(end) = self.state.lock().mux.value_mut(id) {
            end.watch = Some(path);
        }
    }

    /// What the peer sends on this stream waits for no answer any more.
    pub(crate) fn answered(&self, stream: &Stream) {
        self.state.lock().answered(stream.id());
    }

    /// Drops what the peer still sends on this stream, uncredited; its end is told as before.
    pub(crate) fn discard(self: &Arc<Self>, stream: &Stream) {
        self.change(|state, _| match state.mux.value_mut(stream.id()) {
            Some(end) if !end.peer_finished => {
                end.sink = Sink::Drain(stream.cell().clone());
                let unread = std::mem::take(&mut end.unread);
                state.forget_unread(unread);
            }
            // A finish that went to the far end of a splice is news to the handle.
            _ => stream.cell().finished(),
        });
        stream.cell().drop_unread();
    }
}
