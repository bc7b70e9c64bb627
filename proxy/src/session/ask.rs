//! Opens of ours for a peer's stream: the client's bytes go to the server at once, the server's reply says what becomes of the client.

use std::sync::Arc;

use browser_stream_mux::{Cell, Code, End as Ended, FrameError, SHORT, Stream, StreamId};
use bytes::{Buf, Bytes, BytesMut};

use super::{
    Phase, Reply, Session, State,
    chunks::Chunks,
    effect::Effects,
    end::{End, Far, Sink, Source, Watch},
    flush,
    ledger::Ledger,
    open::frame,
    opening::{self, Ask},
};
use crate::{counters::Refusal, error::OpenError};

/// What has come of a stream behind its open, and what may still come.
pub(crate) struct Behind {
    /// Where it came.
    near: Far,
    chunks: Chunks,
    /// What the peer may send, these bytes included.
    credit: u32,
    finished: bool,
}

/// What became of an open of ours, and what that leads to.
pub(crate) struct Answer<'a> {
    outcome: Outcome,
    then: &'a mut Effects,
}

/// What became of an open of ours.
pub(super) struct Outcome {
    /// The reply's body, or why there is none; `None`: it did not come in time.
    reply: Option<Result<Bytes, FrameError>>,
    /// The stream that it came on, unless that has ended.
    server: Option<StreamId>,
    client: Far,
    /// What came behind the reply, and what the server may send, those bytes included.
    rest: Bytes,
    credit: u32,
}

/// Opens a stream to `server` with this frame for the stream whose bytes are `behind`, which are its own from now on. `watch` is given the answer.
///
/// # Errors
/// `unresponsive` when the session is gone or has no ids left, `busy` when too much is queued for it. Nothing has happened then.
pub(super) fn ask(
    server: &Arc<Session>,
    frame: &[u8],
    behind: &mut Behind,
    watch: Arc<dyn Watch>,
    then: &mut Effects,
) -> Result<(), OpenError> {
    let near = &behind.near;
    let id = {
        let mut state = server.state.lock();
        state.can_open(server)?;
        let source = Source::Splice(Ledger::new(near.clone(), behind.credit));
        let end = End { sink: Sink::Reply(None), source, watch: Some(watch.clone()), ..End::default() };
        let id = state.open(end)?;
        state.awaits_reply(id, tokio::time::Instant::now().into_std());
        state.send_copy(id, frame, then);
        for chunk in behind.chunks.take() {
            state.deliver(id, chunk, then);
        }
        if behind.finished {
            state.mux.finish(id);
        }
        state.settle(id, then);
        state.leave_to(server, then);
        id
    };
    let mut state = near.session.state.lock();
    let Some(end) = state.mux.value_mut(near.id) else {
        // It was reset in this very moment.
        drop(state);
        server.give_up(id, Code::Cancelled, then);
        return Ok(());
    };
    // The answer may be here already, given to another thread: then the source is the server, or a handle has the stream, which is to refuse it. Or its id
    // was used again.
    if !matches!(end.sink, Sink::Fresh(_) | Sink::Nobody) {
        drop(state);
        // Nothing names the server's stream any more; where a refusal has given it up already, this does nothing.
        server.give_up(id, Code::Cancelled, then);
        return Ok(());
    }
    end.sink = Sink::Splice(Far { session: server.clone(), id });
    end.watch = Some(watch);
    let (waited, unread) = (end.waiting.take(), std::mem::take(&mut end.unread));
    state.forget_waiting(waited);
    state.forget_unread(unread);
    Ok(())
}

/// The same for a stream that had to wait for its turn; polled by the reading task of its session, so that nothing comes meanwhile.
pub(crate) fn ask_for(session: &Session, stream: Stream, (server, frame, watch): Ask) -> Result<(), (OpenError, Stream)> {
    let Some(mut behind) = session.behind(&stream) else { return Ok(()) };
    let mut then = Effects::default();
    let asked = ask(&server, &frame, &mut behind, watch, &mut then);
    flush::later(&mut then);
    match asked {
        Ok(()) => {
            stream.into_parts();
            Ok(())
        }
        Err(error) => {
            behind.give_back(stream.cell());
            Err((error, stream))
        }
    }
}

impl Behind {
    /// The session that it came on.
    pub fn session(&self) -> &Arc<Session> {
        &self.near.session
    }

    /// The stream's id there.
    pub fn id(&self) -> StreamId {
        self.near.id
    }

    /// The local handle that has this cell has the stream again.
    fn give_back(self, cell: &Arc<Cell>) {
        let Self { near: Far { session, id }, mut chunks, .. } = self;
        let mut state = session.state.lock();
        match state.mux.value_mut(id) {
            Some(end) => end.hand_to(cell),
            None => cell.ended(Ended::Lost),
        }
        chunks.take().for_each(|chunk| cell.data(chunk));
    }

