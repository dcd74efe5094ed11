//! Entries and bans as rows, and as columns of many rows.

use std::borrow::{Borrow, Cow};

use jiff::Timestamp;
use serde::de::IgnoredAny;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

use crate::store::ban::{Ban, BanState};
use crate::store::entry::{By, Entry, Kind};

/// The columns of an entry, in the order of [`INSERT`], read as [`entry`] does. A moment is its microseconds since 1970.
pub(super) const COLUMNS: &str = "server, seq, (extract(epoch from at) * 1000000)::bigint, kind, id, room, person, \
    nick, attempt_kind, class, verdict, rule, line, denial, observed, revision, command, interface, caller, role, outcome, \
    reason, body::text";

/// Writes entries, each column an array.
pub(super) const INSERT: &str = "insert into vestibule_entry (server, seq, at, kind, id, room, person, nick, \
    attempt_kind, class, verdict, rule, line, denial, observed, revision, command, interface, caller, role, outcome, reason, \
    body) \
    select server, seq, 'epoch'::timestamptz + at * interval '1 microsecond', kind, id, room, person, nick, \
    attempt_kind, class, verdict, rule, line, denial, observed, revision, command, interface, caller, role, outcome, reason, \
    body::json \
    from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], \
    $9::text[], $10::text[], $11::text[], $12::text[], $13::integer[], $14::text[], $15::boolean[], $16::text[], \
    $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[]) \
    as given (server, seq, at, kind, id, room, person, nick, attempt_kind, class, verdict, rule, line, denial, observed, \
    revision, command, interface, caller, role, outcome, reason, body) \
    order by seq";

/// The end of [`INSERT`] where existing rows are to stay as they are.
pub(super) const AGAIN: &str = " on conflict do nothing";

/// The columns of a ban, read as [`ban`] does.
pub(super) const BAN: &str = "id, who, room, (extract(epoch from until) * 1000000)::bigint, reason, made_by, \
    (extract(epoch from at) * 1000000)::bigint, lifted, change";

/// Writes bans, each column an array, and of those that are there already, that they were lifted.
pub(super) const MERGE: &str = "insert into vestibule_ban as known (id, who, room, until, reason, made_by, at, lifted, \
    change) \
    select id, who, room, 'epoch'::timestamptz + until * interval '1 microsecond', reason, made_by, \
    'epoch'::timestamptz + at * interval '1 microsecond', lifted, nextval('vestibule_change') \
    from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::boolean[]) \
    as given (id, who, room, until, reason, made_by, at, lifted) \
    on conflict (id) do update set lifted = true, change = excluded.change \
    where excluded.lifted and not known.lifted";

type Columns = Vec<Box<dyn ToSql + Sync + Send>>;

/// One column of them all. It owns its texts because the driver needs them for as long as it runs.
fn column<'a, E, T: ToSql + Sync + Send + 'static>(
    rows: &'a [E],
    value: impl Fn(&'a E) -> T,
) -> Box<dyn ToSql + Sync + Send> {
    Box::new(rows.iter().map(value).collect::<Vec<T>>())
}

/// PostgreSQL has no texts with NUL in them.
fn text(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() }
}

fn maybe(value: Option<&str>) -> Option<String> {
    value.map(text)
}

/// The parameters of [`INSERT`].
pub(super) fn entries<E: Borrow<Entry>>(rows: &[E]) -> Columns {
    let of = |value: fn(&Entry) -> Option<&str>| column(rows, move |it| maybe(value(it.borrow())));
    vec![
        column(rows, |it| text(&it.borrow().server)),
        column(rows, |it| it.borrow().seq),
        column(rows, |it| it.borrow().at.as_microsecond()),
        column(rows, |it| it.borrow().kind.name()),
        of(|it| it.id.as_deref()),
        of(|it| it.room.as_deref()),
        of(|it| it.person.as_deref()),
        of(|it| it.nick.as_deref()),
        of(|it| it.attempt_kind.as_deref()),
        of(|it| it.class.as_deref()),
        of(|it| it.verdict.as_deref()),
        of(|it| it.rule.as_deref()),
        column(rows, |it| it.borrow().line.and_then(|line| i32::try_from(line).ok())),
        of(|it| it.denial.as_deref()),
        column(rows, |it| it.borrow().observed),
        of(|it| it.revision.as_deref()),
        of(|it| it.command.as_deref()),
        of(|it| it.by.as_ref().map(|by| &*by.face)),
        of(|it| it.by.as_ref().map(|by| &*by.name)),
        of(|it| it.by.as_ref().map(|by| &*by.role)),
        of(|it| it.outcome.as_deref()),
        of(|it| it.reason.as_deref()),
        column(rows, |it| json(&it.borrow().body).into_owned()),
    ]
}

