//! The tables, by version.

use tokio_postgres::{Client, Error};

use crate::store::renames::renamed_rules;

/// Migrations: each makes a version of the tables from the one before, the first from nothing.
const VERSIONS: [&str; 2] = [
    include_str!("schema-1.sql"),
    concat!(
        "alter table vestibule_entry rename column face to interface;",
        renamed_rules!("vestibule_entry")
    ),
];
/// The version that this program knows.
#[expect(clippy::cast_possible_truncation, reason = "a handful")]
#[expect(clippy::cast_possible_wrap, reason = "a handful")]
pub(super) const VERSION: i32 = VERSIONS.len() as i32;
/// Held while the tables are changed: "vest" and "ibul" in ASCII.
const LOCK: i64 = 0x7665_7374_6962_756c;

/// Brings the tables to [`VERSION`]; the version they have then, which may be a newer one.
///
/// Components that start at once take turns.
pub(super) async fn migrate(client: &mut Client) -> Result<i32, Error> {
    let transaction = client.transaction().await?;
    transaction.execute("select pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    // Whether it is there is asked first: to make tables may be forbidden where all are made.
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
