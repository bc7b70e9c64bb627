//! What an event in one session does to others, kept until the session's own lock is free: two are never held at once.

use std::{cell::Cell as Slot, collections::VecDeque, mem, sync::Arc};

use browser_stream_mux::{Cell, End as Ended, StreamId};
use bytes::Bytes;

use super::{
    Process, Session, State,
    ask::{Answer, Behind, Outcome, take_frame},
    bounds,
    chunks::Chunks,
    end::{End, Sink, Watch},
    flush,
    gather::Gathered,
    read::HELPING,
};

/// Something to do when the lock is free.
pub(super) enum Effect {
    /// What follows is for this session, until another is named or something has to be done without a lock.
    For(Arc<Session>),
    /// Bytes for the other end of a splice.
    Data(StreamId, Bytes),
    /// The same for short payloads: the heap that they were put on.
    Heap(StreamId, u32),
    /// The other end of a splice finished.
    Finish(StreamId),
    /// The other end of a splice, which is this one, was reset with this code, or lost.
    End(StreamId, Ended, Queued, Origin),
    /// Credit for the sender at the other end.
    Grant(StreamId, u32),
    /// A spliced stream ended before it was done.
    Ended(Arc<dyn Watch>, Ended),
    /// An open of ours was answered, or will not be: the next of the outcomes.
    Answered,
    /// Bytes of a local writer left its queue.
    Sent(Arc<Cell>, usize),
}

/// A stream's end, to tell it from others: its session's address and its id.
pub(super) type Origin = (usize, StreamId);

/// What an end does to the bytes that are still queued behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Queued {
    /// A reset in the middle takes them along.
    Dropped,
    /// They were whole, or all that is left of a peer that is gone: the end waits behind them.
    Delivered,
}

/// A stream that the peer has just opened, and what of it has come.
struct Opened {
    id: StreamId,
    chunks: Chunks,
    fresh: Option<Fresh>,
}

/// How a stream begins.
pub(super) enum Fresh {
    /// With all of its open, and what came behind that.
    Whole(Bytes, Behind),
    /// With less: a local handle waits for the rest.
    Part(StreamId, Arc<Cell>),
}

impl Fresh {
    /// The stream's id in its session.
    pub fn id(&self) -> StreamId {
        match self {
            Self::Whole(_, behind) => behind.id(),
            Self::Part(id, _) => *id,
        }
    }
}

/// What is to be done, in order, and what is to be dropped behind it.
#[derive(Default)]
pub(super) struct Effects {
    list: Vec<Effect>,
    /// Memory for the next list.
    spare: Vec<Effect>,
    /// Short payloads; in a box, for few changes have any.
    pub(super) gathered: Option<Box<Gathered>>,
    /// What became of opens of ours, in order; not in the list, for they are larger than all else there.
    outcomes: VecDeque<(Arc<dyn Watch>, Outcome)>,
    /// What ended streams were joined to: dropped where a drop may call back.
    ended: Vec<End>,
    /// The session that `list` is about at its end.
    target: Option<usize>,
    /// Streams that the peer opened.
    opened: VecDeque<Opened>,
    /// Sessions that have something to send now.
    ready: Vec<Arc<Session>>,
    /// The memory budget is used up.
    relieve: Option<Arc<Process>>,
}

thread_local! {
    /// Memory of effects that were carried out, for the next who has many.
    static SPARE: Slot<Option<Effects>> = const { Slot::new(None) };
}

impl Effects {
    /// None yet, in memory that others used before.
    pub fn spare() -> Self {
        SPARE.take().unwrap_or_default()
    }

