//! A query as SQL.

use rusqlite::{Connection, Error, params_from_iter, types};

use super::rows;
use crate::store::entry::Entry;
use crate::store::query::Query;
use crate::store::search::{Conditions, Dialect, Value};

const DIALECT: Dialect = Dialect {
    moment: "?",
    contains: r"(body like ? escape '\' or nick like ? escape '\')",
    pattern,
};

/// Returns the pattern of `LIKE` for what contains these words.
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

/// The entries that a query is for, in the order of their numbers.
pub(super) fn search(connection: &Connection, query: &Query) -> Result<Vec<Entry>, Error> {
    let Conditions { sql, values } = Conditions::of(query, &DIALECT);
    let (order, count) = (if query.goes_forward() { "asc" } else { "desc" }, query.count());
    let sql = format!("select * from entries{sql} order by seq {order} limit {count}");
    let mut statement = connection.prepare(&sql)?;
    let values = values.into_iter().map(types::Value::from);
    let found = statement.query_map(params_from_iter(values), rows::entry)?;
    let mut found = found.collect::<Result<Vec<_>, _>>()?;
    if !query.goes_forward() {
        found.reverse();
    }
    Ok(found)
}
