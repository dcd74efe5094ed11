//! Queries of the audit database.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::entry::{Entry, Kind};
use crate::policy::rules::renamed;
use crate::schema;

/// Which entries; everything that is given has to hold. The newest of them, or with [`after`](Self::after) the
/// oldest, at most [`limit`](Self::limit) of them, always in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Query {
    /// The room: its address, or only the part before the `@`.
    #[schemars(with = "Option<schema::Room>")]
    pub room: Option<String>,
    /// The person: their address, or only the part before the `@`.
    #[schemars(with = "Option<schema::Person>")]
    pub person: Option<String>,
    /// The rule (`lobby.admission`), or the family of rules (`lobby`).
    pub rule: Option<String>,
    /// The verdict of a decision.
    #[schemars(extend("enum" = ["allow", "hold", "prompt", "deny"]))]
    pub verdict: Option<String>,
    /// The kind of entry.
    #[schemars(with = "Option<String>", extend("enum" = Kind::NAMES))]
    pub kind: Option<Kind>,
    /// The id of a decision or an action.
    pub id: Option<String>,
    /// From that moment on.
    #[schemars(with = "Option<schema::Moment>")]
    pub since: Option<Timestamp>,
    /// Before that moment.
    #[schemars(with = "Option<schema::Moment>")]
    pub until: Option<Timestamp>,
    /// Words in the body or the nick; the case of Latin letters does not matter.
    pub text: Option<String>,
    /// Entries after this number, the oldest first.
    pub after: Option<i64>,
    /// Entries before this number.
    pub before: Option<i64>,
    /// Only those of the server of that name.
    #[schemars(skip)]
    pub server: Option<String>,
    /// At most so many: 100 by default, 1000 at most.
    pub limit: Option<u32>,
}

/// The result of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The entries, in the order of their numbers.
    pub entries: Vec<Entry>,
    /// A note on what was not searched, and why.
    pub note: Option<String>,
}

impl Query {
    /// The number of entries without a limit in the query.
    pub const USUAL: u32 = 100;
    /// The most that one search gives.
    pub const MOST: u32 = 1000;

    /// Returns how many are wanted.
    pub fn count(&self) -> u32 {
        self.limit.unwrap_or(Self::USUAL).clamp(1, Self::MOST)
    }

    /// The oldest come first, to go on after them.
    pub const fn goes_forward(&self) -> bool {
        self.after.is_some()
    }
}

/// The syntax in which the databases differ.
pub(super) struct Dialect {
    /// A point in time, from a `?` that is its number of microseconds since 1970.
    pub(super) moment: &'static str,
    /// The condition that an entry contains a text, with a `?` twice.
    pub(super) contains: &'static str,
    /// Returns the value of these two for a text that is looked for.
    pub(super) pattern: fn(&str) -> String,
}

/// The value of a `?`.
#[derive(Debug)]
pub(super) enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// A `where` clause, and the value of each `?` in it.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    /// Returns the conditions of a query.
    pub(super) fn of(query: &Query, dialect: &Dialect) -> Self {
        let Dialect { moment, contains, pattern } = dialect;
        let mut all = Self::default();
        if let Some(room) = &query.room {
            all.address("room", room);
        }
        if let Some(person) = &query.person {
            all.address("person", person);
        }
        if let Some(rule) = &query.rule {
            let now = renamed(rule).filter(|now| !now.starts_with(rule.as_str()));
            let rule = now.unwrap_or(rule);
            // A family is what stands before the full stop, which is the character before `/`.
            let values = [rule.to_owned(), format!("{rule}."), format!("{rule}/")];
            all.and("(rule = ? or (rule >= ? and rule < ?))", values);
        }
        all.each("verdict = ?", query.verdict.as_deref());
        match query.kind {
            Some(kind) => all.and("kind = ?", [kind.name()]),
            // One that only a newer version knows is left out.
            None => {
                let places = ["?"; Kind::NAMES.len()].join(", ");
                all.and(&format!("kind in ({places})"), Kind::NAMES);
            }
        }
        all.each("id = ?", query.id.as_deref());
        all.each(&format!("at >= {moment}"), query.since.map(Timestamp::as_microsecond));
        all.each(&format!("at < {moment}"), query.until.map(Timestamp::as_microsecond));
        if let Some(words) = &query.text {
            all.and(contains, [pattern(words), pattern(words)]);
        }
        all.each("server = ?", query.server.as_deref());
        all.each("seq > ?", query.after);
        all.each("seq < ?", query.before);
        all
    }

    /// Adds a condition, with a value for each `?`.
    fn and<V: Into<Value>>(&mut self, condition: &str, values: impl IntoIterator<Item = V>) {
        self.sql.push_str(if self.sql.is_empty() { " where " } else { " and " });
        self.sql.push_str(condition);
        self.values.extend(values.into_iter().map(Into::into));
    }

    /// Adds a condition with one `?`, if there is a value.
    fn each<V: Into<Value>>(&mut self, condition: &str, value: Option<V>) {
        if value.is_some() {
            self.and(condition, value);
        }
    }

    fn address(&mut self, column: &str, address: &str) {
        if address.contains('@') {
            return self.and(&format!("{column} = ?"), [address]);
        }
        // What stands after the `@`, which is the character before `A`.
        let range = format!("({column} >= ? and {column} < ?)");
        self.and(&range, [format!("{address}@"), format!("{address}A")]);
    }
}
