//! A query as SQL.

use std::fmt::Write as _;

use tokio_postgres::types::ToSql;

use super::rows;
use crate::store::query::Query;
use crate::store::search::{Conditions, Dialect, Value};

const DIALECT: Dialect = Dialect {
    moment: "'epoch'::timestamptz + ?::bigint * interval '1 microsecond'",
    contains: "(position(?::text in lower(body::text)) > 0 or position(?::text in lower(nick)) > 0)",
    pattern: str::to_lowercase,
};

/// A statement and the values in it.
pub(super) struct Search {
    pub(super) sql: String,
    pub(super) values: Vec<Box<dyn ToSql + Sync + Send>>,
}

/// The statement that finds the entries that a query is for: the newest first, unless it goes forward.
pub(super) fn search(query: &Query) -> Search {
    let Conditions { sql: conditions, values } = Conditions::of(query, &DIALECT);
    let mut sql = format!("select {} from vestibule_entry", rows::COLUMNS);
    for (number, part) in conditions.split('?').enumerate() {
        if number > 0 {
            let _ = write!(sql, "${number}");
        }
        sql.push_str(part);
    }
    let order = if query.goes_forward() { "asc" } else { "desc" };
    let _ = write!(sql, " order by seq {order}, server limit {}", query.count());
    Search { sql, values: values.into_iter().map(parameter).collect() }
}

fn parameter(value: Value) -> Box<dyn ToSql + Sync + Send> {
    match value {
        Value::Text(text) => Box::new(text.replace('\0', "\u{fffd}")),
        Value::Number(number) => Box::new(number),
    }
}
