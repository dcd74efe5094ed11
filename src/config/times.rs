//! Hours, limits and closing that cannot all be meant.

use super::notes::Notes;
use crate::policy::Rules;
use crate::policy::hours::AtEnd;

/// Notes which of the rules never come to pass because of others.
pub(super) fn check(notes: &Notes<'_>, rules: &Rules, path: &str) {
    let (hours, limits, close) = (&rules.hours, &rules.limits, &rules.close);
    let warning = |line, key: &str, message: &str, hint: &str| {
        let path = format!("{path}.{key}");
        notes.warning(notes.place_of(line), path, message, Some(hint.to_owned()));
    };
    if hours.are_none() && hours.at_end.value != AtEnd::Stay {
        warning(
            hours.at_end.line,
            "hours.at_end",
            "there are no hours that could end",
            "write some in `open`, like \"mon-fri 08:00-18:00\"",
        );
    }
    let succession = rules.moderators.succession_after;
    if let (Some(end), Some(succession)) = (limits.without_moderator.value, succession.value)
        && end <= succession
    {
        warning(
            limits.without_moderator.line,
            "limits.without_moderator",
            "the room ends before anybody takes over (`moderators.succession_after`)",
            "make it longer, or write `succession_after = \"never\"`",
        );
    }
    let (most, at) = (limits.occupants, close.at_occupants);
    if most.value > 0 && at.value > most.value {
        warning(
            at.line.max(most.line),
            "close.at_occupants",
            "the room is full before it is closed (`limits.occupants`)",
            "leave one of the two out",
        );
    }
}
