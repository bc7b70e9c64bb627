//! What time does (`proxy/RESUME.md`, section 5).

use std::time::{Duration, Instant};

use super::{Action, Close, Endpoint, State};
use crate::resume::{Kind, Outcome, Reason};

impl Endpoint {
    /// When [`tick`](Self::tick) must be called; changes with every input.
    pub fn deadline(&self) -> Option<Instant> {
        let mut first = None;
        let mut at = |deadline: Option<Instant>| first = [first, deadline].into_iter().flatten().min();
        at(if self.current.is_some() { self.receiver.deadline() } else { None });
        at(self.choice_deadline());
        at(self.end_deadline());
        at(self.client.as_ref().and_then(|client| client.reopen));
        for carrier in &self.carriers {
            at(carrier.handshake_deadline());
            at(carrier.dead_at(&self.limits));
            at(if self.is_outstanding() { carrier.quiet_at(&self.limits) } else { None });
        }
        first
    }

    /// Does what is due by `now`.
    pub fn tick(&mut self, now: Instant) {
        self.receiver.tick(now);
        self.judge(now);
        if self.end_deadline().is_some_and(|at| at <= now) {
            self.time_out(now);
        }
        self.settle(now);
        if self.client.as_ref().and_then(|client| client.reopen).is_some_and(|at| at <= now) {
            self.reopen(now);
        }
    }

    /// Carriers that are not proven in time, or dead; those that are silent while something is outstanding are asked.
    fn judge(&mut self, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        while let Some(index) =
            self.carriers.iter().position(|carrier| due(carrier.handshake_deadline()) || due(carrier.dead_at(&self.limits)))
        {
            self.remove(index, Some(Close::Reset), now);
        }
        for index in 0..self.carriers.len() {
            if self.is_outstanding() && due(self.carriers[index].quiet_at(&self.limits)) {
                self.probe(index, now);
            }
        }
    }

    /// When the open, the grace or the hold is over.
    fn end_deadline(&self) -> Option<Instant> {
        let Some(client) = &self.client else { return self.hold_deadline() };
        match self.state {
            State::Freed => None,
            _ if !client.replied => Some(client.open_deadline),
            _ => self.absent.map(|absent| client.last_try.unwrap_or(absent + self.grace)),
        }
    }

    /// How long a server remembers.
    pub(super) fn hold(&self) -> Duration {
        self.grace + self.limits.hold_extra
    }

    pub(super) fn hold_deadline(&self) -> Option<Instant> {
        let absent = self.absent.filter(|_| !self.is_client() && self.state != State::Freed)?;
        Some(self.ended.map_or(absent, |ended| ended.max(absent)) + self.hold())
    }

    fn time_out(&mut self, now: Instant) {
        let (received, base) = self.progress();
        let lost = Outcome::Lost { received, base };
        let Some(client) = &mut self.client else {
            // An outcome that the hold brings is itself remembered for one.
            let state = if self.outcome.is_none() { State::Tombstone } else { State::Freed };
            self.is_known = true;
            return self.end(lost, state, now);
        };
        if !client.replied {
            let reason = client.refusal.take().unwrap_or_else(|| Reason::new("timeout", "the open was not answered in time"));
            return self.end(Outcome::Refused(reason), State::Freed, now);
        }
        let overslept = self.absent.is_some_and(|absent| now > absent + self.grace + self.limits.sleep);
        if overslept && client.last_try.is_none() {
            client.last_try = Some(now + self.limits.handshake_proxy);
            self.reopen_at_once(now);
        } else {
            self.end(lost, State::Freed, now);
        }
    }

    /// A client without a proxy carrier sets itself a time to open one.
    pub(super) fn plan(&mut self, now: Instant) {
        let proxied = self.carriers.iter().any(|carrier| carrier.kind == Kind::Proxy && !carrier.is_leaving());
        let wanted = self.wants_carriers() && !proxied;
        let (min, max) = (self.limits.reopen_min, self.limits.reopen_max);
        let Some(client) = &mut self.client else { return };
        if !wanted || client.asked {
            client.reopen = None;
        } else if client.reopen.is_none() {
            let most = min.saturating_mul(1 << client.tries.min(16)).min(max);
            client.random = next_random(client.random);
            let share = (client.random >> 32) as u32;
            client.reopen = Some(now + most.mul_f64(f64::from(share) / f64::from(u32::MAX)));
            client.tries += 1;
        }
    }

    pub(super) fn reopen_at_once(&mut self, now: Instant) {
        if let Some(client) = &mut self.client {
            client.reopen = client.reopen.map(|_| now);
        }
        self.reopen(now);
    }

    /// Asks for a proxy carrier, if one was planned.
    pub(super) fn reopen(&mut self, now: Instant) {
        let Some(client) = &mut self.client else { return };
        if client.reopen.take_if(|at| *at <= now).is_some() {
            client.asked = true;
            self.actions.push_back(Action::Open { birth: !client.replied });
        }
    }
}

/// SplitMix64: spreads the tries of many clients; nothing secret depends on it.
fn next_random(random: u64) -> u64 {
    let seed = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
