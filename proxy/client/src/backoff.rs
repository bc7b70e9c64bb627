//! How long to wait before the next try.

use std::time::Duration;

/// The wait after the first failure is below this, after each further one below twice as much.
const FIRST: Duration = Duration::from_millis(100);
/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(5);

/// Full jitter over min(5 s, 100 ms × 2^k): peers that were dropped together do not come back together.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure.
    pub(crate) fn wait(&mut self) -> Duration {
        let longest = longest(self.failures);
        self.failures = self.failures.saturating_add(1);
        rand::random_range(Duration::ZERO..=longest)
    }

    /// It went well: the next failure is the first again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

fn longest(failures: u32) -> Duration {
    let factor = 1u32.checked_shl(failures).unwrap_or(u32::MAX);
    FIRST.saturating_mul(factor).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_from_100_ms_to_5_s() {
        let ceilings: Vec<_> = (0..8).map(|failures| longest(failures).as_millis()).collect();
        assert_eq!(ceilings, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(longest(u32::MAX), LONGEST);
    }

    #[test]
    fn the_jitter_is_full_and_stays_below_the_ceiling() {
        let waits: Vec<_> = (0..1000).map(|_| Backoff { failures: 10 }.wait()).collect();
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert!(waits.iter().any(|wait| *wait < LONGEST / 10), "small waits happen");
        assert!(waits.iter().any(|wait| *wait > LONGEST / 10 * 9), "and so do long ones");
    }

    #[test]
    fn a_success_starts_it_over() {
        let mut backoff = Backoff { failures: 20 };
        backoff.reset();
        assert!(backoff.wait() <= FIRST);
    }
}
