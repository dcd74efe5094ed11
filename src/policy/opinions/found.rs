//! Rooms that were there before the policy.

use jiff::Timestamp;

use crate::policy::attempt::{Affiliation, Role, RoomView};
use crate::policy::context::Case;
use crate::policy::record::{Record, Source};
use crate::policy::rules::access::Persistence;
use crate::policy::verdict::Effects;

/// Brings a room from before the policy under it. Settings of its own that are stricter stay.
pub(super) fn adopt(case: &Case<'_>, source: Option<Source>, effects: &mut Effects) {
    let persistent = case.rules.access.persistent.value;
    effects.members_only = effects.members_only.filter(|on| *on);
    effects.hidden = effects.hidden.filter(|on| *on);
    let found = case.room.is_found();
    // What was stored before stays until the meeting has ended.
    effects.persistent = persistent.fixed().filter(|lasts| *lasts || !found);
    effects.keep = found.then_some(persistent != Persistence::Never);
    // The first who joins is no opener: people may be inside, and another person may own it.
    let record = Record::new(case.now, "", source);
    effects.record = Some(Record { found, ..record });
}

/// Returns the record with which a new meeting begins in an empty room from before the policy, or `None` where a
/// meeting goes on. Times count from then on; people who were removed stay out.
pub(in crate::policy) fn begun(room: &RoomView, now: Timestamp) -> Option<Record> {
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

/// Returns whether the room's own setting admits members only, on a service without a lobby of its own.
pub(in crate::policy) fn is_for_members(case: &Case<'_>) -> bool {
    case.room.is_found() && case.room.members_only && !case.room.lobby
}

/// Returns whether the room itself makes the requester a moderator, for as long as it does.
pub(in crate::policy) fn moderates(case: &Case<'_>) -> bool {
    case.room.is_found() && affiliation(case) >= Affiliation::Admin
}

/// Returns the requester's affiliation in the room, or a higher one that a removal has taken.
fn affiliation(case: &Case<'_>) -> Affiliation {
    let suspended = case.who.person.as_ref().and_then(|person| person.suspended);
    suspended.unwrap_or_default().max(case.who.affiliation)
}

/// Returns whether the room's own lists have the requester as a member or higher.
pub(in crate::policy) fn is_member(case: &Case<'_>) -> bool {
    case.room.is_found() && affiliation(case) >= Affiliation::Member
}

/// Adds what a person who comes in is given. The room has owners of its own: nobody becomes one by coming in, but a
/// person gets back what a removal took.
pub(in crate::policy) fn seat(case: &Case<'_>, moderates: bool, effects: &mut Effects) {
    let needs_membership = case.room.members_only && affiliation(case) < Affiliation::Member;
    let given_back = case.who.person.as_ref().and_then(|person| person.suspended);
    let is_kept = case.rules.access.persistent.value != Persistence::Never;
    effects.keep = (is_kept != case.room.persistent).then_some(is_kept);
    effects.affiliation = given_back.or(needs_membership.then_some(Affiliation::Member));
    if moderates && !case.rules.moderators.by_room {
        effects.role = Some(Role::Moderator);
    } else if needs_membership {
        effects.role = Some(Role::Participant);
    }
}
