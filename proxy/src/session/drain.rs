//! The process goes down: each peer is told when to come back, may go when it has no streams any more, and has to in the end.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use browser_stream_mux::StreamId;
use rand::Rng;
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Goodbye, Note, Phase, Session, Sessions, State};

/// What is known of a session's going.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leaving {
    /// When the peer is to open another connection.
    due: Option<Instant>,
    until: Until,
}

/// How long a session stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Until {
    /// Until it is told otherwise.
    #[default]
    Told,
    /// Until it has no streams.
    Empty,
    /// Until it has none but those that hold nobody up: of claims and watches, and such as go on over the peer's next connection.
    Idle,
}

impl Sessions {
    /// Goes down: every open is refused `draining` from now on, and each peer is told to come back after a delay, no two at once. A session ends
    /// when its delay is over and it has no streams, at the latest after `within`; to be called in a runtime.
    ///
    /// Called again, the sooner end counts.
    pub fn drain(&self, within: Duration) {
        if !self.process.draining.swap(true, Ordering::AcqRel) {
            self.process.opens.draining();
            let plan = self.plan(within);
            tokio::spawn(async move {
                for (at, session, until) in plan {
                    sleep_until(at).await;
                    if let Some(session) = session.upgrade() {
                        session.leave(until);
                    }
                }
            });
        }
        let process = Arc::downgrade(&self.process);
        tokio::spawn(async move {
            sleep(within).await;
            if let Some(process) = process.upgrade() {
                Self { process }.close_all(GOING_DOWN.code);
            }
        });
    }

    /// Closes the links with other nodes, when no peer is left whose streams go over them.
    #[cfg(feature = "cluster")]
    pub(crate) fn close_links(&self) {
        self.list().iter().filter(|session| session.is_node()).for_each(|session| session.close(GOING_DOWN.code, GOING_DOWN.reason));
    }

    /// How many sessions have streams that hold them up when the process goes down: as long as they last, within the time that it gives them.
    pub fn held_up(&self) -> usize {
        self.list().iter().filter(|session| !session.is_node() && session.state.lock().is_held_up()).count()
    }

    /// Tells everybody when to come back; what is to be done when, in order.
    fn plan(&self, within: Duration) -> Vec<(Instant, Weak<Session>, Until)> {
        let (mut sessions, now) = (self.list(), Instant::now());
        sessions.retain(|session| !session.is_node());
        let count = u32::try_from(sessions.len()).unwrap_or(u32::MAX);
        // Who comes back last needs time to take its names along.
        let span = SPACING.saturating_mul(count).min(within.mul_f64(0.8));
        let mut plan = Vec::with_capacity(2 * sessions.len());
        for (index, session) in sessions.iter().enumerate() {
            let due = now + span.mul_f64((index as f64 + rand::rng().random::<f64>()) / f64::from(count));
            session.change(|state, _| {
                state.leaving.due = Some(due);
                state.say_drain();
            });
            plan.push((due, Arc::downgrade(session), Until::Empty));
            plan.push((due + MOVING, Arc::downgrade(session), Until::Idle));
        }
        plan.sort_by_key(|(at, ..)| *at);
        plan
    }
}

impl Session {
    /// For a session that begins: one that comes when the process goes down already may go at once.
    pub(super) fn join_drain(&self) {
        if self.process.draining.load(Ordering::Acquire) && !self.is_node() {
            self.leave(Until::Idle);
        }
    }

    /// Tells the peer to open another connection soon, where the proxy goes on and its names do not. This one is closed when it has no streams any more.
    pub(crate) fn send_away(self: &Arc<Self>) {
        let due = Instant::now() + AWAY_WITHIN.mul_f64(rand::rng().random());
        let is_first = self.change(|state, _| {
            let is_first = state.leaving.due.is_none();
            if is_first {
                state.leaving.due = Some(due);
                state.say_drain();
            }
            is_first
        });
        if is_first {
            let session = Arc::downgrade(self);
            tokio::spawn(async move {
                sleep_until(due).await;
                if let Some(session) = session.upgrade() {
                    session.leave(Until::Empty);
                }
            });
        }
    }

    fn leave(&self, until: Until) {
        self.change(|state, _| {
            state.leaving.due.get_or_insert_with(Instant::now);
            state.leaving.until = until;
            state.leave_if_done();
        });
    }

    /// This stream does not keep the session from going.
    pub(crate) fn set_aside(&self, stream: &browser_stream_mux::Stream) {
        self.state.lock().set_aside(stream.id());
    }
}

impl State {
    /// As [`Session::set_aside`].
    pub(super) fn set_aside(&mut self, id: StreamId) {
        if let Some(end) = self.mux.value_mut(id)
            && !std::mem::replace(&mut end.aside, true)
        {
            self.aside += 1;
            self.leave_if_done();
        }
    }

    /// Tells the peer when to come back, if the process goes down and the peer has a session stream.
    pub(super) fn say_drain(&mut self) {
        if let Some(due) = self.leaving.due {
            let after_ms = due.saturating_duration_since(Instant::now()).as_millis() as u64;
            self.say(&Note::with("drain", json!({ "after_ms": after_ms })));
        }
    }

    fn is_held_up(&self) -> bool {
        self.mux.len() > self.aside + usize::from(self.control.is_some())
    }

    /// After streams ended: closes the session if it was to go and nothing keeps it any more.
    pub(super) fn leave_if_done(&mut self) {
        let staying = match self.leaving.until {
            Until::Told => return,
            Until::Empty => 0,
            Until::Idle => self.aside,
        };
        if self.phase == Phase::Live && self.mux.len() <= staying + usize::from(self.control.is_some()) {
            self.close(GOING_DOWN);
            if let Some(session) = self.me.upgrade() {
                // The writing task closes.
                session.wake.notify_one();
            }
        }
    }
}

/// "Service restart": clients should come back (IANA's registry of close codes).
const GOING_DOWN: Goodbye = Goodbye { code: 1012, reason: "the proxy goes down" };

/// Those whose names a node lost come back within this time, and not all at once.
const AWAY_WITHIN: Duration = Duration::from_secs(3);

/// Between two peers that come back: a hundred in a second are no load for whoever takes them.
const SPACING: Duration = Duration::from_millis(10);

/// How long a peer that has names may take to move them, before the session that held them goes.
const MOVING: Duration = Duration::from_secs(2);
