//! The compiled policy: what a file comes to.

use std::collections::HashMap;
use std::sync::Arc;

use globset::{GlobMatcher, GlobSet};
use jid::BareJid;

use super::access::Access;
use super::bans::Bans;
use super::close::Close;
use super::exceptions::Exceptions;
use super::hours::Hours;
use super::limits::Limits;
use super::lobby::Lobby;
use super::moderators::Moderators;
use super::modes::Modes;
use super::password::Password;
use super::permissions::Permissions;
use super::removal::Removal;
use super::room_name::spellings;
use super::settings::Settings;
use super::texts::Texts;

/// The rules for one room, every family with every value. An override shares the families of which it says
/// nothing.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Passwords.
    pub password: Arc<Password>,
    /// The lobby.
    pub lobby: Arc<Lobby>,
    /// Moderators.
    pub moderators: Arc<Moderators>,
    /// Closing.
    pub close: Arc<Close>,
    /// Access.
    pub access: Arc<Access>,
    /// Those who were removed.
    pub removal: Arc<Removal>,
    /// What people inside may do.
    pub permissions: Arc<Permissions>,
    /// Opening hours.
    pub hours: Arc<Hours>,
    /// Numbers and durations.
    pub limits: Arc<Limits>,
    /// Which of these are off, and which only observed.
    pub modes: Arc<Modes>,
    /// What the rules would be if those that are observed were enforced; `None`: none is.
    pub observed: Option<Arc<Self>>,
    /// Settings that moderators know.
    pub settings: Arc<Settings>,
}

/// Rules for the rooms whose address matches.
#[derive(Clone, Debug)]
pub struct Override {
    /// The pattern as written.
    pub pattern: String,
    /// The same, to match a whole bare room JID or its name.
    pub matcher: GlobMatcher,
    /// The 1-based line of the `[[room]]`.
    pub line: u32,
    /// The base rules with the override's values in place.
    pub rules: Arc<Rules>,
}

/// Everything that decisions rest on.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Names this policy: the first 12 hex digits of the SHA-256 of the file's bytes.
    pub revision: String,
    /// Service accounts: exact bare JIDs, with their line.
    pub services: HashMap<BareJid, u32>,
    /// The account of each service's conference focus, by the domain of the service.
    pub focuses: HashMap<String, BareJid>,
    /// Operators: exact bare JIDs, with their line.
    pub operators: HashMap<BareJid, u32>,
    /// Nicks that only services may bear, in lower case.
    pub reserved_nicks: Vec<String>,
    /// Who stays out.
    pub bans: Bans,
    /// For whom some rules do not hold.
    pub exceptions: Exceptions,
    /// The words for people.
    pub texts: Texts,
    /// The rules where no override matches.
    pub base: Arc<Rules>,
    /// Overrides, the most specific pattern first.
    pub rooms: Vec<Override>,
    /// The patterns of `rooms`, in that order, as one automaton.
    pub patterns: GlobSet,
}

impl Policy {
    /// The rules for a room: those of the most specific override that matches its name (the part before
    /// the `@`, as it is or as people read it) or its whole bare JID, else the base. Costs a pass over the automaton, so it is called
    /// when a room is first seen, not for each decision.
    pub fn rules_for(&self, room: &BareJid) -> Arc<Rules> {
        let name = room.node().map(|node| node.as_str()).unwrap_or_default();
        spellings(name)
            .flat_map(|spelling| self.patterns.matches(&*spelling))
            .chain(self.patterns.matches(room.as_str()))
            .min()
            .and_then(|first| self.rooms.get(first))
            .map_or_else(|| Arc::clone(&self.base), |found| Arc::clone(&found.rules))
    }
}
