//! One end of a resumable stream.
//!
//! Each submodule is one side of it: `arrival` what comes over carriers, `handshake` how carriers are opened and proven, `choice` which one is used
//! and when one is dead, `ending` how the stream ends, `clock` what time does, `transmit` what leaves.

mod arrival;
mod choice;
mod clock;
mod ending;
mod handshake;
mod transmit;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Budget, CarrierId, Identity, Limits, MacRequest, Outcome, Reason, Tombstone, carrier::Carrier, receiver::Receiver, sender::Sender,
};

/// Where a stream stands (`proxy/RESUME.md`, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Client: the birth open has no reply yet.
    Opening,
    /// Bytes move while a carrier is proven; without one it waits for the next.
    Live,
    /// Client: everything is here and there; the server has not said yet that it knows.
    Closing,
    /// Client: reset here, and the server has not said yet that it knows.
    Resetting,
    /// Server: ended; late carriers are answered until the hold is over.
    Tombstone,
    /// Everything is forgotten but what is still to be read.
    Freed,
}

/// What the shell must do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Client: open a proxy carrier, then call [`Endpoint::birth`] or [`Endpoint::join`]; [`Endpoint::unopened`] if it cannot be.
    Open {
        /// The birth open (again), not a join.
        birth: bool,
    },
    /// Close a carrier; it is forgotten here, so do not report its end.
    Close(CarrierId, Close),
    /// Compute the macs of a handshake, then call [`Endpoint::macs`].
    Macs(MacRequest),
}

/// How a carrier is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// Behind what was transmitted, so that it arrives.
    Finish,
    /// At once, as one that has heard DONE: with `gone`.
    Done,
    /// At once: with `cancelled`.
    Reset,
}

/// What is left of a stream that the server's reply did not take up as resumable: the shell goes on with the carrier alone.
#[derive(Debug)]
pub struct Raw {
    /// What was written behind the early bytes that went out.
    pub unsent: Vec<Bytes>,
    /// The direction is finished behind them.
    pub finished: bool,
}

/// One end of a resumable stream, without I/O: what happened goes in with the instant, what to do comes out.
///
/// Every call is O(1) but for the few carriers that a stream has. See the [module](super) for how it is driven.
#[derive(Debug)]
pub struct Endpoint {
    identity: Arc<Identity>,
    limits: Arc<Limits>,
    state: State,
    outcome: Option<Outcome>,
    /// A server's: the client knows how the stream ended, or will never ask.
    is_known: bool,
    sender: Sender,
    receiver: Receiver,
    /// In the order in which they were opened.
    carriers: Vec<Carrier>,
    /// Which of them takes the records.
    current: Option<CarrierId>,
    /// How often a carrier became current.
    takes: u64,
    /// When the current one was last left by choice.
    chosen: Option<Instant>,
    /// A move by choice waits until everything is acknowledged, or until then.
    moving: Option<Instant>,
    /// Since when no carrier is proven.
    absent: Option<Instant>,
    /// Server: when the stream ended.
    ended: Option<Instant>,
    /// Proven carriers that broke since a byte was last received or acknowledged.
    broken: u32,
    /// Those that ever broke.
    breaks: u32,
    /// The token of the newest PING.
    token: u64,
    grace: Duration,
    actions: VecDeque<Action>,
    /// Only a client has it: it opens the carriers.
    client: Option<Box<Client>>,
}

/// What only a client keeps.
#[derive(Debug)]
struct Client {
    /// The birth open was answered.
    replied: bool,
    /// Birth opens that went out.
    births: u32,
    open_deadline: Instant,
    /// The last error that a birth open was answered with.
    refusal: Option<Reason>,
    /// The shell was asked to open a carrier and has not said what came of it.
    asked: bool,
    /// When to ask it.
    reopen: Option<Instant>,
    /// Tries since the stream was taken up, a byte was received or acknowledged, or a wake: a peer that proves carriers only to drop them is no progress.
    tries: u32,
    /// The last try after a sleep ends then.
    last_try: Option<Instant>,
    /// Of the jitter.
    random: u64,
}