    /// All of them were carried out: who comes next has their memory.
    pub fn keep(mut self) {
        self.target = None;
        let done =
            self.list.is_empty() && self.ready.is_empty() && self.ended.is_empty() && self.opened.is_empty() && self.outcomes.is_empty();
        let gathered = self.gathered.as_ref().map_or(0, |gathered| gathered.capacity());
        let small = gathered.max(self.list.capacity()).max(self.spare.capacity());
        let large = self.ended.capacity().max(self.opened.capacity()).max(self.outcomes.capacity());
        if done && small <= 4 * HELPING as usize && large <= HELPING as usize / 4 {
            SPARE.set(Some(self));
        }
    }

    /// Adds something that is done to the stream at the far end of a splice.
    pub fn at(&mut self, session: &Arc<Session>, effect: Effect) {
        let target = Arc::as_ptr(session).addr();
        if self.target.replace(target) != Some(target) {
            self.list.push(Effect::For(session.clone()));
        }
        self.list.push(effect);
    }

    /// Whether there is nothing to carry out or to write.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.ended.is_empty() && self.ready.is_empty() && self.relieve.is_none()
    }

    /// Adds something that is done without a lock.
    pub fn here(&mut self, effect: Effect) {
        self.target = None;
        self.list.push(effect);
    }

    /// Adds what became of an open of ours, for who asked.
    pub fn answered(&mut self, watch: Arc<dyn Watch>, outcome: Outcome) {
        self.here(Effect::Answered);
        self.outcomes.push_back((watch, outcome));
    }

    /// Adds what an ended stream was joined to.
    pub fn ended(&mut self, end: End) {
        self.ended.push(end);
    }

    /// Adds a stream that the peer opened; its place here.
    pub fn open(&mut self, id: StreamId) -> u32 {
        self.opened.push_back(Opened { id, chunks: Chunks::default(), fresh: None });
        // A helping has fewer.
        self.opened.len() as u32 - 1
    }

    /// Adds bytes of such a stream.
    pub fn begins(&mut self, place: u32, bytes: Bytes) {
        if let Some(opened) = self.opened.get_mut(place as usize) {
            opened.chunks.push(bytes);
        }
    }

    /// Decides how the streams begin that the peer opened.
    pub fn begin(&mut self, state: &mut State) {
        let max = state.open_bytes_max();
        for (place, opened) in self.opened.iter_mut().enumerate() {
            // A peer may reset a stream and use its id again in one helping: then only the last is there.
            if !state.mux.value(opened.id).is_some_and(|end| matches!(end.sink, Sink::Fresh(fresh) if fresh as usize == place)) {
                continue;
            }
            let open = take_frame(&mut opened.chunks.first, max);
            let mut chunks = mem::take(&mut opened.chunks);
            opened.fresh = match open {
                Some(Ok(open)) => state.behind(opened.id, chunks).map(|behind| Fresh::Whole(open, behind)),
                _ => state.hear(opened.id, chunks.take()).map(|cell| Fresh::Part(opened.id, cell)),
            };
        }
    }

    /// Takes out the next stream that the peer opened.
    pub fn next_opened(&mut self) -> Option<Fresh> {
        while let Some(opened) = self.opened.pop_front() {
            if opened.fresh.is_some() {
                return opened.fresh;
            }
        }
        None
    }

    /// Adds that the memory budget is used up.
    pub fn relieve(&mut self, process: &Arc<Process>) {
        self.relieve = Some(process.clone());
    }

    /// Drops what ended streams were joined to; with no lock held, for a drop may call back.
    pub fn drop_ended(&mut self) {
        self.ended.clear();
    }

    /// Adds a session that has something to send.
    pub fn ready(&mut self, session: &Arc<Session>) {
        // Often it is the one that was added last.
        if self.ready.last().is_none_or(|last| !Arc::ptr_eq(last, session)) {
            self.ready.push(session.clone());
        }
    }

    /// The sessions that have something to send.
    pub fn taken(&mut self) -> &mut Vec<Arc<Session>> {
        &mut self.ready
    }

    /// Runs `work`, whose sessions are ready then if they have something to send.
    pub fn corked<R>(&mut self, work: impl FnOnce() -> R) -> R {
        flush::corked(&mut self.ready, work)
    }

    /// Carries them out and writes what they put into queues, and so on with whatever that leads to.
    pub fn run(&mut self) {
        self.act();
        while let Some(session) = self.ready.pop() {
            session.flush(self);
            self.act();
        }
    }

    /// Carries them out, and what they lead to; what they put into queues stays there.
    pub fn act(&mut self) {
        while !self.list.is_empty() || !self.ended.is_empty() || self.relieve.is_some() {
            let mut list = mem::replace(&mut self.list, mem::take(&mut self.spare));
            let mut gathered = self.gathered.take();
            self.target = None;
            self.round(&mut list, gathered.as_deref());
            list.clear();
            gathered.iter_mut().for_each(|gathered| gathered.clear());
            (self.spare, self.gathered) = (list, gathered);
            self.drop_ended();
            if let Some(process) = self.relieve.take() {
                bounds::relieve(&process, self);
            }
        }
        // What was read for local streams alone.
        self.gathered.iter_mut().for_each(|gathered| gathered.clear());
    }

    /// Carries out what is in the list, which is of no use afterwards.
    fn round(&mut self, list: &mut [Effect], gathered: Option<&Gathered>) {
        let mut left = list;
        while let Some((first, behind)) = left.split_first_mut() {
            let Effect::For(session) = first else {
                mem::replace(first, Effect::Answered).run_here(self);
                left = behind;
                continue;
            };
            // Neighbours for the same session share its lock and one write.
            let count = behind.iter().take_while(|effect| effect.is_far()).count();
            let (far, behind) = behind.split_at_mut(count);
            let mut state = session.state.lock();
            for effect in far {
                effect.run_there(&mut state, gathered, self);
            }
            state.collect_ended(self);
            state.book();
            let ready = state.wants_turn();
            drop(state);
            if ready {
                self.ready.push(session.clone());
            }
            left = behind;
        }
    }
}

