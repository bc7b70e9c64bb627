//! One subscriber of a channel: what it is handed, what waits for it, and when it is too far behind.

use std::{sync::Arc, time::Duration};

use browser_stream_mux::{Cell, Code, End, QUEUED_MAX, Stream};
use browser_stream_protocol::channel::{Delivered, Policy, Records};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::timeout};
use uuid::Uuid;

use super::{
    backlog::Backlog,
    batch::{Batch, Item, Kind},
    stall::Stall,
};
use crate::{
    counters::{Counters, Refusal},
    memory::Memory,
};

/// A subscriber. Its own task waits for it; publishers' tasks hand it what they have.
pub(super) struct Reader {
    pub number: u32,
    pub id: Uuid,
    /// It reads for all readers of another node, who hear publishers of their own node without that.
    pub is_node: bool,
    policy: Policy,
    /// Bytes that may wait here.
    most: usize,
    cell: Arc<Cell>,
    /// Its task has something to do.
    roused: Notify,
    line: Mutex<Line>,
    memory: Arc<Memory>,
    counters: Arc<Counters>,
}

struct Line {
    stream: Stream,
    backlog: Backlog,
    /// Its task catches up. Where the policy is to wait, publishers wait for it.
    is_behind: bool,
    /// Bytes that it was ever to have.
    handed: u64,
    /// Bytes of each publisher's messages that went into its stream; only of those who want to know.
    sent: Vec<(u32, u64)>,
    /// The channel is over: what waits is the last.
    is_last: bool,
}

/// How often a reader that takes nothing is looked at before it counts as stalled.
const STALL_LOOKS: u32 = 10;

/// How long it may take until it is booked that something has left.
const BOOKED_WITHIN: Duration = Duration::from_millis(100);

/// What the channel learns when it hands something to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Took {
    /// It has room for more.
    Well,
    /// From now on it is behind: publishers wait for it.
    Full,
}

impl Reader {
    pub fn new(
        (number, is_node): (u32, bool),
        id: Uuid,
        stream: Stream,
        policy: Policy,
        most: usize,
        memory: Arc<Memory>,
        counters: Arc<Counters>,
    ) -> Self {
        let cell = stream.cell().clone();
        let backlog = Backlog::new(memory.clone());
        let line = Line { stream, backlog, is_behind: false, handed: 0, sent: Vec::new(), is_last: false };
        Self { number, id, is_node, policy, most, cell, roused: Notify::new(), line: Mutex::new(line), memory, counters }
    }

    /// Whether it is for this to hand it what a publisher says, which may be one of this node's.
    pub fn hears(&self, is_native: bool) -> bool {
        is_native || !self.is_node
    }

    /// Hands it what a publisher sent, without a copy.
    pub fn hand(&self, batch: &Batch) -> Took {
        let mut line = self.line.lock();
        if line.backlog.is_empty() && line.backlog.misses_nothing() && (self.policy == Policy::Wait || self.cell.queued() < QUEUED_MAX) {
            line.handed += batch.bytes as u64;
            if line.stream.share_now(&batch.wire) {
                line.count(batch.publisher, batch.payload);
            }
        } else {
            batch.items.iter().for_each(|item| self.queue(&mut line, item));
            self.weigh(&line);
        }
        self.look(&mut line)
    }

    /// Hands it single records.
    pub fn tell(&self, items: &[Item]) -> Took {
        let mut line = self.line.lock();
        items.iter().for_each(|item| self.queue(&mut line, item));
        self.weigh(&line);
        self.look(&mut line)
    }

    /// A publisher wants to know how much it takes.
    pub fn begin(&self, publisher: u32) {
        self.line.lock().sent.push((publisher, 0));
    }

    /// It gets nothing of this publisher's message under way.
    pub fn miss(&self, publisher: u32) {
        self.line.lock().backlog.miss(publisher);
    }

    /// A publisher is gone.
    pub fn forget(&self, publisher: u32) {
        self.line.lock().sent.retain(|&(of, _)| of != publisher);
    }

    /// Nothing more comes behind these records.
    pub fn end(&self, items: &[Item]) {
        let mut line = self.line.lock();
        items.iter().for_each(|item| self.queue(&mut line, item));
        self.weigh(&line);
        line.is_last = true;
        drop(line);
        self.roused.notify_one();
    }

    /// Bytes that have not left for it.
    pub fn lag(&self) -> u64 {
        (self.line.lock().backlog.wire() + self.cell.queued()) as u64
    }

