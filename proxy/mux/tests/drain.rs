//! What is on its way to a peer is bounded, and as much as its way needs: two connections, a way of so many bytes a second between them, a clock of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use browser_stream_mux::{Config, Connection, Event, FRAME_MAX, Flags, Header, INITIAL_WINDOW, Kind, Outbound, Role, StreamId, WINDOW_MAX};
use bytes::Bytes;

const STEP: Duration = Duration::from_micros(50);
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// A sender that always has more, its way, and a reader that takes what comes.
struct World {
    sender: Connection<()>,
    reader: Connection<()>,
    streams: Vec<StreamId>,
    /// Bytes that are on the way, by when they have crossed it.
    there: VecDeque<(Instant, Bytes)>,
    back: VecDeque<(Instant, Bytes)>,
    now: Instant,
    delay: Duration,
    /// Bytes that the reader takes in a step.
    speed: usize,
    answers: bool,
    sent: u64,
    read: u64,
    pings: u64,
}

impl World {
    /// `streams` streams; a reader that takes `mib` MiB a second at the end of a way of this delay.
    fn new(streams: usize, delay: Duration, mib: u64) -> Self {
        let now = Instant::now();
        let config = Config { ping_timeout: None, silence_max: Duration::MAX, ..Config::default() };
        let mut sender = Connection::new(Role::Opener, config, now);
        let streams = (0..streams).map(|_| sender.open(()).unwrap()).collect();
        let speed = (mib * MIB) as f64 * STEP.as_secs_f64();
        Self {
            sender,
            reader: Connection::new(Role::Acceptor, config, now),
            streams,
            there: VecDeque::new(),
            back: VecDeque::new(),
            now,
            delay,
            speed: speed as usize,
            answers: true,
            sent: 0,
            read: 0,
            pings: 0,
        }
    }

    fn under_way(&self) -> u64 {
        self.sent - self.read
    }

    /// Goes on for so long; the most that was under way meanwhile.
    fn run(&mut self, time: Duration) -> u64 {
        let until = self.now + time;
        let mut most = 0;
        while self.now < until {
            self.now += STEP;
            self.sender.tick(self.now).unwrap();
            self.hear();
            self.send();
            most = most.max(self.under_way());
            self.take();
        }
        most
    }

    fn send(&mut self) {
        for &id in &self.streams {
            if self.sender.get(id).unwrap().queued < FRAME_MAX {
                self.sender.send(id, Bytes::from_static(&[7; FRAME_MAX]));
            }
        }
        // As the shells write: while there is something.
        while self.sender.wants_transmit() {
            let mut out = Outbound::new();
            let (now, frames) = (self.now, self.sender.counts().data_sent);
            let put = self.sender.transmit_with(256 * 1024, &mut out, |_, _, _, bytes| self.sent += u64::from(bytes));
            let marked = self.sender.mark(|| now, &mut out);
            self.pings += u64::from(marked);
            if !put && !marked {
                assert_eq!(self.sender.counts().data_sent, frames);
                return;
            }
            self.there.push_back((now + self.delay, out.buffers.concat().into()));
        }
    }

    /// The reader takes what its speed allows, and gives it back as credit.
    fn take(&mut self) {
        let mut room = self.speed;
        while let Some((_, mut bytes)) = self.there.pop_front_if(|(at, _)| *at <= self.now && room > 0) {
            let mut part = bytes.split_to(bytes.len().min(room));
            room -= part.len();
            if !bytes.is_empty() {
                self.there.push_front((self.now, bytes));
            }
            while let Some(event) = self.reader.receive(&mut part, self.now).unwrap() {
                match event {
                    Event::Opened(id) => self.reader.grant(id, WINDOW_MAX - INITIAL_WINDOW),
                    Event::Data(id, bytes) => {
                        self.read += bytes.len() as u64;
                        self.reader.grant(id, bytes.len() as u32);
                    }
                    _ => {}
                }
            }
        }
        let mut out = Outbound::new();
        if self.reader.transmit(usize::MAX, &mut out) {
            self.back.push_back((self.now + self.delay, self.answered(out.buffers.concat())));
        }
    }

    /// What the reader says, without its answers to pings where it gives none.
    fn answered(&self, said: Vec<u8>) -> Bytes {
        let frames = said.chunks_exact(Header::BYTES).filter(|frame| self.answers || frame[1] != Kind::Ping as u8);
        frames.flatten().copied().collect()
    }

