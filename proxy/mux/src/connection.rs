//! The protocol of one session as a state machine: bytes and an instant in, events and frames out. No socket, clock or task.
//!
//! Everything is O(1) per frame and per open: streams with something to send stand in a round, those with news for the peer in a queue,
//! and an ended stream leaves stale entries there that are skipped when their turn comes.

mod counts;
mod entry;
mod local;
mod receive;
mod round;
#[cfg(test)]
mod tests;
mod transmit;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{Config, Dead, Drain, OpenError, StreamId, Violation, held::Held, ids::Ids, liveness::Liveness, window::Growth};
pub use counts::{Counts, Moved};
use entry::Entry;
use receive::Decoder;
use round::Round;
use transmit::Control;

/// Which side of the session we are. See [`Connection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Opens odd ids: the peer of a proxy; yamux calls it the client.
    Opener,
    /// Opens even ids: the proxy; yamux calls it the server.
    Acceptor,
}

/// What a peer's frame meant; its payload as the caller wants to have it. See [`Connection`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<P = bytes::Bytes> {
    /// The peer opened a stream; its acknowledgement is queued.
    Opened(StreamId),
    /// Payload, never empty; one DATA frame may come as several of these.
    Data(StreamId, P),
    /// The peer finished its direction: no more data comes.
    Finished(StreamId),
    /// The peer reset the stream with this code (0 from a stock peer); what was queued is gone.
    Reset(StreamId, u32),
    /// The peer gave credit.
    Credit(StreamId),
    /// Our ping was answered: [`Connection::rtt`] is new, or [`Connection::deadline`] sooner.
    Pong,
    /// The peer takes no more streams: 0 normal, 1 protocol, 2 internal.
    GoAway(u32),
}

/// How a live stream stands. See [`Counts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Bytes queued here that have not been transmitted.
    pub queued: usize,
    /// Bytes that the peer lets us send beyond what was transmitted.
    pub send_credit: u32,
    /// Bytes that the peer may still send, grants that have not left included.
    pub receive_credit: u32,
    /// What the window has grown to; 256 KiB unless `consumed` grew it.
    pub receive_window: u32,
    /// We finished (or are resetting behind the queue): nothing more can be queued.
    pub finished: bool,
    /// The peer finished.
    pub peer_finished: bool,
}

/// One session's protocol. `T` is what the caller keeps for each stream.
///
/// The caller hands in what it reads with [`receive`](Self::receive), writes out what [`transmit`](Self::transmit) gives, calls
/// [`tick`](Self::tick) at [`deadline`](Self::deadline), and collects the streams that [`ended`](Self::ended).
///
/// ```
/// use std::time::Instant;
///
/// use browser_stream_mux::{Config, Connection, Event, Outbound, Role};
/// use bytes::Bytes;
///
/// let now = Instant::now();
/// let mut opener = Connection::<()>::new(Role::Opener, Config::default(), now);
/// let mut acceptor = Connection::<()>::new(Role::Acceptor, Config::default(), now);
///
/// let id = opener.open(()).unwrap();
/// opener.send(id, Bytes::from_static(b"ping"));
/// opener.finish(id);
/// let mut out = Outbound::new();
/// opener.transmit(usize::MAX, &mut out);
///
/// let mut events = Vec::new();
/// for mut bytes in out.buffers.drain(..) {
///     while let Some(event) = acceptor.receive(&mut bytes, now).unwrap() {
///         events.push(event);
///     }
/// }
/// assert_eq!(events, [Event::Opened(id), Event::Data(id, Bytes::from_static(b"ping")), Event::Finished(id)]);
/// ```
pub struct Connection<T> {
    role: Role,
    /// Boxed, so that the table, which grows by doubling, is a small one.
    streams: Ids<Box<Entry<T>>>,
    live: usize,
    by_peer: usize,
    next_id: Option<StreamId>,
    next_serial: u32,
    growth: Growth,
    liveness: Liveness,
    drain: Drain,
    decoder: Decoder,
    control: Control,
    round: Round,
    queued: usize,
    held: Held,
    ended: VecDeque<StreamId>,
    /// Ended streams whose id the peer uses again already.
    displaced: VecDeque<(StreamId, T, Moved)>,
    counts: Counts,
    /// Credit that the peer had on streams which we reset: what was on its way then is no fault of the peer's.
    forgiven: u64,
    violation: Option<Violation>,
    peer_gone: bool,
    gone: bool,
    told_gone: bool,
}

/// Room for so many streams is kept.
const SPARE_MIN: usize = 64;

