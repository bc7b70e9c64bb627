//! The way from the peer: numbered bodies on one side, a session's reader on the other.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    Blocks,
    order::{Order, Place},
};
use crate::session::transport::{Chatter, Read, Reader, TransportError};

/// What came and waits for the session.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    taken: watch::Sender<Taken>,
    ups_max: usize,
}

/// How many bodies the session has taken, and whether it takes no more.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    count: u64,
    over: bool,
}

#[derive(Debug)]
struct State {
    order: Order<Blocks>,
    /// Bodies that are read or wait.
    under_way: usize,
    over: bool,
    reader: Option<Waker>,
}

impl Inbox {
    pub(super) fn new(ups_max: usize) -> Self {
        let state = State { order: Order::new(ups_max), under_way: 0, over: false, reader: None };
        Self { state: Mutex::new(state), taken: watch::Sender::default(), ups_max }
    }

    /// Nothing more comes, or is taken.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.over = true;
        state.order.clear();
        let reader = state.reader.take();
        drop(state);
        self.taken.send_modify(|taken| taken.over = true);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// Where bodies are handed in. Clones are the same.
#[derive(Clone, Debug)]
pub struct Ups(pub(super) Arc<Inbox>);

/// The session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over;

/// Why a body is not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its number was taken before: that is all that its sender wants to know.
    Taken,
    /// Its number is too far ahead.
    Beyond,
    /// As many bodies are under way as may be.
    Crowded,
    /// The session is over.
    Over,
}

impl From<Over> for Refused {
    fn from(Over: Over) -> Self {
        Self::Over
    }
}

impl Ups {
    /// Room for the body of this number, before any of it is read. The same number may come again, while the connection of the first is half dead: whichever is
    /// whole first counts.
    pub fn begin(&self, number: u64) -> Result<Slot, Refused> {
        let mut state = self.0.state.lock();
        if state.over {
            return Err(Refused::Over);
        }
        match state.order.place(number) {
            Place::Taken => Err(Refused::Taken),
            Place::Beyond => Err(Refused::Beyond),
            Place::Waits | Place::Wanted if state.under_way >= self.0.ups_max => Err(Refused::Crowded),
            Place::Waits | Place::Wanted => {
                state.under_way += 1;
                Ok(Slot { inbox: self.0.clone(), number })
            }
        }
    }
}

/// A place among the bodies that are under way, until it is dropped.
#[derive(Debug)]
#[must_use = "dropping a slot frees it"]
pub struct Slot {
    inbox: Arc<Inbox>,
    number: u64,
}

impl Slot {
    /// Hands the whole body in, and resolves when the session has taken it. Dropping the future afterwards changes nothing.
    pub async fn put(self, blocks: Blocks) -> Result<(), Over> {
        let mut taken = self.inbox.taken.subscribe();
        {
            let mut state = self.inbox.state.lock();
            if state.over {
                return Err(Over);
            }
            state.order.put(self.number, blocks);
            let reader = state.reader.take();
            drop(state);
            if let Some(reader) = reader {
                reader.wake();
            }
        }
        let number = self.number;
        let seen = taken.wait_for(|taken| taken.count > number || taken.over).await.map_err(|_| Over)?;
        if seen.count > number { Ok(()) } else { Err(Over) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.inbox.state.lock().under_way -= 1;
    }
}

/// The half of the session that takes what comes.
pub struct Incoming {
    inbox: Arc<Inbox>,
    /// What is left of the body whose turn it is.
    blocks: Blocks,
    /// Bodies in which nothing was, since the session asked.
    empty: u64,
}

impl Incoming {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox, blocks: Blocks::new(), empty: 0 }
    }

    /// The body whose turn it is has been taken to its end.
    fn taken(&self) {
        self.inbox.taken.send_modify(|taken| taken.count += 1);
    }
}

impl Reader for Incoming {
    fn poll_read(&mut self, cx: &mut Context<'_>, runs: &mut VecDeque<Bytes>) -> Poll<Result<Read, TransportError>> {
        if self.blocks.is_empty() {
            let mut state = self.inbox.state.lock();
            if state.over {
                return Poll::Ready(Ok(Read::Closed));
            }
            let Some(blocks) = state.order.pop() else {
                state.reader = Some(cx.waker().clone());
                return Poll::Pending;
            };
            drop(state);
            if blocks.is_empty() {
                self.empty += 1;
            }
            self.blocks = blocks;
        }
        runs.extend(self.blocks.pop_front());
        if self.blocks.is_empty() {
            self.taken();
        }
        Poll::Ready(Ok(Read::Bytes))
    }

    fn chatter(&mut self) -> Chatter {
        Chatter { frames: std::mem::take(&mut self.empty), ..Chatter::default() }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.inbox.close();
    }
}
