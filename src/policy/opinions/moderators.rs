//! Opinions on moderators: who moderates, and by which rule.

use std::time::Duration;

use super::access;
use crate::policy::Rules;
use crate::policy::attempt::{
    Action, Affiliation, Attempt, Auth, Credential, Role, RoomView, UNLIMITED,
};
use crate::policy::class::Class;
use crate::policy::context::Case;
use crate::policy::denial::Denial;
use crate::policy::notice::Notice;
use crate::policy::rules::kinds::Who;
use crate::policy::rules::moderators::{Become, HostCode};
use crate::policy::verdict::{Decision, Opinion, Rule, Verdict};
use crate::setting::Setting;

/// Returns the rule by which the requester moderates this room, if one does.
///
/// The ways are tried in the order of the file, and then what moderators of the room have granted since.
pub(in crate::policy) fn entitlement(case: &Case<'_>) -> Option<Rule> {
    let moderators = &case.rules.moderators;
    let rule = moderators.assign.rule();
    if moderators.assign.value.iter().any(|way| is_one(case, *way)) {
        return Some(rule);
    }
    let who = case.who;
    // What a removal has taken counts again once it no longer keeps them out.
    let granted = who
        .person
        .as_ref()
        .is_some_and(|person| person.moderator || person.suspended >= Some(Affiliation::Admin));
    (granted || who.affiliation >= Affiliation::Admin).then(|| moderators.grant.rule())
}

/// Returns the rule by which the requester moderates once they are in, if one does: that of their entitlement, or the
/// host code that they typed. The code opens less than an entitlement does: ask for that one where the room is closed,
/// full, or suspects a person.
pub(in crate::policy) fn moderates(case: &Case<'_>) -> Option<Rule> {
    entitlement(case).or_else(|| has_typed_code(case).then(|| case.rules.moderators.code.rule()))
}

/// Returns whether the room has a host code that counts.
pub(in crate::policy) fn has_code(case: &Case<'_>) -> bool {
    let moderators = &case.rules.moderators;
    moderators.code.value != HostCode::Nowhere
        && !moderators.by_room
        && case.room.record.as_ref().is_some_and(|record| record.code.is_some())
}

/// Returns whether the requester comes in with the room's host code, and it counts: not while too many wrong passwords
/// were typed, and not again for a person from whom a moderator took what it gave.
fn has_typed_code(case: &Case<'_>) -> bool {
    let is_typed = matches!(case.attempt.action, Action::Join { credential: Credential::Code });
    let burst = case.rules.password.guesses.burst.value;
    let guesses = case.pressure.guesses.filter(|_| burst < UNLIMITED);
    let is_taken = case.who.person.as_ref().is_some_and(|person| person.code && !person.moderator);
    is_typed && has_code(case) && guesses.is_none() && room_pressure(case).is_none() && !is_taken
}

/// Returns how long the room takes no passwords from strangers; `None`: it takes them.
pub(super) fn room_pressure(case: &Case<'_>) -> Option<Duration> {
    let limit = case.rules.password.guesses.room_burst.value;
    case.pressure.room.filter(|_| limit < UNLIMITED)
}

/// Returns whether a person typed something that is neither password nor host code, and was not told so, as nothing asked
/// them for either. It counts as a wrong password all the same: they could guess the code.
pub fn is_silent_guess(
    rules: &Rules,
    attempt: &Attempt,
    room: &RoomView,
    decision: &Decision,
) -> bool {
    let has_code = room.record.as_ref().is_some_and(|record| record.code.is_some());
    matches!(attempt.action, Action::Join { credential: Credential::Wrong })
        && matches!(decision.verdict, Verdict::Allow | Verdict::Hold)
        && decision.effects.role != Some(Role::Moderator)
        && has_code
        && rules.moderators.code.value != HostCode::Nowhere
}

