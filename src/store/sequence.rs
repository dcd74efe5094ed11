//! Numbers for entries.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Gives every entry a number: its microsecond, or the next that is free.
#[derive(Debug, Default)]
pub struct Sequence {
    last: AtomicI64,
}

impl Sequence {
    /// Numbers greater than this one.
    pub const fn after(last: i64) -> Self {
        Self { last: AtomicI64::new(last) }
    }

    /// The number of what happens now.
    pub fn next(&self, now: Timestamp) -> i64 {
        let now = now.as_microsecond();
        let next = |last: i64| now.max(last.saturating_add(1));
        let taken =
            self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        taken.map_or(now, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_only_grow_also_when_the_clock_is_set_back() {
        let at = |micro| Timestamp::from_microsecond(micro).unwrap();
        let sequence = Sequence::after(40);
        let given = [at(50), at(50), at(7), at(53), at(52)].map(|now| sequence.next(now));
        assert_eq!(given, [50, 51, 52, 53, 54]);
        assert_eq!(Sequence::after(90).next(at(50)), 91);
    }
}
