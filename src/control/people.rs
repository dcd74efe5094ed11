//! A command about people of one room.

use serde::{Deserialize, Serialize};

use super::command::{Field, FieldKind, ROOM, may};
use super::typed::Length;

const SOMEBODY: Field = may("jid", "Person: address, nick, or id of a decision", FieldKind::Person);
const EVERYBODY: Field = may("all", "Everybody", FieldKind::Flag);
const SINCE: Field = may("since", "Who came or knocked within this time", FieldKind::Duration);
const MATCH: Field = may("match", "Whose nick, name or address is like this", FieldKind::Text);
const CLASS: Field = may("class", "Of this class of the policy", FieldKind::Choice(&CLASSES));
const NETWORK: Field = may("network", "From this network", FieldKind::Text);
const MODERATORS: Field = may("moderators", "Moderators and operators, too", FieldKind::Flag);
const KEEP_OUT: Field = may("keep_out", "How long they stay out of this room", FieldKind::Duration);
const REASON: Field = may("reason", "What they are told", FieldKind::Text);
const DRY_RUN: Field = may("dry_run", "Only say who", FieldKind::Flag);
/// The classes of people; services are none.
const CLASSES: [&str; 7] =
    ["operator", "listed", "token", "account", "returning", "federated", "guest"];

/// What `admit` and `reject` take.
pub(super) const ANSWERED: &[Field] =
    &[ROOM, SOMEBODY, EVERYBODY, SINCE, MATCH, CLASS, NETWORK, DRY_RUN];
/// What `remove` takes.
pub(super) const GOING: &[Field] = &[
    ROOM, SOMEBODY, EVERYBODY, SINCE, MATCH, CLASS, NETWORK, MODERATORS, KEEP_OUT, REASON, DRY_RUN,
];
/// What `hold` takes.
pub(super) const HELD: &[Field] =
    &[ROOM, SOMEBODY, EVERYBODY, SINCE, MATCH, CLASS, NETWORK, MODERATORS, REASON, DRY_RUN];

/// Who is meant by a command about the people of a room, and how it is carried out: one person by name, or everybody of
/// whom everything that is given is true.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForPeople {
    /// The room.
    pub room: String,
    /// One person: an address, a nick, or the id of a decision.
    pub jid: Option<String>,
    /// Everybody.
    pub all: bool,
    /// Those who came or knocked within that time.
    pub since: Option<Length>,
    /// Those whose nick, name or address is like this pattern.
    #[serde(rename = "match")]
    pub pattern: Option<String>,
    /// Those of this class of the policy.
    pub class: Option<String>,
    /// Those who come from this network.
    pub network: Option<String>,
    /// Moderators and operators as well.
    pub moderators: bool,
    /// Only say who, and what would be done.
    pub dry_run: bool,
    /// What somebody is told who is removed or sent back to the lobby; `None`: words of the command's own.
    pub reason: Option<String>,
    /// How long they stay out of this room; `None`: as the room's rules say.
    pub keep_out: Option<Length>,
}
