//! The way to one member: its stream while its connection is there, and what it has not acknowledged.

use std::sync::Arc;

use browser_stream_mux::{Cell, Code, Stream};
use browser_stream_protocol::room::{Record, Told};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use super::{
    batch::{Batch, Weight},
    ring::{Never, Piece, Ring, What},
};
use crate::{
    counters::{Counters, Refusal},
    limits::Limits,
    memory::Memory,
};

/// The way to one member.
pub(super) struct Line {
    member: u32,
    link: Option<Link>,
    ring: Ring,
    bounds: Bounds,
    memory: Arc<Memory>,
    counters: Arc<Counters>,
}

/// A member's stream, which its task reads and whoever has something for it writes.
#[derive(Clone)]
pub(super) struct Link {
    /// Which of the member's connections it is.
    pub life: u64,
    pub stream: Arc<Mutex<Stream>>,
    pub cell: Arc<Cell>,
}

/// What may be held for a member.
#[derive(Clone, Copy)]
struct Bounds {
    records: u64,
    bytes: usize,
    /// Bytes that its session may have queued of it.
    queued: usize,
}

/// How it went to hand a member something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handed {
    /// As it should.
    Well,
    /// Something waits from now on.
    Waits,
    /// It was so far behind that its stream was reset.
    Lagged,
}

/// With more queued than this, what counts for nothing is not sent.
const VOLATILE_MAX: usize = 64 * 1024;

/// A member whose part of a batch is so many times smaller keeps a copy of it alone.
const COPY_BELOW: usize = 4;

/// A batch that is no longer may be kept for little of it.
const SMALL: usize = 4096;

impl Line {
    pub fn new(member: u32, limits: &Limits, memory: &Arc<Memory>, counters: &Arc<Counters>) -> Self {
        let bounds =
            Bounds { records: limits.room_kept_events_max as u64, bytes: limits.room_kept_bytes_max, queued: limits.room_queue_bytes_max };
        Self { member, link: None, ring: Ring::new(member), bounds, memory: memory.clone(), counters: counters.clone() }
    }

    /// The stream, while the connection is there.
    pub fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    /// Whether something waits for the stream.
    pub fn waits(&self) -> bool {
        self.link.is_some() && self.ring.waits()
    }

    /// Bytes that are kept.
    pub fn held(&self) -> Weight {
        self.ring.held()
    }

    /// Hands it its part of a batch, without a copy. `chunks` is memory to use, empty before and after.
    pub fn hand(&mut self, batch: &Arc<Batch>, chunks: &mut Vec<Bytes>) -> Handed {
        let weight = batch.weight(self.member);
        let goes = self.send(batch, chunks);
        if weight.records == 0 {
            return Handed::Well;
        }
        let is_little = batch.bytes() > SMALL && weight.bytes * COPY_BELOW < batch.bytes();
        let kept = if is_little { Arc::new(batch.owned(self.member, &self.memory)) } else { batch.clone() };
        let waited = self.ring.waits();
        self.ring.push(kept, weight, goes);
        let lagged = !self.hold_to_bounds();
        self.weigh();
        match (lagged, self.waits() && !waited) {
            (true, _) => Handed::Lagged,
            (_, true) => Handed::Waits,
            _ => Handed::Well,
        }
    }

    /// Sends it its part, if nothing waits and it takes what comes.
    fn send(&self, batch: &Batch, chunks: &mut Vec<Bytes>) -> bool {
        let Some(link) = &self.link else { return false };
        let queued = link.cell.queued();
        if self.ring.waits() || queued >= self.bounds.queued {
            return false;
        }
        batch.slices(self.member, 0..batch.len(), queued < VOLATILE_MAX, chunks);
        if !chunks.is_empty() {
            link.stream.lock().share_now(chunks);
            chunks.clear();
        }
        true
    }

    /// Hands it what waits, as far as there is room.
    pub fn pump(&mut self) {
        let Some(link) = &self.link else { return };
        let mut chunks = Vec::new();
        while link.cell.queued() < self.bounds.queued {
            match self.ring.next() {
                Some(Piece { what: What::Run(batch, within), .. }) => {
                    batch.slices(self.member, within.clone(), false, &mut chunks);
                    link.stream.lock().share_now(&chunks);
                    chunks.clear();
                }
                Some(lost) => link.say(&Told::Lost(lost.records())),
                None => break,
            }
        }
        self.weigh();
    }

    /// So many records do not come that were meant for it; whether it is told that later.
    #[cfg(feature = "cluster")]
    pub fn lose(&mut self, records: u64) -> bool {
        let goes = !self.ring.waits();
        let link = self.link.as_ref().filter(|_| goes);
        link.into_iter().for_each(|link| link.say(&Told::Lost(records)));
        let is_said = link.is_some();
        self.ring.push_lost(records, is_said);
        !is_said && self.link.is_some()
    }

    /// It has received so many records.
    pub fn acknowledge(&mut self, got: u64) -> Result<(), Never> {
        self.ring.acknowledge(got)
    }

    /// It is back, and has received so many records: how many it cannot have any more.
    pub fn rewind(&mut self, got: u64) -> Result<u64, Never> {
        self.ring.rewind(got)
    }

    /// Its stream, behind what was said on it. What waits goes next.
    pub fn attach(&mut self, link: Link) {
        self.link = Some(link);
        self.pump();
    }

    /// It has no stream any more; which it had.
    pub fn detach(&mut self) -> Option<Link> {
        self.link.take()
    }

    /// What it has not acknowledged, for who looks what the room was like before that.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Drops what is kept beyond the bounds, which is all but the newest where the process has no memory; false if its stream had to be reset.
    pub fn hold_to_bounds(&mut self) -> bool {
        let is_tight = self.memory.tight();
        let (records, bytes) = if is_tight { (0, 0) } else { (self.bounds.records, self.bounds.bytes) };
        let mut is_well = true;
        loop {
            let held = self.ring.held();
            // The newest stays: any event fits.
            if held.records <= 1 || (held.records <= records && held.bytes <= bytes) {
                return is_well;
            }
            if self.link.is_none() {
                self.counters.add(Refusal::RoomSkipped, self.ring.forget_oldest());
            } else if self.ring.waiting().records < held.records {
                // It went out: it would be missed only where the connection breaks.
                self.ring.forget_oldest();
            } else if self.ring.leave_out() {
                self.counters.count(Refusal::RoomSkipped);
            } else if let Some(link) = self.link.take() {
                self.counters.count(Refusal::RoomLagging);
                link.stream.lock().reset(Code::Lagging);
                is_well = false;
            }
        }
    }

    /// Its session is told what waits here: whoever holds most pays for it where there is no memory.
    fn weigh(&self) {
        if let Some(link) = &self.link {
            link.cell.hold_back(self.ring.waiting().bytes);
        }
    }
}

impl Link {
    pub fn new(life: u64, stream: Stream) -> Self {
        let cell = stream.cell().clone();
        Self { life, stream: Arc::new(Mutex::new(stream)), cell }
    }

    pub fn say(&self, record: &Told) {
        let mut out = BytesMut::new();
        record.write(&mut out);
        self.stream.lock().write_now(out.freeze());
    }

    /// The last word, and no more.
    pub fn end(&self, record: &Told) {
        self.say(record);
        self.stream.lock().finish();
    }
}