/// Runs `work` and then writes, with no lock of its caller's held, what it has queued for however many sessions. Not for the reading task of a session, which does
/// that by itself.
pub(crate) fn together<R>(work: impl FnOnce() -> R) -> R {
    let mut effects = Effects::default();
    let result = effects.corked(work);
    effects.run();
    result
}

impl Drop for Effects {
    /// Nobody has written what is left, for whoever had to has panicked: the sessions' own tasks do.
    fn drop(&mut self) {
        for session in &self.ready {
            session.wake.notify_one();
        }
    }
}

impl Effect {
    /// Whether this is done under the lock of the session named before.
    fn is_far(&self) -> bool {
        matches!(self, Self::Data(..) | Self::Heap(..) | Self::Finish(_) | Self::End(..) | Self::Grant(..))
    }

    /// Where it lies: most are too large to be handed over one by one. Bytes are taken out.
    #[inline]
    fn run_there(&mut self, state: &mut State, gathered: Option<&Gathered>, next: &mut Effects) {
        match self {
            Self::Data(id, bytes) => state.deliver(*id, mem::take(bytes), next),
            Self::Heap(id, heap) => {
                if let Some(gathered) = gathered {
                    state.deliver_short(*id, gathered.weight(*heap), gathered.heap(*heap), next);
                }
            }
            Self::Finish(id) => {
                state.mux.finish(*id);
            }
            Self::End(id, how, queued, origin) => state.end_from_far(*id, *how, *queued, *origin, next),
            Self::Grant(id, bytes) => state.mux.grant(*id, *bytes),
            _ => {}
        }
    }

    fn run_here(self, next: &mut Effects) {
        match self {
            Self::Ended(watch, how) => watch.ended(how),
            Self::Answered => {
                if let Some((watch, outcome)) = next.outcomes.pop_front() {
                    watch.answered(Answer::new(outcome, next));
                }
            }
            Self::Sent(cell, bytes) => cell.sent(bytes),
            _ => {}
        }
    }
}
