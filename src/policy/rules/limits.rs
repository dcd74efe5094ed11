//! How many, and for how long.

use super::family::family;
use crate::setting::kind::{SECOND, duration, duration_or_never, whole};
use std::time::Duration;

use super::moderators;
use crate::jid::BareJid;
use crate::policy::attempt::{Action, Attempt};
use crate::policy::class::Class;
use crate::policy::context::Case;
use crate::policy::denial::Denial;
use crate::policy::focus;
use crate::policy::verdict::Opinion;
use crate::setting::Setting;

family! {
    /// The rules on numbers and durations.
    "limits": Limits {
        /// Most people in a room, services aside; moderators and operators find room in any case. 0: any number.
        occupants: u32 = 0, whole(0..=1_000_000),
            rule "The room is full. Moderators by the rules, operators and services come in all the same, and services are not counted."
            [off 0];
        /// End the room so long after it opened; "never" does not.
        duration: Option<Duration> = None, duration_or_never(SECOND),
            rule "The room ends: it was open for as long as a room may be."
            [off None; Undescribed];
        /// The room is told so long before its end; "never" does not.
        warn_before: Option<Duration> = Some(Duration::from_secs(300)), duration_or_never(SECOND);
        /// End the room so long after its last moderator left; "never" does not.
        without_moderator: Option<Duration> = None, duration_or_never(SECOND),
            rule "The room ends: no moderator was inside for so long."
            [off None; Undescribed];
        /// Most rooms at a time that one person opened; 0: any number.
        rooms_per_opener: u32 = 0, whole(0..=1_000_000),
            rule "This person opened so many of the rooms that are there."
            [off 0; Undescribed];
        /// Most rooms at a time on this server; 0: any number.
        rooms: u32 = 0, whole(0..=1_000_000),
            rule "There are so many rooms on the server."
            [off 0; Undescribed];
        /// When so many strangers (guests, people of other servers) come into a room ... (0: any number may)
        flood_strangers: u32 = 0, whole(0..=1000),
            rule "Many strangers came in within a short time: further ones have to knock, even with the right password, and the lobby that was put up for it stays up."
            [off 0; Undescribed];
        /// ... within this time, further ones have to knock, even with the right password ...
        flood_within: Duration = Duration::from_secs(60), duration(SECOND);
        /// ... until none has come for so long.
        flood_calm: Duration = Duration::from_secs(600), duration(SECOND);
    }
}

/// Returns whether there is room in the room. Its moderators and the operators find some in any case.
pub(in crate::policy) fn join(case: &Case<'_>) -> Option<Opinion> {
    let limit = case.rules.limits.occupants;
    let is_full = limit.value > 0 && case.room.others() >= limit.value;
    if !is_full || case.classes.has(Class::Operator) || moderators::entitlement(case).is_some() {
        return None;
    }
    Some(Opinion::deny(limit.rule(), Denial::RoomFull))
}

/// Returns whether one room more may be opened. Operators always may.
pub(in crate::policy) fn open(case: &Case<'_>) -> Option<Opinion> {
    if case.classes.has(Class::Operator) || focus::is_health_check(case) {
        return None;
    }
    let (limits, pressure) = (&case.rules.limits, case.pressure);
    let is_reached = |limit: Setting<u32>, count| limit.value > 0 && count >= limit.value;
    if is_reached(limits.rooms_per_opener, pressure.rooms_of_opener) {
        let rule = limits.rooms_per_opener.rule();
        return Some(Opinion::deny(rule, Denial::TooManyOwnRooms));
    }
    if is_reached(limits.rooms, pressure.rooms) {
        let rule = limits.rooms.rule();
        return Some(Opinion::deny(rule, Denial::TooManyRooms));
    }
    None
}

/// The person who opens the room by this attempt, if it opens one: on Jitsi the person who asked the focus for it.
pub fn opener(attempt: &Attempt) -> Option<&BareJid> {
    let is_open = matches!(attempt.action, Action::Open { .. });
    let opener = attempt.behind.as_ref().filter(|_| is_open).unwrap_or(&attempt.requester);
    opener.jid.as_ref().filter(|_| is_open || attempt.action == Action::Request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::attempt::{Credential, Requester};

    #[test]
    fn the_opener_is_whoever_wants_the_room() {
        let person = |jid: &str| Requester { jid: jid.parse().ok(), ..Requester::default() };
        let opened = |action, behind| {
            let attempt =
                Attempt { requester: person("focus@c"), behind, action, ..Attempt::default() };
            opener(&attempt).map(ToString::to_string)
        };
        let (ann, open) = (Some(person("ann@c")), Action::Open { typed: None });
        assert_eq!(opened(open.clone(), None).as_deref(), Some("focus@c"));
        assert_eq!(opened(open, ann.clone()).as_deref(), Some("ann@c"));
        assert_eq!(opened(Action::Request, ann.clone()).as_deref(), Some("focus@c"));
        assert_eq!(opened(Action::Join { credential: Credential::None }, ann), None);
    }
}
