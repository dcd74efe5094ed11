//! The backoff of the link.

use std::time::Duration;

/// The kind of the last failure, as far as waiting is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody listens on this machine's port: asking again costs nothing.
    RefusedLocally,
    /// Anything that may pass by itself.
    Passing,
    /// Another component of this domain is connected: wait to take over.
    Standby,
    /// Another component of this domain took the place of a working link.
    Replaced,
    /// An operator must change something.
    Misconfigured,
}

/// A schedule of retries.
///
/// The first retry comes at once. While a local server is away the next ones follow so closely
/// that its return is noticed within a quarter of a second; other failures are retried at that
/// pace for a while and then ever more slowly.
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

/// No retry comes sooner after the first: a peer that hangs up at once must not be hammered.
const SHORTEST: Duration = Duration::from_millis(50);
const LOCAL: Duration = Duration::from_millis(200);
const QUICK: Duration = Duration::from_millis(250);
/// Retries at the quick pace: about ten seconds of them.
const QUICK_ATTEMPTS: u32 = 60;
const STANDBY: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(5);
/// Two components under `component_conflict_resolve = "kick_old"` would otherwise push each other
/// out without end.
const REPLACED: Duration = Duration::from_secs(30);

impl Backoff {
    /// Forgets earlier failures: the link has been up for a while.
    pub const fn succeed(&mut self) {
        self.attempts = 0;
    }

    /// Returns how long to wait before the next attempt.
    ///
    /// `random` is uniform over all values: it keeps many components from coming back in step.
    pub fn next(&mut self, failure: Failure, random: u32) -> Duration {
        let attempts = self.attempts;
        self.attempts = attempts.saturating_add(1);
        match failure {
            Failure::Standby => between(STANDBY.mul_f64(0.9), STANDBY, random),
            Failure::Replaced => REPLACED,
            Failure::Misconfigured => LONGEST,
            Failure::RefusedLocally | Failure::Passing if attempts == 0 => Duration::ZERO,
            Failure::RefusedLocally => between(SHORTEST, LOCAL, random),
            Failure::Passing if attempts <= QUICK_ATTEMPTS => between(SHORTEST, QUICK, random),
            Failure::Passing => {
                let doublings = attempts.saturating_sub(QUICK_ATTEMPTS).min(8);
                let ceiling = QUICK.saturating_mul(1_u32 << doublings).min(LONGEST);
                between(ceiling.mul_f64(0.5), ceiling, random)
            }
        }
    }
}

fn between(low: Duration, high: Duration, random: u32) -> Duration {
    let share = f64::from(random) / f64::from(u32::MAX);
    low.saturating_add(high.saturating_sub(low).mul_f64(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_retry_comes_at_once() {
        for failure in [Failure::RefusedLocally, Failure::Passing] {
            let mut backoff = Backoff::default();
            assert_eq!(backoff.next(failure, u32::MAX), Duration::ZERO);
            assert!(backoff.next(failure, 0) >= SHORTEST);
            backoff.succeed();
            assert_eq!(backoff.next(failure, 0), Duration::ZERO);
        }
    }

    #[test]
    fn a_local_server_is_found_again_within_a_quarter_of_a_second() {
        let mut backoff = Backoff::default();
        for _ in 0..100_000 {
            assert!(backoff.next(Failure::RefusedLocally, u32::MAX) <= Duration::from_millis(200));
        }
    }

    #[test]
    fn other_failures_are_retried_ever_more_slowly_up_to_a_limit() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..80).map(|_| backoff.next(Failure::Passing, u32::MAX)).collect();
        assert!(waits.is_sorted());
        assert!(waits[60] <= Duration::from_millis(250));
        assert_eq!(waits[79], LONGEST);
        assert!(backoff.next(Failure::Passing, 0) >= LONGEST / 2);
    }

    #[test]
    fn waiting_to_take_over_and_for_an_operator_does_not_slow_down() {
        let mut backoff = Backoff::default();
        for _ in 0..1000 {
            assert!(backoff.next(Failure::Standby, u32::MAX) <= STANDBY);
            assert_eq!(backoff.next(Failure::Misconfigured, 7), LONGEST);
        }
    }
}
