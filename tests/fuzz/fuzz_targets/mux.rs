//! One connection between a hostile peer and a busy caller. Whatever they do: no panic, no reply loop, exact accounts, legal frames out.
#![no_main]

mod audit;
mod steps;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use browser_stream_mux::{Config, Connection, Event, Outbound, Role, StreamId, Violation};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

use audit::Audit;
use steps::{Input, Step};

fuzz_target!(|input: Input| {
    let mut run = Run::new(input.opener);
    for step in &input.steps {
        run.step(step);
        run.check_accounts();
    }
    run.finish();
});

struct Run {
    connection: Connection<()>,
    outbound: Outbound,
    audit: Audit,
    now: Instant,
    /// Bytes that events gave out and nobody consumed.
    unread: HashMap<StreamId, u32>,
    /// Bytes ever queued on each stream that we opened: its payload is a pattern that the audit knows.
    queued: HashMap<StreamId, usize>,
    calls: u64,
    violation: Option<Violation>,
}

impl Run {
    fn new(opener: bool) -> Self {
        let role = if opener { Role::Opener } else { Role::Acceptor };
        let config = Config { ping_interval: Some(Duration::from_secs(20)), ping_timeout: None, silence_max: Duration::from_secs(45) };
        let now = Instant::now();
        Self {
            connection: Connection::new(role, config, now),
            outbound: Outbound::new(),
            audit: Audit::new(role, now),
            now,
            unread: HashMap::new(),
            queued: HashMap::new(),
            calls: 0,
            violation: None,
        }
    }

    fn step(&mut self, step: &Step) {
        self.calls += 1;
        match *step {
            Step::Bytes(ref bytes) => self.receive(Bytes::copy_from_slice(bytes)),
            Step::Frame(ref frame) => {
                for part in frame.parts() {
                    self.receive(part);
                }
            }
            Step::Open => {
                if let Ok(id) = self.connection.open(()) {
                    self.queued.insert(id, 0);
                }
            }
            Step::Send(stream, length) => self.send(stream.id(), usize::from(length)),
            Step::Finish(stream) => {
                if self.connection.finish(stream.id()) {
                    assert!(!self.connection.send(stream.id(), Bytes::from_static(b"late")), "sent behind the finish");
                }
            }
            Step::Reset(stream, code) => {
                self.connection.reset(stream.id(), code);
                assert!(self.connection.get(stream.id()).is_none(), "live after its reset");
            }
            Step::ResetBehind(stream, code) => {
                self.connection.reset_behind(stream.id(), code);
            }
            Step::Grant(stream, bytes) if stream.is_spliced() => self.connection.grant(stream.id(), u32::from(bytes)),
            Step::Grant(stream, bytes) => self.consume(stream.id(), u32::from(bytes)),
            Step::Transmit(most) => {
                self.transmit(usize::from(most));
            }
            Step::Ping => self.connection.ping(self.now),
            Step::Wait(milliseconds) => {
                self.now += Duration::from_millis(u64::from(milliseconds));
                // A dead peer is a verdict, not a state: the caller decides what to do with it.
                let _ = self.connection.tick(self.now);
            }
            Step::GoAway => self.connection.go_away(0),
        }
        self.collect();
    }

    fn receive(&mut self, mut input: Bytes) {
        if self.violation.is_some() {
            return;
        }
        loop {
            match self.connection.receive(&mut input, self.now) {
                Ok(None) => break assert!(input.is_empty(), "input was left behind"),
                Ok(Some(event)) => self.event(&event),
                Err(violation) => {
                    self.violation = Some(violation);
                    self.connection.go_away(1);
                    break;
                }
            }
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Data(id, bytes) => {
                assert!(!bytes.is_empty(), "an event without data");
                assert!(self.connection.value(*id).is_some(), "data for a stream that is unknown");
                *self.unread.entry(*id).or_default() += bytes.len() as u32;
            }
            Event::Opened(id) => {
                assert!(self.connection.get(*id).is_some_and(|view| !view.finished), "opened and not live");
                self.unread.remove(id);
            }
            Event::Finished(id) | Event::Reset(id, _) | Event::Credit(id) => {
                assert!(self.connection.value(*id).is_some(), "news of a stream that is unknown");
            }
            Event::Pong | Event::GoAway(_) => {}
        }
    }

    fn send(&mut self, id: StreamId, length: usize) {
        let before = self.connection.queued();
        let from = self.queued.get(&id).copied().unwrap_or(0);
        let taken = self.connection.send(id, audit::pattern(id, from, length));
        let added = if taken { length } else { 0 };
        assert_eq!(self.connection.queued(), before + added, "what was queued");
        if let Some(queued) = self.queued.get_mut(&id) {
            *queued += added;
        }
    }

    fn consume(&mut self, id: StreamId, bytes: u32) {
        if let Some(unread) = self.unread.get_mut(&id) {
            let bytes = bytes.min(*unread);
            *unread -= bytes;
            self.connection.consumed(id, bytes);
        }
    }

    fn transmit(&mut self, most: usize) -> bool {
        let queued = self.connection.queued();
        let credit: HashMap<StreamId, u32> = self.views().collect();
        let mut sent: HashMap<StreamId, u32> = HashMap::new();
        let put_out = self.connection.transmit_with(most, &mut self.outbound, |id, view, (), bytes| {
            let sent = sent.entry(id).or_default();
            *sent += bytes;
            assert_eq!(view.send_credit + *sent, credit[&id], "what is left of the credit");
        });
        for (id, bytes) in &sent {
            assert!(bytes <= &credit[id], "sent more than the peer gave");
        }
        let total: u32 = sent.values().sum();
        assert_eq!(self.connection.queued() + total as usize, queued, "what left the queues");
        assert_eq!(put_out, !self.outbound.buffers.is_empty(), "what transmit said");
        for bytes in self.outbound.buffers.drain(..) {
            self.audit.take(&bytes);
        }
        assert!(self.audit.is_at_a_frame_boundary(), "half a frame was transmitted");
        put_out
    }

    fn views(&self) -> impl Iterator<Item = (StreamId, u32)> {
        self.connection.streams().filter_map(|(id, ())| Some((id, self.connection.get(id)?.send_credit)))
    }

    fn collect(&mut self) {
        while let Some((id, ())) = self.connection.ended() {
            if self.connection.value(id).is_none() {
                self.unread.remove(&id);
            }
        }
    }

    fn check_accounts(&self) {
        let ids: Vec<StreamId> = self.connection.streams().map(|(id, ())| id).collect();
        let queued: usize = ids.iter().filter_map(|id| self.connection.get(*id)).map(|view| view.queued).sum();
        let by_peer = ids.iter().filter(|id| !self.audit.is_ours(**id)).count();
        assert_eq!(self.connection.queued(), queued, "queued bytes");
        assert_eq!(self.connection.len(), ids.len(), "live streams");
        assert_eq!(self.connection.opened_by_peer(), by_peer, "live streams of the peer");
    }

    /// Lets everything out: it must come to an end, and be no more than input and calls account for.
    fn finish(mut self) {
        while self.transmit(1 << 16) {
            self.collect();
        }
        assert!(!self.connection.wants_transmit(), "wants to transmit and does not");
        self.collect();
        self.check_accounts();
        // Each of a peer's frames provokes one frame at most. A call of ours makes one, or two: a stream's open and its end.
        let most = self.connection.counts().frames + 2 * self.calls + 2;
        assert!(self.audit.without_payload <= most, "{} frames answer at most {most}", self.audit.without_payload);
        let live = self.connection.len();
        assert_eq!(self.connection.drain(None).count(), live, "what is drained");
    }
}
