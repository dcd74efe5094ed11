//! Who may open rooms, and who may enter them at all.

use std::collections::HashSet;

use globset::GlobSet;

use super::attempt::{Affiliation, Auth};
use super::class::{Class, ClassSet};
use super::decide::Case;
use super::denial::Denial;
use super::made;
use super::room_name::spellings;
use super::set::Set;
use super::verdict::{Opinion, Rule};
use crate::jid::BareJid;

/// Who may open rooms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Opening {
    /// Whoever has proved something; guests too where nobody can, since nobody logs in to that server.
    #[default]
    Default,
    /// These classes.
    Classes(ClassSet),
}

impl Opening {
    /// The name of the default in the file.
    pub const DEFAULT: &'static str = "default";

    const PROVED: ClassSet = ClassSet::of(&[
        Class::Service,
        Class::Operator,
        Class::Listed,
        Class::Token,
        Class::Account,
    ]);

    /// The classes, on a server where people log in or not ([`RoomView::nobody_logs_in`]).
    ///
    /// [`RoomView::nobody_logs_in`]: super::attempt::RoomView::nobody_logs_in
    pub const fn classes(self, nobody_logs_in: bool) -> ClassSet {
        match self {
            Self::Default if nobody_logs_in => Self::PROVED.with(Class::Guest),
            Self::Default => Self::PROVED,
            Self::Classes(classes) => classes,
        }
    }
}

/// The rules on access.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who may open a room.
    pub open: Set<Opening>,
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
    /// Rooms do not appear in listings; `None`: that is left to the room.
    pub hidden: Set<Option<bool>>,
    /// Whether rooms outlive their last occupant.
    pub persistent: Set<Persistence>,
}

/// Whether rooms outlive their last occupant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Persistence {
    /// Those that were there before the policy stay as they are; a new one does not, unless somebody makes it so whom
    /// `settings.persistent` lets.
    #[default]
    Keep,
    /// They do.
    Always,
    /// They do not, those that were there before included.
    Never,
    /// That is left to the room. No word in the file: it is what remains of a rule that is off.
    ByRoom,
}

impl Persistence {
    /// Returns what is set in every room.
    pub const fn fixed(self) -> Option<bool> {
        match self {
            Self::Always => Some(true),
            Self::Never => Some(false),
            Self::Keep | Self::ByRoom => None,
        }
    }

    /// Returns what is set in a new room.
    pub const fn preset(self) -> Option<bool> {
        match self {
            Self::Always => Some(true),
            Self::Never | Self::Keep => Some(false),
            Self::ByRoom => None,
        }
    }
}

impl Default for Access {
    fn default() -> Self {
        Self {
            open: Set::default(),
            enter: Set::default_of(ClassSet::ALL),
            listed_jids: Set::default(),
            listed_domains: Set::default(),
            rooms: Set::default(),
            refused_rooms: Set::default(),
            encrypted: Set::default_of(true),
            trust_loopback: Set::default_of(true),
            hidden: Set::default_of(Some(true)),
            persistent: Set::default_of(Persistence::Keep),
        }
    }
}

/// Whether a ban, of the file or made at run time, is on the requester.
pub(super) fn banned(case: &Case<'_>) -> Option<Opinion> {
    let who = case.who();
    let named = [Some(case.jid), who.account.as_ref()].into_iter().flatten();
    let (bans, room) = (&case.policy.bans, case.room_name());
    let on = |jid| match case.exempt {
        false => bans.on(jid, who.address, room, case.now),
        true => bans.on_account(jid, room, case.now),
    };
    if let Some(ban) = named.into_iter().find_map(on) {
        return Some(Opinion::deny(Rule::new("ban", ban.line()), Denial::Banned));
    }
    if made::keeps_out(case) {
        return Some(Opinion::deny(Rule::new("ban", 0), Denial::Banned));
    }
    None
}

/// Whether the requester may be in any room at all: not banned, encrypted, of a class that may.
pub(super) fn enter(case: &Case<'_>) -> Option<Opinion> {
    let who = case.who();
    let access = &case.rules.access;
    if let Some(banned) = banned(case) {
        return Some(banned);
    }
    if who.affiliation == Affiliation::Outcast {
        return Some(Opinion::deny(Rule::new("room.outcast", 0), Denial::Outcast));
    }
    if access.encrypted.value && who.secure == Some(false) && !is_local(case) {
        let rule = Rule::new("access.encrypted", access.encrypted.line);
        return Some(Opinion::deny(rule, Denial::NotEncrypted));
    }
    if !access.enter.value.meets(case.classes) {
        let rule = Rule::new("access.enter", access.enter.line);
        let denial = if log_in_helps(case, access.enter.value) {
            Denial::LogInToEnter
        } else {
            Denial::MayNotEnter
        };
        return Some(Opinion::deny(rule, denial));
    }
    None
}

/// Whether the requester may open this room.
pub(super) fn open(case: &Case<'_>) -> Option<Opinion> {
    let access = &case.rules.access;
    let may = access.open.value.classes(case.room.nobody_logs_in);
    if !may.meets(case.classes) {
        let rule = Rule::new("access.open", access.open.line);
        let denial = if log_in_helps(case, may) { Denial::LogInToOpen } else { Denial::MayNotOpen };
        return Some(Opinion::deny(rule, denial));
    }
    name(case)
}

/// Whether a room of this name may be opened.
pub(super) fn name(case: &Case<'_>) -> Option<Opinion> {
    let access = &case.rules.access;
    let is_one_of =
        |rooms: &GlobSet| spellings(case.room_name()).any(|spelling| rooms.is_match(&*spelling));
    if access.rooms.value.as_ref().is_some_and(|rooms| !is_one_of(rooms)) {
        let rule = Rule::new("access.rooms", access.rooms.line);
        return Some(Opinion::deny(rule, Denial::RoomName));
    }
    if access.refused_rooms.value.as_ref().is_some_and(is_one_of) {
        let rule = Rule::new("access.refused_rooms", access.refused_rooms.line);
        return Some(Opinion::deny(rule, Denial::RoomName));
    }
    None
}

/// Somebody who proved nothing could, and then he might.
fn log_in_helps(case: &Case<'_>, may: ClassSet) -> bool {
    case.identity.auth == Auth::Anonymous
        && case.identity.account.is_none()
        && (may.has(Class::Account) || may.has(Class::Token))
}

fn is_local(case: &Case<'_>) -> bool {
    case.rules.access.trust_loopback.value
        && case.who().address.is_some_and(|address| address.to_canonical().is_loopback())
}
