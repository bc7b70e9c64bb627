//! The meeting point of a stream and its session: the session puts in what arrives, the stream takes it out and waits here.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{io::ReadBuf, sync::Notify};

use crate::{Code, FrameError, StreamError, queue::Queue};

/// How a stream ended when it did not finish.
///
/// See [`Host`](crate::Host).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// One side reset it with this code.
    Reset(u32),
    /// Its session ended.
    Lost,
}

/// What a session and one of its streams share. Its lock is held for moments only, and never while a [`Host`](crate::Host) is called.
///
/// See [`Host`](crate::Host).
#[derive(Default)]
pub struct Cell {
    state: Mutex<State>,
    stopped: Notify,
    /// What somebody keeps until there is room.
    held_back: AtomicUsize,
}

#[derive(Default)]
struct State {
    unread: Queue,
    finished: bool,
    end: Option<End>,
    /// What the peer said about that end.
    why: Option<Arc<str>>,
    /// Bytes handed to the host that have not left.
    queued: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Bytes that a reader took, and whether those were all.
pub(crate) struct Taken<B> {
    pub(crate) bytes: B,
    pub(crate) emptied: bool,
}

/// A writer waits while this much of its stream has not left.
///
/// See [`Host`](crate::Host).
pub const QUEUED_MAX: usize = 256 * 1024;

impl Cell {
    /// The cell of a new stream.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The session received payload; dropped if the stream was reset here in the meantime.
    pub fn data(&self, bytes: Bytes) {
        let reader = {
            let mut state = self.state.lock();
            if state.end.is_none() {
                state.unread.push(bytes);
            }
            state.reader.take()
        };
        wake(reader);
    }

    /// The session received the peer's finish.
    pub fn finished(&self) {
        let reader = {
            let mut state = self.state.lock();
            state.finished = true;
            state.reader.take()
        };
        wake(reader);
    }

    /// The stream was reset, or lost with its session. The first end counts; what was received before stays readable.
    pub fn ended(&self, end: End) {
        // Only a proxy resets with `lost`: its word for a far session that is gone.
        let end = if end == End::Reset(Code::Lost.number()) { End::Lost } else { end };
        let wakers = {
            let mut state = self.state.lock();
            state.end.get_or_insert(end);
            [state.reader.take(), state.writer.take()]
        };
        wakers.into_iter().for_each(wake);
        self.stopped.notify_waiters();
    }

    /// The peer says with which code it fails the stream, and why; its reset, which has no room for that, follows.
    pub fn failed(&self, code: u32, why: &str) {
        {
            let mut state = self.state.lock();
            if state.end.is_none() {
                state.why = Some(why.into());
            }
        }
        self.ended(End::Reset(code));
    }

    /// What the peer said when it failed the stream, if it said anything.
    pub fn why(&self) -> Option<Arc<str>> {
        self.state.lock().why.clone()
    }

    /// That many bytes of this stream have left the session's queue.
    pub fn sent(&self, bytes: usize) {
        let writer = {
            let mut state = self.state.lock();
            state.queued = state.queued.saturating_sub(bytes);
            if state.queued < QUEUED_MAX { state.writer.take() } else { None }
        };
        wake(writer);
    }

    /// Takes the next of what nobody read yet, and says whether the peer has finished: for a splice that takes the stream over. Nothing of it was credited.
    pub fn take_unread(&self) -> (Option<Bytes>, bool) {
        let mut state = self.state.lock();
        (state.unread.pop(), state.finished)
    }

    /// Forgets what nobody read yet.
    pub fn drop_unread(&self) {
        self.state.lock().unread.clear();
    }

    /// How many bytes nobody read yet.
    pub fn unread(&self) -> usize {
        self.state.lock().unread.len()
    }

    /// How the stream ended, unless it lives or finished.
    pub fn end(&self) -> Option<End> {
        self.state.lock().end
    }

    /// Resolves when the stream is reset or lost; never for one that finishes. Cancel-safe.
    pub async fn stopped(&self) -> End {
        loop {
            let notified = self.stopped.notified();
            let mut notified = std::pin::pin!(notified);
            notified.as_mut().enable();
            if let Some(end) = self.end() {
                return end;
            }
            notified.await;
        }
    }

    /// Resolves when nothing more can come: the peer finished, or the stream ended. It and a reader must not wait at the same time. Cancel-safe.
    pub async fn peer_done(&self) {
        poll_fn(|cx| self.poll_peer_done(cx)).await;
    }

    /// Resolves when less than 256 KiB of what was written is still queued here, or the stream was reset or lost. As with
    /// [`drained`](Self::drained) one waits at a time. Cancel-safe.
    pub async fn room(&self) {
        // An end is no news to who waits for room: it finds that when it writes.
        let _ = poll_fn(|cx| self.poll_room(cx)).await;
    }