impl<T: Default> Connection<T> {
    /// A connection that was just established; `now` starts its clocks.
    pub fn new(role: Role, config: Config, now: Instant) -> Self {
        Self {
            role,
            streams: Ids::default(),
            live: 0,
            by_peer: 0,
            next_id: Some(if role == Role::Opener { 1 } else { 2 }),
            next_serial: 0,
            growth: Growth::default(),
            liveness: Liveness::new(config, now),
            drain: Drain::default(),
            decoder: Decoder::default(),
            control: Control::default(),
            round: Round::default(),
            queued: 0,
            held: Held::default(),
            ended: VecDeque::new(),
            displaced: VecDeque::new(),
            counts: Counts::default(),
            forgiven: 0,
            violation: None,
            peer_gone: false,
            gone: false,
            told_gone: false,
        }
    }

    /// Opens a stream. Its SYN rides on the first frame that leaves; data may be queued at once.
    pub fn open(&mut self, value: T) -> Result<StreamId, OpenError> {
        if self.gone || self.peer_gone || self.violation.is_some() {
            return Err(OpenError::GoneAway);
        }
        let id = self.next_id.ok_or(OpenError::Exhausted)?;
        self.next_id = id.checked_add(2);
        self.counts.opened += 1;
        self.insert(id, Entry::opened_here(value));
        Ok(id)
    }

    /// How a live stream stands.
    pub fn get(&self, id: StreamId) -> Option<View> {
        self.live(id).map(|entry| entry.view())
    }

    /// What the caller keeps for a stream, until [`ended`](Self::ended) hands it back.
    pub fn value(&self, id: StreamId) -> Option<&T> {
        self.streams.get(id).map(|entry| &entry.value)
    }

    /// As [`value`](Self::value), to change it.
    pub fn value_mut(&mut self, id: StreamId) -> Option<&mut T> {
        self.streams.get_mut(id).map(|entry| &mut entry.value)
    }

    /// How a live stream stands, and what the caller keeps for it.
    pub fn look(&mut self, id: StreamId) -> Option<(View, &mut T)> {
        self.live_mut(id).map(|entry| (entry.view(), &mut entry.value))
    }

    /// The live streams, in no order.
    pub fn streams(&self) -> impl Iterator<Item = (StreamId, &T)> {
        self.streams.iter().filter(|entry| !entry.over).map(|entry| (entry.id, &entry.value))
    }

    /// The live streams, in no order: what went over each, how many bytes wait to leave on it, and what the caller keeps for it. O(streams).
    pub fn survey(&self) -> impl Iterator<Item = (StreamId, Moved, usize, &T)> {
        self.streams.iter().filter(|entry| !entry.over).map(|entry| (entry.id, entry.moved, entry.queue.len(), &entry.value))
    }

    /// How many streams live.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether no stream lives.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// How many live streams the peer opened.
    pub fn opened_by_peer(&self) -> usize {
        self.by_peer
    }

    /// Bytes queued on all streams.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Memory of the queues' own that those bytes lie in, filled or not; the rest are slices of what was read.
    pub fn held(&self) -> usize {
        self.held.own
    }

    /// The most that the queues may keep the process from using: their bytes, and for each slice all that it may be a part of.
    pub fn weight(&self) -> usize {
        self.held.weight(self.queued)
    }

    /// The stream with the greatest weight, `more` for its value included, and that weight; `None` if none has any. O(streams): for when too much is held.
    pub fn heaviest(&self, more: impl Fn(&T) -> usize) -> Option<(StreamId, usize)> {
        let weights = self.streams.iter().filter(|entry| !entry.over).map(|entry| {
            let weight = entry.queue.held().weight(entry.queue.len()) + more(&entry.value);
            (entry.id, weight)
        });
        weights.max_by_key(|(_, weight)| *weight).filter(|(_, weight)| *weight > 0)
    }

    /// Bytes of control frames that wait to leave. They grow with what the peer sends: a caller whose peer does not read stops reading, too.
    pub fn control_queued(&self) -> usize {
        self.control.bytes()
    }

    /// The time between our last answered ping and its answer: one hop, not end to end.
    pub fn rtt(&self) -> Option<Duration> {
        self.liveness.rtt()
    }

    /// What passed so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// [`Counts::dropped`].
    pub fn dropped(&self) -> u64 {
        self.counts.dropped
    }

    /// A stream that ended since the last call, with its value. Ended: reset by either side, or own FIN transmitted and the peer's received.
    ///
    /// Call it until `None` after [`receive`](Self::receive), [`transmit`](Self::transmit), [`reset`](Self::reset) and [`reset_behind`](Self::reset_behind).
    /// Until then [`value`](Self::value) still finds the stream, so that the event which ended it can be acted on.
    pub fn ended(&mut self) -> Option<(StreamId, T)> {
        self.ended_with().map(|(id, value, _)| (id, value))
    }

    /// The same with what went over it.
    pub fn ended_with(&mut self) -> Option<(StreamId, T, Moved)> {
        if let Some(displaced) = self.displaced.pop_front() {
            return Some(displaced);
        }
        while let Some(id) = self.ended.pop_front() {
            if let Some(entry) = self.streams.remove_if(id, |entry| entry.over) {
                self.shrink();
                return Some((id, entry.value, entry.moved));
            }
        }
        None
    }

