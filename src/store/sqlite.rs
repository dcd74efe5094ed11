//! SQLite: a file in the component's own directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::types::Type;
use rusqlite::{
    Connection, Error, ErrorCode, OpenFlags, OptionalExtension as _, Row, Statement,
    TransactionBehavior, params, types,
};

use super::backend::{self, Database, FORGOTTEN, Keep, StoreError};
use super::entry::{Ban, BanState, Entry};
use super::query::Query;
use crate::private::{OWNER, make_directory};
use crate::store::entry::Kind;
use crate::store::query::{Conditions, Dialect, Value};
use crate::store::renames::renamed_rules;
use crate::store::segments::{self, Places};

/// Size of a page in bytes: the default of SQLite.
const PAGE: u64 = 4096;
/// How long a connection waits for another one that writes.
const BUSY: Duration = Duration::from_secs(5);
/// How long the emptying of the write-ahead log waits for readers. New entries wait meanwhile.
const BRIEFLY: Duration = Duration::from_secs(2);

/// An SQLite database file.
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: PathBuf,
    read_only: bool,
    /// Most bytes of the file; `None` for no limit.
    most: Option<u64>,
    /// Number of entries of a segment.
    segment: u32,
}

impl Sqlite {
    /// Names the file, which is created when it is opened, with its directory, for its owner only.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), read_only: false, most: None, segment: segments::ENTRIES }
    }

    /// Names an existing file that is only read.
    pub fn read_only(path: impl Into<PathBuf>) -> Self {
        Self { read_only: true, ..Self::new(path) }
    }

    /// Limits the file to that many bytes, without its write-ahead log. Entries that do not fit wait, or are lost.
    #[must_use]
    pub fn at_most(self, bytes: u64) -> Self {
        Self { most: Some(bytes), ..self }
    }

    /// Sets how many entries are indexed at once, at least 1: 16,384 unless it is called.
    #[must_use]
    pub fn segments_of(self, entries: u32) -> Self {
        Self { segment: entries.max(1), ..self }
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open(&self) -> Result<Connection, StoreError> {
        let mode = match self.read_only {
            true => OpenFlags::SQLITE_OPEN_READ_ONLY,
            false => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        if !self.read_only {
            make_private(&self.path)?;
        }
        let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY)?;
        if self.read_only {
            check(&connection)?;
            return Ok(connection);
        }
        prepare(&mut connection)?;
        if let Some(bytes) = self.most {
            let pages = i64::try_from(bytes / PAGE).unwrap_or(i64::MAX);
            let most = format!("PRAGMA max_page_count = {pages}");
            connection.query_row(&most, [], |_| Ok(()))?;
        }
        Ok(connection)
    }
}

impl Database for Sqlite {
    fn connect(&self) -> Result<Box<dyn backend::Connection>, StoreError> {
        let (connection, segment) = (self.open()?, self.segment);
        Ok(Box::new(File { connection, segment, open: u64::from(segment) }))
    }
}

/// Creates the file, for its owner only; SQLite gives its other files the same mode.
///
/// An existing file is not opened: closing it would release the locks that this process holds on it (fcntl, POSIX),
/// and another program could take over the write-ahead log of the database.
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

#[derive(Debug)]
struct File {
    connection: Connection,
    /// Number of entries of a segment.
    segment: u32,
    /// Number of entries that may belong to no segment.
    open: u64,
}

impl backend::Connection for File {
    fn append(&mut self, entries: &[Arc<Entry>]) -> Result<(), StoreError> {
        // One that begins by reading could not wait for another program that writes.
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        segments::make_way(&transaction, entries.iter().map(|entry| entry.seq))?;
        let mut statement = transaction.prepare(INSERT)?;
        for entry in entries {
            insert(&mut statement, entry)?;
        }
        drop(statement);
        transaction.commit()?;
        self.open = self.open.saturating_add(u64::try_from(entries.len()).unwrap_or_default());
        Ok(())
    }

