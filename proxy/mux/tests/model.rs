//! Two connections joined by pipes that cut anywhere, under random schedules, against a model that only knows what was asked for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use browser_stream_mux::{Config, Connection, Event, Header, INITIAL_WINDOW, Outbound, Role, StreamId};
use bytes::Bytes;
use proptest::prelude::*;

/// One thing that happens at one side (0 opens odd ids, 1 even ones).
#[derive(Clone, Debug)]
enum Op {
    Open,
    Send { pick: usize, length: usize },
    Finish { pick: usize },
    Reset { pick: usize, code: u32 },
    ResetBehind { pick: usize, code: u32 },
    Read { pick: usize, most: usize },
    Ping,
    Transmit { max: usize },
    Deliver { most: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let pick = 0_usize..1000;
    prop_oneof![
        3 => Just(Op::Open),
        8 => (pick.clone(), prop_oneof![1_usize..100, 1_usize..200_000]).prop_map(|(pick, length)| Op::Send { pick, length }),
        2 => pick.clone().prop_map(|pick| Op::Finish { pick }),
        1 => (pick.clone(), 0_u32..5000).prop_map(|(pick, code)| Op::Reset { pick, code }),
        1 => (pick.clone(), 0_u32..5000).prop_map(|(pick, code)| Op::ResetBehind { pick, code }),
        6 => (pick, 1_usize..300_000).prop_map(|(pick, most)| Op::Read { pick, most }),
        1 => Just(Op::Ping),
        8 => (1_usize..200_000).prop_map(|max| Op::Transmit { max }),
        10 => prop_oneof![1_usize..40, 1_usize..400_000].prop_map(|most| Op::Deliver { most }),
    ]
}

/// One direction of one stream, as its writer and its reader know it.
#[derive(Default, Debug)]
struct Direction {
    written: usize,
    finished: bool,
    received: usize,
    unread: usize,
    finish_received: bool,
}

/// What a side did to a stream, and what it was told.
#[derive(Default, Debug)]
struct Fate {
    /// The code, and whether it waited behind the queue.
    reset: Option<(u32, bool)>,
    told: Option<u32>,
    ended: bool,
}

struct Side {
    connection: Connection<u64>,
    /// On its way to this side.
    pipe: VecDeque<u8>,
    known: Vec<StreamId>,
}

struct World {
    sides: [Side; 2],
    /// By stream and writer.
    directions: HashMap<(StreamId, usize), Direction>,
    /// By stream and side.
    fates: HashMap<(StreamId, usize), Fate>,
    now: Instant,
}

/// The byte at `at` of what `side` writes on stream `id`: any slip, swap or doubling shows.
fn pattern(id: StreamId, side: usize, at: usize) -> u8 {
    let mixed = (at as u64 ^ (u64::from(id) << 40) ^ ((side as u64) << 39)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

/// Half of the streams are read as a splice does, by explicit grants.
fn is_spliced(id: StreamId) -> bool {
    id % 4 >= 2
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let side = |role| Side { connection: Connection::new(role, Config::default(), now), pipe: VecDeque::new(), known: Vec::new() };
        Self { sides: [side(Role::Opener), side(Role::Acceptor)], directions: HashMap::new(), fates: HashMap::new(), now }
    }

    fn run(&mut self, side: usize, op: &Op) {
        match *op {
            Op::Open => self.open(side),
            Op::Send { pick, length } => self.with(side, pick, |world, id| world.send(side, id, length)),
            Op::Finish { pick } => self.with(side, pick, |world, id| world.finish(side, id)),
            Op::Reset { pick, code } => self.with(side, pick, |world, id| world.reset(side, id, code)),
            Op::ResetBehind { pick, code } => self.with(side, pick, |world, id| world.reset_behind(side, id, code)),
            Op::Read { pick, most } => self.with(side, pick, |world, id| world.read(side, id, most)),
            Op::Ping => self.sides[side].connection.ping(self.now),
            Op::Transmit { max } => drop(self.transmit(side, max)),
            Op::Deliver { most } => drop(self.deliver(side, most)),
        }
        self.collect(side);
        let expected: usize =
            self.sides[side].known.iter().filter_map(|&id| self.sides[side].connection.get(id)).map(|view| view.queued).sum();
        assert_eq!(self.sides[side].connection.queued(), expected);
    }

    fn with(&mut self, side: usize, pick: usize, act: impl FnOnce(&mut Self, StreamId)) {
        let known = &self.sides[side].known;
        if let Some(&id) = known.get(pick % known.len().max(1)) {
            act(self, id);
        }
    }

    fn open(&mut self, side: usize) {
        if self.sides[side].connection.len() < 12 {
            let id = self.sides[side].connection.open(7).unwrap();
            self.sides[side].known.push(id);
        }
    }

    fn send(&mut self, side: usize, id: StreamId, length: usize) {
        let direction = self.directions.entry((id, side)).or_default();
        let bytes: Vec<u8> = (direction.written..direction.written + length).map(|at| pattern(id, side, at)).collect();
        let live = self.sides[side].connection.get(id).is_some_and(|view| !view.finished);
        assert_eq!(self.sides[side].connection.send(id, bytes.into()), live);
        if live {
            direction.written += length;
        }
    }

    fn finish(&mut self, side: usize, id: StreamId) {
        if self.sides[side].connection.finish(id) {
            self.directions.entry((id, side)).or_default().finished = true;
        }
    }

    fn reset(&mut self, side: usize, id: StreamId, code: u32) {
        if self.sides[side].connection.reset(id, code) {
            self.fates.entry((id, side)).or_default().reset = Some((code, false));
            assert!(self.sides[side].connection.get(id).is_none());
        }
    }

    fn reset_behind(&mut self, side: usize, id: StreamId, code: u32) {
        if self.sides[side].connection.reset_behind(id, code) {
            self.fates.entry((id, side)).or_default().reset = Some((code, true));
        }
    }

    fn read(&mut self, side: usize, id: StreamId, most: usize) {
        let direction = self.directions.entry((id, 1 - side)).or_default();
        let bytes = direction.unread.min(most);
        direction.unread -= bytes;
        let connection = &mut self.sides[side].connection;
        if is_spliced(id) {
            connection.grant(id, bytes as u32);
        } else {
            connection.consumed(id, bytes as u32);
        }
    }

    fn transmit(&mut self, side: usize, max: usize) -> bool {
        let mut out = Outbound::new();
        let sender = &mut self.sides[side].connection;
        let before = sender.queued();
        let wanted = sender.wants_transmit() || sender.control_queued() > 0;
        let now = self.now;
        let mut sent = 0;
        let put = sender.transmit_with(max, &mut out, |_, _, _, bytes| sent += bytes as usize);
        assert!(wanted || !put, "put something out that it did not have");
        let put = put | sender.mark(|| now, &mut out);
        assert_eq!(before - sender.queued(), sent);
        let bytes = out.buffers.concat();
        assert_eq!(!bytes.is_empty(), put);
        assert!(bytes.len() <= max + 64 * 1024 + 4 * Header::BYTES);
        self.sides[1 - side].pipe.extend(bytes);
        put
    }

    fn deliver(&mut self, side: usize, most: usize) -> bool {
        let length = most.min(self.sides[side].pipe.len());
        let mut input = Bytes::from_iter(self.sides[side].pipe.drain(..length));
        while let Some(event) = self.sides[side].connection.receive(&mut input, self.now).expect("no violation between our own") {
            self.event(side, event);
        }
        assert!(input.is_empty());
        length > 0
    }

    fn event(&mut self, side: usize, event: Event) {
        match event {
            Event::Opened(id) => {
                assert!(!self.sides[side].known.contains(&id));
                self.sides[side].known.push(id);
                *self.sides[side].connection.value_mut(id).unwrap() = 7;
            }
            Event::Data(id, bytes) => {
                let direction = self.directions.get_mut(&(id, 1 - side)).expect("somebody wrote");
                assert!(!direction.finish_received && direction.received + bytes.len() <= direction.written);
                let start = direction.received;
                assert!(bytes.iter().enumerate().all(|(at, &byte)| byte == pattern(id, 1 - side, start + at)));
                direction.received += bytes.len();
                direction.unread += bytes.len();
            }
            Event::Finished(id) => {
                let direction = self.directions.get_mut(&(id, 1 - side)).expect("somebody finished");
                assert!(direction.finished && !direction.finish_received);
                assert_eq!(direction.received, direction.written, "a clean end is a whole one");
                direction.finish_received = true;
            }
            Event::Reset(id, code) => self.reset_event(side, id, code),
            Event::Credit(id) => assert!(self.sides[side].connection.get(id).is_some()),
            // Of a ping that asked whether the peer lives, or that was behind what was transmitted.
            Event::Pong => assert!(self.sides[side].connection.deadline().is_some()),
            Event::GoAway(_) => panic!("nobody goes away here"),
        }
    }

    fn reset_event(&mut self, side: usize, id: StreamId, code: u32) {
        let (sent, behind) = self.fates[&(id, 1 - side)].reset.expect("somebody reset");
        assert_eq!(sent, code);
        let ours = self.fates.entry((id, side)).or_default();
        assert_eq!(ours.told.replace(code), None, "told twice");
        let discarding = ours.reset.is_some();
        let direction = self.directions.entry((id, 1 - side)).or_default();
        if behind && !discarding {
            assert_eq!((direction.received, direction.finish_received), (direction.written, direction.finished));
        }
    }

    fn collect(&mut self, side: usize) {
        while let Some((id, value)) = self.sides[side].connection.ended() {
            assert_eq!(value, 7);
            let fate = self.fates.entry((id, side)).or_default();
            assert!(!std::mem::replace(&mut fate.ended, true), "ended twice");
        }
    }

    /// Everything that can move moves until nothing does.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            let mut moved = false;
            for side in [0, 1] {
                moved |= self.transmit(side, 1 << 20);
                moved |= self.deliver(side, usize::MAX);
                for id in self.sides[side].known.clone() {
                    moved |= self.directions.get(&(id, 1 - side)).is_some_and(|direction| direction.unread > 0);
                    self.read(side, id, usize::MAX);
                }
                self.collect(side);
            }
            if !moved {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// Between two sides at rest no credit was lost or made.
    fn check_credit(&self) {
        for side in [0, 1] {
            for &id in &self.sides[side].known {
                let Some(view) = self.sides[side].connection.get(id) else { continue };
                let Some(other) = self.sides[1 - side].connection.get(id) else { continue };
                assert_eq!(view.queued, 0, "stuck");
                if view.finished {
                    // A grant that a finish overtook stays where it is.
                    continue;
                }
                assert_eq!(view.send_credit, other.receive_credit);
                if is_spliced(id) {
                    assert_eq!(view.send_credit, INITIAL_WINDOW);
                }
            }
        }
    }

    fn finish_everything(&mut self) {
        for side in [0, 1] {
            for id in self.sides[side].known.clone() {
                self.finish(side, id);
            }
        }
        self.settle();
    }

    fn check_over(&self) {
        for side in [0, 1] {
            let connection = &self.sides[side].connection;
            assert_eq!((connection.len(), connection.opened_by_peer(), connection.queued()), (0, 0, 0));
            // A few acknowledgements wait for company, and are about nothing any more.
            assert!(!connection.wants_transmit() && connection.control_queued() < 64 * Header::BYTES);
            assert_eq!(connection.streams().count(), 0);
            for &id in &self.sides[side].known {
                let fate = &self.fates[&(id, side)];
                assert!(fate.ended);
                let untouched = fate.reset.is_none() && self.fates.get(&(id, 1 - side)).is_none_or(|other| other.reset.is_none());
                if untouched {
                    let direction = &self.directions[&(id, 1 - side)];
                    assert!(direction.finish_received && direction.received == direction.written);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(64)))]

    #[test]
    fn every_schedule_delivers_exactly_and_ends_in_progress(ops in prop::collection::vec((0_usize..2, op()), 1..150)) {
        let mut world = World::new();
        for (side, op) in &ops {
            world.run(*side, op);
        }
        world.settle();
        world.check_credit();
        world.finish_everything();
        world.check_over();
    }

    #[test]
    fn threat_07_any_bytes_give_no_panic_and_no_unbounded_reply(
        pieces in prop::collection::vec(piece(), 0..200), cut in 1_usize..4000, acceptor: bool, reset_all: bool,
    ) {
        let now = Instant::now();
        let role = if acceptor { Role::Acceptor } else { Role::Opener };
        let mut connection: Connection<u8> = Connection::new(role, Config::default(), now);
        let own = connection.open(1).unwrap();
        connection.send(own, vec![1; 100_000].into());
        let input = pieces.concat();
        let mut out = Outbound::new();
        for chunk in input.chunks(cut) {
            let mut chunk = Bytes::copy_from_slice(chunk);
            let violation = loop {
                match connection.receive(&mut chunk, now) {
                    Ok(Some(Event::Opened(id))) if reset_all => drop(connection.reset(id, 8)),
                    Ok(Some(Event::Data(id, bytes))) => connection.consumed(id, bytes.len() as u32),
                    Ok(Some(_)) => {}
                    Ok(None) => break None,
                    Err(violation) => break Some(violation),
                }
            };
            prop_assert!(connection.control_queued() <= (connection.counts().frames as usize * 2 + 2) * Header::BYTES);
            while connection.ended().is_some() {}
            if let Some(violation) = violation {
                prop_assert!(connection.transmit(usize::MAX, &mut out));
                prop_assert!(!connection.transmit(usize::MAX, &mut out), "one GO_AWAY is all");
                prop_assert_eq!(connection.receive(&mut chunk, now), Err(violation));
                break;
            }
        }
        connection.transmit(usize::MAX, &mut out);
        let replies: usize = out.buffers.iter().map(Bytes::len).sum();
        let bound = 200_000 + 3 * Header::BYTES * (connection.counts().frames as usize + 2);
        prop_assert!(replies <= bound, "{replies} bytes for {} frames", connection.counts().frames);
        prop_assert!(!connection.transmit(usize::MAX, &mut out));
    }
}

/// Frames that are nearly right, or anything.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let frame = (0_u8..4, 0_u16..16, 0_u32..12, prop_oneof![0_u32..40, Just(INITIAL_WINDOW), any::<u32>()]).prop_map(
        |(kind, flags, id, length)| {
            let mut frame = vec![0, kind];
            frame.extend(flags.to_be_bytes());
            frame.extend(id.to_be_bytes());
            frame.extend(length.to_be_bytes());
            if kind == 0 {
                frame.resize(frame.len() + length.min(INITIAL_WINDOW) as usize, b'x');
            }
            frame
        },
    );
    prop_oneof![20 => frame, 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

/// `PROPTEST_CASES` asks for more.
fn cases(default: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

#[test]
fn both_ends_that_reset_a_stream_behind_more_than_a_window_come_to_an_end() {
    let mut world = World::new();
    world.open(1);
    world.settle();
    for side in [0, 1] {
        world.send(side, 2, 3 * INITIAL_WINDOW as usize + 1);
        world.reset_behind(side, 2, 300);
    }
    world.finish_everything();
    world.check_over();
}
