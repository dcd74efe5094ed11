//! PostgreSQL: the database that several servers share.
//!
//! A `Session` does the work, in steps of at most a few seconds each.
//! [`Postgres`] makes it a [`Database`], for searches; what the servers exchange is written by
//! `super::replication`.

pub(super) mod session;
mod tables;

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use self::session::Session;
use super::backend::{Connection, Database, StoreError};
use super::entry::{Ban, BanState, Entry};
use super::query::Query;
use crate::config::PostgresAddress;

/// A PostgreSQL database, by its address.
#[derive(Clone, Debug)]
pub struct Postgres(Arc<PostgresAddress>);

impl Postgres {
    /// Names the database at that address; connecting comes later.
    pub const fn new(address: Arc<PostgresAddress>) -> Self {
        Self(address)
    }
}

impl Database for Postgres {
    fn connect(&self) -> Result<Box<dyn Connection>, StoreError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Passing(error.to_string()))?;
        let mut used = Used { address: Arc::clone(&self.0), runtime: Some(runtime), session: None };
        used.does(async |session| session.prepare().await)?;
        Ok(Box::new(used))
    }
}

/// A session that a thread waits for. One that failed is replaced at the next use.
#[derive(Debug)]
struct Used {
    address: Arc<PostgresAddress>,
    /// `None` only while this is dropped.
    runtime: Option<Runtime>,
    session: Option<Session>,
}

impl Drop for Used {
    fn drop(&mut self) {
        self.session = None;
        // It may be dropped inside another runtime, which must not be blocked.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Used {
    fn does<T>(
        &mut self,
        what: impl AsyncFnOnce(&mut Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let Self { address, runtime: Some(runtime), session } = self else {
            return Err(StoreError::Passing("it is being closed".to_owned()));
        };
        runtime.block_on(async {
            let mut used = match session.take() {
                Some(session) => session,
                None => Session::open(address, Arc::default()).await?,
            };
            let done = what(&mut used).await;
            if done.as_ref().err().is_none_or(StoreError::lasts) {
                *session = Some(used);
            }
            done
        })
    }
}

impl Connection for Used {
    fn append(&mut self, entries: &[Arc<Entry>]) -> Result<(), StoreError> {
        self.does(async |session| session.append(entries).await)
    }

    fn search(&mut self, query: &Query) -> Result<Vec<Entry>, StoreError> {
        self.does(async |session| session.search(query).await)
    }

    fn replace(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        self.does(async |session| session.replace(entries).await)
    }

    fn forget_bans(&mut self, ids: &[String]) -> Result<(), StoreError> {
        self.does(async |session| session.forget_bans(ids).await)
    }

    fn last(&mut self) -> Result<i64, StoreError> {
        self.does(async |session| session.last().await)
    }

    fn add_ban(&mut self, ban: &Ban) -> Result<(), StoreError> {
        let state = BanState { ban: ban.clone(), lifted: false };
        self.merge_bans(&[state]).map(drop)
    }

    fn lift_bans(&mut self, ids: &[String]) -> Result<Vec<Ban>, StoreError> {
        self.does(async |session| session.lift_bans(ids).await)
    }

    fn bans(&mut self) -> Result<Vec<Ban>, StoreError> {
        self.does(async |session| session.bans().await)
    }

    fn ban_changes(&mut self, after: i64) -> Result<Vec<(i64, BanState)>, StoreError> {
        self.does(async |session| session.ban_changes(after).await)
    }

    fn merge_bans(&mut self, bans: &[BanState]) -> Result<u64, StoreError> {
        self.does(async |session| session.merge_bans(bans).await)
    }

    fn count_after(&mut self, seq: i64) -> Result<i64, StoreError> {
        self.does(async |session| session.count_after(seq).await)
    }
}
