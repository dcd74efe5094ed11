//! The tables, and how they came about.

use rusqlite::{Connection, TransactionBehavior};

use super::failed;
use crate::store::StoreError;
use crate::store::renames::renamed_rules;

/// Each brings the tables from the version of its place (0: an empty file) to the next. Never changed, only added to.
const MIGRATIONS: [&str; 4] = [
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
];

/// Brings a file up to date.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), StoreError> {
    // Only an empty file takes this; it lets pages that are free be given back.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(failed)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    // What the log has grown to while something took long is given back.
    connection.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024).map_err(failed)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
    if version(connection)? == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let from = version(&transaction)?;
    if from > MIGRATIONS.len() {
        return Err(newer());
    }
    for migration in MIGRATIONS.iter().skip(from) {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    let to = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    transaction.pragma_update(None, "user_version", to).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// Whether a file can be read as it is.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
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
    let version = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    let version = connection.query_row("PRAGMA user_version", [], version).map_err(failed)?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}