/// Returns the notice that tells a moderator the room's password, its host code, or both; `None`: neither.
pub(super) const fn secrets(password: bool, code: bool) -> Option<Notice> {
    match (password, code) {
        (true, true) => Some(Notice::PasswordAndCode),
        (true, false) => Some(Notice::Password),
        (false, true) => Some(Notice::Code),
        (false, false) => None,
    }
}

/// Allows the join of a moderator.
pub(in crate::policy) fn join(case: &Case<'_>) -> Option<Opinion> {
    moderates(case).map(Opinion::allow)
}

pub(in crate::policy) fn is_one(case: &Case<'_>, way: Become) -> bool {
    let moderators = &case.rules.moderators;
    let who = case.who;
    match way {
        Become::Operator => case.classes.has(Class::Operator),
        Become::Listed => case.identity.jid.is_some_and(|jid| {
            moderators.jids.value.contains(jid) || moderators.domains.value.contains(jid.domain())
        }),
        Become::Token => {
            case.identity.auth == Auth::Token
                && who.claims.iter().any(|(name, value)| {
                    *name == moderators.claim.value && moderators.claim_values.value.contains(value)
                })
        }
        Become::Account => case.identity.auth == Auth::Account || case.identity.account.is_some(),
        Become::Opener => match &case.room.record {
            None => matches!(case.attempt.action, Action::Open { .. }) && !case.room.exists,
            // The opener moderates when they come back, unless that was taken from them since.
            Some(record) => {
                (record.opener == case.jid.as_str()
                    && who.person.as_ref().is_some_and(|person| person.moderator))
                    || (matches!(case.attempt.action, Action::Join { .. })
                        && access::takes_the_place(case))
            }
        },
    }
}

/// Returns whether the requester may do what is reserved for `who`.
pub(in crate::policy) fn may(case: &Case<'_>, who: Who) -> bool {
    match who {
        Who::Nobody => false,
        Who::Anybody => true,
        Who::Operator => case.classes.has(Class::Operator),
        Who::Moderator => case.classes.has(Class::Operator) || has_standing(case),
    }
}

/// Allows what is reserved for `who`, by the rule of that setting, or denies it with `denial`.
pub(in crate::policy) fn require(case: &Case<'_>, who: &Setting<Who>, denial: Denial) -> Opinion {
    let rule = who.rule();
    if may(case, who.value) { Opinion::allow(rule) } else { Opinion::deny(rule, denial) }
}

/// What a person's moderation rests on, from the weakest up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// On the grant of a person; also the rank of people who do not moderate.
    Hand,
    /// On having opened the room.
    Opener,
    /// On a rule of the file, the one for openers excepted.
    File,
    /// On being an operator of the file.
    Operator,
}

/// Returns whether the requester is an occupant of the room with this session, not with another one of the account.
pub(in crate::policy) fn is_inside(case: &Case<'_>) -> bool {
    case.who.role != Role::None
}

/// Returns whether the requester moderates by the file.
pub(in crate::policy) fn is_by_file(case: &Case<'_>) -> bool {
    rank(case) >= Rank::File
}

pub(super) fn rank(case: &Case<'_>) -> Rank {
    if case.classes.has(Class::Operator) {
        return Rank::Operator;
    }
    let ways = &case.rules.moderators.assign.value;
    let is_one = |way: &&Become| is_one(case, **way);
    match ways.iter().filter(|way| **way != Become::Opener).find(is_one) {
        Some(_) => Rank::File,
        None if ways.iter().filter(|way| **way == Become::Opener).any(|way| is_one(&way)) => {
            Rank::Opener
        }
        None => Rank::Hand,
    }
}

/// Returns whether the requester moderates the room at this moment: role and affiliation count only inside.
pub(in crate::policy) fn has_standing(case: &Case<'_>) -> bool {
    let who = case.who;
    is_inside(case) && (who.role == Role::Moderator || who.affiliation >= Affiliation::Admin)
}