    fn hear(&mut self) {
        while let Some((_, mut bytes)) = self.back.pop_front_if(|(at, _)| *at <= self.now) {
            while self.sender.receive(&mut bytes, self.now).unwrap().is_some() {}
        }
    }
}

const NEAR: Duration = Duration::from_micros(50);

#[test]
fn a_reader_nearby_that_is_slower_than_its_sender_has_two_mebibytes_before_it_at_most_and_loses_no_speed() {
    let mut world = World::new(99, NEAR, 100);
    world.run(Duration::from_millis(500));
    let read = world.read;
    let most = world.run(Duration::from_secs(1));
    // The windows of its streams would let 396 MiB be under way.
    assert!(most <= 2 * MIB + FRAME_MAX as u64, "{} KiB", most / KIB);
    assert!(world.read - read >= 99 * MIB, "{} MiB", (world.read - read) / MIB);
}

#[test]
fn the_faster_the_reader_the_more_is_under_way_and_never_more_than_a_moment_of_it() {
    let mut world = World::new(99, NEAR, 2000);
    world.run(Duration::from_millis(500));
    let read = world.read;
    let most = world.run(Duration::from_millis(500));
    assert!((MIB..4 * MIB + FRAME_MAX as u64).contains(&most), "{} KiB", most / KIB);
    assert!(world.read - read >= 980 * MIB, "{} MiB", (world.read - read) / MIB);
}

#[test]
fn a_long_way_gets_what_it_needs_and_no_more_than_the_most_that_may_be() {
    let mut world = World::new(8, Duration::from_millis(50), 64);
    world.run(Duration::from_secs(3));
    let read = world.read;
    let most = world.run(Duration::from_secs(3));
    assert!(world.read - read >= 170 * MIB, "{} MiB in 3 s", (world.read - read) / MIB);
    // 6.4 MiB is on the way for nothing but its length.
    assert!(most <= 16 * MIB + FRAME_MAX as u64, "{} MiB", most / MIB);
}

#[test]
fn a_peer_that_answers_no_pings_is_asked_four_times_and_sent_all_that_its_credit_allows() {
    let mut world = World::new(8, NEAR, 100);
    world.answers = false;
    let most = world.run(Duration::from_secs(2));
    assert!(world.read >= 199 * MIB, "{} MiB", world.read / MIB);
    assert!(most > 31 * MIB, "what the windows hold: {} MiB", most / MIB);
    assert_eq!(world.pings, 4);
}

#[test]
fn a_peer_that_answers_pings_no_more_is_held_up_for_15_seconds_at_most_until_it_answers_again() {
    let mut world = World::new(8, NEAR, 10);
    world.run(Duration::from_secs(1));
    world.answers = false;
    world.run(Duration::from_secs(15));
    let read = world.read;
    world.run(Duration::from_secs(5));
    assert!(world.read - read >= 45 * MIB, "{} MiB", (world.read - read) / MIB);
}

#[test]
fn a_connection_that_is_about_to_close_holds_nothing_back() {
    let mut world = World::new(1, NEAR, 10);
    world.run(Duration::from_millis(200));
    world.send();
    assert!(world.sender.is_held() && !world.sender.wants_transmit());
    world.sender.hasten();
    assert!(!world.sender.is_held() && world.sender.wants_transmit());
}

#[test]
fn threat_09_a_second_answer_to_a_ping_is_stray() {
    let now = Instant::now();
    let mut sender: Connection<()> = Connection::new(Role::Opener, Config::default(), now);
    let id = sender.open(()).unwrap();
    sender.send(id, Bytes::from_static(&[7; 128 * 1024]));
    let mut out = Outbound::new();
    while sender.transmit(usize::MAX, &mut out) {}
    assert!(sender.mark(|| now, &mut out) && !sender.mark(|| now, &mut out));
    let ping = Header::decode(*out.buffers.last().unwrap().last_chunk().unwrap()).unwrap();
    assert_eq!((ping.kind, ping.flags), (Kind::Ping, Flags::SYN));
    let mut answer = || {
        let mut pong = Bytes::copy_from_slice(&Header { flags: Flags::ACK, ..ping }.encode());
        let event = sender.receive(&mut pong, now).unwrap();
        (event, sender.counts().stray)
    };
    // The first of all says that the deadline is sooner.
    assert_eq!([answer(), answer()], [(Some(Event::Pong), 0), (None, 1)]);
}
