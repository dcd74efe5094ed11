//! What would have been decided if the rules that are only observed were enforced.

use super::attempt::{Action, RoomView};
use super::decide::{Case, opinion_on};
use super::lobby;
use super::record::Closed;
use super::rules::Rules;
use super::verdict::Opinion;
use super::wave::Wave;

/// The opinion of these rules on a case that was judged by others.
pub(super) fn would(case: &Case<'_>, rules: &Rules) -> Opinion {
    let pressure = case.pressure.as_observed();
    let classes = super::classify::classes(case.policy, rules, case.who);
    let room = as_it_would_be(&Case { rules, ..*case });
    opinion_on(&Case { rules, classes, room: &room, pressure: &pressure, ..*case })
}

/// The room as these rules would have made it, as far as that can be known: what nobody was refused, nobody
/// remembers. Nothing of what is observed is ever written into the room.
fn as_it_would_be(case: &Case<'_>) -> RoomView {
    let (rules, mut room) = (case.rules, case.room.clone());
    // Only of these a gate says whether the room is there.
    let may_be_new = matches!(case.attempt.action, Action::Open { .. } | Action::Request);
    if room.exists || !may_be_new {
        room.has_password |= rules.password.required.value;
        room.members_only |= lobby::is_members_only(case);
    }
    let limit = rules.close.at_occupants.value;
    let is_full = limit > 0 && room.occupants >= limit;
    if let Some(record) = room.record.as_mut().filter(|record| record.closed.is_none() && is_full) {
        record.closed = Some(Closed::Count);
    }
    let limit = rules.limits.wave_strangers.value;
    let is_wave = limit > 0 && case.pressure.strangers >= limit;
    if let Some(record) = room.record.as_mut().filter(|record| record.wave.is_none() && is_wave) {
        record.wave = Some(Wave { since: case.now, lobby: false });
    }
    room
}
