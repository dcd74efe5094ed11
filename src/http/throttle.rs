//! A token-bucket rate limiter with constant memory, shared by all clients.

use std::time::Duration;

use tokio::time::Instant;

/// A bucket that refills.
#[derive(Debug)]
pub(super) struct Throttle {
    left: u32,
    most: u32,
    every: Duration,
    filled: Instant,
}

impl Throttle {
    /// `most` at once, and one more each `every`.
    pub(super) fn new(most: u32, every: Duration) -> Self {
        Self { left: most, most, every, filled: Instant::now() }
    }

    /// Takes a token; returns whether there was one.
    pub(super) fn take(&mut self) -> bool {
        let passed = self.filled.elapsed().as_nanos().checked_div(self.every.as_nanos());
        if let Some(more) = passed.and_then(|passed| u32::try_from(passed).ok())
            && let Some(until) = self.every.checked_mul(more)
        {
            self.left = self.left.saturating_add(more).min(self.most);
            self.filled = self.filled.checked_add(until).unwrap_or_else(Instant::now);
        } else {
            self.left = self.most;
            self.filled = Instant::now();
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_lets_a_few_through_and_then_one_at_a_time() {
        let mut throttle = Throttle::new(3, Duration::from_secs(6));
        assert_eq!([(); 5].map(|()| throttle.take()), [true, true, true, false, false]);
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!([(); 2].map(|()| throttle.take()), [true, false]);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(throttle.take(), "what is left of a time counts for the next");
        tokio::time::advance(Duration::from_secs(1_000_000)).await;
        assert_eq!([(); 4].map(|()| throttle.take()), [true, true, true, false]);
    }
}
