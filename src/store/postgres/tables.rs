//! Reads and writes of the tables, each one step of a [`Session`].

use std::borrow::{Borrow, Cow};
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::IgnoredAny;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row};

use super::session::{Session, in_time};
use crate::store::backend::{FORGOTTEN, StoreError};
use crate::store::entry::{Ban, BanState, Entry, Kind};
use crate::store::query::{Conditions, Dialect, Query, Value};
use crate::store::renames::renamed_rules;

/// Lock of transactions whose rows others read from where they left off, so that numbers come in the order of commits:
/// "vest" and "news" in ASCII.
const LOCK: i64 = 0x7665_7374_6e65_7773;
/// Most rows that are read at once.
pub(crate) const PAGE: i64 = 500;

impl Session {
    /// Writes all entries, or none.
    pub(crate) async fn append<E: Borrow<Entry>>(
        &mut self,
        entries: &[E],
    ) -> Result<(), StoreError> {
        self.insert(INSERT, entries).await
    }

    /// Writes all entries, or none. Existing ones stay as they are.
    pub(crate) async fn ship(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        self.insert(&format!("{INSERT} on conflict do nothing"), entries).await
    }

    async fn insert<E: Borrow<Entry>>(
        &mut self,
        statement: &str,
        entries: &[E],
    ) -> Result<(), StoreError> {
        let has_action = entries.iter().any(|entry| entry.borrow().kind == Kind::Action);
        self.write(statement, entry_columns(entries), has_action).await.map(drop)
    }

    /// Writes bans, and that bans were lifted; returns how many rows have changed.
    pub(crate) async fn merge_bans(&mut self, bans: &[BanState]) -> Result<u64, StoreError> {
        self.write(MERGE, ban_columns(bans), true).await
    }

    /// Writes all rows, or none. With `tell`, the other servers are notified.
    async fn write(
        &mut self,
        statement: &str,
        columns: Columns,
        tell: bool,
    ) -> Result<u64, StoreError> {
        let database = Arc::clone(&self.database);
        let transacted = async {
            let transaction = self.client.transaction().await?;
            if tell {
                transaction.execute("select pg_advisory_xact_lock($1)", &[&LOCK]).await?;
            }
            let written = transaction.execute(statement, &parameters(&columns)).await?;
            if tell && written > 0 {
                transaction.execute("notify vestibule", &[]).await?;
            }
            transaction.commit().await?;
            Ok(written)
        };
        in_time(&database, transacted).await
    }

    /// Returns the entries that match a query, in the order of their numbers.
    pub(crate) async fn search(&self, query: &Query) -> Result<Vec<Entry>, StoreError> {
        let Conditions { sql: conditions, values, .. } = Conditions::of(query, &DIALECT);
        let mut sql = format!("select {COLUMNS} from vestibule_entry");
        for (number, part) in conditions.split('?').enumerate() {
            if number > 0 {
                let _ = write!(sql, "${number}");
            }
            sql.push_str(part);
        }
        let order = if query.goes_forward() { "asc" } else { "desc" };
        let _ = write!(sql, " order by seq {order}, server limit {}", query.count());
        let values = values.into_iter().map(parameter).collect();
        let mut found = self.rows(&sql, &parameters(&values), entry).await?;
        if !query.goes_forward() {
            found.reverse();
        }
        Ok(found)
    }

    /// Replaces person, nick, reason and body of entries, all or none.
    pub(crate) async fn replace(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let of = |value: fn(&Entry) -> Option<&str>| column(entries, move |it| maybe(value(it)));
        let columns: Columns = vec![
            column(entries, |it| text(&it.server)),
            column(entries, |it| it.seq),
            of(|it| it.person.as_deref()),
            of(|it| it.nick.as_deref()),
            of(|it| it.reason.as_deref()),
            column(entries, |it| json(&it.body).into_owned()),
        ];
        self.write(REPLACE, columns, false).await.map(drop)
    }

    /// Overwrites whom these bans were on, and why.
    pub(crate) async fn forget_bans(&mut self, ids: &[String]) -> Result<(), StoreError> {
        let columns: Columns = vec![column(ids, |id| text(id))];
        let forget = format!(
            "update vestibule_ban set who = '{FORGOTTEN}', reason = '' where id = any($1::text[])"
        );
        self.write(&forget, columns, false).await.map(drop)
    }

    /// Returns the greatest entry number, or 0 without entries.
    pub(crate) async fn last(&self) -> Result<i64, StoreError> {
        let last = "select coalesce(max(seq), 0) from vestibule_entry";
        self.step(self.client.query_one_scalar(last, &[])).await
    }

    /// Returns the greatest number of a server's entries, or 0 without entries.
    pub(crate) async fn last_of(&self, server: &str) -> Result<i64, StoreError> {
        let last = "select coalesce(max(seq), 0) from vestibule_entry where server = $1";
        self.step(self.client.query_one_scalar(last, &[&server])).await
    }

