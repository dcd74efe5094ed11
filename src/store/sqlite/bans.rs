//! Bans in the file.

use jiff::Timestamp;
use rusqlite::{Connection, Error, OptionalExtension as _, Row, TransactionBehavior, params};

use super::rows::moment;
use crate::store::ban::{Ban, BanState};

/// Rows that are read at once.
const PAGE: u32 = 500;

/// Writes a ban; of one of that id that is there, only that it was lifted.
pub(super) const MERGE: &str = "INSERT INTO bans (id, who, room, until, reason, by, at, lifted, change) \
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, coalesce(max(change), 0) + 1 FROM bans WHERE true \
    ON CONFLICT (id) DO UPDATE SET lifted = 1, change = excluded.change \
    WHERE excluded.lifted AND NOT bans.lifted";

/// Writes a ban by one of the statements; how many rows are others than they were.
pub(super) fn write(
    connection: &Connection,
    statement: &str,
    ban: &Ban,
    lifted: bool,
) -> Result<usize, Error> {
    let until = ban.until.map(Timestamp::as_microsecond);
    let at = ban.at.as_microsecond();
    let values = params![ban.id, ban.who, ban.room, until, ban.reason, ban.by, at, lifted];
    connection.prepare(statement)?.execute(values)
}

/// Lifts the bans of these ids; those that were there.
pub(super) fn lift(connection: &mut Connection, ids: &[String]) -> Result<Vec<Ban>, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found =
        "SELECT id, who, room, until, reason, by, at FROM bans WHERE id = ?1 AND NOT lifted";
    let mut lifted = Vec::new();
    for id in ids {
        let ban = transaction.prepare(found)?.query_row([id], ban).optional()?;
        if let Some(ban) = ban {
            write(&transaction, MERGE, &ban, true)?;
            lifted.push(ban);
        }
    }
    transaction.commit()?;
    Ok(lifted)
}

/// Every ban that was not lifted.
pub(super) fn all(connection: &Connection) -> Result<Vec<Ban>, Error> {
    let all =
        "SELECT id, who, room, until, reason, by, at FROM bans WHERE NOT lifted ORDER BY at, id";
    connection.prepare(all)?.query_map([], ban)?.collect()
}

/// A page of those that have changed.
pub(super) fn changes(connection: &Connection, after: i64) -> Result<Vec<(i64, BanState)>, Error> {
    let changed = "SELECT id, who, room, until, reason, by, at, lifted, change FROM bans WHERE change > ?1 \
                   ORDER BY change LIMIT ?2";
    let mut statement = connection.prepare(changed)?;
    let state = |row: &Row<'_>| {
        Ok((row.get("change")?, BanState { ban: ban(row)?, lifted: row.get("lifted")? }))
    };
    statement.query_map(params![after, PAGE], state)?.collect()
}

/// Writes what is known elsewhere; how many were news.
pub(super) fn merge(connection: &mut Connection, known: &[BanState]) -> Result<u64, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut news = 0_u64;
    for state in known {
        let changed = write(&transaction, MERGE, &state.ban, state.lifted)?;
        news = news.saturating_add(u64::try_from(changed).unwrap_or_default());
    }
    transaction.commit()?;
    Ok(news)
}

/// The ban of a row: id, who, room, until, reason, by, at.
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
