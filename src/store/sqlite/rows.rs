//! Entries and bans as rows.

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Error, Row, Statement, params};

use crate::store::entry::{By, Entry, Kind};

pub(super) const INSERT: &str = "INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, \
    ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)";

/// Writes an entry by the statement of [`INSERT`].
pub(super) fn insert(statement: &mut Statement<'_>, entry: &Entry) -> Result<(), Error> {
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

/// The entry of a row of `SELECT *`.
pub(super) fn entry(row: &Row<'_>) -> Result<Entry, Error> {
    let word = |at: usize| row.get::<_, Option<String>>(at).map(|text| text.map(Into::into));
    let text = |at: usize| row.get::<_, Option<String>>(at);
    let kind: String = row.get(3)?;
    let kind = Kind::from_name(&kind)
        .ok_or_else(|| Error::FromSqlConversionFailure(3, Type::Text, kind.into()))?;
    let by = match (text(17)?, text(18)?, text(19)?) {
        (Some(face), Some(name), Some(role)) => {
            Some(By { face: face.into(), name, role: role.into() })
        }
        _ => None,
    };
    Ok(Entry {
        seq: row.get(0)?,
        at: moment(row, 1)?.unwrap_or_default(),
        server: row.get(2)?,
        kind,
        id: text(4)?,
        room: text(5)?,
        person: text(6)?,
        nick: text(7)?,
        attempt_kind: word(8)?,
        class: word(9)?,
        verdict: word(10)?,
        rule: word(11)?,
        line: row.get(12)?,
        denial: word(13)?,
        observed: row.get(14)?,
        revision: text(15)?,
        command: word(16)?,
        by,
        outcome: word(20)?,
        reason: text(21)?,
        body: row.get(22)?,
    })
}

pub(super) fn moment(row: &Row<'_>, at: usize) -> Result<Option<Timestamp>, Error> {
    let Some(micro) = row.get::<_, Option<i64>>(at)? else { return Ok(None) };
    let moment = Timestamp::from_microsecond(micro);
    moment.map(Some).map_err(|error| {
        Error::FromSqlConversionFailure(at, Type::Integer, error.to_string().into())
    })
}
