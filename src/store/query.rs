//! Queries of the audit database.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::entry::{Entry, Kind};
use crate::jid::BareJid;
use crate::policy::rules::renamed;
use crate::schema;

/// Selects entries: every condition that is given must hold. Returns the newest of them, or with [`after`](Self::after)
/// the oldest, at most [`limit`](Self::limit) of them, always in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Query {
    /// The room: its address, or only the part before the `@`.
    #[schemars(with = "Option<schema::Room>")]
    pub room: Option<String>,
    /// The person: their address, the part before the `@`, their nick or their display name.
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
    /// Only entries from this time on.
    #[schemars(with = "Option<schema::Moment>")]
    pub since: Option<Timestamp>,
    /// Only entries before this time.
    #[schemars(with = "Option<schema::Moment>")]
    pub until: Option<Timestamp>,
    /// Text that the body or the nick contains; the case of Latin letters does not matter.
    pub text: Option<String>,
    /// Only entries of which any text contains one of these, if there are any; the case of Latin letters does not matter.
    #[serde(skip)]
    pub mentions: Vec<String>,
    /// Only entries after this number, the oldest first.
    pub after: Option<i64>,
    /// Only entries before this number.
    pub before: Option<i64>,
    /// Only entries of the server of this name.
    #[schemars(skip)]
    pub server: Option<String>,
    /// Most entries to return: 100 by default, 1000 at most.
    pub limit: Option<u32>,
}

/// The result of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The entries, in the order of their numbers.
    pub entries: Vec<Entry>,
    /// What was not searched, and why; `None` if all was.
    pub note: Option<String>,
}

impl Query {
    /// Number of entries that a query without a limit returns.
    pub const USUAL: u32 = 100;
    /// Most entries that one search returns.
    pub const MOST: u32 = 1000;

    /// Returns how many entries to return, from 1 to [`MOST`](Self::MOST).
    pub fn count(&self) -> u32 {
        self.limit.unwrap_or(Self::USUAL).clamp(1, Self::MOST)
    }

    /// Returns whether the oldest entries come first, so that a reader can continue after them.
    pub const fn goes_forward(&self) -> bool {
        self.after.is_some()
    }
}

/// SQL syntax in which the databases differ.
pub(super) struct Dialect {
    /// Expression for a time, made from a `?` in microseconds since 1970.
    pub(super) moment: &'static str,
    /// Condition that an entry contains a text, with two `?` for the pattern.
    pub(super) contains: &'static str,
    /// Expression for the display name of the person concerned, which is in the body.
    pub(super) name: &'static str,
    /// Condition that a text of an entry contains another one, with one `?` for the pattern.
    pub(super) mentions: &'static str,
    /// Returns the pattern for a text that is searched for.
    pub(super) pattern: fn(&str) -> String,
}

/// Value of a `?` in a statement.
#[derive(Debug)]
pub(super) enum Value {
    /// A string.
    Text(String),
    /// An integer.
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

/// A `where` clause, with the value of each `?` in it.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
    /// For the index of a database: of each list, an entry that matches has one of these texts.
    pub(super) terms: Vec<Vec<(Field, String)>>,
}

/// Texts of an entry by which it is indexed. The numbers are in databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// The kind.
    Kind = 1,
    /// The verdict.
    Verdict = 2,
    /// The rule, and the families that it is of.
    Rule = 3,
    /// The id.
    Id = 4,
    /// The address of the room.
    Room = 5,
    /// The address of the person concerned.
    Person = 6,
    /// What others call the person concerned: nick and display name.
    Called = 7,
}

