//! Queries of the audit database.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::entry::{Entry, Kind};
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
