//! Rooms that were there before the policy: what they are is kept.
//!
//! Their own password, list of members, listing and moderators count. A preset of the policy holds in such a room only
//! where an override that matches the room says so.

use super::rules::fixed;
use std::sync::Arc;

use jiff::Timestamp;

use super::Rules;
use super::access::Persistence;
use super::attempt::{Affiliation, Role, RoomView};
use super::close::Conditions;
use super::context::Case;
use super::lobby::{self, Admission};
use super::record::Record;
use super::verdict::{Effects, Opinion};
use crate::setting::Setting;

/// Returns the rules for a room that was there: `rules` without those presets that `base` has as well.
pub(super) fn rules(rules: &Rules, base: &Rules) -> Rules {
    let mut kept = without_presets(rules, base);
    if let (Some(observed), Some(of_base)) = (&rules.observed, base.observed.as_deref()) {
        kept.observed = Some(Arc::new(without_presets(observed, of_base)));
    }
    kept
}

fn without_presets(rules: &Rules, base: &Rules) -> Rules {
    let mut kept = rules.clone();
    let (password, of_base) = (&rules.password, &base.password);
    if !is_own(&password.required, &of_base.required) && !is_own(&password.source, &of_base.source)
    {
        Arc::make_mut(&mut kept.password).required.value = false;
        Arc::make_mut(&mut kept.close).hold_until.value =
            Conditions { password: false, ..rules.close.hold_until.value };
    }
    let lobby = Arc::make_mut(&mut kept.lobby);
    if !is_own(&rules.lobby.admission, &base.lobby.admission) {
        lobby.by_room = true;
        lobby.admission.value = Admission::Password;
    }
    // A room that has owners is not without a moderator because none of them is there.
    if !is_own(&rules.lobby.unattended, &base.lobby.unattended) {
        lobby.unattended.value = Vec::new();
    }
    let moderators = &rules.moderators.succession_after;
    if !is_own(moderators, &base.moderators.succession_after) {
        Arc::make_mut(&mut kept.moderators).succession_after.value = None;
    }
    if !is_own(&rules.access.hidden, &base.access.hidden) {
        Arc::make_mut(&mut kept.access).hidden.value = None;
    }
    kept
}

/// An override, or its profile, gives the value.
const fn is_own<T>(value: &Setting<T>, base: &Setting<T>) -> bool {
    value.line != base.line
}

/// Returns the record with which a new meeting begins in a room that was there and that nobody is in, or `None`
/// where the meeting goes on. Times count from then on; who was removed stays out.
pub(super) fn begun(room: &RoomView, now: Timestamp) -> Option<Record> {
    let record = room.record.as_ref().filter(|record| record.found && room.occupants == 0)?;
    Some(Record {
        opened: now,
        reopened: None,
        closed: None,
        wave: None,
        warned: Vec::new(),
        ..record.clone()
    })
}

/// Only members come in, by the room's own setting. On Jitsi its lobby ensures that.
pub(super) fn is_for_members(case: &Case<'_>) -> bool {
    case.room.is_found() && case.room.members_only && !case.room.lobby
}

/// Returns what becomes of a person who is none.
pub(super) fn knock(case: &Case<'_>) -> Opinion {
    Opinion { rule: fixed::ROOM_MEMBERS.at(0), ..lobby::knock(case) }
}

/// The room itself makes the requester a moderator, for as long as it does.
pub(super) fn moderates(case: &Case<'_>) -> bool {
    case.room.is_found() && affiliation(case) >= Affiliation::Admin
}

/// Returns what the requester is there, or was before a removal that is over.
fn affiliation(case: &Case<'_>) -> Affiliation {
    let suspended = case.who().person.as_ref().and_then(|person| person.suspended);
    suspended.unwrap_or_default().max(case.who().affiliation)
}

/// The room has the requester in its own lists, where nothing is against it.
pub(super) fn is_member(case: &Case<'_>) -> bool {
    case.room.is_found() && affiliation(case) >= Affiliation::Member
}

/// What a person is given who comes in. The room has owners of its own, and nobody becomes one by coming in, but those
/// from whom a removal took it.
pub(super) fn seat(case: &Case<'_>, moderates: bool, effects: &mut Effects) {
    let needs_membership = case.room.members_only && affiliation(case) < Affiliation::Member;
    let given_back = case.who().person.as_ref().and_then(|person| person.suspended);
    let is_kept = case.rules.access.persistent.value != Persistence::Never;
    effects.keep = (is_kept != case.room.persistent).then_some(is_kept);
    effects.affiliation = given_back.or(needs_membership.then_some(Affiliation::Member));
    if moderates && !case.rules.moderators.by_room {
        effects.role = Some(Role::Moderator);
    } else if needs_membership {
        effects.role = Some(Role::Participant);
    }
}
