//! When something of this process began: in four bytes, for there are as many as streams.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant, SystemTime},
};

/// The process's clock: it begins with the process, and does not jump.
pub(crate) struct Clock {
    begun: Instant,
    /// The same as a wall clock had it.
    #[cfg_attr(not(any(feature = "admin", test)), expect(dead_code))]
    begun_at: Duration,
}

impl Clock {
    /// It begins now.
    pub fn new() -> Self {
        let begun_at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { begun: tokio::time::Instant::now().into_std(), begun_at }
    }

    /// That moment in tenths of a second, which are enough for 13 years.
    pub fn tenths(&self, at: Instant) -> u32 {
        let tenths = at.saturating_duration_since(self.begun).as_millis() / 100;
        u32::try_from(tenths).unwrap_or(u32::MAX)
    }

    /// This moment.
    pub fn now(&self) -> u32 {
        self.tenths(tokio::time::Instant::now().into_std())
    }

    /// The tenth of a second that comes after this moment, so that what counts from it is never too early.
    pub fn next(&self) -> NonZeroU32 {
        NonZeroU32::MIN.saturating_add(self.now())
    }

    /// When that is.
    pub fn instant(&self, tenths: NonZeroU32) -> Instant {
        self.begun + Duration::from_millis(u64::from(tenths.get()) * 100)
    }

    /// A moment in milliseconds since 1970.
    #[cfg(any(feature = "admin", test))]
    pub fn unix_ms(&self, tenths: u32) -> u64 {
        let since = self.begun_at + Duration::from_millis(u64::from(tenths) * 100);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_known_to_a_tenth_of_a_second_for_years() {
        let clock = Clock::new();
        let years = Duration::from_secs(10 * 365 * 24 * 3600) + Duration::from_millis(1234);
        let tenths = clock.tenths(clock.begun + years);
        assert_eq!(clock.unix_ms(tenths) - clock.unix_ms(0), (years.as_millis() as u64) / 100 * 100);
        assert_eq!(clock.tenths(clock.begun - Duration::from_secs(1)), 0);
    }
}