    /// Bytes that were ever handed to it, and those of them that it has taken.
    pub fn handed(&self) -> (u64, u64) {
        let line = self.line.lock();
        let lag = line.backlog.wire() + self.cell.queued();
        (line.handed, line.handed.saturating_sub(lag as u64))
    }

    /// Bytes of a publisher's messages that it has taken; what was left out is none of them.
    pub fn taken(&self, publisher: u32) -> u64 {
        let line = self.line.lock();
        let sent = line.sent.iter().find(|(of, _)| *of == publisher).map_or(0, |(_, sent)| *sent);
        sent.saturating_sub(self.cell.queued() as u64)
    }

    /// Its session is told what waits here: whoever holds most pays for it where there is no memory.
    fn weigh(&self, line: &Line) {
        self.cell.hold_back(line.backlog.cost());
    }

    /// One record on its way: to the stream, or behind those that wait.
    fn queue(&self, line: &mut Line, item: &Item) {
        if !line.backlog.wants(item) {
            return;
        }
        line.handed += item.wire() as u64;
        if self.policy == Policy::Wait || (line.backlog.is_empty() && self.cell.queued() < QUEUED_MAX) {
            line.send(item);
            return;
        }
        line.backlog.push(item.clone());
        // Where there is no memory nothing waits.
        let is_tight = self.memory.tight();
        let most = if is_tight { 0 } else { self.most };
        while line.backlog.cost() > most {
            if self.policy == Policy::Disconnect {
                return self.lags(line);
            }
            match line.backlog.drop_oldest() {
                Some(dropped) => line.backlog.tell(dropped),
                // A message of which a part has left is kept to its end, but not at everybody's cost.
                None if is_tight && line.backlog.cut_oldest() => {}
                None => break,
            }
            self.counters.count(Refusal::ChannelSkipped);
        }
        // Who comes and goes cannot be left out: a reader that does not even take that is given up.
        if line.backlog.words() > self.most {
            self.lags(line);
        }
    }

    fn lags(&self, line: &mut Line) {
        if self.cell.end().is_none() {
            line.stream.reset(Code::Lagging);
            self.counters.count(Refusal::ChannelLagging);
        }
        line.backlog = Backlog::new(self.memory.clone());
        self.weigh(line);
    }

    /// Whether it has fallen behind just now; then its task sees to it.
    fn look(&self, line: &mut Line) -> Took {
        let is_behind = !line.backlog.is_empty() || self.cell.queued() >= QUEUED_MAX;
        if !is_behind || line.is_behind || self.cell.end().is_some() {
            return Took::Well;
        }
        line.is_behind = true;
        self.roused.notify_one();
        if self.policy == Policy::Wait { Took::Full } else { Took::Well }
    }

    /// Hands it what waits, as far as there is room; once it has caught up, whether it was behind.
    fn refill(&self) -> Option<bool> {
        let mut line = self.line.lock();
        let mut caught_up = None;
        while caught_up.is_none() && self.cell.queued() < QUEUED_MAX {
            match line.backlog.pop() {
                Some(item) => line.send(&item),
                None => caught_up = Some(std::mem::take(&mut line.is_behind)),
            }
        }
        self.weigh(&line);
        caught_up
    }

    /// Publishers do not wait for it any more; whether they did.
    pub fn give_up(&self) -> bool {
        let mut line = self.line.lock();
        std::mem::take(&mut line.is_behind) && self.policy == Policy::Wait
    }

    /// Waits for the reader's sake until it is gone, or has all there ever will be; the code of its end. `caught_up` is called whenever it has room again.
    pub async fn attend(&self, stall_max: Duration, caught_up: impl Fn()) -> u32 {
        loop {
            tokio::select! {
                biased;
                code = self.gone() => return code,
                () = self.roused.notified() => {}
            }
            match self.catch_up(stall_max).await {
                Err(code) => return code,
                Ok(was_behind) if was_behind && self.policy == Policy::Wait => caught_up(),
                Ok(_) => {}
            }
            if self.line.lock().is_last {
                return self.part(stall_max).await;
            }
        }
    }

    /// Hands it what waits, at its pace, and says whether that was anything; the code of its end where it ends first.
    async fn catch_up(&self, stall_max: Duration) -> Result<bool, u32> {
        let mut stall = Stall::new(self.handed().1);
        loop {
            if let Some(was_behind) = self.refill() {
                return Ok(was_behind);
            }
            tokio::select! {
                biased;
                code = self.gone() => return Err(code),
                _ = timeout(stall_max / STALL_LOOKS, self.cell.room()) => {}
            }
            if self.is_waited_for() && stall.exceeds(self.handed().1, stall_max) {
                self.lags(&mut self.line.lock());
            }
        }
    }

