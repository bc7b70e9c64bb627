//! Credit while the memory of the process is used up by something that no stream can free.

use bytes::Bytes;
use futures::future::BoxFuture;

use super::*;
use crate::{
    limits::Limits,
    session::{Opening, Opens, Sessions, splice::forward},
};

struct Nobody;

impl Opens for Nobody {
    fn opened(&self, _: Opening) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

const BUDGET: usize = 1 << 20;
const MUCH: u32 = 4 << 20;
const PAYLOAD: usize = 100;

/// A client's stream 1 that goes to a server's stream 2; nothing is read or written unless a test does it.
struct Splice {
    sessions: Sessions,
    client: Arc<Session>,
    server: Arc<Session>,
}

fn header(kind: u8, flags: u8, stream: u8, length: u32) -> Vec<u8> {
    [&[0, kind, 0, flags, 0, 0, 0, stream][..], &length.to_be_bytes()].concat()
}

impl Splice {
    fn new() -> Self {
        let limits = Limits { memory_budget_bytes: BUDGET, ..Limits::default() };
        let sessions = Sessions::new(Arc::new(limits), Arc::new(Nobody));
        let (client, server) = (sessions.session(None), sessions.session(None));
        for session in [&client, &server] {
            session.process.live.insert(session.id(), session.clone());
        }
        let splice = Self { sessions, client, server };
        let cell = splice.comes(&splice.client, header(1, 1, 1, 0)).expect("opened");
        let near = browser_stream_mux::Stream::new(1, cell, splice.client.clone());
        let far = splice.server.open_stream().unwrap();
        forward((&splice.client, &near), (&splice.server, &far)).unwrap();
        forward((&splice.server, &far), (&splice.client, &near)).unwrap();
        near.into_parts();
        far.into_parts();
        splice
    }

    /// The peer of this session sends these bytes; what it leads to is done, but nothing is written. The handle of a stream that it opens.
    fn comes(&self, session: &Arc<Session>, bytes: Vec<u8>) -> Option<Arc<browser_stream_mux::Cell>> {
        let mut effects = Effects::default();
        let mut runs = std::collections::VecDeque::from([Bytes::from(bytes)]);
        session.state.lock().receive(&mut runs, Instant::now(), &mut effects).expect("no violation");
        effects.act();
        effects.opened().next().map(|(_, cell)| cell)
    }

    /// The client sends a little.
    fn sends(&self) {
        self.comes(&self.client, [header(0, 0, 1, PAYLOAD as u32), vec![7; PAYLOAD]].concat());
    }

    /// The server gives much credit.
    fn server_grants(&self) {
        self.comes(&self.server, header(1, 0, 2, MUCH));
    }

    /// What the client may send.
    fn credit(&self) -> Option<u32> {
        self.client.state.lock().mux.get(1).map(|view| view.receive_credit)
    }

    /// The server's reading task looks at the clock, if it wants to within this time.
    fn ticks(&self, within: Duration) -> bool {
        let hurries = self.server.hurry.swap(false, std::sync::atomic::Ordering::AcqRel);
        let mut effects = Effects::default();
        let now = Instant::now();
        let wants = self.server.state.lock().bounds_deadline(now).is_some_and(|due| due <= now + within);
        self.server.state.lock().look_at_bounds(now, &mut effects);
        effects.act();
        hurries && wants
    }
}

#[test]
fn threat_19_without_memory_nobody_gets_credit_and_with_it_those_who_waited_do() {
    let splice = Splice::new();
    splice.sessions.memory().take(BUDGET);
    splice.server_grants();
    assert_eq!(splice.credit(), Some(INITIAL_WINDOW));
    assert!(splice.ticks(MEMORY_LOOK), "the server's session looks again soon");
    assert_eq!(splice.credit(), Some(INITIAL_WINDOW), "and finds none");
    splice.sessions.memory().give(BUDGET);
    splice.ticks(MEMORY_LOOK);
    assert_eq!(splice.credit(), Some(MUCH));
    assert!(!splice.ticks(MEMORY_LOOK), "nobody waits any more");
}

#[test]
fn with_memory_credit_comes_at_once() {
    let splice = Splice::new();
    splice.sessions.memory().take(BUDGET - 1);
    splice.server_grants();
    assert_eq!(splice.credit(), Some(MUCH));
}

#[test]
fn threat_19_bytes_that_were_granted_before_cost_the_fullest_stream_its_life_while_memory_is_short() {
    let splice = Splice::new();
    splice.sends();
    splice.sessions.memory().take(BUDGET);
    splice.sends();
    let counted = splice.sessions.refusals().find(|&(name, _)| name == "budget");
    assert_eq!((splice.credit(), counted), (None, Some(("budget", 1))));
}

#[test]
fn threat_19_where_all_wait_for_memory_the_fullest_pays_though_nobody_sends() {
    let splice = Splice::new();
    splice.sends();
    splice.sessions.memory().take(BUDGET);
    splice.server_grants();
    assert_eq!(splice.credit().map(|credit| credit + PAYLOAD as u32), Some(INITIAL_WINDOW));
    assert!(splice.ticks(MEMORY_LOOK));
    assert_eq!(splice.credit(), None, "reset");
}
