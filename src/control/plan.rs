//! What another file would do to the rooms that are there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::KeyChange;
use crate::secret::Secret;

/// Most entries of a list that are told one by one.
const MOST: usize = 1000;

/// A file that is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its absolute path: the files that it names are looked for in its folder, by the component. Empty: the component's own file.
    pub path: String,
    /// What it says.
    pub text: Secret,
}

/// What another file would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The revision in force.
    pub running: String,
    /// The revision of the other file.
    pub revision: String,
    /// What may not be meant in the other file.
    pub warnings: Vec<String>,
    /// Keys that the files give differently, secrets not shown.
    pub keys: Vec<KeyChange>,
    /// Rooms that are there; `None`: there is no link to the server, and only the keys were compared.
    pub rooms: Option<usize>,
    /// Rooms that the server has stored.
    #[serde(default)]
    pub stored: usize,
    /// Of these, rooms that were there before the policy and stay as they are.
    #[serde(default)]
    pub kept: usize,
    /// People inside, services apart: each once for each room.
    pub inside: usize,
    /// Authentication providers of which the other file says something else than the one in force, or nothing.
    #[serde(default)]
    pub providers: Vec<ProviderChange>,
    /// What would differ in rooms, and does not now.
    pub changes: List<RoomChange>,
    /// Who would be removed.
    pub removed: List<PersonChange>,
    /// Who waits, and would be let in.
    pub let_in: List<PersonChange>,
    /// Who waits, and would be turned away.
    pub turned_away: List<PersonChange>,
    /// Most people whom a reload may remove, by the file in force.
    pub limit: usize,
    /// A reload would be refused unless it is forced.
    pub refused: bool,
}

/// Some of many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct List<T> {
    /// How many there are.
    pub count: usize,
    /// The first of them, at most 1000.
    pub first: Vec<T>,
}

impl<T> List<T> {
    /// The list of all these.
    pub fn of(mut all: Vec<T>) -> Self {
        let count = all.len();
        all.truncate(MOST);
        Self { count, first: all }
    }
}

/// What would differ in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoomChange {
    /// The room.
    pub room: String,
    /// The rule that would ask for something else.
    pub rule: String,
    /// Its line in the other file; 0: a built-in default.
    pub line: u32,
    /// Whom it is about, if it is about a person.
    pub jid: Option<String>,
    /// What is.
    pub is: String,
    /// What should be.
    pub should: String,
    /// It would be repaired, not only reported.
    pub repaired: bool,
}

/// What would become of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PersonChange {
    /// The room.
    pub room: String,
    /// Who.
    pub jid: String,
    /// By which rule.
    pub rule: String,
    /// Its line in the other file; 0: a built-in default.
    pub line: u32,
}

/// What a log-in with an authentication provider proves, by the file in force and by another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderChange {
    /// The provider.
    pub name: String,
    /// The hosts that have it.
    pub hosts: Vec<String>,
    /// What it proves now: `account`, `token` or `guest`; `None`: it is not known, and counts as `guest`.
    pub before: Option<String>,
    /// What it would prove.
    pub after: Option<String>,
    /// People inside who logged in with it: each once for each room.
    pub inside: usize,
}
