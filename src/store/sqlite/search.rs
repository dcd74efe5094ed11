//! A query as SQL.

use rusqlite::types::Value;
use rusqlite::{Connection, Error, params_from_iter};

use super::rows;
use crate::store::entry::{Entry, Kind};
use crate::store::query::Query;

/// Conditions and the values in them.
#[derive(Default)]
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    /// A condition with a `?` for each value.
    fn must(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        self.sql.push_str(condition);
        self.values.extend(values);
    }

    fn address(&mut self, column: &str, address: &str) {
        if address.contains('@') {
            return self.must(&format!("{column} = ?"), [text(address)]);
        }
        // Whatever stands after the `@`, which is the character before `A`.
        let range = format!("{column} >= ? AND {column} < ?");
        self.must(&range, [text(format!("{address}@")), text(format!("{address}A"))]);
    }
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

/// The entries that a query is for, in the order of their numbers.
pub(super) fn search(connection: &Connection, query: &Query) -> Result<Vec<Entry>, Error> {
    let conditions = conditions(query);
    let (order, count) = (if query.goes_forward() { "ASC" } else { "DESC" }, query.count());
    let sql = format!("SELECT * FROM entries{} ORDER BY seq {order} LIMIT {count}", conditions.sql);
    let mut statement = connection.prepare(&sql)?;
    let found = statement.query_map(params_from_iter(conditions.values), rows::entry)?;
    let mut found = found.collect::<Result<Vec<_>, _>>()?;
    if !query.goes_forward() {
        found.reverse();
    }
    Ok(found)
}

fn conditions(query: &Query) -> Conditions {
    let mut all = Conditions::default();
    if let Some(room) = &query.room {
        all.address("room", room);
    }
    if let Some(person) = &query.person {
        all.address("person", person);
    }
    if let Some(rule) = &query.rule {
        // A family is what stands before the full stop, which is the character before `/`.
        let values = [text(rule), text(format!("{rule}.")), text(format!("{rule}/"))];
        all.must("(rule = ? OR (rule >= ? AND rule < ?))", values);
    }
    if let Some(verdict) = &query.verdict {
        all.must("verdict = ?", [text(verdict)]);
    }
    match query.kind {
        Some(kind) => all.must("kind = ?", [text(kind.name())]),
        // One that only a newer version knows is left out.
        None => {
            let places = ["?"; Kind::NAMES.len()].join(", ");
            all.must(&format!("kind IN ({places})"), Kind::NAMES.map(text));
        }
    }
    if let Some(id) = &query.id {
        all.must("id = ?", [text(id)]);
    }
    if let Some(since) = query.since {
        all.must("at >= ?", [since.as_microsecond().into()]);
    }
    if let Some(until) = query.until {
        all.must("at < ?", [until.as_microsecond().into()]);
    }
    if let Some(words) = &query.text {
        let mut pattern = String::from("%");
        for c in words.chars() {
            if matches!(c, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern.push('%');
        let values = [text(pattern.clone()), text(pattern)];
        all.must("(body LIKE ? ESCAPE '\\' OR nick LIKE ? ESCAPE '\\')", values);
    }
    if let Some(server) = &query.server {
        all.must("server = ?", [text(server)]);
    }
    if let Some(after) = query.after {
        all.must("seq > ?", [after.into()]);
    }
    if let Some(before) = query.before {
        all.must("seq < ?", [before.into()]);
    }
    all
}
