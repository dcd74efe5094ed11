//! Who may open rooms, and who may enter them at all.

use std::collections::HashSet;

use globset::GlobSet;
use jid::BareJid;

use super::class::{Class, ClassSet};
use super::set::Set;

/// The rules on access.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who may open a room.
    pub open: Set<ClassSet>,
    /// Who may enter one.
    pub enter: Set<ClassSet>,
    /// The bare JIDs that make up the class `listed`.
    pub listed_jids: Set<HashSet<BareJid>>,
    /// The domains that make up the class `listed`, in lower case.
    pub listed_domains: Set<HashSet<String>>,
    /// Names (the part before the `@`) that a room may have; `None`: any.
    pub rooms: Set<Option<GlobSet>>,
    /// Names that a room may not have.
    pub refused_rooms: Set<Option<GlobSet>>,
    /// Only encrypted sessions may open or enter.
    pub encrypted: Set<bool>,
    /// A session from this machine counts as encrypted (a web server in front ends TLS there).
    pub trust_loopback: Set<bool>,
    /// Rooms do not appear in listings.
    pub hidden: Set<bool>,
    /// Rooms outlive their last occupant.
    pub persistent: Set<bool>,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            open: Set::default_of(ClassSet::of(&[
                Class::Service,
                Class::Operator,
                Class::Listed,
                Class::Token,
                Class::Account,
                Class::Guest,
            ])),
            enter: Set::default_of(ClassSet::ALL),
            listed_jids: Set::default(),
            listed_domains: Set::default(),
            rooms: Set::default(),
            refused_rooms: Set::default(),
            encrypted: Set::default_of(true),
            trust_loopback: Set::default_of(true),
            hidden: Set::default_of(true),
            persistent: Set::default_of(false),
        }
    }
}
