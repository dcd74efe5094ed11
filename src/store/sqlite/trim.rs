//! Giving up what is too old or too much.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Error, params};

use crate::store::keep::Keep;

/// Entries that go at once: what waits to be written does not wait long.
const AT_ONCE: u32 = 100;
/// Pages that are given back to the disk at once.
const PAGES: u32 = 512;

/// Those before a moment, but not the policy that was in force then: decisions that stay were made by it.
const DELETE_OLD: &str = "DELETE FROM entries WHERE seq IN ( \
    SELECT seq FROM entries WHERE at < ?1 AND seq IS NOT ( \
        SELECT max(seq) FROM entries WHERE kind = 'revision' AND at < ?1) \
    ORDER BY at LIMIT ?2)";
/// The first ones, but not the policy that was in force then.
const DELETE_FIRST: &str = "DELETE FROM entries WHERE seq IN ( \
    SELECT seq FROM entries WHERE seq IS NOT ( \
        SELECT max(seq) FROM entries WHERE kind = 'revision' AND seq <= ( \
            SELECT max(seq) FROM (SELECT seq FROM entries ORDER BY seq LIMIT ?1))) \
    ORDER BY seq LIMIT ?1)";

/// Takes away a little of what is to be kept no longer; whether there is more.
pub(super) fn trim(connection: &Connection, keep: &Keep, now: Timestamp) -> Result<bool, Error> {
    let age = keep.age.and_then(|age| SignedDuration::try_from(age).ok());
    if let Some(before) = age.and_then(|age| now.checked_sub(age).ok()) {
        let before = before.as_microsecond();
        if connection.execute(DELETE_OLD, params![before, AT_ONCE])? > 0 {
            return Ok(true);
        }
    }
    let (pages, free) = (number(connection, "page_count")?, number(connection, "freelist_count")?);
    let used = pages.saturating_sub(free).saturating_mul(number(connection, "page_size")?);
    if used > keep.size && connection.execute(DELETE_FIRST, [AT_ONCE])? > 0 {
        return Ok(true);
    }
    if free == 0 {
        return Ok(false);
    }
    // Each step of the statement gives one page back.
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(free > u64::from(PAGES))
}

fn number(connection: &Connection, name: &str) -> Result<u64, Error> {
    let number = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    let number = connection.query_row(&format!("PRAGMA {name}"), [], number)?;
    Ok(u64::try_from(number).unwrap_or_default())
}