impl Endpoint {
    /// The client's end of a new stream; asks at once for the birth carrier. `open_timeout` is the open's `wait` + 15 s, at most 30 s; `random` is fresh.
    pub fn connect(
        identity: Arc<Identity>,
        limits: Arc<Limits>,
        budget: &Budget,
        open_timeout: Duration,
        random: u64,
        now: Instant,
    ) -> Self {
        let client = Client {
            replied: false,
            births: 0,
            open_deadline: now + open_timeout,
            refusal: None,
            asked: true,
            reopen: None,
            tries: 1,
            last_try: None,
            random,
        };
        let mut endpoint = Self::new(identity, limits, budget, State::Opening);
        endpoint.client = Some(Box::new(client));
        endpoint.actions.push_back(Action::Open { birth: true });
        endpoint
    }

    /// The server's end of a new stream; `grace` as the reply tells it. Hand in the birth carrier with [`born`](Self::born).
    pub fn accept(identity: Arc<Identity>, limits: Arc<Limits>, budget: &Budget, grace: Duration, now: Instant) -> Self {
        let mut endpoint = Self::new(identity, limits, budget, State::Live);
        endpoint.grace = grace;
        endpoint.absent = Some(now);
        endpoint
    }

    /// A server's end that ended before, because a carrier came for it.
    pub fn revive(tombstone: Tombstone, limits: Arc<Limits>, now: Instant) -> Self {
        let Tombstone { identity, outcome, received, total, base, hold, expires, is_known } = tombstone;
        let grace = hold.saturating_sub(limits.hold_extra);
        let mut endpoint = Self::new(identity, limits, &Budget::new(0), State::Tombstone);
        endpoint.sender = Sender::buried(base, &endpoint.limits);
        endpoint.receiver = Receiver::buried(received, total, &endpoint.limits);
        endpoint.outcome = Some(outcome);
        endpoint.is_known = is_known;
        endpoint.grace = grace;
        // Only a carrier that is proven starts the hold anew.
        let since = expires.checked_sub(hold).unwrap_or(now);
        (endpoint.absent, endpoint.ended) = (Some(since), Some(since));
        endpoint
    }

    fn new(identity: Arc<Identity>, limits: Arc<Limits>, budget: &Budget, state: State) -> Self {
        Self {
            sender: Sender::new(&limits, budget),
            receiver: Receiver::new(&limits, budget),
            identity,
            state,
            outcome: None,
            is_known: false,
            carriers: Vec::new(),
            current: None,
            takes: 0,
            chosen: None,
            moving: None,
            absent: None,
            ended: None,
            broken: 0,
            breaks: 0,
            token: 0,
            grace: limits.grace,
            limits,
            actions: VecDeque::new(),
            client: None,
        }
    }

    /// Takes as much as may be written now off the front of `bytes`; how much. What is left waits until [`writable`](Self::writable) says so.
    pub fn write(&mut self, bytes: &mut Bytes) -> usize {
        if self.takes_bytes() { self.sender.write(bytes) } else { 0 }
    }

    /// How many bytes may be written now; 0 also once the direction or the stream ended.
    pub fn writable(&self) -> u64 {
        if self.takes_bytes() { self.sender.writable() } else { 0 }
    }

    /// Bytes that were written and did not go out on the current carrier yet; none while there is no carrier.
    pub fn ahead(&self) -> u64 {
        if self.current.is_some() { self.sender.ahead() } else { 0 }
    }

    /// Ends one's own direction behind what was written.
    pub fn finish(&mut self) {
        if self.takes_bytes() {
            self.sender.finish();
        }
    }

    /// The next chunk of the peer's direction. Say with [`consumed`](Self::consumed) when the application is through with it.
    pub fn read(&mut self) -> Option<Bytes> {
        self.receiver.read()
    }