    /// A local handle for the stream, which reads these bytes; its open of so many bytes was taken. `None` if the stream has ended.
    pub fn into_stream(self, open: usize) -> Option<Stream> {
        let Self { near: Far { session, id }, mut chunks, .. } = self;
        let cell = session.state.lock().hear(id, chunks.take())?;
        Some(Stream::behind_frame(id, cell, session, open))
    }
}

impl<'a> Answer<'a> {
    pub(super) fn new(outcome: Outcome, then: &'a mut Effects) -> Self {
        Self { outcome, then }
    }

    /// The reply as the server meant it: a refusal is one, too; an error is the proxy's own word.
    pub fn reply(&mut self, server: &Session) -> Result<Reply, OpenError> {
        match self.outcome.reply.take() {
            Some(reply) => opening::read_reply(server, reply),
            None => Err(opening::late(server)),
        }
    }

    /// Tells the client with this frame that it is connected, and joins it to `server`. False if it is gone; else `accepted` is called before it can end.
    /// Both sessions may go while their ends go on over other connections, if they are `aside`.
    pub fn join(self, server: &Arc<Session>, frame: &[u8], aside: bool, accepted: impl FnOnce()) -> bool {
        let Self { outcome: Outcome { server: stream, client: Far { session, id: client }, rest, credit, .. }, then } = self;
        // Gone: what its end leads to follows.
        let Some(id) = stream else { return false };
        if aside {
            server.state.lock().set_aside(id);
        }
        let mut state = session.state.lock();
        if aside {
            state.set_aside(client);
        }
        let Some((view, end)) = state.mux.look(client) else { return false };
        if view.finished {
            // It was cut in this very moment.
            return false;
        }
        end.source = Source::Splice(Ledger::new(Far { session: server.clone(), id }, credit));
        end.reply_waits = true;
        state.process.counters.accepted();
        accepted();
        state.send_copy(client, frame, then);
        if !rest.is_empty() {
            state.deliver(client, rest, then);
        }
        state.settle(client, then);
        state.leave_to(&session, then);
        true
    }

    /// Tells the client why it is refused, and the server with this code that it is not wanted.
    pub fn refuse(self, server: &Arc<Session>, error: OpenError, code: Code) {
        let Self { outcome: Outcome { server: stream, client: Far { session, id }, .. }, then } = self;
        if let Some(id) = stream {
            server.give_up(id, code, then);
        }
        opening::refusing(&session, &error);
        let mut state = session.state.lock();
        state.gives_back(id);
        let Some(cell) = state.hear(id, std::iter::empty()) else { return };
        // What the server says behind its refusal may follow in this very round, and ends the stream: the client has the error before it.
        if let Some(end) = state.mux.value_mut(id) {
            end.reply_waits = true;
        }
        let number = error.number();
        state.send(id, frame(&Reply::refuse(error)), then);
        // Nothing comes behind it.
        state.mux.finish(id);
        state.leave_to(&session, then);
        drop(state);
        let stream = Stream::new(id, cell, session.clone());
        let rest = async move { opening::let_go(&session, stream, number).await };
        // Without a runtime the process is at its end, and the stream is reset as this is dropped.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(rest);
        }
    }
}

impl Session {
    /// Takes a stream from its local handle, with what that has not read; `None` if the stream is gone.
    fn behind(&self, stream: &Stream) -> Option<Behind> {
        let mut state = self.state.lock();
        let mut chunks = Chunks::default();
        std::iter::from_fn(|| stream.cell().take_unread().0).for_each(|chunk| chunks.push(chunk));
        let behind = state.behind(stream.id(), chunks)?;
        let end = state.mux.value_mut(stream.id())?;
        (end.sink, end.source) = (Sink::Nobody, Source::Nobody);
        Some(behind)
    }

    /// A stream of ours that nobody wants any more.
    fn give_up(self: &Arc<Self>, id: StreamId, code: Code, then: &mut Effects) {
        let mut state = self.state.lock();
        state.mux.reset(id, code.number());
        state.leave_to(self, then);
    }
}

impl State {
    /// What came behind the open of a stream that the peer has just opened; `None` if it is gone already.
    pub(super) fn behind(&mut self, id: StreamId, chunks: Chunks) -> Option<Behind> {
        let session = self.me.upgrade()?;
        let credit = self.credit_with(id, chunks.len())?;
        let finished = self.mux.value(id)?.peer_finished;
        Some(Behind { near: Far { session, id }, chunks, credit, finished })
    }

    /// A local handle waits for the rest of an open; `None` if the stream is gone already.
    pub(super) fn hear(&mut self, id: StreamId, chunks: impl Iterator<Item = Bytes>) -> Option<Arc<Cell>> {
        let cell = Cell::new();
        let (_, end) = self.mux.look(id)?;
        end.hand_to(&cell);
        // Who has the handle may keep them for long: short ones do not hold all that was read with them.
        chunks.for_each(|chunk| cell.data(if chunk.len() <= SHORT { Bytes::copy_from_slice(&chunk) } else { chunk }));
        Some(cell)
    }