    fn index(&mut self) -> Result<bool, StoreError> {
        if self.open < u64::from(self.segment) {
            return Ok(false);
        }
        // Until so many more have come, or something was replaced.
        self.open = 0;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let is_one = segments::close(&transaction, self.segment)?;
        let open =
            if is_one { u64::from(self.segment) } else { segments::after_last(&transaction)? };
        transaction.commit()?;
        self.open = open;
        Ok(is_one)
    }

    fn search(&mut self, query: &Query) -> Result<Vec<Entry>, StoreError> {
        let Conditions { mut sql, values, terms } = Conditions::of(query, &DIALECT);
        let order = if query.goes_forward() { "asc" } else { "desc" };
        sql.push_str(if sql.is_empty() { " where" } else { " and" });
        let sql =
            format!("select * from entries{sql} seq between ? and ? order by seq {order} limit ?");
        let transaction = self.connection.transaction()?;
        let mut places = Places::of(&transaction, query, &terms)?;
        let mut statement = transaction.prepare(&sql)?;
        let values = values.into_iter().map(types::Value::from);
        let mut place = 1_usize;
        for value in values {
            statement.raw_bind_parameter(place, value)?;
            place = place.saturating_add(1);
        }
        let (mut found, count) = (Vec::new(), usize::try_from(query.count()).unwrap_or(usize::MAX));
        while found.len() < count
            && let Some(range) = places.next()?
        {
            let left = i64::try_from(count.saturating_sub(found.len())).unwrap_or(i64::MAX);
            for (number, value) in [range.first, range.last, left].into_iter().enumerate() {
                statement.raw_bind_parameter(place.saturating_add(number), value)?;
            }
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                found.push(entry(row)?);
            }
        }
        if !query.goes_forward() {
            found.reverse();
        }
        Ok(found)
    }

    fn trim(&mut self, keep: &Keep, now: Timestamp) -> Result<bool, StoreError> {
        let age = keep.age.and_then(|age| SignedDuration::try_from(age).ok());
        if let Some(before) = age.and_then(|age| now.checked_sub(age).ok())
            && self.delete_old(before.as_microsecond())?
        {
            return Ok(true);
        }
        let connection = &self.connection;
        let (pages, free) =
            (number(connection, "page_count")?, number(connection, "freelist_count")?);
        let used = pages.saturating_sub(free).saturating_mul(number(connection, "page_size")?);
        if used > keep.size && self.delete_first()? {
            return Ok(true);
        }
        if free == 0 {
            return Ok(false);
        }
        // Each step of the statement gives one page back.
        let incremental = format!("PRAGMA incremental_vacuum({PAGES})");
        let mut statement = self.connection.prepare(&incremental)?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(free > u64::from(PAGES))
    }

    fn replace(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        self.overwriting(|transaction| {
            let mut statement = transaction.prepare(REPLACE)?;
            for Entry { seq, server, person, nick, reason, body, .. } in entries {
                statement.execute(params![seq, server, person, nick, reason, body])?;
            }
            Ok(())
        })?;
        self.open = u64::from(self.segment);
        Ok(())
    }

    fn forget_bans(&mut self, ids: &[String]) -> Result<(), StoreError> {
        self.overwriting(|transaction| {
            let mut statement = transaction.prepare(FORGET_BAN)?;
            for id in ids {
                statement.execute(params![id, FORGOTTEN])?;
            }
            Ok(())
        })
    }

    fn wipe(&mut self) -> Result<(), StoreError> {
        self.drop_free_pages()?;
        if self.empty_log()? {
            return Ok(());
        }
        let kept = "another program has the audit database open in a transaction, so its write-ahead log (`-wal`) \
                    still has what was there; end that program, and give the command again";
        Err(StoreError::Passing(kept.to_owned()))
    }

    fn last(&mut self) -> Result<i64, StoreError> {
        let last = "SELECT coalesce(max(seq), 0) FROM entries";
        Ok(self.connection.query_row(last, [], |row| row.get(0))?)
    }

    fn add_ban(&mut self, ban: &Ban) -> Result<(), StoreError> {
        write(&self.connection, ban, false)?;
        Ok(())
    }

    fn lift_bans(&mut self, ids: &[String]) -> Result<Vec<Ban>, StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found =
            "SELECT id, who, room, until, reason, by, at FROM bans WHERE id = ?1 AND NOT lifted";
        let mut lifted = Vec::new();
        for id in ids {
            let ban = transaction.prepare(found)?.query_row([id], ban).optional()?;
            if let Some(ban) = ban {
                write(&transaction, &ban, true)?;
                lifted.push(ban);
            }
        }
        transaction.commit()?;
        Ok(lifted)
    }

    fn bans(&mut self) -> Result<Vec<Ban>, StoreError> {
        let all = "SELECT id, who, room, until, reason, by, at FROM bans WHERE NOT lifted ORDER BY at, id";
        Ok(self.connection.prepare(all)?.query_map([], ban)?.collect::<Result<_, _>>()?)
    }

    fn ban_changes(&mut self, after: i64) -> Result<Vec<(i64, BanState)>, StoreError> {
        let changed = "SELECT id, who, room, until, reason, by, at, lifted, change FROM bans WHERE change > ?1 \
                       ORDER BY change LIMIT ?2";
        let state = |row: &Row<'_>| {
            Ok((row.get("change")?, BanState { ban: ban(row)?, lifted: row.get("lifted")? }))
        };
        let mut statement = self.connection.prepare(changed)?;
        let changes = statement.query_map(params![after, BANS_AT_ONCE], state)?;
        Ok(changes.collect::<Result<_, _>>()?)
    }

    fn merge_bans(&mut self, known: &[BanState]) -> Result<u64, StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut news = 0_u64;
        for state in known {
            let changed = write(&transaction, &state.ban, state.lifted)?;
            news = news.saturating_add(u64::try_from(changed).unwrap_or_default());
        }
        transaction.commit()?;
        Ok(news)
    }

    fn count_after(&mut self, seq: i64) -> Result<i64, StoreError> {
        let count = "SELECT count(*) FROM entries WHERE seq > ?1";
        Ok(self.connection.query_row(count, [seq], |row| row.get(0))?)
    }
}

