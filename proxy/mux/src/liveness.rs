//! Whether the peer is still there: pings of our own, and how long nothing came.

use std::time::{Duration, Instant};

use crate::Dead;

/// How a connection finds out that its peer is gone. The default is what a library does: it never pings by itself.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use browser_stream_mux::{Config, Connection, Dead, Role};
///
/// let now = Instant::now();
/// let config = Config { silence_max: Duration::from_secs(30), ..Config::default() };
/// let mut connection = Connection::<()>::new(Role::Opener, config, now);
/// assert_eq!(connection.deadline(), Some(now + Duration::from_secs(30)));
/// assert_eq!(connection.tick(now + Duration::from_secs(31)), Err(Dead::Silent));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Time between two pings of our own; `None`: only when [`ping`](crate::Connection::ping) is called. Jitter is the caller's to add.
    pub ping_interval: Option<Duration>,
    /// The session is dead when a ping of ours is not answered for this long; `None`: an answer is not insisted on.
    pub ping_timeout: Option<Duration>,
    /// The session is dead when no byte came for this long; `Duration::MAX` for never.
    pub silence_max: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { ping_interval: None, ping_timeout: Some(Duration::from_secs(10)), silence_max: Duration::from_secs(60) }
    }
}

pub(crate) struct Liveness {
    config: Config,
    heard: Instant,
    next_ping: Option<Instant>,
    unanswered: Option<Ping>,
    next_token: u32,
    rtt: Option<Duration>,
}

struct Ping {
    token: u32,
    at: Instant,
}

impl Liveness {
    pub(crate) fn new(config: Config, now: Instant) -> Self {
        Self {
            config,
            heard: now,
            next_ping: config.ping_interval.and_then(|interval| now.checked_add(interval)),
            unanswered: None,
            next_token: 0,
            rtt: None,
        }
    }

    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// The token of a ping to send; `None` while an earlier one is unanswered, whose answer tells the same.
    pub(crate) fn ping(&mut self, now: Instant) -> Option<u32> {
        if self.unanswered.is_some() {
            return None;
        }
        let token = self.next_token;
        self.next_token = token.wrapping_add(1);
        self.unanswered = Some(Ping { token, at: now });
        Some(token)
    }

    /// Whether that was the answer to our ping.
    pub(crate) fn pong(&mut self, token: u32, now: Instant) -> bool {
        let Some(ping) = self.unanswered.take_if(|ping| ping.token == token) else {
            return false;
        };
        self.rtt = Some(now.saturating_duration_since(ping.at));
        true
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.silent_at(), self.unanswered_at(), self.next_ping].into_iter().flatten().min()
    }

    /// The token of a ping that is due.
    pub(crate) fn tick(&mut self, now: Instant) -> Result<Option<u32>, Dead> {
        if self.silent_at().is_some_and(|at| at <= now) {
            return Err(Dead::Silent);
        }
        if self.unanswered_at().is_some_and(|at| at <= now) {
            return Err(Dead::Unanswered);
        }
        if self.next_ping.is_none_or(|at| now < at) {
            return Ok(None);
        }
        self.next_ping = self.config.ping_interval.and_then(|interval| now.checked_add(interval));
        if self.config.ping_timeout.is_none() {
            // Nobody waits for that answer any more.
            self.unanswered = None;
        }
        Ok(self.ping(now))
    }

    fn silent_at(&self) -> Option<Instant> {
        self.heard.checked_add(self.config.silence_max)
    }

    fn unanswered_at(&self) -> Option<Instant> {
        self.unanswered.as_ref()?.at.checked_add(self.config.ping_timeout?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn proxy() -> Config {
        Config { ping_interval: Some(20 * SECOND), ping_timeout: None, silence_max: 45 * SECOND }
    }

    #[test]
    fn a_proxy_pings_each_interval_and_gives_up_on_silence() {
        let start = Instant::now();
        let mut liveness = Liveness::new(proxy(), start);
        assert_eq!(liveness.deadline(), Some(start + 20 * SECOND));
        assert_eq!(liveness.tick(start + 19 * SECOND), Ok(None));
        assert_eq!(liveness.tick(start + 20 * SECOND), Ok(Some(0)));
        assert_eq!(liveness.tick(start + 40 * SECOND), Ok(Some(1)));
        assert_eq!(liveness.deadline(), Some(start + 45 * SECOND));
        assert_eq!(liveness.tick(start + 45 * SECOND), Err(Dead::Silent));
    }

    #[test]
    fn any_byte_keeps_the_session_alive() {
        let start = Instant::now();
        let mut liveness = Liveness::new(proxy(), start);
        liveness.heard(start + 44 * SECOND);
        assert_eq!(liveness.tick(start + 45 * SECOND), Ok(Some(0)));
    }

    #[test]
    fn a_library_pings_on_request_and_insists_on_the_answer() {
        let start = Instant::now();
        let mut liveness = Liveness::new(Config::default(), start);
        assert_eq!(liveness.ping(start), Some(0));
        assert_eq!(liveness.ping(start), None);
        liveness.heard(start + 9 * SECOND);
        assert_eq!(liveness.deadline(), Some(start + 10 * SECOND));
        assert_eq!(liveness.tick(start + 10 * SECOND), Err(Dead::Unanswered));
    }

    #[test]
    fn the_answer_tells_the_round_trip_and_a_stranger_is_no_answer() {
        let start = Instant::now();
        let mut liveness = Liveness::new(Config::default(), start);
        assert_eq!(liveness.ping(start), Some(0));
        assert!(!liveness.pong(7, start));
        assert!(liveness.pong(0, start + SECOND));
        assert!(!liveness.pong(0, start + SECOND));
        assert_eq!(liveness.rtt(), Some(SECOND));
        assert_eq!(liveness.ping(start), Some(1));
    }

    #[test]
    fn an_endless_silence_is_no_deadline() {
        let config = Config { ping_interval: None, ping_timeout: None, silence_max: Duration::MAX };
        assert_eq!(Liveness::new(config, Instant::now()).deadline(), None);
    }
}
