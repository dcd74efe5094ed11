//! What would have been decided if the rules that are only observed were enforced.

use super::Rules;
use super::attempt::{Action, RoomView};
use super::context::Case;
use super::decide::opinion_on;
use super::lobby;
use super::record::Closed;
use super::verdict::Opinion;
use super::wave::Wave;

/// The opinion of these rules on a case that was judged by others.
pub(super) fn would(case: &Case<'_>, rules: &Rules) -> Opinion {
    let pressure = case.pressure.as_observed();
    let room = as_it_would_be(&Case { rules, ..*case });
    opinion_on(&Case { rules, room: &room, pressure: &pressure, ..*case })
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
    // A limit of 0 is none: then neither is in force.
    let is_full = room.others() >= rules.close.at_occupants.value;
    let is_wave = case.pressure.strangers >= rules.limits.flood_strangers.value;
    if let Some(record) = &mut room.record {
        if is_full {
            record.closed = record.closed.or(Some(Closed::Count));
        }
        if is_wave {
            record.wave = record.wave.or(Some(Wave { since: case.now, lobby: false }));
        }
    }
    room
}