impl File {
    /// Deletes a few entries before a moment; returns whether there were any. What is in a segment is taken out of it
    /// first, so that an index says nothing of an entry that is gone.
    fn delete_old(&mut self, before: i64) -> Result<bool, StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let opened = transaction.prepare(OPEN_OLD)?.execute([before])?;
        let mut deleted = 0;
        for range in segments::open(&transaction)? {
            if deleted == 0 {
                let values = params![before, AT_ONCE, range.first, range.last];
                deleted = transaction.prepare(DELETE_OLD)?.execute(values)?;
            }
        }
        transaction.commit()?;
        Ok(opened > 0 || deleted > 0)
    }

    /// Deletes a few of the first entries; returns whether there were any.
    fn delete_first(&mut self) -> Result<bool, StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.prepare(OPEN_FIRST)?.execute([AT_ONCE])?;
        let deleted = transaction.prepare(DELETE_FIRST)?.execute([AT_ONCE])?;
        transaction.commit()?;
        Ok(deleted > 0)
    }

    /// Carries out a transaction after which no page of the file has a trace of what it replaced.
    fn overwriting(
        &mut self,
        what: impl FnOnce(&Connection) -> Result<(), Error>,
    ) -> Result<(), StoreError> {
        self.connection.pragma_update(None, "secure_delete", true)?;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        what(&transaction)?;
        transaction.commit()?;
        self.connection.pragma_update(None, "secure_delete", "FAST")?;
        Ok(())
    }

    /// Gives every free page back to the disk: it may still have what was on it. A file that cannot do that is rewritten.
    fn drop_free_pages(&self) -> Result<(), StoreError> {
        if number(&self.connection, "freelist_count")? > 0 {
            let mut statement = self.connection.prepare("PRAGMA incremental_vacuum")?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
        }
        if number(&self.connection, "freelist_count")? > 0 {
            self.connection.execute_batch("VACUUM")?;
        }
        Ok(())
    }

    /// Empties the write-ahead log; returns whether it is empty. A transaction of another program keeps it from that.
    fn empty_log(&self) -> Result<bool, StoreError> {
        self.connection.busy_timeout(BRIEFLY)?;
        let emptied = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            row.get::<_, i64>(0).map(|busy| busy == 0)
        });
        self.connection.busy_timeout(BUSY)?;
        Ok(emptied?)
    }
}

