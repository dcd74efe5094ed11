//! How much passed over the link, and what did not.

use std::sync::atomic::{AtomicU64, Ordering};

/// Totals since the process started; read at any time.
#[derive(Debug, Default)]
pub struct Counters {
    cells: [AtomicU64; Count::ALL.len()],
}

macro_rules! counts {
    ($($(#[$doc:meta])* $variant:ident $method:ident,)*) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Count { $($variant,)* }

        impl Count {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }

        impl Counters {
            $($(#[$doc])* pub fn $method(&self) -> u64 { self.read(Count::$variant) })*
        }
    };
}

counts! {
    /// Stanzas that were received whole.
    Received received,
    /// Stanzas that were handed over to be sent.
    Sent sent,
    /// Stanzas that were not sent: see [`super::SendError`].
    NotSent not_sent,
    /// Received stanzas that were dropped because they cannot be read.
    Unreadable unreadable,
    /// Received stanzas that were dropped because they are too large or too deep.
    Refused refused,
    /// Times the link came up.
    Links links,
}

impl Counters {
    pub(super) fn add(&self, count: Count) {
        if let Some(cell) = self.cells.get(count as usize) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self, count: Count) -> u64 {
        self.cells.get(count as usize).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_has_its_own_cell() {
        let counters = Counters::default();
        counters.add(Count::Links);
        counters.add(Count::Received);
        counters.add(Count::Received);
        assert_eq!((counters.links(), counters.received(), counters.sent()), (1, 2, 0));
    }
}
