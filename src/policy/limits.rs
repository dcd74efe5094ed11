//! How many, and for how long.

use std::time::Duration;

use super::attempt::{Action, Attempt};
use super::class::Class;
use super::decide::Case;
use super::denial::Denial;
use super::set::Set;
use super::verdict::{Opinion, Rule};
use super::{focus, moderators};
use crate::jid::BareJid;

/// The rules on numbers and durations.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most people in a room, services aside; 0: any number.
    pub occupants: Set<u32>,
    /// The room ends so long after it opened; `None`: never.
    pub duration: Set<Option<Duration>>,
    /// The room is told so long before its end; `None`: it is not.
    pub warn_before: Set<Option<Duration>>,
    /// The room ends so long after its last moderator left; `None`: never.
    pub without_moderator: Set<Option<Duration>>,
    /// Most rooms at a time that one person opened; 0: any number.
    pub rooms_per_opener: Set<u32>,
    /// Most rooms at a time on the server; 0: any number.
    pub rooms: Set<u32>,
    /// So many strangers ...
    pub wave_strangers: Set<u32>,
    /// ... who come in within this time are a wave: from then on strangers have to knock ...
    pub wave_within: Set<Duration>,
    /// ... until none has come for so long.
    pub wave_calm: Set<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            occupants: Set::default(),
            duration: Set::default(),
            warn_before: Set::default_of(Some(Duration::from_secs(300))),
            without_moderator: Set::default(),
            rooms_per_opener: Set::default(),
            rooms: Set::default(),
            wave_strangers: Set::default(),
            wave_within: Set::default_of(Duration::from_secs(60)),
            wave_calm: Set::default_of(Duration::from_secs(600)),
        }
    }
}

/// Whether there is room in the room. Its moderators and the operators find some in any case.
pub(super) fn join(case: &Case<'_>) -> Option<Opinion> {
    let limit = case.rules.limits.occupants;
    let is_full = limit.value > 0 && case.room.others() >= limit.value;
    if !is_full || case.classes.has(Class::Operator) || moderators::entitlement(case).is_some() {
        return None;
    }
    Some(Opinion::deny(Rule::new("limits.occupants", limit.line), Denial::RoomFull))
}

/// Whether one room more may be opened. Operators always may.
pub(super) fn open(case: &Case<'_>) -> Option<Opinion> {
    if case.classes.has(Class::Operator) || focus::is_health_check(case) {
        return None;
    }
    let (limits, pressure) = (&case.rules.limits, case.pressure);
    let is_reached = |limit: Set<u32>, count| limit.value > 0 && count >= limit.value;
    if is_reached(limits.rooms_per_opener, pressure.rooms_of_opener) {
        let rule = Rule::new("limits.rooms_per_opener", limits.rooms_per_opener.line);
        return Some(Opinion::deny(rule, Denial::TooManyOwnRooms));
    }
    if is_reached(limits.rooms, pressure.rooms) {
        let rule = Rule::new("limits.rooms", limits.rooms.line);
        return Some(Opinion::deny(rule, Denial::TooManyRooms));
    }
    None
}

/// Whoever opens the room by this attempt, if it opens one: on Jitsi whoever asked the focus for it.
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
        let somebody = |jid: &str| Requester { jid: jid.parse().ok(), ..Requester::default() };
        let opened = |action, behind| {
            let attempt =
                Attempt { requester: somebody("focus@c"), behind, action, ..Attempt::default() };
            opener(&attempt).map(ToString::to_string)
        };
        let (ann, open) = (Some(somebody("ann@c")), Action::Open { typed: None });
        assert_eq!(opened(open.clone(), None).as_deref(), Some("focus@c"));
        assert_eq!(opened(open, ann.clone()).as_deref(), Some("ann@c"));
        assert_eq!(opened(Action::Request, ann.clone()).as_deref(), Some("focus@c"));
        assert_eq!(opened(Action::Join { credential: Credential::None }, ann), None);
    }
}
