//! Writing to a peer: whoever has brought something for it writes it here and now, as far as its socket takes it.
//!
//! One at a time has the turn. Who finds it taken leaves: the one who has it looks again before it gives it back, under the lock that the
//! bytes were queued under. Once the socket is full the session's writing task goes on, woken when there is room.

#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    ptr,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use browser_stream_mux::Outbound;
use tokio::{sync::Notify, time::Instant};

use super::{
    Phase, Session, State,
    batch::Batch,
    effect::Effects,
    transport::{TransportError, Writer},
};

/// Messages that one turn writes for the sake of somebody else; then the writing task goes on with it.
const MESSAGES_MAX: usize = 16;

/// Who may write.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Somebody writes.
    pub taken: bool,
    /// The socket is full; the writing task is woken when it is not.
    pub blocked: bool,
    /// The socket had room again, or the task was woken, while somebody wrote.
    again: bool,
    /// The transport has something of its own to send, which whoever writes next takes along.
    pub answer: bool,
    /// The reading task waits until the peer has taken what it provoked.
    pub owed: bool,
    /// The connection broke while somebody wrote to it.
    pub broken: Option<TransportError>,
    /// The writing task keeps an eye on how long the socket stays full.
    pub watched: bool,
}

/// The writing half of the connection, and what goes into it next.
pub(super) struct Wire {
    pub writer: Box<dyn Writer>,
    out: Outbound,
    batch: Batch,
    waker: Waker,
}

impl Wire {
    pub fn new(writer: Box<dyn Writer>, wake: Arc<Notify>) -> Self {
        Self { writer, out: Outbound::default(), batch: Batch::default(), waker: Waker::from(Arc::new(Room(wake))) }
    }
}

/// The socket has room again.
struct Room(Arc<Notify>);

impl Wake for Room {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// Runs `work`, and puts the sessions that it has something for into `ready` instead of waking their writing tasks: for who writes to them next.
pub(super) fn corked<R>(ready: &mut Vec<Arc<Session>>, work: impl FnOnce() -> R) -> R {
    struct Uncork<'a>(&'a mut Vec<Arc<Session>>);
    impl Drop for Uncork<'_> {
        fn drop(&mut self) {
            self.0.append(&mut CORKED.take().unwrap_or_default());
        }
    }
    CORKED.set(Some(Vec::new()));
    let _uncork = Uncork(ready);
    work()
}

/// What is queued in `session` is written by who has corked this thread, else by its writing task.
pub(super) fn soon(session: &Session) {
    CORKED.with_borrow_mut(|corked| {
        if let Some(ready) = corked {
            if ready.last().is_none_or(|last| !ptr::eq(&**last, session)) {
                ready.extend(session.me.upgrade());
            }
        } else {
            session.wake.notify_one();
        }
    });
}

/// Carries out what a change led to; who has corked this thread writes it.
pub(super) fn later(effects: &mut Effects) {
    if effects.is_empty() {
        return;
    }
    effects.act();
    let corked = CORKED.with_borrow_mut(|corked| {
        if let Some(ready) = corked {
            ready.append(effects.taken());
        }
        corked.is_some()
    });
    if !corked {
        effects.run();
    }
}

thread_local! {
    static CORKED: RefCell<Option<Vec<Arc<Session>>>> = const { RefCell::new(None) };
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flushed {
    /// Nothing is left to send.
    All,
    /// Somebody else writes, or the socket is full.
    Waits,
}

impl State {
    /// Whether there is something to send that nobody is sending.
    pub(super) fn wants_turn(&self) -> bool {
        !self.turn.taken && !self.turn.blocked && self.phase != Phase::Gone && (self.turn.answer || self.mux.wants_transmit())
    }
}

impl Session {
    /// Writes what is queued, as far as the socket takes it; what that leads to is added to `effects`.
    pub(super) fn flush(self: &Arc<Self>, effects: &mut Effects) {
        {
            let mut state = self.state.lock();
            if !state.wants_turn() {
                return;
            }
            state.turn.taken = true;
            state.turn.answer = false;
        }
        if self.take_turn(effects) == Flushed::Waits {
            let mut state = self.state.lock();
            if !state.turn.watched {
                self.wake.notify_one();
            }
            state.turn.watched = true;
        }
    }

    /// The same for the writing task, which goes on where the socket was full.
    pub(super) fn resume(self: &Arc<Self>, effects: &mut Effects) -> Flushed {
        {
            let mut state = self.state.lock();
            if state.turn.taken {
                state.turn.again = true;
                return Flushed::Waits;
            }
            state.turn.taken = true;
            state.turn.blocked = false;
            state.turn.answer = false;
            state.bounds.under_way = 0;
        }
        self.take_turn(effects)
    }

    /// The turn is ours: message after message until nothing is left or the socket is full.
    fn take_turn(self: &Arc<Self>, effects: &mut Effects) -> Flushed {
        let mut wire = self.wire.lock();
        let Some(wire) = wire.as_mut() else {
            return self.end_turn(Flushed::Waits, |_| {});
        };
        for _ in 0..MESSAGES_MAX {
            let mut context = Context::from_waker(&wire.waker);
            match wire.writer.poll_write(&mut context, &mut wire.out.buffers) {
                Poll::Ready(Ok(())) => wire.batch.written(now),
                Poll::Ready(Err(error)) => {
                    wire.out.buffers.clear();
                    return self.end_turn(Flushed::Waits, |state| {
                        state.turn.broken.get_or_insert(error);
                        state.turn.again = true;
                    });
                }
                Poll::Pending => {
                    wire.batch.blocked(now);
                    let under_way = wire.writer.under_way();
                    return self.end_turn(Flushed::Waits, |state| {
                        state.turn.blocked = true;
                        state.bounds.under_way = under_way;
                        state.book();
                    });
                }
            }
            let mut state = self.state.lock();
            // An answer that came while this wrote: its reader left it to us.
            let answers = std::mem::take(&mut state.turn.answer);
            let any = state.transmit(wire.batch.max(), &mut wire.out, effects);
            if state.turn.owed && !state.owes() {
                state.turn.owed = false;
                self.reading.wake();
            }
            if !any && !answers {
                wire.out.release();
                wire.batch.emptied();
                state.turn.taken = false;
                if std::mem::take(&mut state.turn.again) {
                    self.wake.notify_one();
                }
                return Flushed::All;
            }
        }
        // Others wait for the one who writes here.
        self.end_turn(Flushed::Waits, |state| state.turn.again = true)
    }

    fn end_turn(&self, how: Flushed, change: impl FnOnce(&mut State)) -> Flushed {
        let mut state = self.state.lock();
        change(&mut state);
        state.turn.taken = false;
        if std::mem::take(&mut state.turn.again) {
            self.wake.notify_one();
        }
        how
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

impl State {
    /// Puts the next message, of `max` bytes or so, into `out`, and hands back the credit that this frees; whether there is one.
    pub(super) fn transmit(&mut self, max: usize, out: &mut Outbound, effects: &mut Effects) -> bool {
        let (cap, mut starved) = (self.cap(), Vec::new());
        let any = self.mux.transmit_with(max, out, |id, view, end, bytes| {
            if end.left(bytes as usize, view, cap, effects) {
                starved.push(id);
            }
        });
        starved.into_iter().for_each(|id| self.starve(id));
        self.collect_ended(effects);
        self.book();
        any
    }
}
