//! Rules with a line of their own each, so that a decision that names the wrong line is noticed.

use std::collections::HashMap;
use std::sync::Arc;

use vestibule::policy::Rules;

/// Puts each rule on a line of its own, and returns the lines by the names of the rules.
pub(crate) fn number(rules: &mut Rules) -> HashMap<&'static str, u32> {
    let access = Arc::make_mut(&mut rules.access);
    let close = Arc::make_mut(&mut rules.close);
    let hours = Arc::make_mut(&mut rules.hours);
    let limits = Arc::make_mut(&mut rules.limits);
    let lobby = Arc::make_mut(&mut rules.lobby);
    let moderators = Arc::make_mut(&mut rules.moderators);
    let password = Arc::make_mut(&mut rules.password);
    let permissions = Arc::make_mut(&mut rules.permissions);
    let removal = Arc::make_mut(&mut rules.removal);
    let lines = [
        ("access.encrypted", &mut access.encrypted.line),
        ("access.enter", &mut access.enter.line),
        ("access.hidden", &mut access.hidden.line),
        ("access.create", &mut access.create.line),
        ("access.persistent", &mut access.persistent.line),
        ("access.refused_rooms", &mut access.refused_rooms.line),
        ("access.rooms", &mut access.rooms.line),
        ("close.after", &mut close.after.line),
        ("close.at_occupants", &mut close.at_occupants.line),
        ("close.by", &mut close.by.line),
        ("close.hold_until", &mut close.hold_until.line),
        ("close.reopen", &mut close.reopen.line),
        ("close.when_unmoderated", &mut close.when_unmoderated.line),
        ("hours.at_end", &mut hours.at_end.line),
        ("hours.closed_on", &mut hours.closed_on.line),
        ("hours.open", &mut hours.open.line),
        ("limits.occupants", &mut limits.occupants.line),
        ("limits.rooms", &mut limits.rooms.line),
        ("limits.rooms_per_opener", &mut limits.rooms_per_opener.line),
        ("limits.flood_strangers", &mut limits.flood_strangers.line),
        ("lobby.admission", &mut lobby.admission.line),
        ("lobby.max_knocks", &mut lobby.max_knocks.line),
        ("lobby.max_waiting", &mut lobby.max_waiting.line),
        ("moderators.admit", &mut moderators.admit.line),
        ("moderators.assign", &mut moderators.assign.line),
        ("moderators.end", &mut moderators.end.line),
        ("moderators.grant", &mut moderators.grant.line),
        ("moderators.remove", &mut moderators.remove.line),
        ("moderators.revoke", &mut moderators.revoke.line),
        ("password.change", &mut password.change.line),
        ("password.deny_list", &mut password.deny_list.line),
        ("password.guesses.burst", &mut password.guesses.burst.line),
        ("password.guesses.room_burst", &mut password.guesses.room_burst.line),
        ("password.min_length", &mut password.min_length.line),
        ("password.min_score", &mut password.min_score.line),
        ("password.required", &mut password.required.line),
        ("password.source", &mut password.source.line),
        ("password.show_to_moderators", &mut password.show_to_moderators.line),
        ("permissions.dial", &mut permissions.dial.line),
        ("permissions.e2ee", &mut permissions.e2ee.line),
        ("permissions.record", &mut permissions.record.line),
        ("removal.keep_out_for", &mut removal.keep_out_for.line),
    ];
    (1000..)
        .zip(lines)
        .map(|(line, (name, place))| {
            *place = line;
            (name, line)
        })
        .collect()
}