    pub(crate) fn poll_peer_done(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.finished || state.end.is_some() {
            return Poll::Ready(());
        }
        remember(&mut state.reader, cx);
        Poll::Pending
    }

    /// Whether the peer has finished its direction.
    pub fn peer_finished(&self) -> bool {
        self.state.lock().finished
    }

    /// We reset the stream ourselves: nothing of it is read or written any more.
    pub fn abandon(&self, end: End) {
        self.state.lock().unread.clear();
        self.ended(end);
    }

    pub(crate) fn queue(&self, bytes: usize) {
        self.state.lock().queued += bytes;
    }

    /// How many bytes that were written have not left.
    pub fn queued(&self) -> usize {
        self.state.lock().queued
    }

    /// Somebody holds so many bytes for this stream until there is room: a figure for who looks for memory.
    pub fn hold_back(&self, bytes: usize) {
        // Nothing else is ordered by it.
        self.held_back.store(bytes, Ordering::Relaxed);
    }

    /// How many that are.
    pub fn held_back(&self) -> usize {
        self.held_back.load(Ordering::Relaxed)
    }

    /// How many bytes may be queued now, never 0.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<usize, StreamError>> {
        let mut state = self.state.lock();
        if let Some(end) = state.end {
            return Poll::Ready(Err(end.into()));
        }
        if state.queued < QUEUED_MAX {
            return Poll::Ready(Ok(QUEUED_MAX - state.queued));
        }
        remember(&mut state.writer, cx);
        Poll::Pending
    }

    /// Resolves when nothing that was written is still queued here, or the stream was reset or lost: for a writer of news, who has only the
    /// newest to say. It and a writer that waits for room must not wait at the same time. Cancel-safe.
    pub async fn drained(&self) {
        poll_fn(|cx| {
            let mut state = self.state.lock();
            if state.queued == 0 || state.end.is_some() {
                return Poll::Ready(());
            }
            remember(&mut state.writer, cx);
            Poll::Pending
        })
        .await;
    }

    /// The next chunk as it came; `None` when the peer finished.
    pub(crate) fn poll_chunk(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Taken<Bytes>>, StreamError>> {
        let mut state = self.state.lock();
        let Some(bytes) = state.unread.pop() else {
            return state.nothing(cx).map_ok(|()| None);
        };
        let emptied = state.unread.is_empty();
        Poll::Ready(Ok(Some(Taken { bytes, emptied })))
    }

    /// As much as fits; 0 bytes when the peer finished.
    pub(crate) fn poll_fill(&self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<Taken<usize>, StreamError>> {
        let mut state = self.state.lock();
        if state.unread.is_empty() {
            return state.nothing(cx).map_ok(|()| Taken { bytes: 0, emptied: true });
        }
        let bytes = buffer.remaining().min(state.unread.len());
        state.unread.take(bytes, |slice| buffer.put_slice(&slice));
        let emptied = state.unread.is_empty();
        Poll::Ready(Ok(Taken { bytes, emptied }))
    }

    /// One `u16` length and body, taken only when all of it is here; `None` when the peer finished between two frames.
    pub(crate) fn poll_frame(&self, cx: &mut Context<'_>, max: usize) -> Poll<Result<Option<Taken<Bytes>>, FrameError>> {
        let mut state = self.state.lock();
        if let Some(prefix) = state.unread.peek() {
            let length = usize::from(u16::from_be_bytes(prefix));
            if length > max {
                return Poll::Ready(Err(FrameError::TooLong(length)));
            }
            if state.unread.len() >= prefix.len() + length {
                state.unread.take(prefix.len(), |_| {});
                let bytes = state.unread.gather(length);
                let emptied = state.unread.is_empty();
                return Poll::Ready(Ok(Some(Taken { bytes, emptied })));
            }
        }
        let between = state.unread.is_empty();
        state.nothing(cx).map(|nothing| match nothing {
            Ok(()) if between => Ok(None),
            Ok(()) => Err(FrameError::Finished),
            Err(error) => Err(error.into()),
        })
    }
}

impl State {
    /// What a reader gets that found too little: the peer's finish first, then the end, else it waits.
    fn nothing(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        if self.finished {
            return Poll::Ready(Ok(()));
        }
        if let Some(end) = self.end {
            return Poll::Ready(Err(end.into()));
        }
        remember(&mut self.reader, cx);
        Poll::Pending
    }
}

impl From<End> for StreamError {
    fn from(end: End) -> Self {
        match end {
            End::Reset(code) => Self::Reset(code),
            End::Lost => Self::Lost,
        }
    }
}

fn remember(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
