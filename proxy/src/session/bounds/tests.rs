//! Credit while the memory of the process is used up by something that no stream can free.

use bytes::Bytes;
use futures::future::BoxFuture;

use super::*;
use crate::{
    limits::Limits,
    session::{Opening, Opens, Sessions, effect::Fresh, end::Far, ledger::Ledger},
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
        splice.comes(&splice.client, header(1, 1, 1, 0)).expect("opened");
        let far = splice.server.open_stream().unwrap();
        splice.leads(&splice.client, 1, &splice.server, 2);
        splice.leads(&splice.server, 2, &splice.client, 1);
        far.into_parts();
        splice
    }

    /// From now on what one stream brings goes out on the other.
    fn leads(&self, from: &Arc<Session>, near: u32, to: &Arc<Session>, far: u32) {
        let credit = from.state.lock().mux.get(near).unwrap().receive_credit;
        from.state.lock().mux.value_mut(near).unwrap().sink = Sink::Splice(Far { session: to.clone(), id: far });
        let ledger = Ledger::new(Far { session: from.clone(), id: near }, credit);
        to.change(|state, effects| {
            state.mux.value_mut(far).unwrap().source = Source::Splice(ledger);
            state.settle(far, effects);
        });
    }

    /// The peer of this session sends these bytes; what it leads to is done, but nothing is written. The handle of a stream that it opens.
    fn comes(&self, session: &Arc<Session>, bytes: Vec<u8>) -> Option<Arc<browser_stream_mux::Cell>> {
        let mut effects = Effects::default();
        let mut runs = std::collections::VecDeque::from([Bytes::from(bytes)]);
        let mut state = session.state.lock();
        state.receive(&mut runs, Instant::now(), &mut effects).expect("no violation");
        effects.begin(&mut state);
        state.collect_ended(&mut effects);
        state.book();
        drop(state);
        effects.act();
        effects.next_opened().map(|fresh| match fresh {
            Fresh::Part(_, cell) => cell,
            Fresh::Whole(..) => panic!("nothing here has an open"),
        })
    }

    /// The client sends a little.
    fn sends(&self) {
        self.comes(&self.client, [header(0, 0, 1, PAYLOAD as u32), vec![7; PAYLOAD]].concat());
    }

    /// The server gives much credit.
    fn server_grants(&self) {
        self.comes(&self.server, header(1, 0, 2, MUCH));
    }

    /// The client opens another stream, which nobody answers, and sends so many bytes on it.
    fn opens_in_vain(&self, stream: u8, bytes: usize) -> Arc<browser_stream_mux::Cell> {
        let cell = self.comes(&self.client, header(1, 1, stream, 0)).expect("opened");
        self.comes(&self.client, [header(0, 0, stream, bytes as u32), vec![7; bytes]].concat());
        cell
    }

    /// So much is written to this session's peer as it takes at once.
    fn writes(&self, session: &Arc<Session>, most: usize) {
        let (mut effects, mut out) = (Effects::default(), browser_stream_mux::Outbound::default());
        session.state.lock().transmit(most, &mut out, &mut effects);
        effects.act();
    }

    /// Somebody needs memory, and there is too little of it by one byte.
    fn presses(&self) {
        let memory = self.sessions.memory();
        memory.take(BUDGET - memory.used());
        relieve(&self.client.process, &mut Effects::default());
    }

    fn lives(&self, session: &Arc<Session>, stream: u32) -> bool {
        session.state.lock().mux.get(stream).is_some()
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

#[test]
fn threat_19_what_waits_behind_an_unanswered_open_pays_where_it_is_most() {
    let splice = Splice::new();
    splice.sends();
    let cell = splice.opens_in_vain(3, 200_000);
    assert!(splice.sessions.memory().used() >= 200_000, "it counts");
    splice.presses();
    assert_eq!((splice.lives(&splice.client, 1), splice.lives(&splice.client, 3)), (true, false));
    assert_eq!((cell.unread(), cell.end()), (0, Some(Ended::Reset(Code::Limit.number()))));
}

#[test]
fn what_was_read_counts_no_more() {
    let splice = Splice::new();
    let cell = splice.opens_in_vain(3, 100_000);
    let before = splice.sessions.memory().used();
    let mut stream = browser_stream_mux::Stream::new(3, cell, splice.client.clone());
    while let Some(Ok(Some(_))) = futures::FutureExt::now_or_never(stream.read_chunk()) {}
    assert!(splice.sessions.memory().used() + 100_000 <= before + BOOKED_IN, "{before} before");
}

#[test]
fn payloads_of_any_length_leave_in_the_order_in_which_they_came() {
    let splice = Splice::new();
    let payloads: Vec<Vec<u8>> = [5, 3000, 7, 8, 2049, 1, 2048, 9].iter().zip(1..).map(|(length, byte)| vec![byte; *length]).collect();
    let frames = payloads.iter().flat_map(|payload| [header(0, 0, 1, payload.len() as u32), payload.clone()].concat());
    splice.comes(&splice.client, frames.collect());
    let mut out = browser_stream_mux::Outbound::default();
    splice.server.state.lock().mux.transmit(usize::MAX, &mut out);
    let (mut left, mut sent) = (&out.buffers.concat()[..], Vec::new());
    while let Some((&[_, kind, _, _, _, _, _, _, a, b, c, d], rest)) = left.split_first_chunk() {
        let length = if kind == 0 { u32::from_be_bytes([a, b, c, d]) as usize } else { 0 };
        sent.extend_from_slice(&rest[..length]);
        left = &rest[length..];
    }
    assert_eq!(sent, payloads.concat());
}

#[test]
fn threat_19_small_slices_of_large_reads_weigh_what_they_hold() {
    let splice = Splice::new();
    let more = splice.server.open_stream().unwrap();
    let (few, many) = (2, more.id());
    {
        let mut state = splice.server.state.lock();
        // Copies: as much as they are.
        assert!((0..200).all(|_| state.mux.deliver_short(few, [&[7; 1000][..]]).is_some()));
        // A slice of each of ten reads: little to send.
        for _ in 0..10 {
            let mut read = splice.sessions.buffers().take().unwrap();
            assert_eq!(read.put(&[7; 64 * 1024]), 64 * 1024);
            state.mux.deliver(many, Bytes::from_owner(read).slice(..3000)).unwrap();
        }
        assert!(splice.sessions.memory().used() >= 10 * 64 * 1024);
        state.book();
    }
    splice.presses();
    assert_eq!((splice.lives(&splice.server, few), splice.lives(&splice.server, many)), (true, false));
    more.into_parts();
}

#[test]
fn whatever_happens_to_streams_nothing_counts_when_they_are_gone() {
    use rand::{Rng, SeedableRng, rngs::StdRng};
    for seed in 0..200 {
        let mut random = StdRng::seed_from_u64(seed);
        let splice = Splice::new();
        let mut cells = Vec::new();
        splice.server_grants();
        for _ in 0..random.random_range(1..60) {
            let bytes = random.random_range(1..6000);
            match random.random_range(0..6) {
                0 | 1 if splice.credit().is_some_and(|credit| credit as usize >= bytes) => {
                    splice.comes(&splice.client, [header(0, 0, 1, bytes as u32), vec![7; bytes]].concat());
                }
                2 => splice.writes(&splice.server, 4 * bytes),
                3 if cells.len() < 50 => {
                    let stream = 3 + 2 * cells.len() as u8;
                    cells.push((stream, splice.opens_in_vain(stream, bytes)));
                }
                4 if !cells.is_empty() => {
                    let (stream, cell) = &cells[random.random_range(0..cells.len())];
                    let mut stream = browser_stream_mux::Stream::new(u32::from(*stream), cell.clone(), splice.client.clone());
                    let _ = futures::FutureExt::now_or_never(stream.read_chunk());
                    stream.into_parts();
                }
                _ if !cells.is_empty() => {
                    // RST of an open stream, or of one that is gone.
                    let (stream, _) = cells[random.random_range(0..cells.len())];
                    splice.comes(&splice.client, header(1, 8, stream, 0));
                }
                _ => {}
            }
        }
        for stream in std::iter::once(1).chain(cells.iter().map(|(stream, _)| *stream)) {
            splice.comes(&splice.client, header(1, 8, stream, 0));
        }
        splice.writes(&splice.server, 1 << 20);
        let bounds = (splice.client.state.lock().bounds.unread, splice.server.state.lock().mux.held());
        assert_eq!((bounds, splice.sessions.memory().used()), ((0, 0), 0), "seed {seed}");
    }
}
