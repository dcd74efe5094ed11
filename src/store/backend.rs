//! The interface that each kind of database implements.

use std::fmt;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::entry::{Ban, BanState, Entry};
use super::query::Query;

/// A database operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It may succeed later: the database is full, unreachable, or busy.
    #[error("{0}")]
    Passing(String),
    /// It will never succeed.
    #[error("{0}")]
    Lasting(String),
}

impl StoreError {
    /// Returns whether it will never succeed.
    pub(super) const fn lasts(&self) -> bool {
        matches!(self, Self::Lasting(_))
    }
}

/// What stands for the target of a ban that was forgotten, and the domain of pseudonyms: a name of no domain.
pub(super) const FORGOTTEN: &str = "erased.invalid";

/// A database that can be connected to.
pub trait Database: Debug + Send + Sync + 'static {
    /// Connects to the database, and brings its tables up to date. May block.
    ///
    /// # Errors
    /// When it cannot be reached or used.
    fn connect(&self) -> Result<Box<dyn Connection>, StoreError>;
}

/// A connection to a database, used by one thread at a time. Every method may block; a failed one has changed nothing.
pub trait Connection: Debug + Send {
    /// Writes all entries, or none.
    fn append(&mut self, entries: &[Arc<Entry>]) -> Result<(), StoreError>;

    /// Returns the entries that match a query, in the order of their numbers.
    fn search(&mut self, query: &Query) -> Result<Vec<Entry>, StoreError>;

    /// Replaces person, nick, reason and body of entries, each found by its number and server; all or none. What stood
    /// there is gone after [`wipe`](Self::wipe).
    fn replace(&mut self, entries: &[Entry]) -> Result<(), StoreError>;

    /// Overwrites whom these bans were on, and why. They stay for the servers that do not know yet that they were lifted.
    fn forget_bans(&mut self, ids: &[String]) -> Result<(), StoreError>;

    /// Makes sure that nothing of what was replaced or deleted is left on the disk; an error says what is. A database that
    /// is kept elsewhere does nothing.
    fn wipe(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns the greatest entry number, or 0 without entries.
    fn last(&mut self) -> Result<i64, StoreError>;

    /// Makes some of the entries that were written fast to search, if enough have come; returns whether there may be
    /// more. A database that does that as it writes does nothing.
    fn index(&mut self) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Deletes a few of the entries beyond the retention; returns whether there are more. A database that is trimmed
    /// elsewhere does nothing.
    fn trim(&mut self, _keep: &Keep, _now: Timestamp) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Writes a ban, unless one of that id exists. When it returns, the ban survives a kill of this program.
    fn add_ban(&mut self, ban: &Ban) -> Result<(), StoreError>;

    /// Lifts the bans of these ids, all or none; returns those that were lifted.
    fn lift_bans(&mut self, ids: &[String]) -> Result<Vec<Ban>, StoreError>;

    /// Returns every ban that was not lifted, oldest first, even if it has expired.
    fn bans(&mut self) -> Result<Vec<Ban>, StoreError>;

    /// Returns a page of the bans, lifted ones too, that changed after change number `after` (0: all), each with the
    /// number of its own change, in the order of the changes.
    fn ban_changes(&mut self, after: i64) -> Result<Vec<(i64, BanState)>, StoreError>;

    /// Merges bans that are known elsewhere: adds new ones, and lifts those lifted there; returns how many changed.
    fn merge_bans(&mut self, bans: &[BanState]) -> Result<u64, StoreError>;

    /// Returns the number of entries with a number greater than `seq`.
    fn count_after(&mut self, seq: i64) -> Result<i64, StoreError>;
}

/// The retention, by age and size. Policies that were in force stay as long as decisions by them.
#[derive(Clone)]
pub struct Keep {
    /// Entries older than this are deleted; `None` for no limit.
    pub age: Option<Duration>,
    /// Bytes in use beyond which the oldest entries are deleted.
    pub size: u64,
    /// The clock by which ages are measured.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keep").field("age", &self.age).field("size", &self.size).finish()
    }
}
