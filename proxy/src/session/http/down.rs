//! The way to the peer: a session's writer on one side, the body of a response on the other.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use parking_lot::Mutex;

use super::{
    record::{self, Kind, RECORD_BYTES_MAX},
    up::Inbox,
};
use crate::session::transport::{TransportError, Writer};

/// What is on its way from the session to the response.
#[derive(Debug)]
pub(super) struct Outbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Bytes>,
    queued: usize,
    /// What the response has taken so far.
    taken: u64,
    /// The session said goodbye, or is gone: the response ends behind what is queued.
    ended: bool,
    /// The response is gone.
    broken: bool,
    /// Who waits for room, and who for bytes.
    writer: Option<Waker>,
    reader: Option<Waker>,
}

impl Outbox {
    pub(super) fn new(hello: &[u8], padding: usize) -> Self {
        let mut queue = VecDeque::from([record::record(Kind::Hello, hello)]);
        if padding > 0 {
            queue.push_back(record::record(Kind::Padding, &vec![b' '; padding]));
        }
        Self(Mutex::new(State { queue, ..State::default() }))
    }

    /// Changes what there is, then wakes whom that concerns.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R, wakes: impl FnOnce(&mut State) -> Option<Waker>) -> R {
        let mut state = self.0.lock();
        let result = change(&mut state);
        let waker = wakes(&mut state);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }
}

impl State {
    fn is_drained(&self) -> bool {
        self.broken || self.queue.is_empty()
    }

    fn push(&mut self, bytes: Bytes) {
        self.queued += bytes.len();
        self.queue.push_back(bytes);
    }

    /// A record of these buffers: what is short is copied together with the head before it, the rest stays where it is.
    fn put(&mut self, buffers: &mut Vec<Bytes>) {
        let length: usize = buffers.iter().map(Bytes::len).sum();
        let mut pack = BytesMut::from(&record::head(Kind::Bytes, length)[..]);
        for bytes in buffers.drain(..) {
            if bytes.len() <= SHORT {
                pack.extend_from_slice(&bytes);
                continue;
            }
            if !pack.is_empty() {
                self.push(pack.split().freeze());
            }
            self.push(bytes);
        }
        if !pack.is_empty() {
            self.push(pack.freeze());
        }
    }
}

/// The half of the session that sends.
pub struct Outgoing(pub(super) Arc<Outbox>);

impl Writer for Outgoing {
    fn poll_write(&mut self, cx: &mut Context<'_>, buffers: &mut Vec<Bytes>) -> Poll<Result<(), TransportError>> {
        let take = |state: &mut State| {
            if state.broken {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::BrokenPipe).into()));
            }
            if state.queued <= ROOM && !buffers.is_empty() {
                state.put(buffers);
            }
            if state.queued <= ROOM {
                return Poll::Ready(Ok(()));
            }
            state.writer = Some(cx.waker().clone());
            Poll::Pending
        };
        self.0.change(take, |state| state.reader.take())
    }

    fn under_way(&self) -> usize {
        self.0.0.lock().queued
    }

    fn taken(&self) -> u64 {
        self.0.0.lock().taken
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, code: u16, reason: &'static str) -> Poll<()> {
        let end = |state: &mut State| {
            if !mem::replace(&mut state.ended, true) {
                state.push(record::close(code, reason));
            }
            if state.is_drained() {
                return Poll::Ready(());
            }
            state.writer = Some(cx.waker().clone());
            Poll::Pending
        };
        self.0.change(end, |state| state.reader.take())
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.0.change(|state| state.ended = true, |state| state.reader.take());
    }
}

/// The body of the response. Dropped before it has ended, it is a peer that has gone.
#[derive(Debug)]
pub struct Down {
    outbox: Arc<Outbox>,
    inbox: Arc<Inbox>,
}

impl Down {
    pub(super) fn new(outbox: Arc<Outbox>, inbox: Arc<Inbox>) -> Self {
        Self { outbox, inbox }
    }
}

impl Stream for Down {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = |state: &mut State| match state.queue.pop_front() {
            Some(bytes) => {
                // The first ones were never counted, for nobody waits for them.
                state.queued = state.queued.saturating_sub(bytes.len());
                state.taken += bytes.len() as u64;
                Poll::Ready(Some(Ok(bytes)))
            }
            None if state.ended => Poll::Ready(None),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        };
        let has_room = |state: &mut State| if state.queued <= ROOM { state.writer.take() } else { None };
        self.outbox.change(next, has_room)
    }
}

impl Drop for Down {
    fn drop(&mut self) {
        let lose = |state: &mut State| {
            state.broken = true;
            state.queue.clear();
            state.queued = 0;
        };
        self.outbox.change(lose, |state| state.writer.take());
        self.inbox.close();
    }
}

/// More than this, and the session waits: what lies here is in no round robin any more.
const ROOM: usize = 64 * 1024;

/// Up to here a copy costs less than a chunk of its own.
const SHORT: usize = 2 * 1024;

const _: () = assert!(ROOM < RECORD_BYTES_MAX);
