//! How fast a peer may do something: a debt that time repays, in the room of one instant.

use std::time::{Duration, Instant};

/// A pace and how far one may be ahead of it. Process by all sessions; what each owes is a [`Bucket`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// What one unit costs, in time.
    price: Duration,
    /// What may be owed.
    burst: Duration,
}

impl Rate {
    /// `per_second` units for ever, and `burst` units at once. Zero counts as one: a rate of nothing would be for nobody.
    pub fn new(per_second: usize, burst: usize) -> Self {
        let per_second = u32::try_from(per_second).unwrap_or(u32::MAX).clamp(1, PER_SECOND_MAX);
        let price = Duration::from_secs(1) / per_second;
        Self { price, burst: times(price, burst.max(1) as u64) }
    }

    /// In what time so many units are repaid.
    pub fn repays(&self, units: u64) -> Duration {
        times(self.price, units)
    }
}

/// What one peer owes. It starts with nothing owed, and needs no clock to tick: time that passes repays by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// When all is repaid, unless more is charged.
    paid_at: Instant,
}

/// Whether a peer may open one more stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may.
    Allowed,
    /// Refuse it, `limit`.
    Refused,
    /// It opens ten times as fast as it may: cut it.
    Cut,
}

impl Bucket {
    /// Nothing owed.
    pub fn new(now: Instant) -> Self {
        Self { paid_at: now }
    }

    /// Charges `units`, and says by how much time that exceeds `bursts` bursts; zero if it does not.
    pub fn charge(&mut self, rate: &Rate, units: u64, bursts: u32, now: Instant) -> Duration {
        self.owe(times(rate.price, units), now);
        self.owed(now).saturating_sub(rate.burst.saturating_mul(bursts))
    }

    /// Asks for one unit that can be refused, such as an open.
    ///
    /// One that is allowed costs its price, one that is refused a tenth of it. So a peer that asks too fast still gets nearly its rate, and one
    /// that asks more than ten times as fast as it may only sinks deeper: a burst below the limit, which takes it at least ten bursts of
    /// refused ones, it is to be cut. A slower one never gets there.
    pub fn admit(&mut self, rate: &Rate, now: Instant) -> Admission {
        if self.owed(now) + rate.price <= rate.burst {
            self.owe(rate.price, now);
            return Admission::Allowed;
        }
        self.owe(rate.price / REFUSED_COSTS, now);
        if self.owed(now) > rate.burst.saturating_mul(2) { Admission::Cut } else { Admission::Refused }
    }

    fn owed(&self, now: Instant) -> Duration {
        self.paid_at.saturating_duration_since(now)
    }

    fn owe(&mut self, time: Duration, now: Instant) {
        let from = self.paid_at.max(now);
        self.paid_at = from.checked_add(time).unwrap_or(from);
    }
}

fn times(price: Duration, units: u64) -> Duration {
    price.saturating_mul(u32::try_from(units).unwrap_or(u32::MAX))
}

/// A refused unit costs one of this many parts: "ten times beyond" of the threat table.
const REFUSED_COSTS: u32 = 10;

/// A tenth of a price is at least ten nanoseconds, so that it is not rounded away.
const PER_SECOND_MAX: u32 = 10_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a peer gets that asks `per_second` times in each of `seconds` seconds, evenly; `None` if it is cut.
    fn asks(per_second: u32, seconds: u32, rate: &Rate) -> Option<u32> {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        let mut allowed = 0;
        for number in 0..per_second * seconds {
            let now = start + Duration::from_secs(1) * number / per_second;
            match bucket.admit(rate, now) {
                Admission::Allowed => allowed += 1,
                Admission::Refused => {}
                Admission::Cut => return None,
            }
        }
        Some(allowed)
    }

    #[test]
    fn a_bucket_is_no_larger_than_an_instant() {
        assert_eq!(size_of::<Bucket>(), 16);
    }

    #[test]
    fn a_peer_within_its_rate_is_never_refused() {
        assert_eq!(asks(100, 60, &Rate::new(100, 1)), Some(6000));
    }

    #[test]
    fn a_burst_is_allowed_to_the_last_one_and_refused_beyond() {
        let (rate, now) = (Rate::new(100, 50), Instant::now());
        let mut bucket = Bucket::new(now);
        assert!((0..50).all(|_| bucket.admit(&rate, now) == Admission::Allowed));
        assert_eq!(bucket.admit(&rate, now), Admission::Refused);
        assert_eq!(bucket.admit(&rate, now + Duration::from_millis(12)), Admission::Allowed);
    }

    #[test]
    fn a_peer_that_asks_too_fast_still_gets_most_of_its_rate_and_is_never_cut() {
        let rate = Rate::new(100, 10);
        for (per_second, least) in [(150, 90), (200, 80), (500, 50)] {
            let allowed = asks(per_second, 60, &rate).expect("not cut");
            assert!(allowed >= least * 60 && allowed <= 100 * 60 + 10, "{allowed} at {per_second}/s");
        }
        assert!(asks(990, 600, &rate).is_some());
    }

    #[test]
    fn threat_09_a_peer_that_asks_more_than_ten_times_too_fast_is_cut() {
        let rate = Rate::new(100, 10);
        assert!(asks(1100, 60, &rate).is_none());
        // All at once: one burst is allowed, ten are refused, the next cuts.
        let now = Instant::now();
        let mut bucket = Bucket::new(now);
        let verdicts: Vec<_> = (0..111).map(|_| bucket.admit(&rate, now)).collect();
        assert_eq!(verdicts.iter().position(|&verdict| verdict == Admission::Refused), Some(10));
        assert_eq!(verdicts.iter().position(|&verdict| verdict == Admission::Cut), Some(110));
    }

    #[test]
    fn nonsense_is_borne() {
        let now = Instant::now();
        let mut bucket = Bucket::new(now);
        assert_eq!(bucket.admit(&Rate::new(0, 0), now), Admission::Allowed);
        assert_eq!(bucket.admit(&Rate::new(usize::MAX, usize::MAX), now), Admission::Allowed);
        assert_ne!(bucket.charge(&Rate::new(1, 1), u64::MAX, 10, now), Duration::ZERO);
        bucket.charge(&Rate::new(1, 1), u64::MAX, u32::MAX, now);
    }

    proptest! {
        #[test]
        fn no_schedule_gets_more_than_the_rate_and_a_burst(gaps in prop::collection::vec(0_u64..40_000, 1..500)) {
            let rate = Rate::new(100, 20);
            let start = Instant::now();
            let (mut now, mut allowed, mut bucket) = (start, 0, Bucket::new(start));
            for gap in gaps {
                now += Duration::from_micros(gap);
                allowed += u32::from(bucket.admit(&rate, now) == Admission::Allowed);
                prop_assert!(f64::from(allowed) <= 20.0 + 100.0 * (now - start).as_secs_f64() + 1e-6);
            }
        }
    }
}