    fn is_waited_for(&self) -> bool {
        self.policy == Policy::Wait || self.line.lock().is_last
    }

    /// All was handed to it: waits until it has taken that.
    async fn part(&self, stall_max: Duration) -> u32 {
        self.line.lock().stream.finish();
        let mut stall = Stall::new(self.handed().1);
        loop {
            tokio::select! {
                biased;
                how = self.cell.stopped() => return code(how),
                done = timeout(stall_max / STALL_LOOKS, self.cell.drained()) => if done.is_ok() {
                    return self.cell.end().map_or(0, code);
                },
            }
            if stall.exceeds(self.handed().1, stall_max) {
                self.lags(&mut self.line.lock());
            }
        }
    }

    /// Resolves when the subscriber finishes, resets, or is lost, with its code.
    async fn gone(&self) -> u32 {
        self.cell.peer_done().await;
        // Who has the last may say so before it is booked here that it left; who finishes sooner does not want the rest.
        let _ = timeout(BOOKED_WITHIN, self.cell.drained()).await;
        self.cell.end().map_or(0, code)
    }

    /// Lets go of its stream: what is queued leaves, and it has a moment to say that it has all.
    pub async fn close(&self, linger: Duration) {
        self.line.lock().stream.finish();
        let _ = timeout(linger, self.cell.peer_done()).await;
    }
}

impl Line {
    fn send(&mut self, item: &Item) {
        if let Kind::Skipped(messages) = item.kind {
            let mut record = BytesMut::new();
            Delivered::Skipped { publisher: item.publisher, messages }.write(&mut record);
            self.stream.write_now(record.freeze());
            return;
        }
        let both: [Bytes; 2] = [item.head.clone(), item.body.clone()];
        let wire = if item.body.is_empty() { both.get(..1) } else { both.get(..) };
        if self.stream.share_now(wire.unwrap_or_default()) {
            self.count(item.publisher, item.payload as u64);
        }
    }

    fn count(&mut self, publisher: u32, payload: u64) {
        if let Some((_, sent)) = self.sent.iter_mut().find(|(of, _)| *of == publisher) {
            *sent += payload;
        }
    }
}

fn code(how: End) -> u32 {
    match how {
        End::Lost => Code::Lost.number(),
        End::Reset(0) => Code::Cancelled.number(),
        End::Reset(code) => code,
    }
}

#[cfg(test)]
mod tests {
    use browser_stream_mux::{Host, StreamId};
    use bytes::Bytes;

    use super::*;

    /// Takes what is sent; the test says when it left.
    struct Way;

    impl Host for Way {
        fn send(&self, _: StreamId, _: Bytes) {}
        fn finish(&self, _: StreamId) {}
        fn reset(&self, _: StreamId, _: u32) {}
        fn reset_behind(&self, _: StreamId, _: u32) {}
        fn consumed(&self, _: StreamId, _: u32) {}
        fn set_priority(&self, _: StreamId, _: u8) {}
    }

    #[tokio::test(start_paused = true)]
    async fn who_finishes_has_taken_what_is_booked_a_moment_later() {
        for (booked, taken) in [(true, 4), (false, 0)] {
            let cell = Cell::new();
            let memory = Arc::new(Memory::new(usize::MAX));
            let stream = Stream::new(1, cell.clone(), Arc::new(Way));
            let reader = Arc::new(Reader::new((0, false), Uuid::nil(), stream, Policy::Wait, usize::MAX, memory.clone(), Arc::default()));
            reader.begin(7);
            let mut batcher = super::super::batch::Batcher::new(7, usize::MAX, memory);
            batcher.add(Bytes::from_static(b"all!"), true).expect("short enough");
            reader.hand(&batcher.take());
            cell.finished();
            let attending = tokio::spawn({
                let reader = reader.clone();
                async move { reader.attend(Duration::from_secs(60), || {}).await }
            });
            tokio::task::yield_now().await;
            if booked {
                cell.sent(cell.queued());
            }
            assert_eq!(attending.await.expect("it ends"), 0);
            assert_eq!(reader.taken(7), taken, "booked: {booked}");
        }
    }
}