    /// What the peer may send, `came` of it not passed on: both are told under one lock, or a byte counts twice.
    fn credit_with(&self, id: StreamId, came: usize) -> Option<u32> {
        let credit = self.mux.get(id)?.receive_credit;
        // At most a window.
        Some(credit.saturating_add(came as u32).saturating_add(self.mux.arriving(id)))
    }

    /// Whether a stream of ours may be opened, and why not.
    pub(super) fn can_open(&self, session: &Session) -> Result<(), OpenError> {
        if self.phase != Phase::Live {
            return Err(OpenError::new(Code::Unresponsive, "the peer is gone"));
        }
        if !self.takes_opens() {
            session.count(Refusal::QueueBusy);
            return Err(OpenError::new(Code::Busy, "the server does not keep up with what it is sent: try again later"));
        }
        Ok(())
    }

    pub(super) fn open(&mut self, end: End) -> Result<StreamId, OpenError> {
        self.mux.open(end).map_err(|error| OpenError::new(Code::Unresponsive, error.to_string()))
    }

    /// What was done here leads to is done, and what is queued written, by who has `then`.
    fn leave_to(&mut self, session: &Arc<Session>, then: &mut Effects) {
        self.collect_ended(then);
        self.book();
        if self.wants_turn() {
            then.ready(session);
        }
    }

    /// Bytes came on a stream whose reply has not.
    pub(super) fn replies(&mut self, id: StreamId, bytes: Bytes, effects: &mut Effects) {
        let max = self.open_bytes_max();
        let Some(End { sink: Sink::Reply(part), .. }) = self.mux.value_mut(id) else { return };
        let mut bytes = bytes;
        let reply = match part {
            None => take_frame(&mut bytes, max),
            Some(part) => {
                // What lies behind the reply stays a slice of what was read.
                part.extend_from_slice(&bytes.split_to(missing(part, bytes.len())));
                if part.len() == PREFIX {
                    part.extend_from_slice(&bytes.split_to(missing(part, bytes.len())));
                }
                take_frame(&mut **part, max)
            }
        };
        match reply {
            Some(reply) => self.replied(id, Some(reply), bytes, effects),
            None if part.is_none() => *part = Some(Box::new(BytesMut::from(&bytes[..]))),
            None => {}
        }
    }

    /// An open of ours is answered, or will not be.
    pub(super) fn replied(&mut self, id: StreamId, reply: Option<Result<Bytes, FrameError>>, rest: Bytes, effects: &mut Effects) {
        // A stream that has ended has none; its end is an answer all the same.
        let credit = self.credit_with(id, rest.len()).unwrap_or_default();
        let Some(end) = self.mux.value_mut(id) else { return };
        let (Some(watch), Source::Splice(ledger)) = (end.watch.clone(), &end.source) else { return };
        let client = ledger.source.clone();
        if let Some(Ok(_)) = reply {
            end.sink = Sink::Splice(client.clone());
        } else {
            // How it ends is nothing to the client any more.
            (end.sink, end.source) = (Sink::Nobody, Source::Nobody);
        }
        effects.answered(watch, Outcome { reply, server: Some(id), client, rest, credit });
        let unread = std::mem::take(&mut end.unread);
        self.forget_unread(unread);
    }
}

impl End {
    /// A local handle reads and writes the stream from now on.
    fn hand_to(&mut self, cell: &Arc<Cell>) {
        self.sink = Sink::Local(cell.clone());
        self.source = Source::Local(cell.clone());
        // Whoever waited for an answer has it: its own handle of this is elsewhere, so nothing is dropped here.
        self.watch = None;
        if self.peer_finished {
            cell.finished();
        }
    }

    /// The stream has ended before its reply came.
    pub(super) fn unanswered(&self, how: Ended, effects: &mut Effects) {
        if let (Some(watch), Source::Splice(ledger)) = (&self.watch, &self.source) {
            let reply = Some(Err(FrameError::Stream(how.into())));
            let outcome = Outcome { reply, server: None, client: ledger.source.clone(), rest: Bytes::new(), credit: 0 };
            effects.answered(watch.clone(), outcome);
        }
    }
}

/// How many of `more` bytes belong to the frame of which this is the first part: to its length, as long as that is not whole.
fn missing(part: &[u8], more: usize) -> usize {
    let whole = part.first_chunk().map_or(PREFIX, |prefix| PREFIX + usize::from(u16::from_be_bytes(*prefix)));
    whole.saturating_sub(part.len()).min(more)
}

/// Bytes of a frame's length.
const PREFIX: usize = 2;

/// Takes a frame's body off the front, once all of it is here.
pub(super) fn take_frame(input: &mut impl Buf, max: usize) -> Option<Result<Bytes, FrameError>> {
    let prefix = *input.chunk().first_chunk()?;
    let length = usize::from(u16::from_be_bytes(prefix));
    if length > max {
        return Some(Err(FrameError::TooLong(length)));
    }
    if input.remaining() < prefix.len() + length {
        return None;
    }
    input.advance(prefix.len());
    Some(Ok(input.copy_to_bytes(length)))
}
