//! One stream as a program uses it.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Body, BodyError, Cell, Code, End, FrameError, INITIAL_WINDOW, StreamError, StreamId, cell::Taken};

/// Whoever owns the [`Connection`](crate::Connection) of a stream. Each call is its method of the same name, followed by a transmit.
///
/// ```
/// use std::sync::Arc;
///
/// use browser_stream_mux::{Cell, End, Host, QUEUED_MAX, Stream, StreamError, StreamId};
/// use bytes::Bytes;
///
/// /// The owner of streams that sends nothing anywhere.
/// struct Nowhere;
///
/// impl Host for Nowhere {
///     fn send(&self, _: StreamId, _: Bytes) {}
///     fn finish(&self, _: StreamId) {}
///     fn reset(&self, _: StreamId, _: u32) {}
///     fn reset_behind(&self, _: StreamId, _: u32) {}
///     fn consumed(&self, _: StreamId, _: u32) {}
///     fn set_priority(&self, _: StreamId, _: u8) {}
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), StreamError> {
/// let cell = Cell::new();
/// let mut stream = Stream::new(1, cell.clone(), Arc::new(Nowhere));
/// stream.write_chunk(vec![0; QUEUED_MAX].into()).await?; // as much as may be queued: one more write waits
/// cell.data(Bytes::from_static(b"what came"));
/// cell.ended(End::Lost);
/// assert_eq!(stream.read_chunk().await?.as_deref(), Some(&b"what came"[..]));
/// assert_eq!(stream.read_chunk().await, Err(StreamError::Lost));
/// # Ok(()) }
/// ```
pub trait Host: Send + Sync + 'static {
    /// Queues bytes; dropped if the stream is not live.
    fn send(&self, id: StreamId, bytes: Bytes);
    /// The same for several that follow one another: they may leave in one frame.
    fn send_all(&self, id: StreamId, chunks: &mut dyn Iterator<Item = Bytes>) {
        chunks.for_each(|bytes| self.send(id, bytes));
    }
    /// Queues bytes that other streams are sent as well, as slices of one memory that somebody else accounts for.
    fn share(&self, id: StreamId, chunks: &[Bytes]) {
        self.send_all(id, &mut chunks.iter().cloned());
    }
    /// Finishes our direction.
    fn finish(&self, id: StreamId);
    /// Resets the stream at once.
    fn reset(&self, id: StreamId, code: u32);
    /// Resets the stream behind what is queued: for a stream that was dropped after its finish.
    fn reset_behind(&self, id: StreamId, code: u32);
    /// The program read bytes.
    fn consumed(&self, id: StreamId, bytes: u32);
    /// Sets the stream's share of the way while others have something to send.
    fn set_priority(&self, id: StreamId, priority: u8);
}

/// One stream: `AsyncRead + AsyncWrite`, or chunk by chunk, or frame by frame.
///
/// Data and a finish that arrived before a reset or a loss stay readable; then reads fail, never end cleanly. `poll_flush` is ready at once
/// (what is queued leaves as the peer's credit allows), `poll_shutdown` finishes.
///
/// Dropping it: nothing happens if both directions have finished. If ours has, what is queued still leaves, then the peer is told `cancelled`.
/// If ours has not, the stream is reset `cancelled` at once, queued bytes included, so that a cut writer never looks like a finished one;
/// `internal` instead of `cancelled` while the thread panics. A [reply](Self::write_reply) leaves first all the same.
///
/// See [`Session`](crate::Session).
pub struct Stream {
    id: StreamId,
    cell: Arc<Cell>,
    host: Arc<dyn Host>,
    /// Bytes read that were not reported to the host yet.
    uncredited: usize,
    /// Bytes that `peek_frame` took; a splice accounts for them, a reader reports them.
    peeked: usize,
    /// Bytes that were written behind the reply, if that was written here.
    behind_reply: Option<usize>,
    finished: bool,
    given_away: bool,
}

/// Reads are reported in steps of this size, and whenever nothing is left to read: one lock of the session per step, not per read.
const CREDIT_STEP: usize = 16 * 1024;

impl Stream {
    /// The stream `id` of `host`, which feeds `cell`.
    pub fn new(id: StreamId, cell: Arc<Cell>, host: Arc<dyn Host>) -> Self {
        Self { id, cell, host, uncredited: 0, peeked: 0, behind_reply: None, finished: false, given_away: false }
    }

    /// The same for a stream of which its owner took one frame with so long a body, as [`peek_frame`](Self::peek_frame) does.
    pub fn behind_frame(id: StreamId, cell: Arc<Cell>, host: Arc<dyn Host>, body: usize) -> Self {
        let mut stream = Self::new(id, cell, host);
        stream.peeked = PREFIX + body;
        stream
    }