    /// The application is through with that many bytes of what [`read`](Self::read) gave: the peer gets room for as many.
    pub fn consumed(&mut self, bytes: u64) {
        if self.takes_bytes() {
            self.receiver.consumed(bytes, &self.limits);
        }
    }

    /// Whether [`read`](Self::read) has something.
    pub fn is_readable(&self) -> bool {
        self.receiver.has_unread()
    }

    /// Every byte of the peer's direction was taken, and it ended cleanly.
    pub fn is_read(&self) -> bool {
        self.receiver.is_read()
    }

    /// The peer holds every byte of one's own direction, and knows that it ended.
    pub fn is_written(&self) -> bool {
        self.sender.is_fin_acknowledged()
    }

    /// How the stream ended; set once. A client that is through with everything learns `Clean` when the server knows as much.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Where the stream stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Client: the server took the stream up; until then no carrier can be joined.
    pub fn is_replied(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.replied)
    }

    /// The stream's id, secret and name.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Bytes of the peer's direction that were received, and the position up to which it acknowledged one's own.
    pub fn progress(&self) -> (u64, u64) {
        (self.receiver.received(), self.sender.base())
    }

    /// Bytes of one's own direction that went out more than once, each as often as it was repeated: the price of the moves.
    pub fn resent(&self) -> u64 {
        self.sender.resent()
    }

    /// How often the stream took another carrier than the one before.
    pub fn moves(&self) -> u64 {
        self.takes.saturating_sub(1)
    }

    /// The carriers that live.
    pub fn carriers(&self) -> impl Iterator<Item = CarrierId> {
        self.carriers.iter().map(|carrier| carrier.id)
    }

    /// The carrier that takes the records.
    pub fn current(&self) -> Option<CarrierId> {
        self.current
    }

    /// A carrier was asked for a sign of life, and nothing came on it since: what is below it may be dead, too.
    pub fn is_asking(&self) -> bool {
        self.carriers.iter().any(|carrier| carrier.dead_at(&self.limits).is_some())
    }

    /// Carriers that brought what can not be, or lost a record. An honest peer and an honest path break none.
    pub fn breaks(&self) -> u32 {
        self.breaks
    }

    /// The next thing to do, oldest first.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Nothing will happen any more: a client that is freed and has said its last word, or a server that forgot.
    pub fn is_over(&self) -> bool {
        self.state == State::Freed && self.carriers.is_empty() && self.actions.is_empty()
    }

    /// A server's ended stream that no carrier holds on to: what to remember in its place, with [`Registry::bury`](super::Registry::bury). Take what is
    /// there to be read first.
    pub fn tombstone(&self, now: Instant) -> Option<Tombstone> {
        if self.state != State::Tombstone || !self.carriers.is_empty() {
            return None;
        }
        let outcome = match self.outcome.as_ref()? {
            // A peer's text is not kept for it.
            Outcome::Reset { here: false, .. } => Outcome::Reset { reason: Reason::new("", ""), here: false },
            outcome => outcome.clone(),
        };
        Some(Tombstone {
            identity: Arc::clone(&self.identity),
            outcome,
            received: self.receiver.position(),
            total: self.receiver.total(),
            base: self.sender.base(),
            hold: self.hold(),
            expires: self.hold_deadline().unwrap_or(now + self.hold()),
            is_known: self.is_known,
        })
    }

    fn is_client(&self) -> bool {
        self.client.is_some()
    }

    /// Bytes are taken, from the application and from the peer.
    fn takes_bytes(&self) -> bool {
        matches!(self.state, State::Opening | State::Live | State::Closing)
    }

    fn index(&self, id: CarrierId) -> Option<usize> {
        self.carriers.iter().position(|carrier| carrier.id == id)
    }

    fn current_carrier(&mut self) -> Option<&mut Carrier> {
        let current = self.current?;
        self.carriers.iter_mut().find(|carrier| carrier.id == current)
    }

    /// What follows from whatever happened: called at the end of every input.
    fn settle(&mut self, now: Instant) {
        self.complete(now);
        self.choose(now);
        self.plan(now);
    }
}
