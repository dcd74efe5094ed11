//! The interface of a database.

use std::fmt;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::entry::{Ban, BanState, Entry};
use super::query::Query;

/// A database did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It may do it later: it is full, away, or busy.
    #[error("{0}")]
    Passing(String),
    /// It never will.
    #[error("{0}")]
    Lasting(String),
}

impl StoreError {
    /// Returns whether it never will.
    pub(super) const fn lasts(&self) -> bool {
        matches!(self, Self::Lasting(_))
    }
}

/// A database.
pub trait Database: Debug + Send + Sync + 'static {
    /// Connects to it, and brings its tables up to date. May block.
    ///
    /// # Errors
    /// It cannot be used.
    fn connect(&self) -> Result<Box<dyn Connection>, StoreError>;
}

/// A connection to a database, used by one thread at a time. Everything may block. What fails has changed nothing.
pub trait Connection: Debug + Send {
    /// Writes entries, all or none.
    fn append(&mut self, entries: &[Arc<Entry>]) -> Result<(), StoreError>;

    /// The entries that a query is for, in the order of their numbers.
    fn search(&mut self, query: &Query) -> Result<Vec<Entry>, StoreError>;

    /// The greatest number of all entries; 0: there is none.
    fn last(&mut self) -> Result<i64, StoreError>;

    /// Takes away a little of what is to be kept no longer; whether there is more. One that others look after does
    /// nothing.
    fn trim(&mut self, _keep: &Keep, _now: Timestamp) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Writes a ban; one of that id that is there already stays as it is. When it returns, the ban is there even if this program is killed.
    fn add_ban(&mut self, ban: &Ban) -> Result<(), StoreError>;

    /// Takes away the bans of these ids, all or none; those taken away.
    fn lift_bans(&mut self, ids: &[String]) -> Result<Vec<Ban>, StoreError>;

    /// Every ban, the oldest first; also those that have ended and were not cleared away yet.
    fn bans(&mut self) -> Result<Vec<Ban>, StoreError>;

    /// Bans, lifted ones too, that have changed since that change, each with the number of its own: a page of them, in
    /// the order of the changes. 0: all that are known.
    fn ban_changes(&mut self, after: i64) -> Result<Vec<(i64, BanState)>, StoreError>;

    /// Writes what is known elsewhere: bans that are not here, and that bans were lifted. How many were news.
    fn merge_bans(&mut self, bans: &[BanState]) -> Result<u64, StoreError>;

    /// Returns the number of entries that have greater numbers than that.
    fn count_after(&mut self, seq: i64) -> Result<i64, StoreError>;
}

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

impl Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keep").field("age", &self.age).field("size", &self.size).finish()
    }
}
