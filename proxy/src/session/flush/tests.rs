//! Who writes what, where readers, writers and panics cross.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
    time::Duration,
};

use browser_stream_mux::{Header, Host, TURN};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;

use super::*;
use crate::{
    limits::Limits,
    session::{Opening, Opens, Sessions},
};

struct Nobody;

impl Opens for Nobody {
    fn opened(&self, _: Opening) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

/// A connection that takes everything; the reader of its peer runs while it writes for the first time.
struct Crossed {
    writes: Arc<AtomicUsize>,
    meanwhile: VecDeque<Box<dyn FnOnce() + Send>>,
}

impl Writer for Crossed {
    fn poll_write(&mut self, _: &mut Context<'_>, buffers: &mut Vec<Bytes>) -> Poll<Result<(), TransportError>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        buffers.clear();
        if let Some(meanwhile) = self.meanwhile.pop_front() {
            meanwhile();
        }
        Poll::Ready(Ok(()))
    }

    fn taken(&self) -> u64 {
        0
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: u16, _: &'static str) -> Poll<()> {
        Poll::Ready(())
    }
}

fn session() -> Arc<Session> {
    Sessions::new(Arc::new(Limits::default()), Arc::new(Nobody)).session(None)
}

/// The reader found something that the transport answers, as `Reading::take` tells it.
fn asked(session: &Arc<Session>) {
    let mut state = session.state.lock();
    state.turn.answer = true;
    assert!(!state.wants_turn(), "somebody writes already");
}

#[test]
fn threat_16_an_answer_that_comes_while_another_writes_leaves_with_that_turn() {
    let (session, writes) = (session(), Arc::new(AtomicUsize::new(0)));
    let reader = session.clone();
    let meanwhile = VecDeque::from([Box::new(move || asked(&reader)) as Box<dyn FnOnce() + Send>]);
    *session.wire.lock() = Some(Wire::new(Box::new(Crossed { writes: writes.clone(), meanwhile }), session.wake.clone()));
    session.state.lock().turn.answer = true;
    session.flush(&mut Effects::default());
    assert_eq!(writes.load(Ordering::Relaxed), 2, "the second came while the first was written");
    assert!(!session.state.lock().turn.answer);
}

#[test]
fn threat_28_what_a_turn_that_panics_owed_to_others_is_left_to_their_own_tasks() {
    let other = session();
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut effects = Effects::default();
        effects.ready(&other);
        panic!("in the middle of a turn");
    }));
    assert!(unwound.is_err());
    assert!(other.wake.notified().now_or_never().is_some(), "its writing task was told");
}

#[test]
fn a_reader_is_woken_by_a_write_only_if_it_waits_for_one() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let session = session();
    let woken = Arc::new(Count(AtomicUsize::new(0)));
    let writer = Crossed { writes: Arc::default(), meanwhile: VecDeque::new() };
    *session.wire.lock() = Some(Wire::new(Box::new(writer), session.wake.clone()));
    for (owed, wakes) in [(false, 0), (true, 1)] {
        session.reading.register(&Waker::from(woken.clone()));
        let mut state = session.state.lock();
        (state.turn.owed, state.turn.answer) = (owed, true);
        drop(state);
        session.flush(&mut Effects::default());
        assert_eq!(woken.0.load(Ordering::Relaxed), wakes);
    }
}

/// A connection that is full behind every message, and keeps how long they were.
struct Narrow(Arc<Mutex<Vec<usize>>>);

impl Writer for Narrow {
    fn poll_write(&mut self, _: &mut Context<'_>, buffers: &mut Vec<Bytes>) -> Poll<Result<(), TransportError>> {
        if buffers.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.0.lock().push(buffers.drain(..).map(|bytes| bytes.len()).sum());
        Poll::Pending
    }

    fn taken(&self) -> u64 {
        0
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: u16, _: &'static str) -> Poll<()> {
        Poll::Ready(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_on_a_slow_way_waits_for_no_more_than_a_turn_of_what_shares_its_message() {
    let (session, messages) = (session(), Arc::new(Mutex::new(Vec::new())));
    let _streams = [0, 1].map(|_| {
        let stream = session.open_stream().expect("a session that lives");
        Host::send(session.as_ref(), stream.id(), vec![0; 16 * TURN].into());
        stream
    });
    *session.wire.lock() = Some(Wire::new(Box::new(Narrow(messages.clone())), session.wake.clone()));
    session.flush(&mut Effects::default());
    tokio::time::advance(Duration::from_secs(1)).await;
    session.resume(&mut Effects::default());
    session.resume(&mut Effects::default());
    let turns = messages.lock().iter().map(|bytes| bytes / (Header::BYTES + TURN)).collect::<Vec<_>>();
    assert_eq!(turns, [16, 1, 15], "as many as may be, one as the first took a second, the rest as the second took no time");
}
