//! Whether the link's task has its turns.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Between two beats.
const BEAT: Duration = Duration::from_secs(1);

/// The time of the task's last turn.
#[derive(Debug)]
pub(super) struct Pulse {
    start: Instant,
    /// In milliseconds since then.
    last: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Pulse {
    /// Beats until it is dropped.
    pub(super) async fn beat(&self) {
        loop {
            self.last.store(self.elapsed(), Ordering::Relaxed);
            sleep(BEAT).await;
        }
    }

    /// It has beaten within this time.
    pub(super) fn is_felt(&self, within: Duration) -> bool {
        let silence = self.elapsed().saturating_sub(self.last.load(Ordering::Relaxed));
        Duration::from_millis(silence) <= within
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