/// Replaces what an entry says of people.
const REPLACE: &str = "UPDATE entries SET person = ?3, nick = ?4, reason = ?5, body = ?6 \
    WHERE seq = ?1 AND server = ?2";
/// Overwrites whom a ban was on, and why.
const FORGET_BAN: &str = "UPDATE bans SET who = ?2, reason = '' WHERE id = ?1";

/// Takes the message from SQLite, and decides by its code whether a later try may succeed.
impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
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
        if passes { Self::Passing(text) } else { Self::Lasting(text) }
    }
}

/// Most changes of bans that are read at once.
const BANS_AT_ONCE: u32 = 500;

/// Writes a ban; if one of that id exists, only that it was lifted.
const MERGE: &str = "INSERT INTO bans (id, who, room, until, reason, by, at, lifted, change) \
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, coalesce(max(change), 0) + 1 FROM bans WHERE true \
    ON CONFLICT (id) DO UPDATE SET lifted = 1, change = excluded.change \
    WHERE excluded.lifted AND NOT bans.lifted";

/// Writes a ban by [`MERGE`]; returns how many rows have changed.
fn write(connection: &Connection, ban: &Ban, lifted: bool) -> Result<usize, Error> {
    let until = ban.until.map(Timestamp::as_microsecond);
    let at = ban.at.as_microsecond();
    let values = params![ban.id, ban.who, ban.room, until, ban.reason, ban.by, at, lifted];
    connection.prepare(MERGE)?.execute(values)
}

/// Reads a ban from a row: id, who, room, until, reason, by, at.
fn ban(row: &Row<'_>) -> Result<Ban, Error> {
    Ok(Ban {
        id: row.get(0)?,
        who: row.get(1)?,
        room: row.get(2)?,
        until: moment(row, 3)?,
        reason: row.get(4)?,
        by: row.get(5)?,
        at: moment(row, 6)?.unwrap_or_default(),
    })
}

const INSERT: &str = "INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, \
    ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)";

/// Writes an entry by the statement of [`INSERT`].
fn insert(statement: &mut Statement<'_>, entry: &Entry) -> Result<(), Error> {
    let by = entry.by.as_ref();
    let values = params![
        entry.seq,
        entry.at.as_microsecond(),
        entry.server,
        entry.kind.name(),
        entry.id,
        entry.room,
        entry.person,
        entry.nick,
        entry.attempt_kind.as_deref(),
        entry.class.as_deref(),
        entry.verdict.as_deref(),
        entry.rule.as_deref(),
        entry.line,
        entry.denial.as_deref(),
        entry.observed,
        entry.revision,
        entry.command.as_deref(),
        by.map(|by| &*by.face),
        by.map(|by| &*by.name),
        by.map(|by| &*by.role),
        entry.outcome.as_deref(),
        entry.reason,
        entry.body,
    ];
    statement.execute(values).map(drop)
}