impl Conditions {
    /// Translates a query into conditions.
    pub(super) fn of(query: &Query, dialect: &Dialect) -> Self {
        let Dialect { moment, contains, mentions, pattern, .. } = dialect;
        let mut all = Self::default();
        if let Some(room) = &query.room {
            all.address("room", Field::Room, room);
        }
        if let Some(person) = &query.person {
            all.person(person, dialect);
        }
        if let Some(rule) = &query.rule {
            let now = renamed(rule).filter(|now| !now.starts_with(rule.as_str()));
            let rule = now.unwrap_or(rule);
            // A family is the part of a rule's name before the full stop; `/` is the character after the full stop.
            let values = [rule.to_owned(), format!("{rule}."), format!("{rule}/")];
            all.and("(rule = ? or (rule >= ? and rule < ?))", values);
            all.terms.push(vec![(Field::Rule, rule.to_owned())]);
        }
        all.each("verdict = ?", query.verdict.as_deref());
        all.terms
            .extend(query.verdict.iter().map(|verdict| vec![(Field::Verdict, verdict.clone())]));
        match query.kind {
            Some(kind) => {
                all.and("kind = ?", [kind.name()]);
                all.terms.push(vec![(Field::Kind, kind.name().to_owned())]);
            }
            // Entries of a kind that only a newer version knows are left out.
            None => {
                let places = ["?"; Kind::NAMES.len()].join(", ");
                all.and(&format!("kind in ({places})"), Kind::NAMES);
            }
        }
        all.each("id = ?", query.id.as_deref());
        all.terms.extend(query.id.iter().map(|id| vec![(Field::Id, id.clone())]));
        all.each(&format!("at >= {moment}"), query.since.map(Timestamp::as_microsecond));
        all.each(&format!("at < {moment}"), query.until.map(Timestamp::as_microsecond));
        if let Some(words) = &query.text {
            all.and(contains, [pattern(words), pattern(words)]);
        }
        if !query.mentions.is_empty() {
            let each = vec![*mentions; query.mentions.len()].join(" or ");
            all.and(&format!("({each})"), query.mentions.iter().map(|text| pattern(text)));
        }
        all.each("server = ?", query.server.as_deref());
        all.each("seq > ?", query.after);
        all.each("seq < ?", query.before);
        all
    }

    /// Adds a condition with a value for each `?`.
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

    fn address(&mut self, column: &str, field: Field, address: &str) {
        if address.contains('@') {
            let jid = address.parse::<BareJid>();
            let jid = jid.map_or_else(|_| address.to_owned(), |jid| jid.to_string());
            self.and(&format!("{column} = ?"), [jid.clone()]);
            return self.terms.push(vec![(field, jid)]);
        }
        let [first, end] = bounds(&prepared(address));
        self.terms.push(vec![(field, first.clone())]);
        self.and(&in_front_of_at(column), [first, end]);
    }

    /// Adds the condition that an entry is about a person, whom an address names, or the part before the `@`, or what
    /// others call them; the case of Latin letters in such a name does not matter.
    fn person(&mut self, person: &str, dialect: &Dialect) {
        if person.contains('@') {
            return self.address("person", Field::Person, person);
        }
        let (is_in_front, name) = (in_front_of_at("person"), dialect.name);
        let called = person.to_ascii_lowercase();
        let [first, end] = bounds(&prepared(person));
        self.terms.push(vec![(Field::Person, first.clone()), (Field::Called, called.clone())]);
        let values = [first, end, called.clone(), called];
        self.and(&format!("({is_in_front} or lower(nick) = ? or lower({name}) = ?)"), values);
    }
}

/// Returns the condition that a column has an address with a certain part before the `@`, with two `?` for [`bounds`].
fn in_front_of_at(column: &str) -> String {
    format!("({column} >= ? and {column} < ?)")
}

/// Returns the part of an address before the `@` as addresses have it; what cannot be one stays.
fn prepared(name: &str) -> String {
    let jid = format!("{name}@localhost").parse::<BareJid>();
    let node = jid.ok().and_then(|jid| jid.node().map(str::to_owned));
    node.unwrap_or_else(|| name.to_owned())
}

/// Returns the bounds of the addresses with this part before the `@`: `A` is the character after that.
fn bounds(name: &str) -> [String; 2] {
    [format!("{name}@"), format!("{name}A")]
}