    /// Returns the number of entries with a number greater than `seq`.
    pub(crate) async fn count_after(&self, seq: i64) -> Result<i64, StoreError> {
        let count = "select count(*) from vestibule_entry where seq > $1";
        self.step(self.client.query_one_scalar(count, &[&seq])).await
    }

    /// Returns every ban that was not lifted, oldest first.
    pub(crate) async fn bans(&self) -> Result<Vec<Ban>, StoreError> {
        let sql = format!("select {BAN} from vestibule_ban where not lifted order by at, id");
        self.rows(&sql, &[], |row| ban(row).map(|(_, state)| state.ban)).await
    }

    /// Returns the arrival number of the newest action, or 0 without actions.
    pub(crate) async fn newest_action(&self) -> Result<i64, StoreError> {
        let newest = "select coalesce(max(arrival), 0) from vestibule_entry where kind = 'action'";
        self.step(self.client.query_one_scalar(newest, &[])).await
    }

    /// Returns a page of the other servers' actions after the arrival number `after`, each with its own.
    pub(crate) async fn actions(
        &self,
        after: i64,
        server: &str,
    ) -> Result<Vec<(i64, Entry)>, StoreError> {
        let sql = format!(
            "select {COLUMNS}, arrival from vestibule_entry where kind = 'action' and arrival > $1 and server <> $2 \
             order by arrival limit {PAGE}"
        );
        self.rows(&sql, &[&after, &server], |row| Ok((row.try_get(23)?, entry(row)?))).await
    }

    /// Lifts the bans of these ids; returns those that were lifted.
    pub(crate) async fn lift_bans(&mut self, ids: &[String]) -> Result<Vec<Ban>, StoreError> {
        let sql = format!(
            "select {BAN} from vestibule_ban where id = any($1) and not lifted order by at, id"
        );
        let ban = |row: &_| ban(row).map(|(_, state)| state.ban);
        let lifted = self.rows(&sql, &[&ids], ban).await?;
        let state = |ban: &Ban| BanState { ban: ban.clone(), lifted: true };
        self.merge_bans(&lifted.iter().map(state).collect::<Vec<_>>()).await?;
        Ok(lifted)
    }

    /// Returns a page of the bans that changed after the change `after`, each with the number of its own.
    pub(crate) async fn ban_changes(&self, after: i64) -> Result<Vec<(i64, BanState)>, StoreError> {
        let sql = format!(
            "select {BAN} from vestibule_ban where change > $1 order by change limit {PAGE}"
        );
        self.rows(&sql, &[&after], ban).await
    }

    /// Deletes a page of this server's entries before a moment, oldest first; returns whether there may be more.
    /// Policies stay, because the decisions that stay were made by them.
    pub(crate) async fn trim(&self, server: &str, before: Timestamp) -> Result<bool, StoreError> {
        // Entry numbers are microseconds too, and they are indexed.
        let sql = format!(
            "delete from vestibule_entry where server = $1 and seq in (select seq from vestibule_entry \
             where server = $1 and seq < $2 and kind <> 'revision' order by seq limit {PAGE})"
        );
        let before = before.as_microsecond();
        let removed = self.step(self.client.execute(&sql, &[&server, &before])).await?;
        Ok(i64::try_from(removed).is_ok_and(|removed| removed >= PAGE))
    }

