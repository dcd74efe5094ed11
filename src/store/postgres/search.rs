//! A query as SQL.

use std::fmt::Write as _;

use tokio_postgres::types::ToSql;

use super::rows;
use crate::store::entry::Kind;
use crate::store::query::Query;

type Value = Box<dyn ToSql + Sync + Send>;

/// A statement and the values in it.
pub(super) struct Search {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Search {
    /// A condition, with a `?` for each value.
    fn must(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        let mut values = values.into_iter();
        self.sql.push_str(if self.values.is_empty() { " where " } else { " and " });
        for c in condition.chars() {
            match values.next_if_placeholder(c) {
                Some(value) => {
                    self.values.push(value);
                    let _ = write!(self.sql, "${}", self.values.len());
                }
                None => self.sql.push(c),
            }
        }
    }

    fn address(&mut self, column: &str, address: &str) {
        if address.contains('@') {
            return self.must(&format!("{column} = ?"), [text(address)]);
        }
        // Whatever stands after the `@`, which is the character before `A`.
        let range = format!("({column} >= ? and {column} < ?)");
        self.must(&range, [text(&format!("{address}@")), text(&format!("{address}A"))]);
    }
}

trait Placeholders: Iterator<Item = Value> + Sized {
    fn next_if_placeholder(&mut self, c: char) -> Option<Value> {
        if c == '?' { self.next() } else { None }
    }
}

impl<I: Iterator<Item = Value>> Placeholders for I {}

fn text(text: &str) -> Value {
    Box::new(text.replace('\0', "\u{fffd}"))
}

fn number(number: i64) -> Value {
    Box::new(number)
}

/// The statement that finds the entries that a query is for: the newest first, unless it goes forward.
pub(super) fn search(query: &Query) -> Search {
    let mut all = Search {
        sql: format!("select {} from vestibule_entry", rows::COLUMNS),
        values: Vec::new(),
    };
    if let Some(room) = &query.room {
        all.address("room", room);
    }
    if let Some(person) = &query.person {
        all.address("person", person);
    }
    if let Some(rule) = &query.rule {
        // A family is what stands before the full stop, which is the character before `/`.
        let values = [text(rule), text(&format!("{rule}.")), text(&format!("{rule}/"))];
        all.must("(rule = ? or (rule >= ? and rule < ?))", values);
    }
    if let Some(verdict) = &query.verdict {
        all.must("verdict = ?", [text(verdict)]);
    }
    match query.kind {
        Some(kind) => all.must("kind = ?", [text(kind.name())]),
        // One that only a newer version knows is left out.
        None => {
            let places = ["?"; Kind::NAMES.len()].join(", ");
            all.must(&format!("kind in ({places})"), Kind::NAMES.map(text));
        }
    }
    if let Some(id) = &query.id {
        all.must("id = ?", [text(id)]);
    }
    let moment = "'epoch'::timestamptz + ?::bigint * interval '1 microsecond'";
    if let Some(since) = query.since {
        all.must(&format!("at >= {moment}"), [number(since.as_microsecond())]);
    }
    if let Some(until) = query.until {
        all.must(&format!("at < {moment}"), [number(until.as_microsecond())]);
    }
    if let Some(words) = &query.text {
        let words = words.to_lowercase();
        let found =
            "(position(?::text in lower(body::text)) > 0 or position(?::text in lower(nick)) > 0)";
        all.must(found, [text(&words), text(&words)]);
    }
    if let Some(server) = &query.server {
        all.must("server = ?", [text(server)]);
    }
    if let Some(after) = query.after {
        all.must("seq > ?", [number(after)]);
    }
    if let Some(before) = query.before {
        all.must("seq < ?", [number(before)]);
    }
    let order = if query.goes_forward() { "asc" } else { "desc" };
    let _ = write!(all.sql, " order by seq {order}, server limit {}", query.count());
    all
}