    /// Its id within the session.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// What it shares with its session: for an owner that takes the stream over.
    pub fn cell(&self) -> &Arc<Cell> {
        &self.cell
    }

    /// The next chunk as it arrived, without a copy; `None` when the peer finished. Cancel-safe.
    pub async fn read_chunk(&mut self) -> Result<Option<Bytes>, StreamError> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// The same for who polls several streams in one task.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamError>> {
        let taken = ready!(self.cell.poll_chunk(cx));
        Poll::Ready(taken.map(|taken| taken.map(|taken| self.credit_chunk(taken, 0))))
    }

    /// Reads one frame (`u16` big-endian length, then the body): an open or a reply. The peer gets no credit for it, so that a splice which
    /// takes the stream over can account for it; if the stream is read on instead, that credits it. Fails with
    /// [`FrameError::Finished`] if the peer finished before a whole frame. Cancel-safe: a frame is taken whole or not at all.
    pub async fn peek_frame(&mut self, max: usize) -> Result<Bytes, FrameError> {
        let taken = poll_fn(|cx| self.cell.poll_frame(cx, max)).await?.ok_or(FrameError::Finished)?;
        self.peeked += PREFIX + taken.bytes.len();
        Ok(taken.bytes)
    }

    /// Reads one frame and credits it; `None` when the peer finished between two frames. Cancel-safe: a frame is taken whole or not at all.
    pub async fn read_frame(&mut self, max: usize) -> Result<Option<Bytes>, FrameError> {
        let taken = poll_fn(|cx| self.cell.poll_frame(cx, max)).await?;
        Ok(taken.map(|taken| self.credit_chunk(taken, PREFIX)))
    }

    /// Queues one frame at once, without waiting: for short ones. `false` if the stream takes no more or the body is longer than 65,535 bytes.
    pub fn write_frame(&mut self, body: &[u8]) -> bool {
        let Ok(length) = u16::try_from(body.len()) else { return false };
        let mut frame = BytesMut::with_capacity(PREFIX + body.len());
        frame.put_u16(length);
        frame.put_slice(body);
        self.write_now(frame.freeze())
    }

    /// Queues the reply with which a stream of the peer's is accepted, as [`write_frame`](Self::write_frame) does. A reset or drop of this handle then never
    /// comes before it: the peer would take that for a refusal.
    pub fn write_reply(&mut self, body: &[u8]) -> bool {
        let is_queued = self.write_frame(body);
        self.behind_reply = is_queued.then_some(0);
        is_queued
    }

    /// Queues a chunk without a copy, after waiting until less than 256 KiB of this stream are queued. Cancel-safe: all of it is queued or nothing.
    pub async fn write_chunk(&mut self, chunk: Bytes) -> Result<(), StreamError> {
        poll_fn(|cx| self.poll_room(cx)).await?;
        self.queue(chunk);
        Ok(())
    }

    /// Queues a chunk without a copy and without waiting: for who keeps to [`poll_room`](Self::poll_room). `false` if the stream takes no more.
    pub fn write_now(&mut self, chunk: Bytes) -> bool {
        let is_open = !self.finished && self.cell.end().is_none();
        if is_open {
            self.queue(chunk);
        }
        is_open
    }

    /// Takes these chunks, which belong together, in the same way: none leaves alone where the next could have gone along.
    pub fn write_all_now(&mut self, chunks: &mut Vec<Bytes>) -> bool {
        let is_open = !self.finished && self.cell.end().is_none();
        if is_open {
            self.count(chunks.iter().map(Bytes::len).sum());
            self.host.send_all(self.id, &mut chunks.drain(..));
        }
        chunks.clear();
        is_open
    }

    /// Takes chunks that other streams are sent as well, in the same way: none is copied, and whoever made them accounts for their memory.
    pub fn share_now(&mut self, chunks: &[Bytes]) -> bool {
        let is_open = !self.finished && self.cell.end().is_none();
        if is_open {
            self.count(chunks.iter().map(Bytes::len).sum());
            self.host.share(self.id, chunks);
        }
        is_open
    }

    /// How many bytes are missing to 256 KiB queued, never 0; pending while there are more.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<usize, StreamError>> {
        match self.cell.poll_room(cx) {
            Poll::Ready(Ok(_)) | Poll::Pending if self.finished => Poll::Ready(Err(StreamError::Finished)),
            room => room,
        }
    }

    /// Sends all of a body at the reader's speed and finishes; the number of bytes. A body that cannot be read resets the stream `internal`.
    ///
    /// Dropped, it has sent a part: the stream is yet to be reset, as dropping it does.
    ///
    /// # Errors
    /// [`BodyError::Stream`] as soon as the stream ends, also while the body gives nothing.
    pub async fn send(&mut self, body: impl Into<Body>) -> Result<u64, BodyError> {
        let fail = |stream: &mut Self| stream.reset(Code::Internal);
        body.into().pour(self, async |stream: &Self| stream.stopped().await.into(), Self::write_chunk, Self::finish, fail).await
    }

    /// Its share of the way to the peer while other streams have something to send: 1 to 64, 16 unless stated; one with 32 gets twice as much as one with
    /// 16. Others are taken as the nearest. The peer does not hear of it.
    pub fn set_priority(&mut self, priority: u8) {
        self.host.set_priority(self.id, priority);
    }

    /// Finishes our direction behind what was written; reading goes on. Does nothing the second time.
    pub fn finish(&mut self) {
        if !self.finished {
            self.finished = true;
            self.host.finish(self.id);
        }
    }

    /// Resets both directions at once with a code, ours or the application's (256 and up). What is queued or unread is dropped.
    pub fn reset(&mut self, code: impl Into<u32>) {
        let code = code.into();
        if self.cell.end().is_none() {
            self.reset_host(code);
        }
        self.cell.abandon(End::Reset(code));
    }

    /// Resolves when the stream is reset or lost, with which; never for one that finishes. For giving up work that nobody waits for. Cancel-safe.
    pub async fn stopped(&self) -> End {
        self.cell.stopped().await
    }

    /// Resolves when nothing more can come: the peer finished, or the stream ended. What is unread stays so. Cancel-safe.
    pub async fn peer_done(&mut self) {
        poll_fn(|cx| self.cell.poll_peer_done(cx)).await;
    }

    /// Takes the stream apart without ending it: the caller feeds on what the cell still holds and drives the connection itself.
    pub fn into_parts(mut self) -> (StreamId, Arc<Cell>) {
        self.given_away = true;
        self.report();
        (self.id, Arc::clone(&self.cell))
    }

    fn queue(&mut self, bytes: Bytes) {
        self.count(bytes.len());
        self.host.send(self.id, bytes);
    }

    fn count(&mut self, bytes: usize) {
        self.cell.queue(bytes);
        if let Some(behind) = &mut self.behind_reply {
            *behind = behind.saturating_add(bytes);
        }
    }

    /// Resets the stream, behind the reply if that has not left. Nothing has then, so all that is queued fits into the window that a stream begins with, and
    /// the reset waits for no credit; where it does not fit, the reset goes first.
    fn reset_host(&self, code: u32) {
        let queued = self.cell.queued();
        let waits = self.behind_reply.is_some_and(|behind| queued > behind);
        if waits && queued <= INITIAL_WINDOW as usize {
            self.host.reset_behind(self.id, code);
        } else {
            self.host.reset(self.id, code);
        }
    }

    fn credit_chunk(&mut self, taken: Taken<Bytes>, prefix: usize) -> Bytes {
        self.credit(prefix + taken.bytes.len(), taken.emptied);
        taken.bytes
    }

    fn credit(&mut self, bytes: usize, emptied: bool) {
        self.uncredited += bytes + std::mem::take(&mut self.peeked);
        if self.uncredited >= CREDIT_STEP || (emptied && self.uncredited > 0) {
            self.report();
        }
    }

    fn report(&mut self) {
        let bytes = std::mem::take(&mut self.uncredited);
        // A window holds at most 4 MiB, so this is exact.
        self.host.consumed(self.id, u32::try_from(bytes).unwrap_or(u32::MAX));
    }
}

/// Bytes of a frame's length.
const PREFIX: usize = 2;

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let taken = ready!(self.cell.poll_fill(cx, buffer))?;
        self.credit(taken.bytes, taken.emptied);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let room = ready!(self.poll_room(cx))?;
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.queue(Bytes::copy_from_slice(taken));
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(end) = self.cell.end() {
            return Poll::Ready(Err(StreamError::from(end).into()));
        }
        self.finish();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.given_away || self.cell.end().is_some() {
            return;
        }
        if std::thread::panicking() {
            self.reset_host(Code::Internal.number());
        } else if !self.finished {
            self.reset_host(Code::Cancelled.number());
        } else if !self.cell.peer_finished() {
            self.host.reset_behind(self.id, Code::Cancelled.number());
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("id", &self.id).field("finished", &self.finished).finish_non_exhaustive()
    }
}
