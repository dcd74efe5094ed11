//! The schedule of deleting old entries.

use std::time::Duration;

use jiff::Timestamp;

use super::backend::Connection;
use super::keep::Keep;

/// Between two looks at whether there is something to give up.
const PAUSE: Duration = Duration::from_secs(60);

/// Giving up what is too old or too much.
pub(super) struct Trimming {
    keep: Keep,
    next: Timestamp,
    /// There is more to give up.
    pub(super) more: bool,
}

impl Trimming {
    /// By that, from now on.
    pub(super) fn by(keep: Keep) -> Self {
        let next = (keep.clock)();
        Self { keep, next, more: true }
    }

    /// Takes a little away, if it is time for that.
    pub(super) fn trim(&mut self, connection: &mut dyn Connection) {
        let now = (self.keep.clock)();
        if !self.more && now < self.next {
            return;
        }
        self.next = now.checked_add(PAUSE).unwrap_or(now);
        self.more = match connection.trim(&self.keep, now) {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(%error, "nothing could be given up of what is too old or too much");
                false
            }
        };
    }
}
