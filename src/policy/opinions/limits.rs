//! Opinions on limits: occupants of a room, rooms on the server, and join floods.

use super::lobby;
use super::moderators::{entitlement, moderates};
use crate::jid::BareJid;
use crate::policy::Rules;
use crate::policy::attempt::{Action, Affiliation, Attempt, Role, RoomView};
use crate::policy::class::Class;
use crate::policy::context::Case;
use crate::policy::denial::Denial;
use crate::policy::notice::Notice;
use crate::policy::record::{JoinFlood, Person, Record};
use crate::policy::verdict::{Audience, Decision, Effects, Opinion, Rule, Verdict};
use crate::setting::Setting;

/// Denies a join to a full room, except to its moderators and to operators.
pub(in crate::policy) fn join(case: &Case<'_>) -> Option<Opinion> {
    let limit = case.rules.limits.occupants;
    let is_full = limit.value > 0 && case.room.others() >= limit.value;
    if !is_full || case.classes.has(Class::Operator) || entitlement(case).is_some() {
        return None;
    }
    Some(Opinion::deny(limit.rule(), Denial::RoomFull))
}

/// Denies opening another room where a limit on rooms is reached, except to operators and health checks of the focus.
pub(in crate::policy) fn open(case: &Case<'_>) -> Option<Opinion> {
    if case.classes.has(Class::Operator) || case.is_health_check() {
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

/// Returns the person who opens the room by this attempt, if it opens one: on Jitsi the person who asked the focus.
pub fn opener(attempt: &Attempt) -> Option<&BareJid> {
    let is_open = matches!(attempt.action, Action::Open { .. });
    let opener = attempt.behind.as_ref().filter(|_| is_open).unwrap_or(&attempt.requester);
    opener.jid.as_ref().filter(|_| is_open || attempt.action == Action::Request)
}

/// Makes a stranger knock during a join flood where `opinion` would let them in, even with the right password.
/// Otherwise returns `opinion`.
pub(in crate::policy) fn join_in_flood(
    case: &Case<'_>,
    opinion: Option<Opinion>,
) -> Option<Opinion> {
    let is_wave = case.rules.limits.flood_strangers.value > 0
        && case.room.record.as_ref().is_some_and(|record| record.wave.is_some());
    let comes_in = opinion.as_ref().is_none_or(|opinion| opinion.verdict == Verdict::Allow);
    if !is_wave || !comes_in || !is_stranger(case) {
        return opinion;
    }
    Some(lobby::knock_by(case, rule(case.rules)))
}

/// Starts a join flood if the requester is the stranger who reaches the limit: strangers have to knock from now on.
pub(in crate::policy) fn enter(case: &Case<'_>, effects: &mut Effects) {
    let limit = case.rules.limits.flood_strangers.value;
    let is_last = limit > 0 && case.pressure.strangers.saturating_add(1) >= limit;
    let record = effects.record.as_ref().or(case.room.record.as_ref());
    let Some(record) = record.filter(|record| is_last && record.wave.is_none()) else { return };
    if !is_stranger(case) {
        return;
    }
    let lobby = case.room.lobby && !case.room.members_only;
    let wave = Some(JoinFlood { since: case.now, lobby });
    effects.record = Some(Record { wave, ..record.clone() });
    effects.notices.push((Audience::Moderators, Notice::JoinFlood));
    if lobby {
        effects.lobby = Some(true);
        effects.members_only = Some(true);
        effects.affiliation = effects.affiliation.or(Some(Affiliation::Member));
        effects.role = effects.role.or(Some(Role::Participant));
    }
}

/// Returns the effects that end a join flood; `None`: there is none.
pub(in crate::policy) fn over(view: &RoomView) -> Option<Effects> {
    let record = view.record.as_ref()?;
    let wave = record.wave?;
    let down = wave.lobby.then_some(false);
    Some(Effects {
        record: Some(Record { wave: None, ..record.clone() }),
        lobby: down,
        members_only: down,
        notices: vec![(Audience::Moderators, Notice::Calm)],
        ..Effects::default()
    })
}

/// Denies taking down the lobby that was put up for a join flood.
pub(in crate::policy) fn take_lobby_down(case: &Case<'_>) -> Option<Opinion> {
    let wave = case.room.record.as_ref()?.wave?;
    let is_rule = case.rules.limits.flood_strangers.value > 0;
    (wave.lobby && is_rule).then(|| Opinion::deny(rule(case.rules), Denial::LobbyMandatory))
}

/// Returns the rule on join floods.
pub fn rule(rules: &Rules) -> Rule {
    rules.limits.flood_strangers.rule()
}

/// Returns whether the requester is a guest or of another server, and was neither let in nor inside before.
fn is_stranger(case: &Case<'_>) -> bool {
    is_strange(case.classes.strongest(), case.who.affiliation)
        && !case.rules.lobby.bypass.value.meets(case.classes)
        && moderates(case).is_none()
}

const fn is_strange(class: Class, affiliation: Affiliation) -> bool {
    matches!(class, Class::Guest | Class::Federated)
        && matches!(affiliation, Affiliation::None | Affiliation::Outcast)
}

/// Returns whether a stranger came in or knocks.
pub fn is_arrival(attempt: &Attempt, decision: &Decision) -> bool {
    matches!(attempt.action, Action::Join { .. })
        && !attempt.requester.changes
        && !attempt.requester.visitor
        && matches!(decision.verdict, Verdict::Allow | Verdict::Hold)
        && is_strange(decision.class, attempt.requester.affiliation)
        // The opener for whom a focus has opened the room is of their own class when they come.
        && !attempt.requester.person.as_ref().is_some_and(Person::has_been_inside)
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

    #[test]
    fn strangers_who_come_in_or_knock_arrive_and_nobody_else() {
        let arrives = |action, verdict, class, affiliation| {
            let requester = Requester { affiliation, ..Requester::default() };
            let attempt = Attempt { action, requester, ..Attempt::default() };
            let decision = Decision {
                verdict,
                rule: Rule::new("lobby.admission", 1),
                class,
                denial: None,
                effects: Effects::default(),
                would: None,
                exceptions: Vec::new(),
            };
            is_arrival(&attempt, &decision)
        };
        let join = || Action::Join { credential: Credential::None };
        assert!(arrives(join(), Verdict::Allow, Class::Guest, Affiliation::None));
        assert!(arrives(join(), Verdict::Hold, Class::Federated, Affiliation::None));
        assert!(!arrives(join(), Verdict::Deny, Class::Guest, Affiliation::None));
        assert!(!arrives(Action::Destroy, Verdict::Allow, Class::Guest, Affiliation::None));
        assert!(!arrives(join(), Verdict::Allow, Class::Account, Affiliation::None));
        assert!(!arrives(join(), Verdict::Allow, Class::Guest, Affiliation::Member));
    }
}