    async fn rows<T>(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
        read: impl Fn(&Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, StoreError> {
        self.step(async {
            let rows = self.client.query(sql, values).await?;
            rows.iter().map(read).collect()
        })
        .await
    }
}

/// Columns of an entry in the order of [`INSERT`], as [`entry`] reads them. Times are microseconds since 1970.
const COLUMNS: &str = "server, seq, (extract(epoch from at) * 1000000)::bigint, kind, id, room, person, \
    nick, attempt_kind, class, verdict, rule, line, denial, observed, revision, command, interface, caller, role, outcome, \
    reason, body::text";

/// Writes entries; each parameter is an array with one column of all of them.
const INSERT: &str = "insert into vestibule_entry (server, seq, at, kind, id, room, person, nick, \
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

/// Replaces what entries say of people; each parameter is an array with one column of all of them.
const REPLACE: &str = "update vestibule_entry as kept \
    set person = given.person, nick = given.nick, reason = given.reason, body = given.body::json \
    from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[]) \
    as given (server, seq, person, nick, reason, body) \
    where kept.server = given.server and kept.seq = given.seq";

/// Columns of a ban, as [`ban`] reads them.
const BAN: &str = "id, who, room, (extract(epoch from until) * 1000000)::bigint, reason, made_by, \
    (extract(epoch from at) * 1000000)::bigint, lifted, change";

/// Writes bans, each parameter an array; of bans that exist, only that they were lifted.
const MERGE: &str = "insert into vestibule_ban as known (id, who, room, until, reason, made_by, at, lifted, \
    change) \
    select id, who, room, 'epoch'::timestamptz + until * interval '1 microsecond', reason, made_by, \
    'epoch'::timestamptz + at * interval '1 microsecond', lifted, nextval('vestibule_change') \
    from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::boolean[]) \
    as given (id, who, room, until, reason, made_by, at, lifted) \
    on conflict (id) do update set lifted = true, change = excluded.change \
    where excluded.lifted and not known.lifted";

type Columns = Vec<Box<dyn ToSql + Sync + Send>>;

/// Returns one column of all rows. It owns its texts because the driver needs them for as long as it runs.
fn column<'a, E, T: ToSql + Sync + Send + 'static>(
    rows: &'a [E],
    value: impl Fn(&'a E) -> T,
) -> Box<dyn ToSql + Sync + Send> {
    Box::new(rows.iter().map(value).collect::<Vec<T>>())
}

/// Replaces NUL characters, which texts of PostgreSQL cannot contain.
fn text(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() }
}

fn maybe(value: Option<&str>) -> Option<String> {
    value.map(text)
}

/// Returns the parameters of [`INSERT`].
fn entry_columns<E: Borrow<Entry>>(rows: &[E]) -> Columns {
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

/// Returns a body that is valid JSON: the database would refuse any other, and the entries after it would wait.
fn json(body: &str) -> Cow<'_, str> {
    match serde_json::from_str::<IgnoredAny>(body) {
        Ok(_) => Cow::Borrowed(body),
        Err(_) => Cow::Owned(serde_json::Value::from(body).to_string()),
    }
}

/// Returns the parameters of [`MERGE`].
fn ban_columns(rows: &[BanState]) -> Columns {
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

/// Converts columns to parameters of the driver.
fn parameters(columns: &Columns) -> Vec<&(dyn ToSql + Sync)> {
    columns.iter().map(|column| &**column as &(dyn ToSql + Sync)).collect()
}

/// Reads an entry from a row of [`COLUMNS`]. A kind that only newer versions know counts as a decision.
fn entry(row: &Row) -> Result<Entry, Error> {
    let kind = Kind::from_name(row.try_get(3)?).unwrap_or_default();
    let entry = Entry {
        server: row.try_get::<_, &str>(0)?.into(),
        seq: row.try_get(1)?,
        line: row.try_get::<_, Option<i32>>(12)?.and_then(|line| line.try_into().ok()),
        observed: row.try_get(14)?,
        body: row.try_get(22)?,
        ..Entry::new(kind, moment(row.try_get(2)?))
    };
    entry.with_texts(|at| row.try_get(at))
}

/// Reads a ban from a row of [`BAN`], and the number of its last change.
fn ban(row: &Row) -> Result<(i64, BanState), Error> {
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

const DIALECT: Dialect = Dialect {
    moment: "'epoch'::timestamptz + ?::bigint * interval '1 microsecond'",
    mentions: "position(?::text in lower(concat_ws(chr(10), person, nick, reason, caller, body::text))) > 0",
    name: "coalesce(body ->> 'name', body #>> '{facts,who,name}')",
    contains: "(position(?::text in lower(body::text)) > 0 or position(?::text in lower(nick)) > 0)",
    pattern: str::to_lowercase,
};

fn parameter(value: Value) -> Box<dyn ToSql + Sync + Send> {
    match value {
        Value::Text(text) => Box::new(text.replace('\0', "\u{fffd}")),
        Value::Number(number) => Box::new(number),
    }
}

/// Migrations: each makes a version of the tables from the one before, the first from an empty database.
const VERSIONS: [&str; 2] = [
    include_str!("schema-1.sql"),
    concat!(
        "alter table vestibule_entry rename column face to interface;",
        renamed_rules!("vestibule_entry")
    ),
];
/// Version of the tables that this program knows.
#[expect(clippy::cast_possible_truncation, reason = "a handful")]
#[expect(clippy::cast_possible_wrap, reason = "a handful")]
pub(super) const VERSION: i32 = VERSIONS.len() as i32;
/// Lock that is held while the tables are changed: "vest" and "ibul" in ASCII.
const MIGRATION_LOCK: i64 = 0x7665_7374_6962_756c;

/// Migrates the tables to [`VERSION`]; returns the version that they have then, which may be a newer one.
///
/// Components that start at once take turns.
pub(super) async fn migrate(client: &mut Client) -> Result<i32, Error> {
    let transaction = client.transaction().await?;
    transaction.execute("select pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await?;
    // Existence is checked first: creating a table may be forbidden even where it exists.
    let is_there = "select to_regclass('vestibule_schema') is not null";
    if !transaction.query_one(is_there, &[]).await?.try_get::<_, bool>(0)? {
        let make = "create table vestibule_schema (version integer primary key, made timestamptz not null default now())";
        transaction.batch_execute(make).await?;
    }
    let found = "select coalesce(max(version), 0) from vestibule_schema";
    let found: i32 = transaction.query_one(found, &[]).await?.try_get(0)?;
    let made = usize::try_from(found).unwrap_or(0);
    for (version, statements) in (1..).zip(VERSIONS).skip(made) {
        transaction.batch_execute(statements).await?;
        transaction
            .execute("insert into vestibule_schema (version) values ($1)", &[&version])
            .await?;
    }
    transaction.commit().await?;
    Ok(found.max(VERSION))
}
