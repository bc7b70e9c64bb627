//! Joins two streams in the proxy, one direction at a time, without a byte lost on the way over.

use std::sync::Arc;

use browser_stream_mux::{Cell, Code, End as Ended, Stream, StreamId};
use bytes::Bytes;

use super::{
    Session, State,
    effect::Queued,
    end::{Far, Sink, Source, Watch},
    ledger::Ledger,
};

/// From now on what `from` sends goes to `to`: first what it has sent already and nobody read, then everything as it comes.
///
/// The handles stay good for the other direction. If `from` has ended, `to` gets its bytes and then that end. If `to` has ended, nothing
/// is joined, and how it did is the error.
pub(crate) fn forward((source, from): (&Arc<Session>, &Stream), (target, to): (&Arc<Session>, &Stream)) -> Result<(), Ended> {
    let near = Far { session: source.clone(), id: from.id() };
    let far = Far { session: target.clone(), id: to.id() };
    let credit = source.change(|state, _| state.credit_ahead(near.id, from.cell()));
    target.change(|state, _| match state.mux.value_mut(far.id) {
        Some(end) if to.cell().end().is_none() => {
            end.source = Source::Splice(Ledger::new(near.clone(), credit));
            Ok(())
        }
        _ => Err(to.cell().end().unwrap_or(Ended::Lost)),
    })?;
    loop {
        let (bytes, rest) = source.change(|state, _| state.hand_over(&near, from.cell(), &far));
        target.change(|state, effects| {
            if let Some(bytes) = bytes {
                state.deliver(far.id, bytes, effects);
            }
            match rest {
                Rest::More => {}
                Rest::Live => state.settle(far.id, effects),
                Rest::Finished => {
                    state.mux.finish(far.id);
                }
                Rest::Ended(how, finished) => state.end_behind(far.id, how, finished),
            }
        });
        if !matches!(rest, Rest::More) {
            return Ok(());
        }
    }
}

/// Ends a stream as the stream that it was to be joined with has ended.
pub(crate) fn end(session: &Arc<Session>, stream: Stream, how: Ended) {
    let queued = if how == Ended::Lost { Queued::Delivered } else { Queued::Dropped };
    session.change(|state, _| state.end_from_far(stream.id(), how, queued));
    stream.into_parts();
}

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

/// What is left of a stream whose unread bytes were taken.
#[derive(Clone, Copy)]
enum Rest {
    /// Bytes came out: look again, there may be more by now.
    More,
    /// None left; what comes goes straight to the far end.
    Live,
    /// None left, and the peer has finished.
    Finished,
    /// The stream is gone; `true` if the peer had finished before.
    Ended(Ended, bool),
}

impl State {
    /// What the sender may still send, counting what has come and was not passed on: both under one lock, or a byte counts twice.
    fn credit_ahead(&self, id: StreamId, cell: &Cell) -> u32 {
        let unread = u32::try_from(cell.unread()).unwrap_or(u32::MAX);
        let credit = self.mux.get(id).map_or(0, |view| view.receive_credit);
        credit.saturating_add(unread).saturating_add(self.mux.arriving(id))
    }

    /// Takes the next of what nobody read of a local stream; where there is nothing more, bytes go to `far` from now on.
    fn hand_over(&mut self, near: &Far, cell: &Cell, far: &Far) -> (Option<Bytes>, Rest) {
        let (bytes, finished) = cell.take_unread();
        if bytes.is_some() {
            return (bytes, Rest::More);
        }
        let Some(end) = self.mux.value_mut(near.id) else {
            let rest = match cell.end() {
                // Both directions had finished before anybody looked.
                None if finished => Rest::Finished,
                end => Rest::Ended(end.unwrap_or(Ended::Lost), finished),
            };
            return (None, rest);
        };
        end.sink = Sink::Splice(far.clone());
        let (waited, unread) = (end.waiting.take(), std::mem::take(&mut end.unread));
        self.forget_waiting(waited);
        self.forget_unread(unread);
        (None, if finished { Rest::Finished } else { Rest::Live })
    }

    /// The far end is gone already: its last word waits behind what it has sent.
    fn end_behind(&mut self, id: StreamId, how: Ended, finished: bool) {
        if finished {
            self.mux.finish(id);
        }
        let code = match how {
            Ended::Reset(code) => code,
            Ended::Lost => Code::Lost.number(),
        };
        self.mux.reset_behind(id, code);
    }
}

impl Session {
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