/// Reads an entry from a row of `SELECT *`.
fn entry(row: &Row<'_>) -> Result<Entry, Error> {
    let kind: String = row.get(3)?;
    let kind = Kind::from_name(&kind)
        .ok_or_else(|| Error::FromSqlConversionFailure(3, Type::Text, kind.into()))?;
    let entry = Entry {
        seq: row.get(0)?,
        server: row.get(2)?,
        line: row.get(12)?,
        observed: row.get(14)?,
        body: row.get(22)?,
        ..Entry::new(kind, moment(row, 1)?.unwrap_or_default())
    };
    entry.with_texts(|at| row.get(at))
}

fn moment(row: &Row<'_>, at: usize) -> Result<Option<Timestamp>, Error> {
    let Some(micro) = row.get::<_, Option<i64>>(at)? else { return Ok(None) };
    let moment = Timestamp::from_microsecond(micro);
    moment.map(Some).map_err(|error| {
        Error::FromSqlConversionFailure(at, Type::Integer, error.to_string().into())
    })
}

const DIALECT: Dialect = Dialect {
    moment: "?",
    contains: r"(body like ? escape '\' or nick like ? escape '\')",
    mentions: "coalesce(person, '') || char(10) || coalesce(nick, '') || char(10) || coalesce(reason, '') || char(10) || \
        coalesce(caller, '') || char(10) || body like ? escape '\\'",
    name: r#"CASE WHEN body LIKE '%"name":%' AND json_valid(body)
        THEN coalesce(json_extract(body, '$.name'), json_extract(body, '$.facts.who.name')) END"#,
    pattern,
};

/// Returns the `LIKE` pattern for a text that contains these words.
fn pattern(words: &str) -> String {
    let mut pattern = String::from("%");
    for c in words.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

impl From<Value> for types::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text),
            Value::Number(number) => Self::Integer(number),
        }
    }
}

/// Entries that are deleted at once: few, so that new entries need not wait long to be written.
const AT_ONCE: u32 = 100;
/// Pages that are given back to the disk at once.
const PAGES: u32 = 512;

/// Takes the first segment that has entries before a moment, except the policy that was in force then, for none.
const OPEN_OLD: &str = "DELETE FROM segments WHERE last = ( \
    SELECT min(last) FROM segments WHERE oldest < ?1 AND EXISTS ( \
        SELECT 1 FROM entries WHERE seq BETWEEN first AND last AND at < ?1 AND seq IS NOT ( \
            SELECT max(seq) FROM entries WHERE kind = 'revision' AND at < ?1)))";
/// Deletes entries of a range before a moment, except the policy that was in force then: the decisions that stay were
/// made by it.
const DELETE_OLD: &str = "DELETE FROM entries WHERE seq IN ( \
    SELECT seq FROM entries WHERE seq BETWEEN ?3 AND ?4 AND at < ?1 AND seq IS NOT ( \
        SELECT max(seq) FROM entries WHERE kind = 'revision' AND at < ?1) \
    ORDER BY seq LIMIT ?2)";
/// Takes the segments for none that [`DELETE_FIRST`] deletes from. It may pass over one entry.
const OPEN_FIRST: &str = "DELETE FROM segments WHERE first <= ( \
    SELECT max(seq) FROM (SELECT seq FROM entries ORDER BY seq LIMIT ?1 + 1))";
/// Deletes the first entries, except the policy that was in force then.
const DELETE_FIRST: &str = "DELETE FROM entries WHERE seq IN ( \
    SELECT seq FROM entries WHERE seq IS NOT ( \
        SELECT max(seq) FROM entries WHERE kind = 'revision' AND seq <= ( \
            SELECT max(seq) FROM (SELECT seq FROM entries ORDER BY seq LIMIT ?1))) \
    ORDER BY seq LIMIT ?1)";

fn number(connection: &Connection, name: &str) -> Result<u64, Error> {
    let number = |row: &Row<'_>| row.get::<_, i64>(0);
    let number = connection.query_row(&format!("PRAGMA {name}"), [], number)?;
    Ok(u64::try_from(number).unwrap_or_default())
}