/// A body is JSON; whatever else it were would stop all that is behind it.
fn json(body: &str) -> Cow<'_, str> {
    match serde_json::from_str::<IgnoredAny>(body) {
        Ok(_) => Cow::Borrowed(body),
        Err(_) => Cow::Owned(serde_json::Value::from(body).to_string()),
    }
}

/// The parameters of [`MERGE`].
pub(super) fn bans(rows: &[BanState]) -> Columns {
    vec![
        column(rows, |it| text(&it.ban.id)),
        column(rows, |it| text(&it.ban.who)),
        column(rows, |it| maybe(it.ban.room.as_deref())),
        column(rows, |it| it.ban.until.map(Timestamp::as_microsecond)),
        column(rows, |it| text(&it.ban.reason)),
        column(rows, |it| text(&it.ban.by)),
        column(rows, |it| it.ban.at.as_microsecond()),
        column(rows, |it| it.lifted),
    ]
}

/// Such parameters, as the driver takes them.
pub(super) fn parameters(columns: &Columns) -> Vec<&(dyn ToSql + Sync)> {
    columns.iter().map(|column| &**column as &(dyn ToSql + Sync)).collect()
}

/// The entry of a row of [`COLUMNS`]. One of a kind that only newer versions know counts as a decision.
pub(super) fn entry(row: &Row) -> Result<Entry, Error> {
    let text = |at: usize| row.try_get::<_, Option<String>>(at);
    let word = |at: usize| text(at).map(|text| text.map(Into::into));
    let by = match (text(17)?, text(18)?, text(19)?) {
        (Some(face), Some(name), Some(role)) => {
            Some(By { face: face.into(), name, role: role.into() })
        }
        _ => None,
    };
    Ok(Entry {
        server: row.try_get::<_, &str>(0)?.into(),
        seq: row.try_get(1)?,
        at: moment(row.try_get(2)?),
        kind: Kind::from_name(row.try_get(3)?).unwrap_or_default(),
        id: text(4)?,
        room: text(5)?,
        person: text(6)?,
        nick: text(7)?,
        attempt_kind: word(8)?,
        class: word(9)?,
        verdict: word(10)?,
        rule: word(11)?,
        line: row.try_get::<_, Option<i32>>(12)?.and_then(|line| line.try_into().ok()),
        denial: word(13)?,
        observed: row.try_get(14)?,
        revision: text(15)?,
        command: word(16)?,
        by,
        outcome: word(20)?,
        reason: text(21)?,
        body: row.try_get(22)?,
    })
}

/// The ban of a row of [`BAN`], and the number of its last change.
pub(super) fn ban(row: &Row) -> Result<(i64, BanState), Error> {
    let moment_at = |at: usize| row.try_get::<_, Option<i64>>(at).map(|micro| micro.map(moment));
    let ban = Ban {
        id: row.try_get(0)?,
        who: row.try_get(1)?,
        room: row.try_get(2)?,
        until: moment_at(3)?,
        reason: row.try_get(4)?,
        by: row.try_get(5)?,
        at: moment_at(6)?.unwrap_or_default(),
    };
    Ok((row.try_get(8)?, BanState { ban, lifted: row.try_get(7)? }))
}

fn moment(micro: i64) -> Timestamp {
    Timestamp::from_microsecond(micro).unwrap_or_default()
}
