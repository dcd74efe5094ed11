//! Queries of the audit database.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::entry::{Entry, Kind};

/// Which entries; everything that is given has to hold. The newest of them, or with [`after`](Self::after) the
/// oldest, at most [`limit`](Self::limit) of them, always in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Query {
    /// The room's bare JID, or only the part before the `@`.
    pub room: Option<String>,
    /// The person's bare JID, or only the part before the `@`.
    pub person: Option<String>,
    /// A rule (`lobby.admission`), or a family of rules (`lobby`).
    pub rule: Option<String>,
    /// The verdict of a decision.
    pub verdict: Option<String>,
    /// The kind of entry.
    pub kind: Option<Kind>,
    /// The id of a decision or an action.
    pub id: Option<String>,
    /// From that moment on.
    pub since: Option<Timestamp>,
    /// Before that moment.
    pub until: Option<Timestamp>,
    /// Words that stand somewhere in the body or the nick; of Latin letters, capitals are small letters.
    pub text: Option<String>,
    /// Numbers greater than that.
    pub after: Option<i64>,
    /// Numbers less than that.
    pub before: Option<i64>,
    /// Only those of the server of that name.
    pub server: Option<String>,
    /// At most so many, 1 to [`Self::MOST`].
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
