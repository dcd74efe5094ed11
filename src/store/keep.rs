//! Retention of the audit database.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// The retention: size and age. Policies that were in force stay as long as decisions by them.
#[derive(Clone)]
pub struct Keep {
    /// Entries that are older go; `None`: none is too old.
    pub age: Option<Duration>,
    /// If all of it takes more bytes than that, the oldest entries go.
    pub size: u64,
    /// What the time is.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keep").field("age", &self.age).field("size", &self.size).finish()
    }
}
