//! SQLite: a file in the component's own directory.

mod bans;
mod rows;
mod schema;
mod search;
mod trim;

use crate::private::{OWNER, make_directory};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{ErrorCode, OpenFlags};

use super::backend::{Connection, Database, StoreError};
use super::ban::{Ban, BanState};
use super::entry::Entry;
use super::keep::Keep;
use super::query::Query;

/// The size of a page, in bytes, as SQLite has it if nothing is said.
const PAGE: u64 = 4096;
/// The time that a connection waits for another that writes.
const BUSY: Duration = Duration::from_secs(5);

/// A database file.
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: PathBuf,
    read_only: bool,
    /// Bytes that it never grows beyond.
    most: Option<u64>,
}

impl Sqlite {
    /// The file of that name, which is made, with its directory, for its owner only.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), read_only: false, most: None }
    }

    /// The same file, to be looked at.
    pub fn read_only(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), read_only: true, most: None }
    }

    /// It never takes more bytes of the disk than that, its log apart: what does not fit waits, and is lost at last.
    #[must_use]
    pub fn at_most(self, bytes: u64) -> Self {
        Self { most: Some(bytes), ..self }
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open(&self) -> Result<rusqlite::Connection, StoreError> {
        if self.read_only {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection =
                rusqlite::Connection::open_with_flags(&self.path, flags).map_err(failed)?;
            connection.busy_timeout(BUSY).map_err(failed)?;
            schema::check(&connection)?;
            return Ok(connection);
        }
        make_private(&self.path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection =
            rusqlite::Connection::open_with_flags(&self.path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        schema::prepare(&mut connection)?;
        if let Some(bytes) = self.most {
            let pages = i64::try_from(bytes / PAGE).unwrap_or(i64::MAX);
            let most = format!("PRAGMA max_page_count = {pages}");
            connection.query_row(&most, [], |_| Ok(())).map_err(failed)?;
        }
        Ok(connection)
    }
}

impl Database for Sqlite {
    fn connect(&self) -> Result<Box<dyn Connection>, StoreError> {
        Ok(Box::new(File { connection: self.open()? }))
    }
}

/// Makes the file, for its owner only; SQLite gives its other files the mode of this one.
///
/// A file that is there is not opened: closing it again would take away the locks that this process holds on it
/// (fcntl, POSIX), and another program could take the log of the database for its own.
fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let failed = |error: std::io::Error| StoreError::Lasting(error.to_string());
    if let Some(directory) = path.parent() {
        make_directory(directory, OWNER).map_err(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    match options.create_new(true).write(true).mode(0o600).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop).map_err(failed),
    }
}

struct File {
    connection: rusqlite::Connection,
}

impl Connection for File {
    fn append(&mut self, entries: &[Arc<Entry>]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction().map_err(failed)?;
        {
            let mut statement = transaction.prepare(rows::INSERT).map_err(failed)?;
            for entry in entries {
                rows::insert(&mut statement, entry).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    fn search(&mut self, query: &Query) -> Result<Vec<Entry>, StoreError> {
        search::search(&self.connection, query).map_err(failed)
    }

    fn trim(&mut self, keep: &Keep, now: Timestamp) -> Result<bool, StoreError> {
        trim::trim(&self.connection, keep, now).map_err(failed)
    }

    fn last(&mut self) -> Result<i64, StoreError> {
        let last = "SELECT coalesce(max(seq), 0) FROM entries";
        self.connection.query_row(last, [], |row| row.get(0)).map_err(failed)
    }

    fn add_ban(&mut self, ban: &Ban) -> Result<(), StoreError> {
        bans::write(&self.connection, bans::MERGE, ban, false).map(drop).map_err(failed)
    }

    fn lift_bans(&mut self, ids: &[String]) -> Result<Vec<Ban>, StoreError> {
        bans::lift(&mut self.connection, ids).map_err(failed)
    }

    fn bans(&mut self) -> Result<Vec<Ban>, StoreError> {
        bans::all(&self.connection).map_err(failed)
    }

    fn ban_changes(&mut self, after: i64) -> Result<Vec<(i64, BanState)>, StoreError> {
        bans::changes(&self.connection, after).map_err(failed)
    }

    fn merge_bans(&mut self, known: &[BanState]) -> Result<u64, StoreError> {
        bans::merge(&mut self.connection, known).map_err(failed)
    }

    fn count_after(&mut self, seq: i64) -> Result<i64, StoreError> {
        let count = "SELECT count(*) FROM entries WHERE seq > ?1";
        self.connection.query_row(count, [seq], |row| row.get(0)).map_err(failed)
    }
}

/// Returns what SQLite says, and whether it may pass.
fn failed(error: rusqlite::Error) -> StoreError {
    let passes = matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::OutOfMemory
                | ErrorCode::NotADatabase
                | ErrorCode::DatabaseCorrupt
        )
    );
    let text = error.to_string();
    if passes { StoreError::Passing(text) } else { StoreError::Lasting(text) }
}