/// Each migrates the tables from the version of its index (0: an empty file) to the next. Never changed, only added to.
const MIGRATIONS: [&str; 5] = [
    "
    CREATE TABLE entries (
        seq INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        server TEXT NOT NULL,
        kind TEXT NOT NULL,
        id TEXT, room TEXT, person TEXT, nick TEXT,
        attempt_kind TEXT, class TEXT, verdict TEXT, rule TEXT, line INTEGER, denial TEXT,
        observed INTEGER NOT NULL,
        revision TEXT,
        command TEXT, face TEXT, caller TEXT, role TEXT, outcome TEXT, reason TEXT,
        body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX entries_at ON entries (at);
    CREATE INDEX entries_room ON entries (room) WHERE room IS NOT NULL;
    CREATE INDEX entries_person ON entries (person) WHERE person IS NOT NULL;
    CREATE INDEX entries_rule ON entries (rule) WHERE rule IS NOT NULL;
    CREATE INDEX entries_id ON entries (id) WHERE id IS NOT NULL;
    CREATE TABLE bans (
        id TEXT PRIMARY KEY,
        who TEXT NOT NULL,
        room TEXT,
        until INTEGER,
        reason TEXT NOT NULL,
        by TEXT NOT NULL,
        at INTEGER NOT NULL
    ) STRICT;
",
    "
    -- It stays, for the servers that do not know yet.
    ALTER TABLE bans ADD COLUMN lifted INTEGER NOT NULL DEFAULT 0;
    -- Grows with every change of the table.
    ALTER TABLE bans ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
    UPDATE bans SET change = rowid;
    CREATE UNIQUE INDEX bans_change ON bans (change);
    CREATE INDEX bans_who ON bans (who);
",
    "
    CREATE INDEX entries_revision ON entries (seq, at) WHERE kind = 'revision';
",
    concat!("ALTER TABLE entries RENAME COLUMN face TO interface;", renamed_rules!("entries")),
    concat!(
        "
    DROP INDEX entries_at;
    DROP INDEX entries_room;
    DROP INDEX entries_person;
    DROP INDEX entries_rule;
    DROP INDEX entries_id;
    ",
        segments::tables!()
    ),
];

/// Configures a connection, and migrates the file to the present version.
fn prepare(connection: &mut Connection) -> Result<(), StoreError> {
    // Takes effect in an empty file only; lets free pages be given back to the disk.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Space that the write-ahead log has taken during a long transaction is given back.
    connection.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // What is deleted from a page that is written is overwritten: it may be what is to be erased later.
    connection.pragma_update(None, "secure_delete", "FAST")?;
    if version(connection)? == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = version(&transaction)?;
    if from > MIGRATIONS.len() {
        return Err(newer());
    }
    if from > 0 {
        tracing::info!(from, to = MIGRATIONS.len(), "the audit database is migrated");
    }
    for migration in MIGRATIONS.iter().skip(from) {
        transaction.execute_batch(migration)?;
    }
    let to = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    transaction.pragma_update(None, "user_version", to)?;
    Ok(transaction.commit()?)
}

/// Checks that a file that is only read has the present version.
fn check(connection: &Connection) -> Result<(), StoreError> {
    match version(connection)?.cmp(&MIGRATIONS.len()) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(newer()),
        std::cmp::Ordering::Less => {
            Err(StoreError::Lasting("an older vestibule wrote it: start this one once".to_owned()))
        }
    }
}

fn newer() -> StoreError {
    StoreError::Lasting("a newer vestibule wrote it: this one cannot go on with it".to_owned())
}

fn version(connection: &Connection) -> Result<usize, StoreError> {
    let version = |row: &Row<'_>| row.get::<_, i64>(0);
    let version = connection.query_row("PRAGMA user_version", [], version)?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}