    /// Takes every live stream out but `kept`, with how it stood, when the session is over. Only what that one has queued leaves
    /// after it, and control frames, a GO_AWAY above all.
    pub fn drain(&mut self, kept: Option<StreamId>) -> impl Iterator<Item = (StreamId, T, View)> + use<T> {
        self.gone = true;
        self.drain.lift();
        self.round = Round::default();
        (self.queued, self.held, self.live, self.by_peer) = (0, Held::default(), 0, 0);
        let mut streams = std::mem::take(&mut self.streams);
        if let Some(mut entry) = kept.and_then(|id| streams.remove_if(id, |entry| !entry.over)) {
            let id = entry.id;
            self.live = 1;
            self.by_peer = usize::from(!self.is_ours(id));
            (self.queued, self.held) = (entry.queue.len(), entry.queue.held());
            entry.in_round = false;
            self.streams.insert(entry);
            self.rouse(id);
        }
        streams.into_values().filter(|entry| !entry.over).map(|entry| {
            let view = entry.view();
            (entry.id, entry.value, view)
        })
    }

    /// When [`tick`](Self::tick) must be called next; it moves with every call.
    pub fn deadline(&self) -> Option<Instant> {
        self.liveness.deadline().into_iter().chain(self.drain.deadline()).min()
    }

    /// Does what time asks for: a ping that is due, or the verdict that the peer is dead.
    pub fn tick(&mut self, now: Instant) -> Result<(), Dead> {
        self.drain.tick(now);
        if let Some(token) = self.liveness.tick(now)? {
            self.control.ping(token);
        }
        Ok(())
    }

    /// Asks the peer for a sign of life; does nothing while an earlier ping is unanswered.
    pub fn ping(&mut self, now: Instant) {
        if let Some(token) = self.liveness.ping(now) {
            self.control.ping(token);
        }
    }

    /// Tells the peer that the session ends: 0 normal, 1 protocol, 2 internal. No stream is opened after it; live ones go on.
    /// Said once: the first code counts.
    pub fn go_away(&mut self, code: u32) {
        self.gone = true;
        self.drain.lift();
        if !self.told_gone {
            self.told_gone = true;
            self.control.go_away(code);
        }
    }

    fn live(&self, id: StreamId) -> Option<&Entry<T>> {
        self.streams.get(id).map(|entry| &**entry).filter(|entry| !entry.over)
    }

    fn live_mut(&mut self, id: StreamId) -> Option<&mut Entry<T>> {
        self.streams.get_mut(id).map(|entry| &mut **entry).filter(|entry| !entry.over)
    }

    /// Gives memory back after a crowd has left, so that an idle session is a small one. Amortised: the map has to shrink eightfold first.
    fn shrink(&mut self) {
        let streams = self.streams.len();
        if self.streams.capacity() > SPARE_MIN && self.streams.capacity() / 8 > streams {
            self.streams.shrink_to(2 * streams);
            self.round.shrink_to(2 * streams);
            self.ended.shrink_to(2 * streams);
            self.control.shrink_to(2 * streams);
        }
    }

    fn is_ours(&self, id: StreamId) -> bool {
        (id % 2 == 1) == (self.role == Role::Opener)
    }

    fn insert(&mut self, id: StreamId, mut entry: Entry<T>) -> u32 {
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        entry.serial = serial;
        entry.share = self.round.no_share();
        entry.id = id;
        // Ours has its SYN to send.
        entry.enter(id, &mut self.round);
        self.live += 1;
        self.by_peer += usize::from(!self.is_ours(id));
        if let Some(old) = self.streams.insert(Box::new(entry)) {
            self.displaced.push_back((id, old.value, old.moved));
        }
        serial
    }

    /// The stream is over: its queue and growth are given back, its value waits in `ended`.
    fn end(&mut self, id: StreamId) {
        let Some(entry) = self.streams.get_mut(id).filter(|entry| !entry.over) else { return };
        entry.over = true;
        entry.window.release(&mut self.growth);
        self.held -= entry.queue.held();
        self.queued -= entry.queue.clear();
        self.live -= 1;
        self.by_peer -= usize::from(!self.is_ours(id));
        self.ended.push_back(id);
        self.tidy_round();
    }

    /// Forgets the places of streams that ended while nothing left: without this they would stay for as long as the peer takes nothing.
    fn tidy_round(&mut self) {
        let Self { round, streams, live, .. } = self;
        if round.len() > 2 * *live + SPARE_MIN {
            round.retain(|turn| streams.get(turn.id).is_some_and(|entry| !entry.over && entry.serial == turn.serial));
        }
    }
}
