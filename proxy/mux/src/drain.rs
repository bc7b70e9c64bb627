//! How much may be on its way to the peer: what piles up between the two, in the buffers of both systems, is out of our hands, and a small stream
//! that has something to say waits behind all of it.
//!
//! A ping behind every so many bytes tells with its answer that they were taken. While such a ping takes no longer than one that waits for nothing, or
//! hardly, more may be under way, up to what a long and wide way needs; as soon as it takes longer, less.

use std::time::{Duration, Instant};

/// What was sent and what has arrived, as the answers to pings tell. Nothing is bounded before the first answer, nor after ten seconds without one:
/// a peer that answers no pings is as good as any.
///
/// For one that sends on its own: call [`add`](Self::add) behind what was sent, then send what [`ping`](Self::ping) gives, and nothing while it is not [open](Self::is_open).
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use browser_stream_mux::Drain;
///
/// let (mut drain, now) = (Drain::default(), Instant::now());
/// drain.add(200_000); // bytes that went to the socket
/// let token = drain.ping(|| now).expect("behind so many bytes there is a ping");
/// assert!(drain.pong(token, now + Duration::from_millis(1)), "the first answer bounds what is under way");
/// assert!(drain.is_open() && drain.room() < u64::MAX);
/// ```
#[derive(Debug, Default)]
pub struct Drain {
    sent: u64,
    /// What was sent when the last ping left.
    marked: u64,
    /// Nothing is bounded, and no ping sent, ever again.
    lifted: bool,
    /// Known from the first ping on: an idle session needs no room for it.
    way: Option<Box<Way>>,
}

/// What is known of the way to the peer.
#[derive(Debug)]
struct Way {
    arrived: u64,
    allowance: u64,
    /// What was sent when the allowance changed last, and as much as it then was: earlier pings know nothing of that.
    changed: u64,
    /// What a ping takes behind as little as may be: the least so far, or what it takes now where that has become more.
    least: Duration,
    next_token: u32,
    /// Pings without an answer, oldest first.
    marks: Vec<Mark>,
    /// When to look whether the peer still answers; `None`: it answered no ping, and nothing is bounded.
    look: Option<Instant>,
}

#[derive(Debug)]
struct Mark {
    token: u32,
    sent: u64,
    /// Bytes that were under way when it left.
    behind: u64,
    at: Instant,
}

/// So many pings cover the allowance: with one, everything would stand until it is answered.
const PINGS: usize = 4;

/// A peer's pings are free from here on (the proxy's account of frames that move nothing).
const PING_EVERY_MIN: u64 = 128 * 1024;

const ALLOWANCE_MIN: u64 = 256 * 1024;

/// As much as systems keep for one connection on a way of 100 ms and some hundred MB/s; more would wait there in any case.
const ALLOWANCE_MAX: u64 = 16 * 1024 * 1024;

/// A ping that took no longer than this waited behind nothing that anybody would notice, however short the others were.
const UNNOTICED: Duration = Duration::from_millis(1);

/// A peer that answers none of our pings for this long does not hold up what is sent to it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells these pings from those that ask whether the peer lives.
const TOKEN: u32 = 1 << 31;

impl Drain {
    /// Bytes that may be sent now, about: the last frame may go beyond. It ends where a ping is due.
    pub fn room(&self) -> u64 {
        let Some(way) = self.way.as_ref().filter(|_| !self.lifted) else { return u64::MAX };
        let allowed = if way.look.is_some() { way.allowance.saturating_sub(self.sent - way.arrived) } else { u64::MAX };
        // One that is due and was not sent waits for the answer to another.
        let to_ping = way.spacing().checked_sub(self.sent - self.marked).filter(|left| *left > 0).unwrap_or(u64::MAX);
        to_ping.min(allowed)
    }

    /// Whether anything may be sent now.
    pub fn is_open(&self) -> bool {
        self.lifted || self.way.as_ref().is_none_or(|way| way.look.is_none() || self.sent - way.arrived < way.allowance)
    }

    /// Bytes ever sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// So many bytes are sent.
    pub fn add(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// Whether a ping is to be sent behind what was; also where nothing else may be sent now.
    pub(crate) fn is_ping_due(&self) -> bool {
        let (spacing, unanswered) = self.way.as_ref().map_or((PING_EVERY_MIN, 0), |way| (way.spacing(), way.marks.len()));
        !self.lifted && self.sent - self.marked >= spacing && unanswered < PINGS
    }

    /// The token of a ping that is to be sent behind what was, if one is due.
    pub fn ping(&mut self, now: impl FnOnce() -> Instant) -> Option<u32> {
        if !self.is_ping_due() {
            return None;
        }
        let way = self.way.get_or_insert_with(Box::default);
        let token = TOKEN | way.next_token;
        way.next_token = (way.next_token + 1) % TOKEN;
        way.marks.push(Mark { token, sent: self.sent, behind: self.sent - way.arrived, at: now() });
        self.marked = self.sent;
        Some(token)
    }

    /// Whether that was the answer to one of these pings.
    pub fn pong(&mut self, token: u32, now: Instant) -> bool {
        let Some(way) = &mut self.way else { return false };
        // Some peers answer out of order.
        let Some(at) = way.marks.iter().position(|mark| mark.token == token) else { return false };
        let mark = way.marks.remove(at);
        way.arrived = way.arrived.max(mark.sent);
        way.look.get_or_insert(now + PATIENCE / 2);
        way.adapt(&mark, now.saturating_duration_since(mark.at), self.sent);
        true
    }

    /// The connection is about to be closed: nothing is held back any more.
    pub fn lift(&mut self) {
        self.lifted = true;
    }

    /// When [`tick`](Self::tick) is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.way.as_ref()?.look
    }

    /// Looks whether the peer still answers.
    pub(crate) fn tick(&mut self, now: Instant) {
        let Some(way) = self.way.as_mut().filter(|way| way.look.is_some_and(|at| at <= now)) else { return };
        let answers = way.marks.first().is_none_or(|mark| now.saturating_duration_since(mark.at) < PATIENCE);
        way.look = answers.then(|| now + PATIENCE / 2);
    }
}

impl Way {
    fn spacing(&self) -> u64 {
        (self.allowance / PINGS as u64).max(PING_EVERY_MIN)
    }

    /// A ping came back after `time`: what it costs to have so much under way.
    fn adapt(&mut self, mark: &Mark, time: Duration, sent: u64) {
        self.least = self.least.min(time);
        // Only one behind much of what is allowed, since it is, can tell.
        if mark.sent < self.changed || mark.behind < self.allowance / 2 {
            return;
        }
        if self.allowance == ALLOWANCE_MIN && mark.behind < 2 * ALLOWANCE_MIN {
            // Less under way would make it no shorter: the peer, or the machine, takes its time.
            self.least += time.saturating_sub(self.least) / 4;
        }
        let before = self.allowance;
        self.allowance =
            if time < UNNOTICED.max(self.least.saturating_mul(2)) { ALLOWANCE_MAX.min(before * 2) } else { ALLOWANCE_MIN.max(before / 2) };
        if self.allowance != before {
            self.changed = sent.max(self.arrived + self.allowance / 2);
        }
    }
}

impl Default for Way {
    fn default() -> Self {
        Self {
            arrived: 0,
            allowance: ALLOWANCE_MIN,
            changed: 0,
            least: Duration::MAX,
            next_token: 0,
            marks: Vec::with_capacity(PINGS),
            look: None,
        }
    }
}
