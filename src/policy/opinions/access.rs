//! Opinions on access: who may open rooms, and who may enter them at all.

use std::iter;

use globset::GlobSet;

use crate::policy::attempt::{Affiliation, Auth};
use crate::policy::class::{Class, ClassSet};
use crate::policy::context::Case;
use crate::policy::denial::Denial;
use crate::policy::room_name::spellings;
use crate::policy::rules::fixed;
use crate::policy::runtime_bans;
use crate::policy::verdict::Opinion;

/// Denies entry to a requester who is banned, by the file or at run time.
pub(in crate::policy) fn banned(case: &Case<'_>) -> Option<Opinion> {
    let who = case.who;
    let (bans, room) = (&case.policy.bans, case.room_name());
    let on = |jid| match case.exempt {
        false => bans.on(jid, who.address, room, case.now),
        true => bans.on_account(jid, room, case.now),
    };
    if let Some(ban) = iter::once(case.jid).chain(who.behind()).find_map(on) {
        return Some(Opinion::deny(fixed::BAN.at(ban.line()), Denial::Banned));
    }
    if runtime_bans::keeps_out(case) {
        return Some(Opinion::deny(fixed::BAN.at(0), Denial::Banned));
    }
    None
}

/// Denies the requester's presence in any room: banned, not encrypted, or of a class that may not enter.
pub(in crate::policy) fn enter(case: &Case<'_>) -> Option<Opinion> {
    let who = case.who;
    let access = &case.rules.access;
    if let Some(banned) = banned(case) {
        return Some(banned);
    }
    if who.affiliation == Affiliation::Outcast {
        return Some(Opinion::deny(fixed::OUTCAST.at(0), Denial::Outcast));
    }
    if access.encrypted.value && who.secure == Some(false) && !is_local(case) {
        let rule = access.encrypted.rule();
        return Some(Opinion::deny(rule, Denial::NotEncrypted));
    }
    if !access.enter.value.meets(case.classes) {
        let rule = access.enter.rule();
        let denial = if log_in_helps(case, access.enter.value) {
            Denial::LogInToEnter
        } else {
            Denial::MayNotEnter
        };
        return Some(Opinion::deny(rule, denial));
    }
    None
}

/// Denies opening this room to a requester who may not open rooms, or because of its name.
pub(in crate::policy) fn open(case: &Case<'_>) -> Option<Opinion> {
    let access = &case.rules.access;
    let may = access.create.value.classes(case.room.nobody_logs_in);
    if !may.meets(case.classes) {
        let rule = access.create.rule();
        let denial = if log_in_helps(case, may) { Denial::LogInToOpen } else { Denial::MayNotOpen };
        return Some(Opinion::deny(rule, denial));
    }
    name(case)
}

/// Denies opening a room whose name the rules refuse.
pub(in crate::policy) fn name(case: &Case<'_>) -> Option<Opinion> {
    let access = &case.rules.access;
    let is_one_of =
        |rooms: &GlobSet| spellings(case.room_name()).any(|spelling| rooms.is_match(&*spelling));
    if access.rooms.value.as_ref().is_some_and(|rooms| !is_one_of(rooms)) {
        let rule = access.rooms.rule();
        return Some(Opinion::deny(rule, Denial::RoomName));
    }
    if access.refused_rooms.value.as_ref().is_some_and(is_one_of) {
        let rule = access.refused_rooms.rule();
        return Some(Opinion::deny(rule, Denial::RoomName));
    }
    None
}

/// Returns whether the requester is a guest who might be allowed after logging in.
fn log_in_helps(case: &Case<'_>, may: ClassSet) -> bool {
    case.identity.auth == Auth::Anonymous
        && case.identity.account.is_none()
        && (may.has(Class::Account) || may.has(Class::Token))
}

fn is_local(case: &Case<'_>) -> bool {
    case.rules.access.trust_loopback.value
        && case.who.address.is_some_and(|address| address.to_canonical().is_loopback())
}

/// Returns whether the requester takes the place of an opener who never came.
pub(in crate::policy) fn takes_the_place(case: &Case<'_>) -> bool {
    let Some(record) = &case.room.record else { return false };
    record.awaited.is_some_and(|until| until <= case.now)
        && case.room.occupants == 0
        && open(case).is_none()
}
